"""Live sketches of scenes while their guidance is being set.

May import what its room may. What loads torch is imported where it is needed.
"""
