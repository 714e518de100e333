"""Finds in a film what words say: in which scenes, from when to when, and where in the picture.

May import `document` and `store`, and of `pipeline` what locates (`pipeline.grounding`).
"""
