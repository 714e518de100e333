"""The film of a story by its operations: sound that is imported, undo, archives, the timeline, subtitles."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Take
from storyboard.interfaces import verbs
from storyboard.media.header import read_header
from storyboard.store.clips import keep_frames
from storyboard.studio import Studio
from tests.storyboard.conftest import gradient
from tests.storyboard.media.test_sound import tone
from tests.storyboard.studios import ME, YOU, Desk, open_studio, small


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(None, tmp_path / "home")
    yield studio
    studio.close()


@pytest.fixture
def desk(studio: Studio) -> Desk:
    """Two scenes with a take of eight frames each."""
    story = small(edits.new_story("Film", ["A cat.", "A dog."]))
    files = keep_frames(studio.media, gradient(8, 48, 72), 8)
    takes = [Take(id=f"take{k}", scene=scene.id, **files) for k, scene in enumerate(story.scenes)]
    for take in takes:
        story = edits.choose_take(story, take.scene, take.id)
    studio.library.create(ME, story, takes)
    return Desk(studio, ME, story.id)


def sound(folder: Path, seconds: float = 1.5) -> str:
    return base64.b64encode(tone(folder / "a.wav", seconds).read_bytes()).decode()


def edit(desk: Desk, do: str, **arguments: Any) -> dict[str, Any]:
    return desk.ask("edit", {"do": do, **arguments})["story"]


def test_music_and_voices_are_steps_of_undo(desk: Desk, tmp_path: Path) -> None:
    shown = desk.ask("import_music", sound(tmp_path), "song.wav")["story"]
    assert shown["film"]["music"]["name"] == "song.wav" and shown["film"]["music"]["seconds"] == pytest.approx(1.5)
    shown = desk.ask("import_voice", desk.ids[1], sound(tmp_path), "voice.wav")["story"]
    assert shown["scenes"][1]["shot"]["voice"]["name"] == "voice.wav" and shown["undo_label"] == "voice"
    assert edit(desk, "edit_film", changes={"music": {"level": -6}})["film"]["music"]["level"] == -6
    for _ in range(3):
        shown = desk.ask("undo")["story"]
    assert shown["film"]["music"] is None and shown["scenes"][1]["shot"]["voice"] is None
    for _ in range(3):
        shown = desk.ask("redo")["story"]
    assert shown["film"]["music"]["level"] == -6
    kept = {shown["film"]["music"]["file"], shown["scenes"][1]["shot"]["voice"]["file"]}
    assert kept <= desk.studio.library.referred(), "and their files are not cleared away"


def test_a_story_goes_through_an_archive_with_its_sounds(desk: Desk, tmp_path: Path) -> None:
    desk.ask("import_music", sound(tmp_path), "song.wav")
    desk.ask("import_voice", desk.ids[0], sound(tmp_path, 0.5), "voice.wav")
    edit(desk, "edit_film", changes={"music": None})
    desk.ask("undo")
    digest = desk.ask("export_story")["url"].removeprefix("media/").partition(".")[0]
    other = open_studio(None, tmp_path / "other")
    back = other.import_file(YOU, desk.studio.media.path(digest, "zip"))["story"]
    assert back["film"] == desk.ask("get_story")["story"]["film"]
    files = [back["film"]["music"]["file"], back["scenes"][0]["shot"]["voice"]["file"]]
    assert all(other.media.path(file, "m4a").stat().st_size for file in files)
    other.close()


def test_no_edit_of_the_film_makes_a_take_stale(desk: Desk) -> None:
    before = desk.board.story
    edit(desk, "edit_shot", scene=desk.ids[0], changes={"speed": 2, "caption": "Quick."})
    edit(desk, "edit_film", changes={"title": {"text": "Cats"}, "loudness": None})
    for was, scene in zip(before.scenes, desk.scenes, strict=True):
        assert was.model_copy(update={"shot": scene.shot}) == scene


def test_the_timeline_is_that_of_the_export(desk: Desk, tmp_path: Path) -> None:
    edit(desk, "edit_story", changes={"captions": True})
    edit(desk, "edit_film", changes={"title": {"text": "Cats", "seconds": 1}})
    edit(desk, "edit_shot", scene=desk.ids[1], changes={"skip": 0.5, "hold": 0.25, "caption": "Later."})
    desk.ask("import_music", sound(tmp_path), "song.wav")
    told = desk.ask("timeline")
    assert [(part["start"], part["seconds"]) for part in told["parts"]] == [(0, 1), (1, 1), (2, 0.75)]
    assert [part.get("caption") for part in told["parts"]] == [None, "A cat.", "Later."]
    assert (told["captions"], told["frames"], told["sounds"][0]["kind"]) == ("burnt in", 22, "music")
    made = desk.ask("film", "mp4")["url"].removeprefix("media/").partition(".")[0]
    header = read_header(desk.studio.media.path(made, "mp4"))
    assert (header.frames, header.sound) == (22, True)


def test_subtitles_are_exports(desk: Desk) -> None:
    for format, begins in (("srt", "1\n00:00:00,000 -->"), ("vtt", "WEBVTT\n")):
        made = desk.ask("film", format)
        assert made["name"] == f"Film.{format}"
        digest = made["url"].removeprefix("media/").partition(".")[0]
        assert desk.studio.media.path(digest, format).read_text().startswith(begins)


def test_a_captioned_film_with_subtitles_beside_has_a_bare_picture(desk: Desk) -> None:
    edit(desk, "edit_story", changes={"captions": True})
    edit(desk, "edit_film", changes={"captions": "beside"})
    made = desk.ask("film", "mp4")["url"].removeprefix("media/").partition(".")[0]
    assert read_header(desk.studio.media.path(made, "mp4")).height == 384


def test_programs_import_sound_too_and_a_shell_gives_a_path(desk: Desk, tmp_path: Path) -> None:
    shown = verbs.import_music(desk.studio, ME, desk.story, sound(tmp_path))["story"]
    assert shown["film"]["music"]["name"] == "music.mp3"
    path = str(tone(tmp_path / "mine.wav", 0.5))
    shown = verbs.voice_file(desk.studio, ME, desk.story, desk.ids[0], path)["story"]
    assert shown["scenes"][0]["shot"]["voice"]["name"] == "mine.wav"
    with pytest.raises(ThroughlineError, match=r"sound 'none.wav' does not exist"):
        verbs.music_file(desk.studio, ME, desk.story, "none.wav")


@pytest.mark.parametrize(
    "data, name, told",
    [
        (base64.b64encode(b"no sound").decode(), "song.mp3", "sound 'song.mp3' is not a sound that can be read"),
        ("!", "song.mp3", "'song.mp3' did not arrive whole"),
        ("A" * (28 << 20), "song.mp3", "'song.mp3' is too large: expected at most 20 MB"),
    ],
)
def test_what_is_no_sound_changes_nothing(desk: Desk, data: str, name: str, told: str) -> None:
    rev = desk.rev
    for verb, arguments in (("import_music", ()), ("import_voice", (desk.ids[0],))):
        with pytest.raises(ThroughlineError, match=told):
            desk.ask(verb, *arguments, data, name)
    assert desk.rev == rev
