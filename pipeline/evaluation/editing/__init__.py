"""python -m pipeline.evaluation.editing: whether region edits change what they are asked to, and nothing else.

May import `editing` and what the other benchmarks are made of; nothing imports it.
"""
