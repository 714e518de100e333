"""Numbers and flags are what they are: text is not taken for one, nor a flag for a number."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.interfaces import cli, commands, http
from storyboard.interfaces.admission import Throttle
from storyboard.interfaces.pools import Pools
from storyboard.operations.registry import VERBS
from storyboard.studio import Studio
from storyboard.ui import page
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME

WHOLE, NUMBER, FLAG = "valid integer", "valid number", "valid boolean"
OF_A_SCENE = [
    ({"steps": True}, "steps is True", WHOLE),
    ({"steps": "12"}, "steps is '12'", WHOLE),
    ({"steps": 12.0}, "steps is 12.0", WHOLE),
    ({"steps": 0}, "steps is 0", "greater than or equal to 1"),
    ({"num_frames": "17"}, "num_frames is '17'", WHOLE),
    ({"num_frames": 3}, "num_frames is 3", "expected 4 k \\+ 1"),
    ({"num_frames": 165}, "num_frames is 165", "less than or equal to 161"),
    ({"seed": "7"}, "seed is '7'", WHOLE),
    ({"seed": False}, "seed is False", WHOLE),
    ({"threshold": "0.5"}, "threshold is '0.5'", NUMBER),
    ({"threshold": True}, "threshold is True", NUMBER),
    ({"locked": 1}, "locked is 1", FLAG),
    ({"new_seed": "yes"}, "new_seed is 'yes'", FLAG),
    ({"guidance": {"text": "4"}}, "guidance.text is '4'", NUMBER),
    ({"guidance": {"history": True}}, "guidance.history is True", NUMBER),
    ({"seam": {"seconds": "1"}}, "seam.seconds is '1'", NUMBER),
]
OF_A_STORY = [
    ({"captions": "yes"}, "captions is 'yes'", FLAG),
    ({"captions": 1}, "captions is 1", FLAG),
    ({"width": "96"}, "width is '96'", WHOLE),
    ({"height": True}, "height is True", WHOLE),
]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path)
    yield studio
    studio.close()


def new(studio: Studio) -> dict[str, Any]:
    return dict(studio.new_story(ME, "Film", ["Mia sleeps.", "Mia runs."])["story"])


@pytest.mark.parametrize(("changes", "value", "expected"), OF_A_SCENE)
def test_settings_of_a_scene_are_of_their_type(
    studio: Studio, changes: dict[str, Any], value: str, expected: str
) -> None:
    story = new(studio)
    scene = story["scenes"][0]["id"]
    for op in ({"do": "edit_scene", "scene": scene, "changes": changes}, {"do": "add_scene", "fields": changes}):
        with pytest.raises(ThroughlineError, match=f"^{value}: .*{expected}") as caught:
            studio.edit(ME, story["id"], op)
        assert "\n" not in str(caught.value)
    assert studio.get_story(ME, story["id"])["story"]["scenes"] == story["scenes"]


@pytest.mark.parametrize(("changes", "value", "expected"), OF_A_STORY)
def test_settings_of_a_story_are_of_their_type(
    studio: Studio, changes: dict[str, Any], value: str, expected: str
) -> None:
    story = new(studio)
    told = page.answer(
        studio,
        {"verb": "edit", "owner": ME, "story": story["id"], "op": {"do": "edit_story", "changes": changes}},
    )
    assert not told["ok"] and told["error"].startswith(f"{value}: ") and expected in told["error"]


@pytest.mark.parametrize("index", ["1", True, 1.0, None])
def test_a_place_is_a_whole_number(studio: Studio, index: Any) -> None:
    story = new(studio)
    scene = story["scenes"][0]["id"]
    with pytest.raises(ThroughlineError, match=f"^index is {index!r}: .*{WHOLE}"):
        studio.edit(ME, story["id"], {"do": "move_scene", "scene": scene, "index": index})
    move = http._endpoint(studio, VERBS["move_scene"], Pools(), http.Followers(), Throttle())
    with pytest.raises(Exception, match=f"index is {index!r}: .*{WHOLE}"):
        asyncio.run(move(ME, story["id"], scene, index))


def test_what_programs_send_as_text_is_no_less_strict(studio: Studio) -> None:
    story = new(studio)
    edit = http._endpoint(studio, VERBS["edit_scene"], Pools(), http.Followers(), Throttle())
    with pytest.raises(Exception, match=f"steps is '12': .*{WHOLE}"):
        asyncio.run(edit(ME, story["id"], story["scenes"][0]["id"], json.dumps({"steps": "12"})))


def test_a_word_is_counted_in_whole_numbers(studio: Studio) -> None:
    story = new(studio)
    first, second = (scene["id"] for scene in story["scenes"])
    op = {"do": "pin_word", "scene": second, "word": {"scene": first, "text": "Mia", "occurrence": "0"}}
    with pytest.raises(ThroughlineError, match=f"^word.occurrence is '0': .*{WHOLE}"):
        studio.edit(ME, story["id"], op)


def test_a_whole_number_is_a_number_too(studio: Studio) -> None:
    story = new(studio)
    changes = {"threshold": 1, "guidance": {"text": 4}, "num_frames": 13, "steps": 2, "locked": True}
    op = {"do": "edit_scene", "scene": story["scenes"][0]["id"], "changes": changes}
    scene = studio.edit(ME, story["id"], op)["story"]["scenes"][0]
    assert (scene["threshold"], scene["guidance"]["text"], scene["num_frames"]) == (1.0, 4.0, 13)


def test_a_shell_reads_its_text_itself(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    story = new(studio)
    first, second = (scene["id"] for scene in story["scenes"])
    monkeypatch.setattr(commands, "_studio", lambda choice: open_fake(studio.folder))
    assert cli.main(["move-scene", story["id"], first, "1", "--owner", ME]) == 0
    moved = json.loads(capsys.readouterr().out)["story"]["scenes"]
    assert [scene["id"] for scene in moved] == [second, first]
