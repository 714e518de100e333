"""How scenes become takes: the queue, the renderer behind it, the choice of the model, and what it all needs.

May import `document`, `media`, `store` and `continuity`.
"""
