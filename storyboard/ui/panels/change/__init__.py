"""Changing parts of a take on the page: what is pointed at, and what it should be.

May import: the panels that all have in common (`..panel`), components, `..desk`.
"""
