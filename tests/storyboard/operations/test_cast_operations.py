"""The cast by its operations: keeping pictures of takes and files, the owner's cast, undo, archives, scripts, shell."""

import base64
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from pipeline.picturebook import renderer
from pipeline.training.models.localiser import lone_scene
from storyboard.document import edits
from storyboard.document.cast.edits import cast_by_model
from storyboard.document.plan import Standing
from storyboard.document.story import Take
from storyboard.interfaces import verbs  # noqa: F401  defines the verbs
from storyboard.media.images import read_picture
from storyboard.operations.cast import _region
from storyboard.operations.cast_views import who_view
from storyboard.operations.cutouts import GROUND, figure_at
from storyboard.operations.registry import VERBS
from storyboard.store.clips import keep_frames
from storyboard.studio import Studio
from tests.storyboard.conftest import gradient
from tests.storyboard.studios import ME, YOU, Desk, open_studio, small


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(None, tmp_path / "home")
    yield studio
    studio.close()


@pytest.fixture
def desk(studio: Studio) -> Desk:
    return with_takes(studio, "Mia is running.", "A dog is barking.", "Mia is skiing.")


def with_takes(studio: Studio, *prompts: str) -> Desk:
    """A story whose first scene has a take of eight frames."""
    story = small(edits.new_story("Film", prompts))
    take = Take(id="take0", scene=story.scenes[0].id, **keep_frames(studio.media, gradient(8, 48, 72), 8))
    story = edits.choose_take(story, take.scene, take.id)
    studio.library.create(ME, story, [take])
    return Desk(studio, ME, story.id)


def entries(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["story"]["cast"]
    return found


def picture_of(desk: Desk, place: int = -1) -> np.ndarray:
    picture = desk.board.story.cast[0].pictures[place]
    return read_picture(desk.studio.media.path(picture.file, "png"))


def test_a_frame_is_kept_whole_in_a_box_and_under_a_word(desk: Desk) -> None:
    kept = desk.ask("cast_keep", desk.ids[0], "Mia")
    (mia,) = entries(kept)
    assert mia["pictures"][0]["caption"] == "Mia is running." and mia["pictures"][0]["source"] == "scene 1 of Film"
    assert picture_of(desk).shape == (48, 72, 3)
    desk.ask("cast_keep", desk.ids[0], mia["id"], region="0.25,0,0.75,1", frame=2)
    boxed = picture_of(desk)
    assert (boxed[:, :18] == GROUND).all() and (boxed[:, 54:] == GROUND).all() and (boxed[:, 18:54] != GROUND).any()
    wet = {"do": "cast_edit_picture", "entry": mia["id"], "picture": kept["picture"], "changes": {"state": "wet"}}
    assert entries(desk.ask("edit", wet))[0]["known_states"] == ["wet"]
    desk.ask("cast_keep", desk.ids[0], "Runner", word="Mia")
    assert [entry.name for entry in desk.board.story.cast] == ["Mia", "Runner"]
    assert desk.board.story.cast[1].pictures[0].caption == "Runner is running."
    desk.ask("undo")
    assert len(desk.board.story.cast) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"region": "1,2"}, "region is '1,2': expected whole"),
        ({"region": "0.5,0,0.5,1"}, "expected left, top, right, bottom"),
        ({"region": "0,0,0.01,1"}, "expected at least 4 each way"),
        ({"region": "magic"}, "region is 'magic'"),
        ({"frame": 8}, "frame 8 is not in the clip: expected 0 to 7"),
        ({"word": "Tom"}, "word 'Tom' is not in the prompt"),
    ],
)
def test_what_cannot_be_kept_is_told(desk: Desk, options: dict[str, Any], told: str) -> None:
    with pytest.raises(ThroughlineError, match=told):
        desk.ask("cast_keep", desk.ids[0], "Mia", **options)
    with pytest.raises(ThroughlineError, match="no take to keep a picture of"):
        desk.ask("cast_keep", desk.ids[1], "Mia")
    assert not desk.board.story.cast


