"""The canonical form of a text: what is written one way, what is left alone, and where it stands."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.language.canonical import canonical
from pipeline.language.mentions import analyse

SIGNS = st.sampled_from(
    [*"-'\" ,.()[]<>:12aMé", "\u2011", "\u2019", "\u00ad", "\u200b", "\u200d", "ﬁ", "Ａ", "①", "🐶", "が"]
)
TEXTS = st.one_of(st.text(max_size=30), st.lists(SIGNS, max_size=24).map("".join))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Jean\u2011Luc, T\u2013shirt, T\u2212shirt", "Jean-Luc, T-shirt, T-shirt"),
        ("O\u02bcBrien, O\u2032Brien, O\u00b4Brien, O`Brien, O＇Brien", "O'Brien, O'Brien, O'Brien, O'Brien, O'Brien"),
        ("“red” «red» „red‟", '"red" "red" "red"'),
        ("Mi\u00ada, M\u2060ia, \ufeffMia, M\u200dia, \u202aMia\u202c", "Mia, Mia, Mia, Mia, Mia"),
        ("red\u200bcoat", "red coat"),
        ("Ａｃｔｏｒ\u3000２， （ﬁsh） 𝐌𝐢𝐚 Ⅻ ①", "Actor\u30002, (fish) Mia XII 1"),
        ("re\u0301sume\u0301 が ｶﾞ 한", "résumé が ガ 한"),
        ("½ ™ ℃ №", "½ ™ ℃ №"),
        ("👨\u200d🌾 and ❤\ufe0f", "👨\u200d🌾 and ❤\ufe0f"),
        ("a dog—a cat", "a dog—a cat"),
        ("Tom's kite, T-shirt.", "Tom's kite, T-shirt."),
    ],
)
def test_look_alikes_are_written_one_way(text, written):
    assert canonical(text).text == written


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_every_character_stands_for_a_place_in_the_users_text(text):
    form = canonical(text)
    assert len(form.text) == len(form.starts) == len(form.ends)
    assert all(0 <= start < end <= len(text) for start, end in zip(form.starts, form.ends, strict=True))
    assert list(form.starts) == sorted(form.starts)
    assert list(form.ends) == sorted(form.ends)


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_places_of_words_lead_into_the_canonical_form_and_back(text):
    form = canonical(text)
    words = analyse(text).segments
    for word in words:
        start, end = form.inner(word.start, word.end)
        assert form.outer(start, end) == (word.start, word.end)
        assert text[word.start : word.end] == word.text
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))


@given(
    st.text(alphabet=st.characters(max_codepoint=0x7E, min_codepoint=0x20, exclude_characters="`<:+-[(\\"), max_size=30)
)
@settings(max_examples=100, deadline=None)
def test_plain_text_is_its_own_canonical_form(text):
    assert canonical(text).text == text.replace("BREAK", ".")
