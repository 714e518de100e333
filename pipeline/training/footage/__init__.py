"""Films to captioned clips: cuts, shots, captions, and clips of one size.

May import `errors`; knows nothing of the models.
"""
