"""What holds of the text filter for every text, and the curve of its threshold."""

import itertools
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.encoders.text import TextEncoding
from pipeline.evaluation import filter_score
from pipeline.language.words import ENGLISH_FUNCTION
from pipeline.text_filter import TextFilter

TEXT = (
    "a the red blue old dog cat Tom Mia Anna's 2 two Actor coat hat wears is and with in , . runs bakes the who men "
    "Mia\u2019s T\u2011shirt re\u0301d co\u00adat red\u200bhat (cat:1.2) <lora:x:1> [dog] Ｔｏｍ ﬁsh ｶﾞ --ar 16:9 "
    "кошка красный 猫 黑 的 是 公園 を 走る Der Hund le chat noir 🐶 🇫🇷 القطة कुत्ता 고양이가 ALL CAPS “ ” # T-shirt"
)
WORDS = TEXT.split()
prompts = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=14).map(" ".join),
    st.text(min_size=1, max_size=30).filter(str.strip),
)


class WordEncoder:
    """One token for every piece without spaces, its vector drawn from its letters; no weights."""

    def encode(self, text: str) -> TextEncoding:
        pieces = list(re.finditer(r"\S+", text))
        rows = [np.random.default_rng(list(piece.group().encode())).normal(size=16) for piece in pieces]
        hidden = torch.tensor(np.array(rows).reshape(-1, 16), dtype=torch.float32)
        return TextEncoding(text, tuple(p.group() for p in pieces), tuple(p.span() for p in pieces), hidden)


quick = TextFilter(WordEncoder())  # type: ignore[arg-type]


@given(prompts, prompts)
@settings(max_examples=150, deadline=None)
def test_offsets_index_the_users_own_text(past, prompt):
    result = quick([past], prompt)
    for text, words in ((past, result.scenes[0].words), (prompt, result.current)):
        assert all(text[word.start : word.end] == word.text for word in words)
        assert all(a.end <= b.start for a, b in itertools.pairwise(words))


@given(prompts, prompts)
@settings(max_examples=100, deadline=None)
def test_function_words_are_never_kept(past, prompt):
    words = quick([past], prompt).scenes[0].words
    assert not any(word.kept for word in words if word.mention is None)


@pytest.mark.parametrize("word", sorted(ENGLISH_FUNCTION))
def test_no_english_function_word_is_kept_for_itself(word):
    assert not quick([f"{word}, {word}"], f"{word}, {word}").scenes[0].kept


@given(prompts)
@settings(max_examples=150, deadline=None)
def test_a_prompt_keeps_all_of_itself(prompt):
    scene = quick([prompt], prompt).scenes[0]
    assert len(scene.kept_mentions) == len(scene.mentions)


@given(st.lists(prompts, min_size=2, max_size=5, unique=True), prompts, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_order_of_past_scenes_changes_no_verdict(past, prompt, random):
    before = {text: (s.words, s.targets) for text, s in zip(past, quick(past, prompt).scenes, strict=True)}
    random.shuffle(past)
    assert {text: (s.words, s.targets) for text, s in zip(past, quick(past, prompt).scenes, strict=True)} == before


cherokee = st.text(alphabet="ᎠᎡᎢᎣᎤᎥᎦᎧᎨᎩᎪᎫ", min_size=2, max_size=5)  # letters that MiniLM does not know


@given(cherokee, cherokee)
@settings(max_examples=40, deadline=None)
def test_unknown_words_match_by_their_letters_alone(past, prompt):
    scene = TextFilter.from_backbone()([past], prompt).scenes[0]
    assert scene.kept == (past == prompt)


# The curve


def case(keep: list[str]) -> dict:
    return {"id": "x", "past": ["A dog barks."], "prompt": "A dog sleeps.", "keep": [keep], "free": [[]]}


def test_the_score_counts_what_is_wrong_and_what_is_missed():
    score = filter_score.score_cases(quick, [case(["dog"]), case(["barks"])])
    assert (score.right, score.wrong, score.missed) == (1, 1, 1)
    assert score.f1 == pytest.approx(0.5)


def test_the_plateau_holds_the_best_threshold_and_no_worse_one():
    f1 = dict(zip((0.3, 0.4, 0.5, 0.6, 0.7), (90, 99, 100, 95, 100), strict=True))
    scores = {t: filter_score.Score(right, 100 - right, 100 - right, ()) for t, right in f1.items()}
    assert filter_score.plateau(scores) == (0.5, 0.5)


def test_the_command_writes_figures_and_a_plot(tmp_path, capsys):
    cases, figures, png = tmp_path / "cases.json", tmp_path / "figures.json", tmp_path / "curve.png"
    cases.write_text(json.dumps({"cases": [case(["dog"])]}), encoding="utf-8")
    arguments = [str(cases), "--json", str(figures), "--curve", str(png), "--speed"]
    assert filter_score.run(filter_score.parser(), filter_score.main, arguments) == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    written = json.loads(figures.read_text(encoding="utf-8"))
    assert written["files"]["cases.json"]["f1"] == 1.0
    assert written["speed"]["warm_processor_ms"] > 0
    assert "F1 is flat from" in capsys.readouterr().out


def test_a_file_without_cases_is_one_clear_line(tmp_path, capsys):
    cases = tmp_path / "cases.json"
    cases.write_text("[]", encoding="utf-8")
    assert filter_score.run(filter_score.parser(), filter_score.main, [str(cases)]) == 2
    assert "expected a JSON file of labelled cases" in capsys.readouterr().err
