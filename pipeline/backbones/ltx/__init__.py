"""LTX-Video 0.9, text to video, as its authors published it for diffusers.

Importing `prompts` imports no torch.
"""
