"""What a story is: scenes and takes as frozen values, edits as pure functions, and the plan of what depends on what.

Imports the errors and the defaults of `pipeline` and no other room of `storyboard`; nothing here loads torch or
Gradio.
"""
