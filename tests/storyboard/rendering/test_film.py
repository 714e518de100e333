"""The loop that renders a film."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import loading
from pipeline.errors import ThroughlineError
from storyboard.export.film_folder import scene_entry
from storyboard.rendering.film import FilmOrder, Progress, SceneDone, check_film, render_film
from tests import checkpoints
from tests.storyboard.conftest import gradient

PROMPTS = ("A cat is running on the beach.", "A dog is skiing on the snow.", "The cat is jumping on the beach.")
SMALL = {"height": 48, "width": 72, "num_frames": 5, "steps": 2}


def test_steps_then_the_scene_for_every_scene(pipeline) -> None:
    events = list(render_film(pipeline, FilmOrder(PROMPTS, settings=SMALL)))
    assert [type(event) for event in events] == [Progress, Progress, SceneDone] * 3
    assert [event.scene for event in events] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [event.step.index for event in events if isinstance(event, Progress)] == [1, 2] * 3


def test_each_scene_has_its_own_seed_and_remembers_those_before(pipeline) -> None:
    done = [
        e for e in render_film(pipeline, FilmOrder(PROMPTS, settings=SMALL | {"seed": 5})) if isinstance(e, SceneDone)
    ]
    assert [scene.settings.seed for scene in done] == [5, 6, 7]
    assert [len(scene.trace.filter.scenes) for scene in done] == [0, 1, 2]
    assert done[2].trace.filter.contributing == (0,)
    assert {"history", "denoise", "decode", "encode"} <= set(done[2].seconds)
    assert np.array_equal(done[0].keyframe, done[0].frames[2])


def test_given_clips_are_remembered_not_generated(pipeline) -> None:
    order = FilmOrder(PROMPTS, settings=SMALL, clips=(gradient(7, 48, 72),))
    events = list(render_film(pipeline, order))
    first = events[0]
    assert isinstance(first, SceneDone) and first.trace is None and first.settings is None
    assert np.array_equal(first.frames, order.clips[0])
    assert events[-1].trace.filter.contributing == (0,)
    assert events[-1].settings.seed == 2, "the seed of a scene does not depend on which ones are given"


def test_closing_cancels_and_the_next_film_is_the_same(pipeline) -> None:
    order = FilmOrder(PROMPTS[:1], settings=SMALL)
    before = list(render_film(pipeline, order))[-1].frames
    events = render_film(pipeline, order)
    next(events)
    events.close()
    assert next(events, None) is None
    assert np.array_equal(list(render_film(pipeline, order))[-1].frames, before)


@pytest.mark.parametrize(
    "order, message",
    [
        (FilmOrder(()), "no prompts"),
        (FilmOrder(("A cat.", " ")), "scene 2: prompt is ' '"),
        (FilmOrder(("A cat.", "cat " * 80)), "scene 2: prompt has 82 tokens, at most 64"),
        (FilmOrder(("A cat.",), settings={"negative_prompt": "cat " * 80}), "negative prompt: .* at most 64"),
        (FilmOrder(("A cat.",), settings={"height": 100}), "height is 100: expected a multiple of 24"),
        (FilmOrder(("A cat.",), settings={"num_frames": 16}), "num_frames is 16"),
        (FilmOrder(("A cat.",), clips=(gradient(1, 48, 72),) * 2), "2 clips for 1 prompts"),
    ],
)
def test_all_scenes_are_checked_before_the_first_step(pipeline, order: FilmOrder, message: str) -> None:
    with pytest.raises(ThroughlineError, match=message):
        check_film(pipeline, order)
    with pytest.raises(ThroughlineError, match=message):
        render_film(pipeline, order)


def test_a_scene_goes_on_from_the_last_frames_of_the_one_before(going_on) -> None:
    order = FilmOrder(PROMPTS[:2], settings=SMALL, lengths=(9, 13), seams=("continue",))
    first, second = (e for e in render_film(going_on, order) if isinstance(e, SceneDone))
    assert not first.continues and second.continues
    assert [len(first.frames), len(second.frames)] == [9, 13]
    latents = going_on.latents
    assert np.array_equal(second.frames[0], latents.decode(latents.encode(first.frames[-5:]))[-1])
    cut = FilmOrder(PROMPTS[:2], settings=SMALL, lengths=(9, 13), seams=("cut",))
    _, apart = (e for e in render_film(going_on, cut) if isinstance(e, SceneDone))
    assert not np.array_equal(apart.frames, second.frames) and not apart.continues


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ({"lengths": (5,)}, "there are 1 lengths for 2 prompts: expected 2"),
        ({"seams": ("cut", "cut")}, "there are 2 seams for 2 prompts: expected 1"),
        ({"lengths": (5, 6)}, "scene 2: num_frames is 6: expected 4 k"),
    ],
)
def test_lengths_and_seams_are_one_a_scene(pipeline, order: dict, message: str) -> None:
    with pytest.raises(ThroughlineError, match=message):
        render_film(pipeline, FilmOrder(PROMPTS[:2], settings=SMALL, **order))


def test_a_model_that_does_not_go_on_says_so_before_the_first_step(pipeline) -> None:
    with pytest.raises(ThroughlineError, match="this model does not go on from frames"):
        render_film(pipeline, FilmOrder(PROMPTS[:2], settings=SMALL, seams=("continue",)))


def test_scenes_begin_and_end_with_the_pictures_that_are_given(going_on) -> None:
    first, last = gradient(1, 48, 72), gradient(1, 48, 72)[:, ::-1].copy()
    order = FilmOrder(PROMPTS[:2], settings=SMALL | {"num_frames": 9}, first=(None, first), last=(last,))
    a, b = (event.frames for event in render_film(going_on, order) if isinstance(event, SceneDone))
    rebuilt = [going_on.latents.decode(going_on.latents.encode(picture))[0] for picture in (first, last)]
    assert np.array_equal(b[0], rebuilt[0]) and not np.array_equal(a[0], rebuilt[0])
    assert np.abs(a[-1].astype(int) - rebuilt[1]).max() <= 1, "a still, which the decoder makes of the same latents"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"first": (None, gradient(1, 48, 72)), "seams": ("continue",)}, "scene 2: it continues the scene before it"),
        ({"last": (gradient(1, 48, 72),), "lengths": (1, 5)}, "scene 1: num_frames is 1: expected 2 or more"),
        ({"first": (gradient(1, 48, 72),), "clips": (gradient(1, 48, 72),)}, "scene 1: it has a first or last"),
    ],
)
def test_pictures_that_can_not_be_are_refused_before_the_first_step(going_on, given: dict, message: str) -> None:
    with pytest.raises(ThroughlineError, match=message):
        render_film(going_on, FilmOrder(PROMPTS[:2], settings=SMALL, **given))


def test_a_model_that_begins_with_no_picture_says_so_before_the_first_step(pipeline) -> None:
    with pytest.raises(ThroughlineError, match="scene 1: beginning is given: expected none"):
        render_film(pipeline, FilmOrder(PROMPTS[:2], settings=SMALL, first=(gradient(1, 48, 72),)))


@pytest.mark.parametrize("kind", checkpoints.FROM_PICTURES)
def test_a_model_that_starts_from_a_picture_goes_on_from_the_scene_before(kind: str, tmp_path: Path) -> None:
    model = loading.load(str(checkpoints.save(tmp_path, kind)), "cpu", "float32")
    small = {"height": checkpoints.HEIGHT, "width": checkpoints.WIDTH, "num_frames": 5, "steps": 2}
    picture, prompts = gradient(1, checkpoints.HEIGHT, checkpoints.WIDTH)[:1], (PROMPTS[0], PROMPTS[2])
    order = FilmOrder(prompts, model.guidance, small, seams=("continue",), first=(picture,))
    one, two = (scene for scene in render_film(model, order) if isinstance(scene, SceneDone))
    assert (one.continues, two.continues) == (False, True) and two.trace and two.trace.filter.contributing == (0,)
    past = [model.encode_scene(prompts[0], one.frames)]
    assert np.array_equal(two.frames, model(prompts[1], past, beginning=one.frames[-1:], seed=1, **small).frames)
    assert not np.array_equal(two.frames, model(prompts[1], past, beginning=one.frames[:1], seed=1, **small).frames)
    with pytest.raises(ThroughlineError, match="beginning is missing: expected a picture"):
        list(render_film(model, FilmOrder(prompts[:1], model.guidance, small)))


def test_a_scene_remembers_the_picture_with_which_it_begins_where_the_film_casts(going_on) -> None:
    first = gradient(1, 48, 72)
    order = {"settings": SMALL, "first": (None, first)}
    plain, cast = (
        [e for e in render_film(going_on, FilmOrder(PROMPTS[:2], **order, casting=seed)) if isinstance(e, SceneDone)]
        for seed in (None, 4)
    )
    assert [scene.begins for scene in plain] == [False, False] and [scene.begins for scene in cast] == [False, True]
    past = cast[1].trace.filter.scenes
    assert [scene.prompt for scene in past] == [PROMPTS[0], PROMPTS[1]] and cast[1].castings == ()
    assert [mention.text for mention in past[1].kept_mentions] == ["dog", "skiing", "snow"]
    assert not plain[1].trace.filter.contributing and not np.array_equal(plain[1].frames, cast[1].frames)
    assert scene_entry(cast[1])["begins"] and {found["scene"] for found in scene_entry(cast[1])["maps"]} == {
        "its first picture"
    }


def test_of_two_of_a_kind_in_its_first_picture_a_scene_remembers_either(going_on) -> None:
    prompt = "A ginger cat and a grey cat are dancing in the kitchen."
    order = FilmOrder((prompt,), settings=SMALL, first=(gradient(1, 48, 72),), casting=4)
    (own,) = order.decided(going_on, 0).scenes
    assert [mention.text for mention in own.kept_mentions] == ["ginger cat", "grey cat", "dancing", "kitchen"]
    assert len(set(own.targets)) == 4
