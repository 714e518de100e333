"""Long scenes by every way: what is compared."""

import numpy as np
import pytest

from pipeline.evaluation.duration.ways import joints, tallies
from pipeline.evaluation.story.benchmark import HeldOut
from pipeline.picturebook.reader import Reading
from tests.tiny import tiny_pipeline


class Says:
    """A reader that is not sure of anybody."""

    def read(self, film: list[np.ndarray]) -> list[Reading]:
        return [Reading(0.0, 1, {"action": "none"}, {}) for _ in film]


def test_parts_meet_where_new_frames_begin() -> None:
    pipeline = tiny_pipeline(piece=17)
    assert joints(pipeline, "streamed", 53).tolist() == [17, 29, 41]
    assert joints(pipeline, "key-frames", 53).tolist() == [13, 26, 39, 52]


def test_what_jumps_where_parts_meet_is_the_seam() -> None:
    clip = np.zeros((41, 4, 4, 3), np.uint8)
    clip[np.arange(41) % 2 == 1] = 2
    clip[17:] += 10
    found = tallies(HeldOut("abba", 0, 7), clip, clip, np.array([17]), Says())  # type: ignore[arg-type]
    seam, inside = found["seam"]
    assert seam.hits == pytest.approx(12) and inside.hits == pytest.approx(2)
    assert found["motion"][0] == found["motion"][1] and found["facts_end"][0].counted == 0
    assert found["action_end"][0].hits == 0
