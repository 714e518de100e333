"""What the continuity meter measures in a clip: looks, presence, the prompt, motion and light.

May import `encoders`, `story_pipeline` and, for its scales, `picturebook`; never `evaluation`, which imports this.
"""
