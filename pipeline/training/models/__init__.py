"""One module for each model that is trained: its losses, its recipe, and what it is trained on.

May import the model, `picturebook`, the training set and the loop.
"""
