"""A family of models is one file and one line of the registry: a toy one runs the whole loop of the app."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline import loading
from pipeline.backbones import checkpoints, placement, registry
from pipeline.errors import ThroughlineError
from storyboard.studio import Studio
from tests import toy_family
from tests.storyboard.studios import Desk

PROMPTS = ("A cat is running on the beach.", "A dog is skiing.", "The cat is jumping.")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(registry.FAMILIES, "ToyAutoencoder", toy_family.__name__)  # the one line
    return toy_family.save(tmp_path / "toy")


@pytest.fixture
def studio(folder: Path, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(lambda: loading.load(str(folder), "cpu"), tmp_path / "home", checkpoints.digest(folder))
    yield studio
    studio.close()


def test_it_renders_remembers_and_renders_only_what_depends_on_a_change(studio: Studio) -> None:
    desk = Desk.new(studio, *PROMPTS, num_frames=3)
    desk.render()
    first, second, third = (desk.takes(place)[0] for place in range(3))
    assert third.conditioning is not None and first.conditioning is not None
    assert [memory.words for memory in third.conditioning.memories] == [("cat",)]
    assert first.conditioning.memories == () and len({first.clip, second.clip, third.clip}) == 3
    desk.prompt(0, "A white cat is running on the beach.")
    assert [standing.state for standing in desk.standings()] == ["stale", "fresh", "stale"]
    desk.render()
    assert [len(desk.takes(place)) for place in range(3)] == [2, 1, 2]


def test_what_it_remembers_changes_the_clip(folder: Path) -> None:
    pipeline = loading.load(str(folder), "cpu")
    past = pipeline.encode_scene(PROMPTS[0], np.full((1, 48, 72, 3), 200, np.uint8))
    alone, remembering = (pipeline(PROMPTS[2], history, num_frames=3).frames for history in ((), [past]))
    unrelated = pipeline.encode_scene(PROMPTS[1], np.full((1, 48, 72, 3), 30, np.uint8))
    assert not np.array_equal(alone, remembering)
    assert np.array_equal(pipeline(PROMPTS[2], [past, unrelated], num_frames=3).frames, remembering)


def test_its_own_limits_and_defaults_hold(folder: Path) -> None:
    pipeline = loading.load(str(folder), "cpu")
    assert (pipeline.native.height, pipeline.native.steps, pipeline.guidance.text) == (48, 2, 2.0)
    assert pipeline.frames_per_second == 10 and pipeline.history == "trained"
    with pytest.raises(ThroughlineError, match="height is 52: expected a multiple of 8 from 16 to 96"):
        pipeline(PROMPTS[0], height=52)
    with pytest.raises(ThroughlineError, match=r"eta is 0\.5: expected 0"):
        pipeline(PROMPTS[0], eta=0.5)


def test_its_own_rule_on_lengths_holds_at_an_edit(folder: Path, tmp_path: Path) -> None:
    digest = checkpoints.digest(folder)
    for period, wanted in ((lambda: registry.family_of(folder).native(folder).period, None), (None, "4 k \\+ 1")):
        given = {"period": period} if period else {}
        studio = Studio(lambda: loading.load(str(folder), "cpu"), tmp_path / f"home {wanted}", digest, **given)
        desk = Desk.new(studio, *PROMPTS)
        edit = {"do": "edit_scene", "scene": desk.ids[0], "changes": {"num_frames": 6}}
        if wanted:
            with pytest.raises(ThroughlineError, match=f"num_frames is 6: expected {wanted}, such as 17"):
                studio.edit(desk.owner, desk.story, edit)
        else:
            studio.edit(desk.owner, desk.story, edit)
        studio.close()


def test_a_history_that_it_does_not_take_is_refused(folder: Path) -> None:
    with pytest.raises(
        ThroughlineError, match=r"history is 'reference', which .* can't take: expected 'trained' or 'off'"
    ):
        loading.load(str(folder), "cpu", history="reference")


def test_its_memory_is_chosen_for_a_card(folder: Path) -> None:
    pipeline = loading.load(str(folder), "cpu")
    assert placement.choose("auto", pipeline, placement.Card("a card", free=24.0)) == "fast"
    assert placement.choose("auto", pipeline, placement.Card("a card", free=1e-9)) == "low"


def test_a_family_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match="autoencoder is a ToyAutoencoder: expected AutoencoderLinearVideo or"):
        toy_family.save(tmp_path / "toy")
