"""The cast on the page: who and what stays as it is from scene to scene.

May import: the panels that all have in common (`..panel`, `..overlay`), components, `..desk`.
"""
