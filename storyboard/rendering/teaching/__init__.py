"""Teaching an entry of the cast: what it is taught from, and the job of the queue that does it.

May import what its room may. What loads torch is imported where it is needed.
"""
