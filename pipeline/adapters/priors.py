"""What a model knows of others, for prior preservation: drawings of the picture book's world, or the model's clips."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..picturebook import renderer, world
from ..picturebook.captions import Caption, caption
from ..story_pipeline import StoryPipeline
from .teaching import Prior

SEEDS = 700_000  # from this one on: stories that neither training nor benchmark draws
ACTED = 24  # clips in which the subject's name stands for somebody else's
SILENT = 8  # one clip of so many has no prompt
SAMPLES = 8  # clips that a model makes itself
PEOPLE = ("a person", "a woman", "a man", "somebody")


def priors_of(pipeline: StoryPipeline, name: str, prompts: Sequence[str], count: int = 40) -> list[Prior]:
    """Clips of others and their prompts. prompts: those of the subject's pictures, in which the model's own samples put
    somebody else for the subject's name."""
    if pipeline.backbone.name == "picturebook":
        others = [_drawn(seed) for seed in range(SEEDS, SEEDS + count)]
        return others + [_acted(seed, name) for seed in range(SEEDS + count, SEEDS + count + ACTED)]
    told = [(prompt.replace(name, person), prompt) for prompt in prompts for person in PEOPLE][:SAMPLES]
    return [Prior(said, pipeline(said, seed=seed).frames, named) for seed, (said, named) in enumerate(told)]


def _drawn(seed: int) -> Prior:
    scene = world.training_story(seed).scenes[0]
    said = caption(scene, random.Random(seed)).text if seed % SILENT else ""
    return Prior(said, renderer.render(scene, masks=False).frames)


def _acted(seed: int, name: str) -> Prior:
    """Somebody in one of the world's actions: of the subject's kind if its name says one, else a person."""
    rng = random.Random(seed)
    kind = next((kind for kind in world.KINDS if kind in name.casefold().split()), world.KINDS[0])
    other = kind if kind != world.KINDS[0] else rng.choice(world.GIRLS + world.BOYS)
    place = world.draw_place(rng, rng.choice(world.PLACES))
    action = world.ACTIONS[seed % len(world.ACTIONS)]
    scene = world.WorldScene((world.draw_actor(rng, other),), (action,), place, seed)
    said = caption(scene, rng)
    return Prior(said.text, renderer.render(scene, masks=False).frames, _renamed(said, name))


def _renamed(said: Caption, name: str) -> str:
    """A caption with another name for its actor."""
    span = next(span for span in said.spans if span.label == "actor 0")
    own = said.text[span.start : span.end]
    article, _, _ = own.partition(" ")
    called = f"{'The' if article[0].isupper() else 'the'} {name}" if article.lower() in ("a", "an", "the") else name
    return said.text[: span.start] + called + said.text[span.end :]
