"""Whether a cast keeps people as they are: `python -m pipeline.evaluation.cast`.

Imports the pipeline, the story benchmark and the reporting beside it.
"""
