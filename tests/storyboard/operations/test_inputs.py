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


@pytest.mark.parametrize("piece", [1, 3, 4, 5, 77, 10_000])
@pytest.mark.parametrize("length", range(9))
def test_uploads_are_read_piece_by_piece(piece: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PIECE", piece)
    for content in (CONTENT[:length], CONTENT[: 300 + length]):
        with inputs.uploaded(base64.encodebytes(content).decode(), "a") as path:
            assert path.read_bytes() == content


@pytest.mark.parametrize("piece", [1, 4, 6, 10_000])
@pytest.mark.parametrize("data", ["§", "QQ==QQ==", "QUJD=", "QUJDQ", "QQ==QUJD", "QQ=", "=", "QU?D"])
def test_what_is_no_base64_is_told_in_a_line(data: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PIECE", piece)
    with (
        pytest.raises(ThroughlineError, match=r"'a\.mp4' did not arrive whole: try again"),
        inputs.uploaded(data, "a.mp4"),
    ):
        raise AssertionError("not reached")
