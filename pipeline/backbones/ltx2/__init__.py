"""LTX-2, text to video with sound, as its authors published it for diffusers.

Importing `prompts` imports no torch.
"""
