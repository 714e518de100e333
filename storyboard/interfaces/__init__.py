"""The ways in for programs and people: operations, HTTP, the shell, and what all of them show.

May import every other room of `storyboard` but `ui`.
"""
