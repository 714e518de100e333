"""python -m pipeline.evaluation.editing: whether region edits change what they are asked to, and nothing else.

May import what the other benchmarks may.
"""
