"""The picture-book world: stories, captions and rendered clips whose truth is known, and networks that read clips.

May import `backbones`, for where weights lie; the model knows nothing of it.
"""
