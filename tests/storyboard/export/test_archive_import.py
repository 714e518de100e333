"""What a story archive brings back besides the board: undo and redo, and whether the weights are those of the story."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.export import archive_history
from storyboard.export.archive import open_archive, read_archive, write_archive
from storyboard.export.archive_history import UndoHistory, UndoStep
from storyboard.studio import Studio
from tests.paths import ROOT
from tests.soak.fakes import open_fake
from tests.storyboard.export.test_archive import bundled, entries_of, listed, refused
from tests.storyboard.studios import ME, YOU


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path / "home", step_seconds=0)
    yield studio
    studio.close()


def exported(studio: Studio, story: str) -> Path:
    digest = studio.export_story(ME, story)["url"].split("/")[-1][:64]
    return studio.media.path(digest, "zip")


def rename(studio: Studio, story: str, title: str) -> None:
    studio.edit(ME, story, {"do": "edit_story", "changes": {"title": title}})


def edited(studio: Studio) -> str:
    """A story with a clip, two steps to undo and one to redo."""
    story: str = studio.new_story(ME, "one", ["Mia runs."])["story"]["id"]
    studio.render(ME, story)
    for _ in studio.follow(ME, story, pause=0.001):
        pass
    for title in ("two", "three", "four"):
        rename(studio, story, title)
    studio.undo(ME, story)
    return story


def titles(studio: Studio, owner: str, story: str) -> tuple[list[str], int]:
    _, revisions, present = studio.library.revisions(owner, story)
    return [revision.story.title for revision in revisions], present


def test_undo_and_redo_travel(studio: Studio) -> None:
    found = studio.import_file(YOU, exported(studio, edited(studio)))
    story = found["story"]["id"]
    assert titles(studio, YOU, story) == (["one", "two", "three", "four"], 2) and found["note"] == ""
    assert found["story"]["can_redo"] and found["story"]["undo_label"] == "story settings"
    assert studio.redo(YOU, story)["story"]["title"] == "four"
    for title in ("three", "two", "one"):
        assert studio.undo(YOU, story)["story"]["title"] == title
    (scene,) = studio.get_story(YOU, story)["story"]["scenes"]
    assert len(scene["takes"]) == 1 and studio.standings(YOU, story)[scene["id"]].state == "fresh"


def test_a_copy_of_a_copy_is_the_same(studio: Studio) -> None:
    first = exported(studio, edited(studio))
    second = studio.import_file(ME, first)["story"]["id"]
    one, two = open_archive(first), open_archive(exported(studio, second))
    assert archive_history.named(two.past, one.board.story.id) == one.past and one.files == two.files


def test_pictures_that_only_the_past_shows_are_in_it(studio: Studio) -> None:
    story = edited(studio)
    head = studio.library.head(ME, story)
    (scene,), (take,) = head.board.story.scenes, head.board.takes.values()
    picture = studio.media.put(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x08\0\0\0\x08" + bytes(30), "png")
    studio.library.edit(ME, story, lambda now: edits.choose_keyframe(now, scene.id, take.id, 3, picture))
    studio.undo(ME, story)
    path = exported(studio, story)
    assert (picture, "png") in open_archive(path).files


def as_version_1(path: Path, new: Path) -> Path:
    """What was written before there were revisions and weights in archives."""
    entries = {name: data for name, data in entries_of(path).items() if name != "revisions.json"}
    manifest = json.loads(entries.pop("manifest.json"))
    del manifest["files"]["revisions.json"], manifest["weights"]
    return bundled(new, {**entries, "manifest.json": json.dumps({**manifest, "version": 1}).encode()})


def test_version_1_is_still_read(studio: Studio, tmp_path: Path) -> None:
    path = exported(studio, edited(studio))
    old = as_version_1(path, tmp_path / "old.zip")
    found = studio.import_file(YOU, old)
    assert found["story"]["title"] == "three" and not found["story"]["can_undo"] and found["note"] == ""
    assert read_archive(old)[1] == read_archive(path)[1] and open_archive(old).past == UndoHistory(weights=("f" * 64,))


def test_the_samples_are_still_read() -> None:
    paths = sorted((ROOT / "assets" / "stories").glob("*.zip"))
    assert paths and all(read_archive(path)[0].story.scenes for path in paths)


def test_other_weights_are_named_in_a_line(studio: Studio, tmp_path: Path) -> None:
    path = exported(studio, edited(studio))
    other = open_fake(tmp_path / "other")
    other.renderer.model = "e" * 64
    note = other.import_file(ME, path)["note"]
    other.close()
    assert "other weights (ffffffffffff) than those here (eeeeeeeeeeee)" in note and "\n" not in note
    manifest = json.loads(entries_of(path)["manifest.json"])
    assert manifest["weights"] == ["f" * 64] and manifest["version"] == 2


def test_an_edit_that_comes_between_spoils_no_archive(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    story = edited(studio)
    plain = studio.library.revisions

    def late(owner: str, wanted: str) -> Any:
        rename(studio, story, "later")
        return plain(owner, wanted)

    monkeypatch.setattr(studio.library, "revisions", late)
    assert open_archive(exported(studio, story)).board.story.title == "later"


def test_a_damaged_step_stays_behind(studio: Studio) -> None:
    story = edited(studio)
    studio.library._database.write(
        lambda db: db.execute("UPDATE revisions SET doc = x'00' WHERE story = ? AND number = 1", (story,))
    )
    found = studio.import_file(ME, exported(studio, story))["story"]
    assert titles(studio, ME, found["id"]) == (["one", "three", "four"], 1)


def test_of_a_very_long_past_the_oldest_stays_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    story = edits.new_story("0", ["Mia runs."])
    steps = [UndoStep(label="", story=edits.edit_story(story, title=str(n))) for n in range(20)]
    monkeypatch.setattr(archive_history, "_MOST", (*archive_history._MOST[:2], 6, *archive_history._MOST[3:]))
    kept = archive_history.recent(UndoHistory(tuple(steps), present=17))
    assert [step.story.title for step in kept.steps] == [str(n) for n in range(14, 20)] and kept.present == 3
    kept = archive_history.recent(UndoHistory(tuple(steps), present=2))
    assert [step.story.title for step in kept.steps] == [str(n) for n in range(2, 8)] and kept.present == 0
    write_archive(tmp_path / "a.zip", Board(steps[17].story), lambda *_: tmp_path, UndoHistory(tuple(steps), 17))
    assert len(open_archive(tmp_path / "a.zip").past.steps) == 6


# --- hostile ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of three revisions. Not to be changed."""
    folder = tmp_path_factory.mktemp("backup")
    story = edits.new_story("one", ["Mia runs."])
    steps = tuple(UndoStep(label="", story=edits.edit_story(story, title=title)) for title in ("one", "two", "three"))
    write_archive(folder / "good.zip", Board(steps[1].story), lambda *_: folder, UndoHistory(steps, 1, ("f" * 64,)))
    return folder / "good.zip"


