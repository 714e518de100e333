"""Finishing takes: what does it, and the job of the queue.

May import what its room may. What loads torch is imported where it is needed.
"""
