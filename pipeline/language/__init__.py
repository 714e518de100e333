"""What the text filter knows of language: words, phrases, mentions, and when two mentions match.

May import `encoders`; knows neither pictures nor the model.
"""
