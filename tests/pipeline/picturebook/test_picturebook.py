"""The picture-book world: what stories promise, what captions say, what the renderer draws."""

import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from pipeline.picturebook import captions, renderer, world

STORIES = [world.training_story(seed) for seed in range(40)]


def scene_of(name: str, action: str, place: str = "farm", seed: int = 1, **look: str) -> world.WorldScene:
    import random

    rng = random.Random(seed)
    actor = world.draw_actor(rng, name)
    actor = dataclasses.replace(actor, look=dataclasses.replace(actor.look, **look))
    return world.WorldScene((actor,), (action,), world.draw_place(rng, place), seed)


def test_the_world_is_as_large_as_promised() -> None:
    assert len(world.PLACES) >= 8 and len(world.ACTIONS) >= 8 and len(world.KINDS) >= 4
    for kind in world.KINDS:
        varied = [slot for slot in world.ACTOR_SLOTS if len(world.slot_values(kind, slot)) > 1]
        assert len(varied) >= 4, kind
    assert (renderer.HEIGHT, renderer.WIDTH, renderer.NUM_FRAMES, renderer.FRAMES_PER_SECOND) == (96, 144, 17, 8)


def test_a_seed_gives_one_story_and_looks_hold_within_it() -> None:
    assert world.training_story(5) == world.training_story(5) != world.training_story(6)
    for story in STORIES:
        looks: dict[str, set] = {}
        for scene in story.scenes:
            for actor in scene.cast:
                looks.setdefault(actor.name, set()).add(actor)
            looks.setdefault(scene.place.kind, set()).add(scene.place)
        assert all(len(values) == 1 for values in looks.values())


def test_abba_and_long_protocols() -> None:
    for seed in range(20):
        a, b, c, d = world.abba_story(seed, "test").scenes
        assert a.cast == d.cast != b.cast == c.cast
        assert a.place == c.place != b.place == d.place
        long = world.long_story(seed, "test").scenes
        hero = long[0].cast[0]
        visits = [i for i, scene in enumerate(long) if hero in scene.cast]
        assert 8 <= len(long) <= 12 and len(visits) >= 2
        assert all(1 <= b - a <= 8 for a, b in itertools.pairwise(visits))


def test_other_domains_are_other_stories() -> None:
    assert world.abba_story(1, "bench/1").scenes != world.abba_story(1, "bench/2").scenes


@pytest.mark.parametrize("story", STORIES[:20], ids=lambda s: str(s.seed))
def test_captions_speak_of_what_is_shown(story: world.WorldStory) -> None:
    for scene, caption in zip(story.scenes, captions.story_captions(story), strict=True):
        labels = {span.label: caption.text[span.start : span.end] for span in caption.spans}
        assert caption.text[0].isupper() and caption.text.endswith(".") and "  " not in caption.text
        assert labels["place"] in captions.PLACE_FORMS[scene.place.kind]
        for i, actor in enumerate(scene.cast):
            said = labels[f"actor {i}"]
            assert actor.name in said
            for word in world.COLOURS:
                assert f" {word} " not in f" {said} " or word in vars(actor.look).values()
            if ", a girl" in said or ", a boy" in said:
                assert ("girl" in said) == (actor.look.hair_style == "long")


def test_most_looks_stay_unsaid_and_plain_captions_say_none() -> None:
    texts = [c.text for story in STORIES for c in captions.story_captions(story)]
    coloured = sum(any(f" {colour} " in text for colour in world.COLOURS) for text in texts)
    assert 0.05 < coloured / len(texts) < 0.4
    plain = [c.text for story in STORIES for c in captions.story_captions(story, plain=True)]
    assert not any(colour in text.split() for text in plain for colour in world.COLOURS)


def test_rendering_is_exact_and_masks_fit_the_picture() -> None:
    scene = STORIES[1].scenes[0]
    a, b = renderer.render(scene), renderer.render(scene)
    assert a.frames.shape == (17, 96, 144, 3) and a.frames.dtype == np.uint8
    assert np.array_equal(a.frames, b.frames)
    assert np.array_equal(a.frames, renderer.render(scene, masks=False).frames)
    left, top, right, bottom = a.boxes(1)[8]
    assert 0 <= left < right <= 144 and 0 <= top < bottom <= 96
    assert bottom - top >= 96 * 0.45, "figures are to be about half the height of the frame"


def test_masks_are_where_the_actor_differs_from_the_stage() -> None:
    scene = scene_of("Actor 1", "waving")
    clip = renderer.render(scene)
    empty = renderer.render(dataclasses.replace(scene, cast=(), actions=()), masks=False)
    changed = (np.abs(clip.frames[8].astype(int) - empty.frames[8]).sum(-1) > 30) & (clip.masks[8] == 0)
    assert changed.mean() < 0.01, "painted outside the masks"


@pytest.mark.parametrize("slot", world.ACTOR_SLOTS)
@pytest.mark.parametrize("kind", world.KINDS)
def test_every_attribute_can_be_seen(kind: str, slot: str) -> None:
    values = world.slot_values(kind, slot)
    name = kind if kind != "person" else "Actor 1"
    pictures = [renderer.render(scene_of(name, "walking", **{slot: value}), masks=False).frames[8] for value in values]
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert (np.abs(one.astype(int) - other).max(-1) > 20).sum() >= 25, (kind, slot)


@pytest.mark.parametrize("action", world.ACTIONS)
def test_actions_move(action: str) -> None:
    frames = renderer.render(scene_of("robot", action), masks=False).frames.astype(int)
    assert (np.abs(frames - frames[0]).max(axis=(0, 3)) > 40).sum() > 60, "too few pixels ever change"


@pytest.mark.parametrize("scale", [2, 4, 2.5])
def test_a_larger_picture_shows_the_same_scene(scale: float) -> None:
    scene = world.abba_story(3, "test").scenes[0]
    small, large = renderer.render(scene, frames=(0, 8)), renderer.render(scene, frames=(0, 8), scale=scale)
    height, width = renderer.size_at(scale)
    assert large.frames.shape == (2, height, width, 3) and large.masks.shape == (2, height, width)
    reduced = [Image.fromarray(frame).resize((144, 96), Image.Resampling.BOX) for frame in large.frames]
    assert np.abs(np.stack(reduced).astype(int) - small.frames).mean() < 1.5
    assert np.abs(large.boxes(1) / scale - small.boxes(1)).max() <= 1.5


def test_a_scale_that_gives_no_whole_pixels_is_refused() -> None:
    with pytest.raises(ThroughlineError, match=r"scale is 1\.01"):
        renderer.render(world.abba_story(3, "test").scenes[0], scale=1.01)
