"""The cast of a story: entries, edits of them, what scenes make of them, and whom a script proposes.

`entries` imports only what documents are made of; the others import the story. Nothing here loads torch or Gradio.
"""
