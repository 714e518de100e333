"""Image models with temporal layers: Stable Diffusion 1.5 and its relatives, moved by a motion adapter (AnimateDiff).

Importing `prompts` imports no torch.
"""
