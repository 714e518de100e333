"""Throughline's document and the app around it: stories, scenes, takes, rendering, page and command line.

Importing this package is cheap: nothing here loads torch or Gradio. It uses `pipeline`, never the other
way round.
"""