def test_the_figure_at_a_place_is_cut_out_alone() -> None:
    found = np.zeros((20, 30), bool)
    found[2:8, 2:8] = found[10:18, 20:28] = True
    assert figure_at(found, 0.9, 0.9).sum() == 64 and figure_at(found, 0, 0).sum() == 36
    with pytest.raises(ThroughlineError, match="no figure was found"):
        figure_at(np.zeros((4, 4), bool), 0.5, 0.5)


def test_a_figure_of_the_picture_book_is_found_where_it_is() -> None:
    rendered = renderer.render(lone_scene(random.Random(3)), frames=(8,))
    assert rendered.masks is not None
    truth = rendered.masks[0] > 0
    rows, columns = np.nonzero(truth)
    found = _region(rendered.frames[0], f"{columns.mean() / 144:.3f},{rows.mean() / 96:.3f}")
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    with pytest.raises(ThroughlineError, match="expected whole, left,top,right,bottom or across,down"):
        _region(rendered.frames[0], "0.5,0.5,0.5")


def test_a_photograph_fills_the_frame_and_lies_damaged_files_are_refused(desk: Desk) -> None:
    file = io.BytesIO()
    Image.fromarray(np.full((40, 20, 3), 90, np.uint8)).save(file, "JPEG")
    data = base64.b64encode(file.getvalue()).decode()
    answer = desk.ask("cast_picture", "Nora", data, name="nora.jpg", caption="Nora smiles.", state="wet")
    assert picture_of(desk).shape == (48, 72, 3) and entries(answer)[0]["pictures"][0]["source"] == "nora.jpg"
    with pytest.raises(ThroughlineError, match=r"x\.png"):
        desk.ask("cast_picture", "Nora", base64.b64encode(b"no picture").decode(), name="x.png")


def test_the_view_says_where_each_appears(desk: Desk) -> None:
    desk.ask("cast_keep", desk.ids[0], "Mia")
    (mia,) = desk.ask("cast")["cast"]["entries"]
    assert [seen["number"] for seen in mia["scenes"]] == [1, 3] and mia["shared"] == "no"
    standings: list[Standing] = desk.standings()
    assert [len(standing.cast) for standing in standings] == [1, 0, 1] and standings[2].needs == ()
    seen = desk.ask("cast")["cast"]["entries"][0]["scenes"][1]
    assert seen["anchored"] and seen["why"] == "it is the only one"
    told = desk.ask("remembers", desk.ids[2])
    assert [past["kept"] for past in told["past"]] == [False, False]
    assert told["past"][0]["pieces"][0]["reason"] == "the cast says how Mia looks"
    assert told["cast"][0]["name"] == "Mia" and told["cast"][0]["kept"]
    assert told["prompt_pieces"][0]["reason"] == "remembered from Mia of the cast"


def test_one_cast_serves_many_stories(desk: Desk, studio: Studio) -> None:
    other, third = with_takes(studio, "Mia sings."), with_takes(studio, "Mia in the rain.")
    mia = entries(desk.ask("cast_keep", desk.ids[0], "Mia"))[0]["id"]
    desk.ask("cast_share", mia)
    assert not studio.stories(YOU)["stories"] and len(studio.stories(ME)["stories"]) == 3
    for story in (other, third):
        assert [one["name"] for one in story.ask("cast")["cast"]["others"]] == ["Mia"]
        story.ask("cast_use", mia)
    third.ask("edit", {"do": "cast_edit", "entry": mia, "changes": {"notes": "of its own"}})
    desk.ask("edit", {"do": "cast_rename", "entry": mia, "name": "Nora"})
    assert other.board.story.cast[0].name == "Mia" and other.scenes[0].prompt == "Mia sings."
    desk.ask("cast_share", mia)
    assert other.board.story.cast[0].name == "Nora" and other.scenes[0].prompt == "Nora sings."
    assert third.board.story.cast[0].name == "Mia"
    assert third.ask("cast")["cast"]["entries"][0]["shared"] == "differs"
    other.ask("undo")
    assert other.board.story.cast[0].name == "Mia" and other.scenes[0].prompt == "Mia sings."


