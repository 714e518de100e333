"""Adapters for any backbone, trained on captioned clips: tasks, samples, the engine and its cost.

May import the model and the other folders of the training.
"""
