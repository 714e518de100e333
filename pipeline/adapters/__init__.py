"""A subject's own weights: LoRA adapters of the spatial path, taught from a few pictures, worn scene by scene.

`layers` says which weights those are, `files` how they are kept, `wearing` puts them on and takes them off, `teaching`
makes them. May import the pipeline; the app imports this room, so it imports neither training nor evaluation.
"""