def test_an_edit_of_the_own_cast_and_its_undo_reach_the_stories(desk: Desk, studio: Studio) -> None:
    mia = entries(desk.ask("cast_keep", desk.ids[0], "Mia"))[0]["id"]
    desk.ask("cast_share", mia)
    shelf = studio.cast(ME)["cast"]["story"]
    studio.edit(ME, shelf, {"do": "cast_rename", "entry": mia, "name": "Nora"})
    assert desk.scenes[2].prompt == "Nora is skiing."
    studio.undo(ME, shelf)
    assert desk.scenes[2].prompt == "Mia is skiing." and desk.board.story.cast[0].name == "Mia"
    with pytest.raises(ThroughlineError, match="does not exist"):
        studio.edit(YOU, shelf, {"do": "cast_remove", "entry": mia})


def test_an_archive_holds_the_cast_and_its_pictures(desk: Desk, studio: Studio, tmp_path: Path) -> None:
    desk.ask("cast_keep", desk.ids[0], "Mia")
    url = desk.ask("export_story")["url"]
    digest, _, suffix = url.removeprefix("media/").partition("?")[0].partition(".")
    elsewhere = open_studio(None, tmp_path / "elsewhere")
    try:
        story = elsewhere.import_file(YOU, studio.media.path(digest, suffix))["story"]
        came = Desk(elsewhere, YOU, story["id"])
        assert came.board.story.cast == desk.board.story.cast
        assert (picture_of(came) == picture_of(desk)).all()
    finally:
        elsewhere.close()


