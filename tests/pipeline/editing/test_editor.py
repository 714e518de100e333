"""Edits of a clip, by an untrained model: what changes and what must not."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.editing import editor
from pipeline.editing.editor import EDGE, WAYS, Change, Edited, EditSettings, Making, _Work, edit
from pipeline.editing.flow import ddim_inverse_step, flow_edit, invert
from pipeline.editing.region import Region
from pipeline.editing.wording import rewrite
from pipeline.errors import ThroughlineError
from pipeline.generation import Step
from pipeline.guidance import Guidance
from pipeline.sampling import VariancePreserving, ddim_step
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import tiny_pipeline

PROMPT, SHAPE = "Mia is running in the snow.", (5, 48, 72)
QUICK = EditSettings(steps=3, start=0.8)


@pytest.fixture(scope="module")
def pipeline() -> StoryPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), np.uint8)


def change(words: str, box: tuple[float, ...] = (0, 0, 0.5, 1), **fields) -> Change:
    return Change(Region.box(SHAPE, box), words, (0, 3), **fields)


def outcome(items: Iterator[Step | Edited]) -> Edited:
    *_, last = items
    assert isinstance(last, Edited)
    return last


@pytest.mark.parametrize("way", WAYS)
def test_words_that_say_what_is_there_change_nothing(way: str, pipeline, clip) -> None:
    edited = outcome(
        edit(
            pipeline, clip, PROMPT, [change("Mia", whole=True)], replace(QUICK, way=way, local=False, modulation=False)
        )
    )
    assert np.array_equal(edited.frames, clip) and edited.prompt == PROMPT and edited.region.is_empty


@pytest.mark.parametrize("way", WAYS)
def test_new_words_change_their_region_and_nothing_else(way: str, pipeline, clip) -> None:
    *steps, edited = edit(pipeline, clip, PROMPT, [change("A cat")], replace(QUICK, way=way))
    assert isinstance(edited, Edited) and edited.prompt == "A cat is running in the snow."
    assert [step.index for step in steps] == list(range(1, steps[-1].total + 1))
    assert steps[0].preview.shape == clip.shape
    outside = slice(36 + 2 * EDGE, None)  # beyond the box and the edge over which it fades
    assert np.array_equal(edited.frames[:, :, outside], clip[:, :, outside])
    assert not np.array_equal(edited.frames[:, :, :36], clip[:, :, :36])


def test_without_blending_the_whole_clip_may_change(pipeline, clip) -> None:
    edited = outcome(edit(pipeline, clip, PROMPT, [change("A cat")], replace(QUICK, blending=False)))
    assert not np.array_equal(edited.frames[:, :, 40:], clip[:, :, 40:])


def test_several_regions_change_at_once_each_by_its_own_words(pipeline, clip) -> None:
    left, right = change("A cat"), Change(Region.box(SHAPE, (0.75, 0, 1, 1)), "forest", (22, 26))
    edited = outcome(edit(pipeline, clip, PROMPT, [left, right], QUICK))
    assert edited.prompt == "A cat is running in the forest."
    changed = (edited.frames != clip).any((0, 1, 3))
    assert changed[:30].any() and changed[60:].any() and not changed[42:48].any()


def test_a_region_without_words_stays_as_it_is_up_to_its_edge(pipeline, clip) -> None:
    beside = Change(Region.box(SHAPE, (0.5, 0, 1, 1)), "")
    edited = outcome(edit(pipeline, clip, PROMPT, [change("A cat"), beside], QUICK))
    assert np.array_equal(edited.frames[:, :, 36:], clip[:, :, 36:])
    assert (edited.frames != clip)[:, :, 33:36].any()
    over = outcome(edit(pipeline, clip, PROMPT, [change("A cat"), Change(Region.everything(SHAPE), "")], QUICK))
    assert (over.frames != clip)[:, :, :36].any(), "new words count where both are"


def test_what_is_remembered_is_kept_out_of_a_region_with_new_words(pipeline, clip) -> None:
    past = [pipeline.encode_scene("Mia is waving.", clip)]
    alone, remembering = (outcome(edit(pipeline, clip, PROMPT, [change("A cat")], QUICK, h)) for h in ((), past))
    assert remembering.prompt == alone.prompt
    whole = outcome(edit(pipeline, clip, PROMPT, [Change(Region.everything(SHAPE), "A cat", (0, 3))], QUICK, past))
    assert whole.frames.shape == clip.shape


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([change("", (0, 0, 1, 1))], "no region has new words: expected at least one"),
        ([change("A cat", strength=3.0)], "strength is 3.0: expected a number from 0 to 2"),
        ([change("A cat"), change("A dog")], "two regions have words at character 0: expected words of their own each"),
        ([Change(Region(np.zeros(SHAPE, np.float32)), "A cat")], "the region of 'A cat' is empty: expected"),
        (
            [Change(Region.everything((5, 24, 24)), "A cat")],
            r"the region has frames, height and width \(5, 24",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(changes, told: str, pipeline, clip) -> None:
    with pytest.raises(ThroughlineError, match=told):
        edit(pipeline, clip, PROMPT, changes)


def test_a_strength_of_nothing_changes_nothing(pipeline, clip) -> None:
    edited = outcome(edit(pipeline, clip, PROMPT, [change("A cat", strength=0.0)], QUICK))
    assert np.array_equal(edited.frames, clip)


# --- clips of known noise ------------------------------------------------------------------------------------------

KNOWN = replace(QUICK, making=Making(seed=3, steps=3, text=2.0), enough=-2.0)  # whatever comes of it will do


@pytest.fixture(scope="module")
def made(pipeline) -> np.ndarray:
    """A clip of the pipeline's own."""
    return pipeline(PROMPT, guidance=Guidance(2.0, 0.0), seed=3, steps=3, num_frames=5, height=48, width=72).frames


