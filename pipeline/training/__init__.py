"""How the models are trained: the stages of the embedded one, and adapters of any backbone on clips of one's own.

May import the model and `picturebook`, never `evaluation`.
"""
