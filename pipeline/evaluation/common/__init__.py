"""What all measurements share: the arguments and exit codes of their commands, and shares with their intervals.

May import from `pipeline.errors` alone.
"""
