"""What a story says about its film: its fields, its edits, and that stories which say nothing are written as ever."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.film import SILENT, Card, Seam, Shot
from storyboard.document.story import Story, parse

SONG = ("a" * 64, "song.mp3", 90.0)
STORY = edits.new_story("Film", ["A cat.", "A dog."])
FIRST, SECOND = (scene.id for scene in STORY.scenes)


def test_a_story_that_says_nothing_of_its_film_is_written_as_before() -> None:
    content = STORY.model_dump(mode="json")
    assert "film" not in content and "shot" not in content["scenes"][0]
    assert parse(Story, content) == STORY
    assert STORY.model_dump_json() == Story.model_validate_json(STORY.model_dump_json()).model_dump_json()


def test_what_it_says_comes_back() -> None:
    story = edits.edit_film(STORY, title={"text": "Snow"}, captions="beside", loudness=None)
    story = edits.edit_shot(edits.set_voice(story, SECOND, *SONG), SECOND, skip=0.5, voice={"delay": 1})
    content = story.model_dump(mode="json")
    assert parse(Story, content) == story
    assert "shot" not in content["scenes"][0], "of the other scene nothing is said"
    assert content["scenes"][1]["shot"]["voice"]["file"] == SONG[0]


def test_cards_and_sounds_are_edited_in_part() -> None:
    story = edits.edit_film(STORY, title={"text": "Snow", "seconds": 4})
    story = edits.edit_film(story, title={"seam": {"kind": "dip to black"}})
    assert story.film.title == Card(text="Snow", seconds=4, seam=Seam(kind="dip to black"))
    story = edits.edit_film(edits.set_music(story, *SONG), music={"level": -6})
    assert story.film.music and (story.film.music.level, story.film.music.name) == (-6, "song.mp3")


def test_another_song_keeps_the_settings_of_the_one_before() -> None:
    story = edits.edit_film(edits.set_music(STORY, *SONG), music={"level": -9, "loop": False})
    story = edits.set_music(story, "b" * 64, "other.wav", 30.0)
    assert story.film.music
    assert dict(story.film.music) == {
        "file": "b" * 64, "name": "other.wav", "seconds": 30.0, "level": -9.0, "fade_in": 0.0, "fade_out": 2.0,
        "skip": 0.0, "loop": False,
    }  # fmt: skip
    assert edits.edit_film(story, music=None).film.music is None


def test_an_edit_of_one_shot_leaves_the_others_and_what_is_remembered() -> None:
    story = edits.edit_shot(STORY, FIRST, speed=2, caption="")
    assert story.scene(FIRST).shot == Shot(speed=2, caption="")
    assert story.scene(SECOND) == STORY.scene(SECOND)
    assert story.scene(FIRST).model_copy(update={"shot": Shot()}) == STORY.scene(FIRST)


@pytest.mark.parametrize(
    "edit, told",
    [
        (lambda: edits.edit_film(STORY, music={"level": -3}), "there is no music yet: expected a file"),
        (lambda: edits.edit_shot(STORY, FIRST, voice={"delay": 1}), "there is no voice yet: expected a file"),
        (lambda: edits.edit_film(edits.set_music(STORY, *SONG), music={"file": "b" * 64}), "file of the music can't"),
        (lambda: edits.edit_shot(STORY, FIRST, speed=0), "speed is 0: input should be greater than or equal to 0.1"),
        (lambda: edits.edit_shot(STORY, FIRST, level=SILENT - 1), "level is -61.0"),
        (lambda: edits.edit_shot(STORY, FIRST, hold=float("nan")), "hold is nan"),
        (lambda: edits.edit_shot(STORY, "none", skip=1), "scene 'none' does not exist"),
        (lambda: edits.edit_film(STORY, title={"colour": 1}), "title.colour is 1: extra inputs"),
        (lambda: edits.edit_film(STORY, captions="above"), "captions is 'above': input should be 'burnt in' or"),
        (lambda: edits.edit_film(STORY, loudness=-80), "loudness is -80"),
    ],
)
def test_what_can_not_be_is_refused_in_a_line(edit: Callable[[], Any], told: str) -> None:
    with pytest.raises(ThroughlineError) as caught:
        edit()
    assert told in str(caught.value) and "\n" not in str(caught.value)