def test_a_clip_of_known_noise_changes_in_its_region_alone(pipeline, made) -> None:
    *steps, edited = edit(pipeline, made, PROMPT, [change("A cat")], KNOWN)
    assert isinstance(edited, Edited) and len(steps) == 3 and steps[0].preview.shape == made.shape
    assert np.array_equal(edited.frames[:, :, 36 + 2 * EDGE :], made[:, :, 36 + 2 * EDGE :])
    assert not np.array_equal(edited.frames[:, :, :36], made[:, :, :36])


def test_what_its_old_words_make_of_its_noise_is_the_clip(pipeline, made) -> None:
    work = _Work(pipeline, made, PROMPT, (change("A cat"),), rewrite(PROMPT, [(0, 3)], ["A cat"]), KNOWN)
    list(work.run(()))
    old, new, empty = work._told(())
    *_, (_, before) = work._both(old, new, empty, work._inside().float()[None, :, None])
    assert np.abs(pipeline.latents.decode(before[None]).astype(int) - made).mean() < 0.5  # of rounding alone


def test_pixels_that_new_words_leave_alone_stay_as_they_are(pipeline, made) -> None:
    added = change("Mia with a red hat")
    close, far = (outcome(edit(pipeline, made, PROMPT, [added], replace(KNOWN, alike=x))) for x in (0.0, 255.0))
    assert not np.array_equal(close.frames, made) and np.array_equal(far.frames, made)


def test_another_try_is_made_where_the_words_do_not_say_what_came_of_it(pipeline, made) -> None:
    unsure = replace(KNOWN, enough=2.0)
    tries = len(list(edit(pipeline, made, PROMPT, [change("A cat")], unsure))) - 1
    assert tries > len(list(edit(pipeline, made, PROMPT, [change("A cat")], KNOWN))) - 1


def test_only_the_region_whose_words_say_too_little_is_tried_again(pipeline, made, monkeypatch) -> None:
    both = [change("A cat"), Change(Region.box(SHAPE, (0.75, 0, 1, 1)), "forest", (22, 26))]
    first, again = (outcome(edit(pipeline, made, PROMPT, both, s)) for s in (KNOWN, replace(KNOWN, making=None)))
    said = iter(([0.5, 0.0], [0.5, 0.5]))
    monkeypatch.setattr(editor, "explained", lambda *_: next(said))
    mixed = outcome(edit(pipeline, made, PROMPT, both, replace(KNOWN, enough=0.1)))
    assert np.array_equal(mixed.frames[:, :, :36], first.frames[:, :, :36])
    assert np.array_equal(mixed.frames[:, :, 60:], again.frames[:, :, 60:])


# --- the ways ------------------------------------------------------------------------------------------------------


def test_inversion_undoes_what_sampling_does_for_a_model_that_always_says_the_same(pipeline) -> None:
    noising = VariancePreserving(pipeline.scheduler.alphas_cumprod)
    times, clean = [100, 300, 600], torch.randn(1, 2, 3, 4, 4)
    fixed = torch.randn(clean.shape)

    def consistent(z: torch.Tensor, alpha_bar: torch.Tensor) -> torch.Tensor:
        """v of a model that takes every z for `clean`."""
        return (alpha_bar.sqrt() * z - clean) / (1 - alpha_bar).sqrt()

    bars = [noising.level(t).alpha_bar for t in times]
    z = bars[0].sqrt() * clean + (1 - bars[0]).sqrt() * fixed
    there = ddim_inverse_step(consistent(z, bars[0]), z, bars[0], bars[2])
    back, x = ddim_step(consistent(there, bars[2]), there, bars[2], bars[0])
    torch.testing.assert_close(back, z, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(x, clean, rtol=1e-4, atol=1e-4)
    trajectory = list(invert(lambda z, t: torch.zeros_like(z), clean, noising, times))
    assert len(trajectory) == 3


def test_flow_editing_adds_exactly_nothing_where_source_and_target_agree(pipeline) -> None:
    noising, clean = VariancePreserving(pipeline.scheduler.alphas_cumprod), torch.randn(1, 2, 3, 4, 4)
    steps = flow_edit(
        lambda a, b, t: (a.sin(), b.sin()), clean, noising, [800, 500, 100], torch.ones(1), torch.Generator()
    )
    assert all(torch.equal(step, clean) for step in steps)
