"""Throughline's model: scene i from its own prompt and from what the earlier scenes established.

Importing this package is cheap: nothing here loads torch. Import what you need from its modules.
It knows nothing of the storyboard or of Gradio.
"""
