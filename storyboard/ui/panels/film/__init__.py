"""The film on the page: its dialog with player and exports, and what of it can be changed there.

May import: the panels that all have in common (`..panel`, `..overlay`), components, `..desk`.
"""
