"""What is left behind beside a clip says where its words are remembered from."""

from types import SimpleNamespace
from typing import Any

from storyboard.rendering.traces import trace_content
from tests.storyboard.document.cast.test_anchoring import FILTER


def test_a_word_that_is_kept_from_a_casting_says_so() -> None:
    result = FILTER(["Tom is running.", "Mia is here."], "Mia and Tom are on the beach.")
    trace: Any = SimpleNamespace(filter=result, maps=(), guidance=(), notices=(), seconds={})
    words = trace_content(trace, [0, "Mia is here."])["filter"]["current"]
    told = {word["text"]: word["reason"] for word in words}
    assert told["Mia"] == "remembered from Mia is here." and told["Tom"] == "remembered from scene 1"
    assert (told["beach"], told["the"]) == ("nothing remembered", "function word")
