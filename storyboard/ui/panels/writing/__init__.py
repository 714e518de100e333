"""What stands over the board and helps to begin: what this is, and the words that the model knows.

Modules: `palette`, `welcome`.
"""
