"""The parts of the page that are Gradio's own components, one file a part: first its layout, then its wiring.

May import: gradio, `..desk`, `..components`. Not the page.
"""
