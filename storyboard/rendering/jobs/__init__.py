"""Jobs of the queue as values: which may begin, what depends on what, and how long it takes together.

May import the document and the store, and `trial` what makes takes. Imports neither torch nor gradio.
"""
