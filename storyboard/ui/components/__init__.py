"""Components that Gradio does not have, each a `gr.HTML` with a typed value, named events and a script of its own.

May import: gradio, `..desk`. Not the panels.
"""
