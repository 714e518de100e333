"""What the studio does about live sketches.

May import what its room may. Loads neither torch nor gradio.
"""
