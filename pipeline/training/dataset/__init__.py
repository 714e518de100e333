"""The training set: stories of the picture-book world, rendered into shards.

May import the model and `picturebook`; no other folder of the training.
"""