def test_a_script_proposes_its_cast(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "film.fountain"
    path.write_text("INT. KITCHEN - DAY\n\nMIA, 30, cooks.\n\nMIA\nHello.\n\nINT. KITCHEN - NIGHT\n\nMia sleeps.\n")
    answer = studio.import_file(ME, path)
    assert {"name": "Mia", "kind": "person"}.items() <= answer["proposed"][0].items()
    desk = Desk(studio, ME, answer["story"]["id"])
    desk.ask("edit", {"do": "cast_add", "name": "Mia", "fields": {"kind": "person"}})
    assert "Mia" not in [one["name"] for one in desk.ask("cast")["cast"]["proposed"]]


def test_programs_have_the_cast() -> None:
    commands = {verb.command for verb in VERBS.values() if (verb.command or "").startswith("cast ")}
    assert {"cast list", "cast keep", "cast picture", "cast rename", "cast merge", "cast share"} <= commands


@pytest.fixture
def casting(pipeline: Any, tmp_path: Path) -> Iterator[Desk]:
    """A story that casts whom nobody describes."""
    studio = open_studio(pipeline, tmp_path / "casting", vocabulary=frozenset(["cat"]))
    prompts = "Mia is running on the beach.", "A ginger cat and a grey cat are dancing.", "Mia is skiing."
    story = cast_by_model(small(edits.new_story("Film", prompts)))
    studio.library.create(ME, story)
    yield Desk(studio, ME, story.id)
    studio.close()


def test_whom_the_model_cast_is_kept_and_nothing_is_rendered_again(casting: Desk) -> None:
    casting.render()
    assert casting.planned() == []
    (mia,) = entries(casting.ask("cast_adopt", "Mia"))
    assert mia["name"] == "Mia" and casting.planned() == []
    assert [one["name"] for one in casting.ask("cast")["cast"]["casting"]["drawn"]] == ["ginger cat", "grey cat"]


def test_two_of_a_kind_are_kept_one_by_one(casting: Desk) -> None:
    drawn = {one["name"]: one for one in casting.ask("cast")["cast"]["casting"]["drawn"]}
    casting.ask("cast_adopt", drawn["grey cat"]["id"])
    after = {one["name"]: one["picture"] for one in casting.ask("cast")["cast"]["casting"]["drawn"]}
    assert after == {name: drawn[name]["picture"] for name in ("Mia", "ginger cat")}
    assert casting.ask("cast")["cast"]["entries"][0]["pictures"][0]["picture"] == drawn["grey cat"]["picture"]
    with pytest.raises(ThroughlineError, match="'grey cat' is nobody's name: expected a name that the model has cast"):
        casting.ask("cast_adopt", "grey cat")
    other = casting.ask("edit", {"do": "cast_anew", "name": "ginger cat"}) and casting.ask("cast")["cast"]["casting"]
    assert {one["name"]: one["picture"] != after[one["name"]] for one in other["drawn"]} == {
        "Mia": False, "ginger cat": True}  # fmt: skip


def test_an_entry_does_not_take_the_name_of_somebody_who_was_cast(casting: Desk) -> None:
    (mia,) = entries(casting.ask("cast_adopt", "Mia"))
    casting.prompt(2, "Mia and Tom are skiing.")
    with pytest.raises(ThroughlineError, match="'Tom' is somebody else in this story, cast by the model"):
        casting.ask("edit", {"do": "cast_rename", "entry": mia["id"], "name": "Tom"})
    casting.ask("edit", {"do": "cast_rename", "entry": mia["id"], "name": "Nora"})
    assert casting.board.story.scenes[2].prompt == "Nora and Tom are skiing."


def test_stories_cast_from_wherever_they_come(casting: Desk, studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "film.fountain"
    path.write_text("INT. KITCHEN - DAY\n\nMia cooks.\n")
    for able in (casting.studio, studio):
        made = able.new_story(ME, "Film", ["Mia."])["story"], able.import_file(ME, path)["story"]
        told = [able.cast(ME, story["id"])["cast"]["casting"] for story in made]
        assert [(one["able"], one["on"]) for one in told] == [(able is casting.studio,) * 2] * 2


def test_a_render_looks_at_the_picture_and_others_are_made_from_the_same(pipeline: Any, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path / "rendering")
    try:
        desk = with_takes(studio, "Mia is running.", "A dog is barking.", "Mia is skiing.")
        desk.ask("cast_keep", desk.ids[0], "Mia")
        desk.render(1, 2)
        (memory,) = desk.shown[2].conditioning.memories  # type: ignore[union-attr]
        assert memory.keyframe == desk.board.story.cast[0].pictures[0].file and memory.words == ("Mia",)
        assert {found["scene"] for found in desk.ask("maps", desk.ids[2])["maps"]} == {desk.board.story.cast[0].id}
        desk.ask("cast_keep", desk.ids[0], "Mia", region="0,0,0.5,1")
        first = {"do": "cast_first_picture", "entry": desk.board.story.cast[0].id}
        desk.ask("edit", {**first, "picture": desk.board.story.cast[0].pictures[1].id})
        assert desk.planned() == [0, 2] or desk.planned() == [2]
        reasons = desk.standings()[2].reasons
        assert reasons == ("the cast picture of *Mia* changed",)
        before = desk.shown[1]
        desk.render(2)
        other = desk.shown[2]
        desk.render(1, again=True)
        again = desk.shown[1]
        assert again and before and other and again.conditioning == before.conditioning
        desk.ask("undo")
        assert desk.states[2] == "fresh" and desk.shown[2] != other
    finally:
        studio.close()


def test_who_is_in_a_scene_is_told_by_the_names_in_its_prompt(studio: Studio) -> None:
    desk = Desk.new(studio, "The girl meets Tom and Anna.", "A dog is barking.")
    desk.ask("edit", {"do": "cast_add", "name": "Mia", "fields": {"others": ["the girl"]}, "entry_id": "mia"})
    who = [who_view(desk.board.story, scene) for scene in desk.scenes]
    anna, tom = {"name": "Anna", "entry": None}, {"name": "Tom", "entry": None}
    assert who == [[{"name": "the girl", "entry": "mia"}, tom, anna], []]
