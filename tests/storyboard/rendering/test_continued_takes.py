"""Scenes that go on from the one before, from the edit to the film."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from pipeline.stages.continuation import ending
from storyboard.film.cut import cut_of
from storyboard.store.clips import read_frames
from storyboard.studio import Studio
from tests.storyboard.studios import Desk, open_studio


@pytest.fixture
def studio(going_on, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(going_on, tmp_path, continues=lambda: True)
    yield studio
    studio.close()


def test_a_scene_goes_on_from_the_chosen_take_and_changes_with_it(studio: Studio, going_on) -> None:
    desk = Desk.new(studio, "A cat runs.", "Snow falls.", num_frames=9)
    desk.edit(1, seam={"kind": "continue"})
    desk.render()
    board = desk.board
    a, b = (board.chosen(scene) for scene in board.story.scenes)
    assert a and b and b.conditioning and b.conditioning.beginning and b.conditioning.beginning.clip == a.clip
    before, after = (read_frames(studio.media, take) for take in (a, b))
    latents = going_on.latents  # of an untrained autoencoder, which makes something else of a frame
    known = latents.decode(latents.encode(ending(before))).astype(int)
    assert np.abs(after[0] - known[-1]).mean() < np.abs(after[0] - known[0]).mean() / 2, "but for the video's loss"
    assert [shot.used.first for shot in cut_of(board).shots] == [0, 1], "which the film shows once"
    assert desk.states == ["fresh", "fresh"]
    desk.edit(0, seed=5)
    desk.render(0)
    assert desk.states == ["fresh", "stale"]
    assert desk.standings()[1].reasons == ("continues scene 1, which changed",)


def test_a_model_that_does_not_go_on_refuses_the_seam_at_the_edit(pipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = Desk.new(studio, "A cat runs.", "Snow falls.")
    with pytest.raises(ThroughlineError, match="kind is 'continue': expected another seam, this model does not go on"):
        desk.edit(1, seam={"kind": "continue"})
    assert desk.board.story.scenes[1].seam.kind == "cut"
    studio.close()