def with_steps(good: Path, path: Path, change: Any) -> Path:
    entries = entries_of(good)
    content = change(json.loads(entries["revisions.json"]))
    return bundled(path, listed({**entries, "revisions.json": json.dumps(content).encode()}))


def put(content: dict[str, Any], place: int, **changes: Any) -> dict[str, Any]:
    content["steps"][place]["story"] |= changes
    return content


HOSTILE = {
    "a number": lambda c: 3,
    "a list": lambda c: c["steps"],
    "no steps": lambda c: {"present": 0},
    "none": lambda c: {"present": 0, "steps": []},
    "words": lambda c: c | {"steps": "abc"},
    "past the end": lambda c: c | {"present": 3},
    "before": lambda c: c | {"present": -1},
    "huge": lambda c: c | {"present": 10**400},
    "not the story": lambda c: c | {"present": 0},
    "a float": lambda c: c | {"present": 1.5},
    "more": lambda c: c | {"owner": "x"},
    "another's": lambda c: put(c, 0, id="other"),
    "a long label": lambda c: c | {"steps": [{**c["steps"][0], "label": "x" * 401}, *c["steps"][1:]]},
    "wrong size": lambda c: put(c, 0, width=10**9),
    "wrong scenes": lambda c: put(c, 2, scenes=[{"id": "../x"}]),
    "scenes of no kind": lambda c: put(c, 2, scenes={"id": "a"}),
    "a step of no kind": lambda c: c | {"steps": [1, 2]},
    "a picture it has not": lambda c: put(
        c, 0, scenes=[{"id": "a", "keyframes": [{"take": "t", "index": 0, "keyframe": "0" * 64}]}]
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_past_is_refused(kind: str, good: Path, tmp_path: Path) -> None:
    refused(with_steps(good, tmp_path / "a.zip", HOSTILE[kind]), ".")


def test_the_tools_of_these_tests_make_good_archives(good: Path, tmp_path: Path) -> None:
    back = open_archive(with_steps(good, tmp_path / "a.zip", lambda c: c)).past
    assert back.steps == open_archive(good).past.steps and back.present == 1


@pytest.mark.parametrize("weights", ["x", ["x"], ["f" * 65], [1], {"a": 1}, ["f" * 64] * 1001])
def test_weights_are_digests(weights: Any, good: Path, tmp_path: Path) -> None:
    refused(bundled(tmp_path / "a.zip", listed(entries_of(good), weights=weights)), "weights")


def test_a_refused_archive_leaves_nothing(studio: Studio, good: Path, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError):
        studio.import_file(ME, with_steps(good, tmp_path / "a.zip", HOSTILE["another's"]))
    assert studio.stories(ME)["stories"] == [] and not [*studio.media.folder.glob("??/*")]


def test_a_version_1_with_steps_is_no_archive(good: Path, tmp_path: Path) -> None:
    refused(bundled(tmp_path / "a.zip", listed(entries_of(good), version=1)), "version 1 holds revisions.json")
