"""What a model knows of others, for prior preservation: drawings of the picture book's world, or the model's clips."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..picturebook import renderer, world
from ..picturebook.captions import caption
from ..story_pipeline import StoryPipeline
from .teaching import Prior

SEEDS = 700_000  # from this one on: stories that neither training nor benchmark draws
SILENT = 8  # one clip of so many has no prompt
SAMPLES = 8  # clips that a model makes itself
PEOPLE = ("a person", "a woman", "a man", "somebody")


def priors_of(pipeline: StoryPipeline, name: str, prompts: Sequence[str], count: int = 40) -> list[Prior]:
    """Clips of others and their prompts. prompts: those of the subject's pictures, in which the model's own samples put
    somebody else for the subject's name."""
    if pipeline.backbone.name == "picturebook":
        return [_drawn(seed) for seed in range(SEEDS, SEEDS + count)]
    others = [prompt.replace(name, other) for prompt in prompts for other in PEOPLE]
    return [Prior(other, pipeline(other, seed=seed).frames) for seed, other in enumerate(others[:SAMPLES])]


def _drawn(seed: int) -> Prior:
    scene = world.training_story(seed).scenes[0]
    said = caption(scene, random.Random(seed)).text if seed % SILENT else ""
    return Prior(said, renderer.render(scene, masks=False).frames)
