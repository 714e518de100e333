"""What of a prompt can be pointed at, and boxes around regions."""

import numpy as np

from pipeline.editing.region import Region
from storyboard.finding.figures import boxes_of, things_in


def test_what_is_named_can_be_pointed_at_with_what_it_wears_but_not_what_it_does() -> None:
    prompt = "Mia in a red coat and the robot are running on the playground."
    assert [prompt[start:end] for start, end in things_in(prompt)] == [
        "Mia in a red coat", "red coat", "robot", "playground",
    ]  # fmt: skip
    assert things_in("") == []


def test_boxes_are_around_what_is_covered() -> None:
    mask = np.zeros((2, 10, 20), np.float32)
    mask[0, 2:5, 4:8] = 1
    assert boxes_of(Region(mask)) == ((0.2, 0.2, 0.4, 0.5), None)
