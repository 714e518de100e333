"""Text, pictures and clips to features and latents, and latents back to clips.

May import `autoencoder`; knows neither the text filter nor the transformer.
"""
