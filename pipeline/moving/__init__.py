"""An image model that is made to move: the picture book's, with temporal layers between its own.

May import the pipeline's lower rooms. Nobody's takes are made with it: it is a proof, and what others may start from.
"""
