"""Sketches of a scene while its guidance is being set: a student of the embedded generator makes a clip in four passes.

May import from all rooms of the pipeline up to `story_pipeline`.
"""
