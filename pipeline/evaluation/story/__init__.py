"""The story benchmark: stories, the systems that film them, and the measures.

May import the model, `picturebook` and `pipeline.training`; not the report about it.
"""
