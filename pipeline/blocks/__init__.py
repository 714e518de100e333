"""Parts of transformer blocks: the reuse of blocks from step to step, and the refinement of small figures.

May import `guidance`; knows neither the text filter nor the history.
"""
