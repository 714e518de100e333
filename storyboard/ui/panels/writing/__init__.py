"""What stands over the board and helps to begin: what this is, and the words that the model knows.

May import: the panels that all have in common (`..panel`), components, `..desk`.
"""
