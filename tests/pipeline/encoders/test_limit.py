"""How long a text is for an encoder, in words."""

import pytest

from pipeline.encoders.limit import text_length
from pipeline.encoders.text import TextEncoder
from pipeline.errors import ThroughlineError


class Letters:
    """One token for a word, or for a letter of a text without spaces, and two more."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens

    def count_tokens(self, text: str) -> int:
        return 2 + (len(text.split()) if " " in text else len(text))


@pytest.mark.parametrize(
    ("limit", "text", "note"),
    [
        (64, "a cat sits here", "6 of 64 tokens, room for about 58 words"),
        (226, "a cat sits here", "6 of 226 tokens, room for about 220 words"),
        (7, "a cat sits here", "6 of 7 tokens, room for about 1 word"),
        (6, "a cat sits here", "6 of 6 tokens, no room for more"),
        (4, "a cat sits here", "6 tokens, at most 4 are possible: about 2 words too many"),
        (10, "一只猫在骑自行车往前走", "13 tokens, at most 10 are possible: about 3 letters too many"),
        (8, "", "2 of 8 tokens, room for about 6 words"),
    ],
)
def test_the_length_is_said_in_words(limit, text, note):
    length = text_length(Letters(limit), text)
    assert length.note == note
    assert length.fits == ("too many" not in note)


def test_the_check_names_what_is_too_long():
    with pytest.raises(
        ThroughlineError, match=r'^negative prompt has 6 tokens, at most 5 are possible: "a cat sits here"$'
    ):
        text_length(Letters(5), "a cat sits here").check("negative prompt")
    text_length(Letters(6), "a cat sits here").check()


def test_the_encoder_refuses_exactly_what_does_not_fit():
    encoder = TextEncoder.minilm()
    for count in (61, 62, 63, 80):
        text = "cat " * count
        if text_length(encoder, text).fits:
            assert len(encoder.encode(text)) == count + 2
        else:
            with pytest.raises(ThroughlineError, match="at most 64 are possible"):
                encoder.encode(text)
