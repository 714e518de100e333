"""What makes a draft a finished clip: larger, and with frames between its frames.

May import what the models above it may.
"""
