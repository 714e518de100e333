"""What is kept on disk: the library of stories with their history, jobs, and files named by their content.

May import `document` and `media`. Everything is written whole or not at all.
"""
