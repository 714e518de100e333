"""Shots of the picture book: how large figures are, and what captions say of it."""

import dataclasses
import random

import numpy as np
import pytest

from pipeline.language.shots import shot_terms
from pipeline.picturebook import captions, renderer, world
from pipeline.training.dataset.shards import story_of

STORIES = [world.training_story(seed) for seed in range(60)]


def height(scene: world.WorldScene) -> int:
    masks = renderer.render(scene, frames=(8,)).masks
    assert masks is not None
    rows = np.nonzero((masks[0] > 0).any(1))[0]
    return int(rows[-1] - rows[0] + 1)


@pytest.mark.parametrize("name", ["Mia", "robot", "dog"])
def test_figures_are_as_large_as_their_shot(name: str) -> None:
    rng = random.Random(name)
    actor, place = world.draw_actor(rng, name), world.draw_place(rng, "beach")
    scene = world.WorldScene((actor,), ("waving",), place, 3)
    wide, medium, close = (height(dataclasses.replace(scene, shot=shot)) for shot in world.SHOTS)
    assert wide < 0.85 * medium and close > 1.15 * medium
    assert close > 0.6 * renderer.HEIGHT  # about two thirds of the frame
    drawn = [renderer.render(dataclasses.replace(scene, shot=shot)).frames for shot in ("", "medium")]
    assert np.array_equal(*drawn)


def test_a_shot_changes_neither_the_place_nor_who_is_there() -> None:
    story = world.with_shots(STORIES[0])
    assert [(s.cast, s.actions, s.place, s.seed) for s in story.scenes] == [
        (s.cast, s.actions, s.place, s.seed) for s in STORIES[0].scenes
    ]
    scene = dataclasses.replace(story.scenes[0], cast=(), actions=())
    empty = [renderer.render(dataclasses.replace(scene, shot=shot)).frames for shot in ("wide", "close")]
    assert np.array_equal(*empty)


def test_captions_name_the_shot_in_words_that_are_never_remembered() -> None:
    shots = set[str]()
    for story in map(world.with_shots, STORIES):
        for scene, caption in zip(story.scenes, captions.story_captions(story), strict=True):
            said = [caption.text[start:end].casefold() for start, end in shot_terms(caption.text)]
            assert said == [form for form in captions.SHOT_FORMS.get(scene.shot, ()) if form in said]
            assert bool(said) == bool(scene.shot) and caption.text[0].isupper()
            for span in caption.spans:
                assert "shot" not in caption.text[span.start : span.end]
            shots.add(scene.shot)
    assert shots == {"", *world.SHOTS}


def test_stories_without_shots_are_told_as_before() -> None:
    for story in STORIES:
        assert world.with_shots(story, 0) == story
        assert not any(shot_terms(caption.text) for caption in captions.story_captions(story))


def test_half_of_the_training_set_is_in_shots() -> None:
    assert [story_of(seed) for seed in range(60)] == [story_of(seed) for seed in range(60)]
    told = [any(scene.shot for scene in story_of(seed).scenes) for seed in range(200)]
    assert 60 < sum(told) < 140
