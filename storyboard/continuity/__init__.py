"""Whether what recurs in a story looks as it did before: what is measured of takes, and what is said about it.

May import `document` and `store`, and of `pipeline` what measures.
"""
