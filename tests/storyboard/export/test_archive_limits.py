"""What a story in an archive may hold is counted before values are made of it, and named with its cap."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import MOST_OF_A_SCENE, MOST_SCENES, Board, Story, WordRef
from storyboard.export import archive
from storyboard.export.archive import open_archive, write_archive
from storyboard.export.archive_history import UndoHistory, UndoStep
from storyboard.export.archive_limits import check_steps, check_story
from tests.storyboard.export.test_archive import bundled, entries_of, listed, refused

WORD = {"scene": "a", "text": "b"}
ITEMS: dict[str, Any] = {
    "pins": WORD,
    "mutes": WORD,
    "muted_scenes": "a",
    "keyframes": {"take": "t", "index": 0, "keyframe": "0" * 64},
    "removed": "t",
}


def story_with(name: str, count: int) -> dict[str, Any]:
    return {"id": "s", "scenes": [{"id": "a"}, {"id": "b", name: [ITEMS[name]] * count}]}


@pytest.mark.parametrize("name", MOST_OF_A_SCENE)
def test_what_a_scene_holds_has_an_end(name: str) -> None:
    most = MOST_OF_A_SCENE[name]
    check_story(story_with(name, most))
    with pytest.raises(
        ThroughlineError, match=rf"^story archive has {most + 1} .*in scene 'b': expected at most {most}$"
    ):
        check_story(story_with(name, most + 1))


def test_scenes_and_steps_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = [{"id": f"{number:x}"} for number in range(MOST_SCENES + 1)]
    with pytest.raises(ThroughlineError, match="has 501 scenes: expected at most 500"):
        check_story({"scenes": scenes})
    step = {"label": "", "story": {"scenes": scenes[:500]}}
    check_steps([step] * 120)
    with pytest.raises(ThroughlineError, match="has 60500 scenes in all steps of undo: expected at most 60000"):
        check_steps([step] * 121)
    with pytest.raises(ThroughlineError, match="has 10001 steps of undo: expected at most 10000"):
        check_steps([{}] * 10_001)
    with pytest.raises(ThroughlineError, match="has 501 pins in scene 'b'"):
        check_steps([{"story": story_with("pins", 501)}])


@pytest.mark.parametrize("content", [None, 3, [], {"scenes": 3}, {"scenes": [3, None, {"pins": 3}]}])
def test_what_is_no_story_is_left_to_the_parser(content: Any) -> None:
    check_story(content)
    check_steps([content, {"story": content}])


def pinned(count: int) -> Story:
    story = edits.new_story("one", ["Mia runs.", "Mia waves."])
    words = tuple(WordRef(scene=story.scenes[0].id, text="Mia", occurrence=number) for number in range(count))
    scenes = (story.scenes[0], story.scenes[1].model_copy(update={"pins": words}))
    return story.model_copy(update={"scenes": scenes})


def written(path: Path, story: Story) -> Path:
    write_archive(path, Board(story), lambda *_: path, UndoHistory((UndoStep(label="", story=story),)))
    return path


def test_an_archive_over_a_cap_is_neither_written_nor_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_archive(written(tmp_path / "a.zip", pinned(500))).board.story.scenes[1].pins
    with pytest.raises(ThroughlineError, match="has 501 pins"):
        written(tmp_path / "b.zip", pinned(501))
    assert not (tmp_path / "b.zip").exists()
    monkeypatch.setitem(MOST_OF_A_SCENE, "pins", 501)
    large = written(tmp_path / "c.zip", pinned(501))
    monkeypatch.undo()
    refused(large, "has 501 pins")


@pytest.mark.parametrize("name", ["MOST_STORY_BYTES", "MOST_PAST_BYTES"])
def test_an_archive_that_would_fill_the_memory_is_refused_before_it_is_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = written(tmp_path / "a.zip", pinned(500))
    monkeypatch.setattr(archive, name, 64 << 10)
    refused(good, r"needs about 0 MB of memory for .*: expected at most 0")


def test_more_values_than_are_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = written(tmp_path / "a.zip", pinned(2))
    monkeypatch.setattr(archive, "MOST_STORY_BYTES", 1 << 30)
    large = bundled(tmp_path / "b.zip", listed({**entries_of(good), "takes.json": b"[" + b"0," * 1_500_000 + b"0]"}))
    refused(large, "has 1500001 values in takes.json: expected at most 1500000")


def test_an_edit_lets_a_scene_hold_no_more_than_its_archive_may() -> None:
    words = tuple(WordRef(scene="a", text="b", occurrence=number) for number in range(MOST_OF_A_SCENE["pins"]))
    story = Story.model_validate({"id": "s", "scenes": [{"id": "a", "prompt": "b"}, {"id": "b", "pins": words}]})
    with pytest.raises(ThroughlineError, match=r"^the scene would have 501 pins: expected at most 500$"):
        edits.pin_word(story, "b", WordRef(scene="a", text="c"))
    muted = edits.mute_word(story, "b", words[0])
    assert len(muted.scenes[1].pins) == 499, "what there is room for goes on"
    full = story.model_copy(
        update={
            "scenes": (
                story.scenes[0],
                story.scenes[1].model_copy(update={"pins": (*words, WordRef(scene="a", text="c"))}),
            )
        }
    )
    assert edits.edit_scene(full, "b", prompt="c").scenes[1].prompt == "c", "an old story that holds more can be edited"
    assert len(edits.release_word(full, "b", words[0]).scenes[1].pins) == 500
