"""History without training: past keyframes as references in self-attention, and the masks that confine them.

May import `encoders`, `language`, `text_filter`, `blocks` and `backbones`.
"""
