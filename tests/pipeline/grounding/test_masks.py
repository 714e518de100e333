"""SAM 2 and SAM 3 in their own layout with small random weights: what is loaded, and what becomes of masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Sam2VideoModel, Sam3Model, Sam3TrackerVideoModel

from pipeline.backbones import hub
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.grounding import detected, film
from pipeline.grounding.detected import DetectorFilm
from pipeline.grounding.detectors import Said, Sam3, pixels_of
from pipeline.grounding.masks import MaskTracker
from pipeline.grounding.tubes import Tube
from tests import sam_checkpoints

CLIP = np.random.default_rng(0).integers(0, 256, (11, 48, 72, 3), np.uint8)
BOX = np.array([0.25, 0.25, 0.75, 1.0], np.float32)


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sam_checkpoints.save_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def sam3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sam_checkpoints.save_sam3(tmp_path_factory.mktemp("sam3"))


@pytest.fixture
def search(sam3: Path, sam2: Path, monkeypatch: pytest.MonkeyPatch) -> DetectorFilm:
    """A detector that is sure of a box from frame 4 to frame 8, and masks of a square that moves from frame 2 to 9."""
    found = DetectorFilm.load(sam3, sam2)
    monkeypatch.setattr(found.detector, "look", lambda pictures, words: [Said(s, BOX) for s in (0.1, 0.7, 0.9)])

    def masks(frames: np.ndarray, at: int, box: np.ndarray) -> np.ndarray:
        assert frames.shape == CLIP.shape and at == 8 and box is BOX
        drawn = np.zeros(frames.shape[:3], bool)
        for i in range(2, 10):
            drawn[i, 12:24, 6 * i : 6 * i + 12] = True
        drawn[0] = True  # another thing
        return drawn

    monkeypatch.setattr(found.tracker, "masks", masks)
    return found


# --- the models ------------------------------------------------------------------------------------------------------


def test_pictures_are_what_the_models_were_trained_on() -> None:
    """As transformers prepares them: scaled to squares and to the mean and spread of all pictures."""
    grey = np.full((2, 30, 50, 3), 128, np.uint8)
    pixels = pixels_of(grey, 64, (0.5, 0.5, 0.4), (0.5, 0.25, 0.1))
    assert pixels.shape == (2, 3, 64, 64)
    expected = torch.tensor([(128 / 255 - 0.5) / 0.5, (128 / 255 - 0.5) / 0.25, (128 / 255 - 0.4) / 0.1])
    torch.testing.assert_close(pixels.mean((0, 2, 3)), expected)


@pytest.mark.parametrize("kind", ["sam2", "sam3"])
def test_a_box_is_followed_through_the_clip(kind: str, request: pytest.FixtureRequest) -> None:
    tracker = MaskTracker.load(request.getfixturevalue(kind))
    assert isinstance(tracker.model, Sam2VideoModel if kind == "sam2" else Sam3TrackerVideoModel)
    found = [tracker.masks(CLIP, at, box) for at, box in ((3, BOX), (3, BOX), (3, BOX / 2), (7, BOX))]
    assert found[0].shape == CLIP.shape[:3] and found[0].dtype == bool
    assert np.array_equal(found[0], found[1]) and not all(np.array_equal(found[0], one) for one in found[2:])


def test_every_frame_is_seen_once_more_in_the_other_direction(sam2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, order = MaskTracker.load(sam2), list[tuple[int, bool]]()
    forward = tracker.model.forward

    def noted(session, frame_idx=None, reverse=False, **options):
        order.append((frame_idx, reverse))
        return forward(session, frame_idx=frame_idx, reverse=reverse, **options)

    monkeypatch.setattr(tracker.model, "forward", noted)
    tracker.masks(CLIP, 3, BOX)
    assert order == [(i, False) for i in range(3, 11)] + [(i, True) for i in (3, 2, 1, 0)]


def test_sam_3_reads_words_itself(sam3: Path) -> None:
    search = DetectorFilm.load(sam3)
    assert isinstance(search.detector, Sam3) and isinstance(search.detector.model, Sam3Model) and search.tracker
    one, again, other = (search.detector.look(CLIP[:2], words) for words in ("the robot", "the robot ", "robot"))
    assert len(one) == 2 and all(0 <= score <= 1 and box.shape == (4,) for score, box in one)
    assert [said.score for said in one] == [said.score for said in again] != [said.score for said in other]
    assert search.find(search.see(CLIP), "the robot " * 40) is None, "long words are cut, and untrained it is unsure"


# --- tubes of masks --------------------------------------------------------------------------------------------------


def test_the_tube_is_that_of_the_masks_around_the_surest_frame(search: DetectorFilm) -> None:
    (looked,) = search.see(CLIP)
    assert looked.nbytes == CLIP.nbytes
    tube = search.find((looked,), "the robot")
    assert tube is not None and (tube.first, tube.last, tube.score) == (2, 9, 0.9)
    assert tube.masks is not None and tube.masks.shape == (8, 48, 72) and tube.masks.any((1, 2)).all()
    assert tube.boxes[0] == pytest.approx([12 / 72, 0.25, 24 / 72, 0.5])
    assert tube.boxes[-1] == pytest.approx([54 / 72, 0.25, 66 / 72, 0.5])


def test_without_a_mask_the_boxes_count(search: DetectorFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search.tracker, "masks", lambda frames, at, box: np.zeros(frames.shape[:3], bool))
    tube = search.find(search.see(CLIP), "the robot")
    assert tube is not None and (tube.first, tube.last, tube.masks) == (4, 10, None)
    assert tube.boxes == pytest.approx(np.repeat(BOX[None], 7, 0))


class Clock:
    """What says times: always the same, None for never."""

    def __init__(self, when: Tube | None) -> None:
        self.when = when

    def see(self, frames: np.ndarray) -> tuple[()]:
        return ()

    def find(self, clip: tuple[()], words: str) -> Tube | None:
        return self.when


@pytest.mark.parametrize("first, last, expected", [(0, 4, (2, 4)), (6, 10, (6, 9)), (0, 1, None), (None, None, None)])
def test_times_may_be_those_of_another_search(first, last, expected, search: DetectorFilm) -> None:
    search.times = Clock(None if first is None else Tube(first, last, np.zeros((last - first + 1, 4)), 0.9))
    tube = search.find(search.see(CLIP), "the robot waving")
    assert (tube and (tube.first, tube.last)) == expected
    if tube is not None:
        assert len(tube.boxes) == len(tube.masks) == tube.last - tube.first + 1


def test_masks_are_regions_of_edits(search: DetectorFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(film.LOCATOR, raising=False)
    assert film.masks_of(CLIP, "robot") is None
    monkeypatch.setenv(film.LOCATOR, "somewhere")
    monkeypatch.setattr(film, "load", lambda: search)
    masks = film.masks_of(CLIP, "robot")
    assert masks is not None and masks.any((1, 2)).tolist() == [False] * 2 + [True] * 8 + [False]
    monkeypatch.setattr(search, "tracker", None)
    assert film.masks_of(CLIP, "robot") is None


# --- names -----------------------------------------------------------------------------------------------------------


def test_a_name_has_up_to_three_parts(sam2: Path, sam3: Path) -> None:
    whole, both, timed = (film.load(name) for name in (f"{sam3}", f"{sam3}+{sam2}", f"{sam3}+{sam2}+own"))
    kinds = [type(one.tracker.model) for one in (whole, both, timed)]
    assert kinds == [Sam3TrackerVideoModel, Sam2VideoModel, Sam2VideoModel]
    assert both.times is None and isinstance(timed.times, film.FilmLocator)
    with pytest.raises(ThroughlineError, match=r"expected DETECTOR, DETECTOR\+MASKS or DETECTOR\+MASKS\+own"):
        film.load(f"{sam3}+{sam2}+{sam2}")
    with pytest.raises(ThroughlineError, match="is a 'sam2_video': expected one of grounding-dino"):
        film.load(str(sam2))


def test_a_hub_id_is_fetched(sam2: Path, sam3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "fetch", {"facebook/sam3": sam3, "facebook/sam2.1-hiera-tiny": sam2}.__getitem__)
    found = film.load("facebook/sam3+facebook/sam2.1-hiera-tiny")
    assert isinstance(found, detected.DetectorFilm) and isinstance(found.tracker.model, Sam2VideoModel)


def test_weights_that_are_missing_are_named(sam2: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((sam2 / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="cannot be loaded"):
        MaskTracker.load(tmp_path)
