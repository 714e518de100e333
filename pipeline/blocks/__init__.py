"""Parts of transformer blocks: attention and what steers it, reuse from step to step, and refined small figures.

May import `guidance`; knows neither the text filter nor the history.
"""
