"""Asking pair by pair gives what asking about the whole past gives, and asks no pair twice."""

import gc
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from pipeline.text_filter import TextFilter
from storyboard.document import edits, filter_cache, plan
from storyboard.document.conditioning import WordPlace, word_ref
from storyboard.document.filter_cache import FilterCache
from storyboard.document.story import Board
from tests.soak.fakes import fake_filter
from tests.storyboard.studios import TEN

MORE = ("Two dogs and Mia are in the red desert.", "The coat is red.", "", "The cat, the dog and the robot meet Mia.")


@pytest.fixture(scope="module")
def real() -> TextFilter:
    return TextFilter.from_backbone()


@settings(max_examples=60)
@given(data=st.data())
def test_conditionings_are_the_very_same(real: TextFilter, data: st.DataObject) -> None:
    story = edits.new_story("Film", data.draw(st.lists(st.sampled_from(TEN + MORE), min_size=1, max_size=6)))
    *past, last = story.scenes
    for scene in past:
        change = data.draw(st.sampled_from(["none", "mute", "pin word", "mute word"]))
        word = next((w for w in ("Mia", "dog", "robot", "coat") if w in scene.prompt), None)
        if change == "mute":
            story = edits.mute_scene(story, last.id, scene.id)
        elif word and change != "none":
            place = scene.prompt.index(word)
            edit = edits.pin_word if change == "pin word" else edits.mute_word
            story = edit(story, last.id, word_ref(scene, place, place + len(word)))
    threshold = data.draw(st.none() | st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0]))
    story = edits.edit_scene(story, last.id, threshold=threshold)
    assert plan.standings(Board(story), FilterCache(real), "m") == plan.standings(Board(story), real, "m")


def test_after_an_edit_only_new_pairs_are_asked(real: TextFilter) -> None:
    asked: list[tuple[list[str], str]] = []

    def counted(past: Any, prompt: str, **options: Any) -> Any:
        asked.append((list(past), prompt))
        return real(past, prompt, **options)

    pairs, board = FilterCache(counted), Board(edits.new_story("Film", TEN))
    before = plan.standings(board, pairs, "m")
    assert len(asked) == 1 + 45, "the first scene has no past"
    asked.clear()
    changed = replace(board, story=edits.edit_scene(board.story, board.story.scenes[4].id, prompt="The dog sleeps."))
    plan.standings(changed, pairs, "m")
    assert len(asked) == 1 + 9 and all("The dog sleeps." in (*past, prompt) for past, prompt in asked if past)
    asked.clear()
    assert plan.standings(board, pairs, "m") == before and len(asked) == 1


def test_errors_are_those_of_the_whole_past(real: TextFilter) -> None:
    for options in ({"threshold": 2}, {"pins": [WordPlace(1, 0, 1)]}, {"mutes": [WordPlace(5, 0, 1)]}):
        settings: dict[str, Any] = {"threshold": None, "pins": [], "mutes": [], "muted_scenes": [], **options}
        with pytest.raises(ThroughlineError) as whole:
            real([TEN[0], TEN[1]], TEN[3], **settings)
        if "mutes" in options:
            continue  # a place in no scene: `conditioning.places` makes none
        with pytest.raises(ThroughlineError) as paired:
            FilterCache(real)([TEN[0], TEN[1]], TEN[3], **settings)
        assert str(paired.value) == str(whole.value)


@settings(max_examples=40)
@given(st.sampled_from(TEN + MORE[:2]), st.sampled_from(TEN + MORE[:2]), st.sampled_from([None, 0.0, 0.3, 0.6, 1.0]))
def test_words_that_are_kept_are_those_of_the_full_answer(
    real: TextFilter, past: str, prompt: str, threshold: float | None
) -> None:
    whole = real([past], prompt, threshold=threshold)
    (targets,) = real.targets([past], prompt, threshold)
    quick = real.words(past, prompt, targets)
    for found, words in zip(quick, (whole.scenes[0].words, whole.current), strict=True):
        kept = [word for word in words if word.kept]
        assert [(w.start, w.end, w.mention, w.matched) for w in found] == [
            (w.start, w.end, w.mention, w.matched) for w in kept
        ]


def test_the_quick_answer_gives_the_very_same_standings(real: TextFilter) -> None:
    board, quick = Board(edits.new_story("Film", TEN + MORE)), FilterCache(real, real)
    for _ in range(2):
        assert plan.standings(board, quick, "m") == plan.standings(board, real, "m")


def test_the_cache_holds_no_more_than_so_many_bytes(real: TextFilter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_cache, "MOST_BYTES", 20_000)
    pairs, board = FilterCache(real, real), Board(edits.new_story("Film", TEN))
    assert plan.standings(board, pairs, "m") == plan.standings(board, real, "m")
    assert len(pairs._rows) < len(TEN) - 1 and pairs.bytes <= 20_000


def test_what_many_edits_leave_takes_no_more_than_is_counted() -> None:
    """Prompts of one story that are typed anew again and again: nearly every pair keeps something."""
    pairs, scenes = FilterCache(fake_filter, fake_filter), [f"Mia runs {n}." for n in range(12)]  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        for edit in range(400):
            scenes[edit * 5 % 12] = f"Mia runs {edit / 7}."
            plan.standings(Board(edits.new_story("Film", scenes)), pairs, "m")
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.5 * held < pairs.bytes and held < 1.3 * pairs.bytes, f"{held:,} bytes, counted as {pairs.bytes:,}"
    assert pairs.bytes / 400 < 5500, "an edit: 11 pairs, a row and a part"
