"""The one rule about how long words may be, at every entrance, and what becomes of a scene that breaks it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.backbones.counting import TokenCounter
from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.interfaces import verbs
from storyboard.studio import Studio
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, TEN, Desk, open_studio, small

LONG = "cat " * 80
REFUSED = 'prompt has 82 tokens, at most 64 are possible: "cat cat'


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path)
    yield studio
    studio.close()


@pytest.fixture
def desk(pipeline: Any, tmp_path: Path) -> Iterator[Desk]:
    """Three scenes, the second too long: as an archive or another model may bring it."""
    studio = open_studio(pipeline, tmp_path)
    yield Desk.new(studio, TEN[0], f"Mia {LONG}", TEN[3])
    studio.close()


def test_a_new_story_names_the_scene_that_is_too_long(studio: Studio) -> None:
    for make in (studio.new_story, lambda *arguments: verbs.new_story(studio, *arguments)):
        with pytest.raises(ThroughlineError, match=f"^scene 2: {REFUSED}"):
            make(ME, "Film", ["A cat.", LONG])
    assert studio.stories(ME)["stories"] == []


def test_every_edit_is_under_the_same_rule(studio: Studio) -> None:
    story = studio.new_story(ME, "Film", ["A cat."])["story"]
    scene, before = story["scenes"][0]["id"], story["rev"]
    for op in (
        {"do": "edit_scene", "scene": scene, "changes": {"prompt": LONG}},
        {"do": "add_scene", "fields": {"prompt": LONG}},
        {"do": "edit_scene", "scene": scene, "changes": {"negative_prompt": LONG}},
        {"do": "add_scene", "fields": {"negative_prompt": LONG}},
    ):
        with pytest.raises(ThroughlineError, match=REFUSED) as told:
            studio.edit(ME, story["id"], op)
        assert str(told.value).startswith("negative prompt") == ("negative_prompt" in str(op))
    with pytest.raises(ThroughlineError, match=f"^{REFUSED}"):
        verbs.add_scene(studio, ME, story["id"], LONG)
    assert studio.get_story(ME, story["id"])["story"]["rev"] == before


def test_what_a_story_has_already_stays_editable(desk: Desk) -> None:
    desk.edit(1, negative_prompt="rain", seed=7)
    desk.ask("edit", {"do": "duplicate_scene", "scene": desk.ids[1]})
    assert [scene.prompt for scene in desk.scenes[1:3]] == [f"Mia {LONG}"] * 2
    assert desk.prompt(1, "Mia is skiing.")["story"]["undo_label"] == "prompt"


def test_an_archive_with_a_long_prompt_opens_and_its_scene_says_so(studio: Studio) -> None:
    own = small(edits.new_story("Film", ["A cat.", LONG]))
    studio.library.create(ME, own)
    url = studio.export_story(ME, own.id)["url"]
    digest = url.removeprefix("media/").partition(".")[0]
    found = studio.import_file(ME, studio.media.path(digest, "zip"))["story"]
    first, second = studio.standings(ME, found["id"]).values()
    assert first.state == "new" and second.state == "blank" and second.reasons[0].startswith(REFUSED)


def test_a_scene_that_is_too_long_stops_only_itself(desk: Desk) -> None:
    assert desk.states == ["new", "blank", "new"]
    told = desk.ask("plan")["plan"]
    assert [step["number"] for step in told["steps"]] == [1, 3]
    assert told["blocked"] == (f"scene 2 can't be rendered: {desk.standings()[1].reasons[0]}",)
    assert desk.standings()[2].needs == (desk.ids[0],), "of the long one it remembers nothing"
    desk.render()
    assert desk.states == ["fresh", "blank", "fresh"]
    assert desk.ask("meter", None)["meter"]
    with pytest.raises(ThroughlineError, match="at most 64 are possible"):
        desk.ask("remembers", desk.ids[1])
    past = desk.ask("remembers", desk.ids[2])["past"][1]
    assert not past["kept"] and "".join(piece["text"] for piece in past["pieces"]) == f"Mia {LONG}"
    desk.prompt(1, "Mia is skiing.")
    assert desk.states == ["fresh", "new", "stale"]


def test_a_long_negative_prompt_stops_only_its_scene(pipeline: Any, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = Desk.new(studio, *TEN[:3])
    long = studio.library.edit(
        ME, desk.story, lambda story: edits.edit_scene(story, desk.ids[1], negative_prompt=LONG), "settings"
    )
    assert long.rev and desk.states == ["new", "blank", "new"] and desk.planned() == [0, 2]
    assert desk.standings()[1].reasons[0].startswith("negative prompt has 82 tokens")
    desk.render()
    assert desk.states == ["fresh", "blank", "fresh"]
    studio.close()


def test_the_length_is_told_from_three_quarters_on(studio: Studio) -> None:
    told = studio.lengths(ME, ["A cat.", "cat " * 50, LONG])
    assert told["limit"] == 64
    assert told["lengths"] == [
        {"note": "", "fits": True},
        {"note": "52 of 64 tokens, room for about 12 words", "fits": True},
        {"note": "82 tokens, at most 64 are possible: about 18 words too many", "fits": False},
    ]


def test_the_limit_is_that_of_the_model_in_use(studio: Studio) -> None:
    story = studio.new_story(ME, "Film", ["A cat."])["story"]
    op = {"do": "edit_scene", "scene": story["scenes"][0]["id"], "changes": {"prompt": LONG}}
    studio.renderer.encoder = TokenCounter(lambda: len, 400)
    studio.edit(ME, story["id"], op)
    studio.renderer.encoder = TokenCounter(lambda: len, 100)
    assert studio.standings(ME, story["id"])[story["scenes"][0]["id"]].reasons == (
        f'prompt has 320 tokens, at most 100 are possible: "{LONG[:40]}…"',
    )


def test_words_of_other_tools_are_told_gently(desk: Desk) -> None:
    desk.prompt(0, "Mia in a (red coat:1.3) is skiing. --ar 16:9")
    studio = desk.studio
    _ = studio.renderer.filter
    told = studio.poll(ME, desk.story)["standing"]["foreign_syntax"]
    assert list(told) == [desk.ids[0]] and len(told[desk.ids[0]]) == 2
    assert told[desk.ids[0]][0] == "Weights like (red coat:1.3) do nothing here: every word counts the same."
