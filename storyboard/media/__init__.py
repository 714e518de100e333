"""Video files, previews and pictures: read and written, those from outside with care.

Imports no other room of `storyboard`.
"""
