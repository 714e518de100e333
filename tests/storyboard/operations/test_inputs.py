"""What comes in with uploads."""

import base64

import pytest

from pipeline.errors import ThroughlineError
from storyboard.operations import inputs

CONTENT = bytes(range(256)) * 2


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(CONTENT).decode(),
        base64.encodebytes(CONTENT).decode(),
        "data:video/mp4;base64," + base64.b64encode(CONTENT).decode(),
        "data:;base64," + base64.encodebytes(CONTENT).decode(),
    ],
    ids=["plain", "in lines", "data URI", "data URI in lines"],
)
def test_base64_arrives_as_programs_write_it(data: str) -> None:
    with inputs.uploaded(data, "日本語 🎬.mp4") as path:
        assert path.read_bytes() == CONTENT and path.name == "日本語 🎬.mp4"


def test_what_is_no_base64_is_told_in_a_line() -> None:
    with (
        pytest.raises(ThroughlineError, match=r"'a\.mp4' did not arrive whole: try again"),
        inputs.uploaded("§", "a.mp4"),
    ):
        raise AssertionError("not reached")
