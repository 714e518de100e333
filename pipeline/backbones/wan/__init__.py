"""Wan 2.1 and 2.2, text to video and from pictures, as their authors published them for diffusers.

Importing `prompts` imports no torch.
"""
