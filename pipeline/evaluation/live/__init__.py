"""What live sketches are worth beside exact takes, and how soon they are there.

May import from all rooms of the pipeline but `training`'s command.
"""
