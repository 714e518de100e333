"""The model picker: what it offers, what it refuses, and what becomes of stories when the model changes."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import app
from pipeline.backbones import catalogue
from pipeline.backbones.picturebook import NATIVE
from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.rendering import model_picker
from storyboard.rendering.model_choice import Choice
from storyboard.rendering.model_picker import Machine, why_not
from storyboard.studio import Studio
from storyboard.ui import page
from tests.storyboard.studios import ME, Watched, wait_for

LAPTOP = Machine(None, 0.0, 2, 16.0, 400.0)
CARD = Machine("NVIDIA RTX 3060", 11.6, 8, 32.0, 15.0)
PROMPTS = ("A cat runs on the beach.", "A cat walks on the snow.")
FEW = {"steps": 2, "num_frames": 5}


@pytest.fixture
def other_folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A model that differs in a file."""
    folder = shutil.copytree(tiny_folder, tmp_path / "other")
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text() + "\n")
    return folder


@pytest.fixture
def studio(tiny_folder: Path, tmp_path: Path) -> Iterator[Studio]:
    choice = Choice(model=str(tiny_folder))
    studio = Studio(choice.load, tmp_path / "home", choice.digest(), choice=choice)
    assert studio.model_picker
    studio.model_picker._machine = lambda: LAPTOP
    yield studio
    studio.close()


def new_story(studio: Studio) -> str:
    story = studio.new_story(ME, "Test", PROMPTS)["story"]
    for scene in story["scenes"]:
        studio.edit(ME, story["id"], {"do": "edit_scene", "scene": scene["id"], "changes": FEW})
    studio.edit(ME, story["id"], {"do": "edit_story", "changes": {"width": 72, "height": 48}})
    return str(story["id"])


def choose(studio: Studio, story: str, name: str) -> dict[str, Any]:
    """Chooses a model, waits, and gives what a page is told then."""
    studio.choose_model(ME, story, name)
    wait_for(lambda: not brief(studio)["coming"])
    return brief(studio)


def brief(studio: Studio) -> dict[str, Any]:
    assert studio.model_picker
    return studio.model_picker.brief()


def states(studio: Studio, story: str) -> list[str]:
    return [standing.state for standing in studio.standings(ME, story).values()]


def chosen(studio: Studio, story: str) -> list[str]:
    return [scene["chosen"] for scene in studio.get_story(ME, story)["story"]["scenes"]]


def render(studio: Studio, story: str) -> None:
    studio.render(ME, story)
    list(studio.follow(ME, story, 0.01))


def test_another_model_makes_scenes_stale_and_the_former_one_fresh_again(
    studio: Studio, tiny_folder: Path, other_folder: Path
) -> None:
    story = new_story(studio)
    render(studio, story)
    assert states(studio, story) == ["fresh", "fresh"]
    shown = chosen(studio, story)
    assert choose(studio, story, str(other_folder)) == {
        "name": str(other_folder),
        "title": "other",
        "coming": "",
        "share": None,
        "error": "",
    }
    assert states(studio, story) == ["stale", "stale"]
    assert all(standing.reasons[0] == "model changed" for standing in studio.standings(ME, story).values())
    render(studio, story)
    assert states(studio, story) == ["fresh", "fresh"] and not set(chosen(studio, story)) & set(shown)
    assert not choose(studio, story, str(tiny_folder))["error"]
    assert states(studio, story) == ["fresh", "fresh"] and chosen(studio, story) == shown


def test_a_model_that_fails_to_load_leaves_the_former_one(
    studio: Studio, other_folder: Path, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = new_story(studio)
    render(studio, story)
    (other_folder / "vae" / "config.json").write_text('{"_class_name": "AutoencoderLinearVideo", "patch_size": "x"}')
    told = choose(studio, story, str(other_folder))
    assert "other" in told["error"] and "\n" not in told["error"] and told["name"] != str(other_folder)
    assert states(studio, story) == ["fresh", "fresh"]
    first = studio.get_story(ME, story)["story"]["scenes"][0]["id"]
    studio.edit(ME, story, {"do": "edit_scene", "scene": first, "changes": {"prompt": "A cat sits on the beach."}})
    render(studio, story)
    assert states(studio, story) == ["fresh", "fresh"]
    monkeypatch.setattr(Choice, "load", lambda _: 1 / 0)
    told = choose(studio, story, str(shutil.copytree(tiny_folder, tmp_path / "third")))
    assert told["error"] == "third could not be loaded (ZeroDivisionError)"


def test_a_render_under_way_ends_with_the_model_that_it_began_with(
    studio: Studio, pipeline: Any, other_folder: Path
) -> None:
    watched = Watched(pipeline)
    studio.renderer._load = lambda: watched
    story, before = new_story(studio), studio.renderer.model
    watched.hold()
    studio.render(ME, story, [studio.get_story(ME, story)["story"]["scenes"][0]["id"]])
    watched.begun()
    assert choose(studio, story, str(other_folder))["title"] == "other"
    assert studio.renderer.model != before
    watched.go()
    list(studio.follow(ME, story, 0.01))
    (take,) = studio.library.head(ME, story).board.takes.values()
    assert take.conditioning and take.conditioning.model == before
    assert states(studio, story)[0] == "stale"


def test_loading_keeps_nobody_waiting_and_happens_once(studio: Studio, other_folder: Path) -> None:
    story, go = new_story(studio), threading.Event()
    load, studio.model_picker._load = studio.model_picker._load, lambda *arguments: (go.wait(60), load(*arguments))  # type: ignore
    told = studio.choose_model(ME, story, str(other_folder))["model"]
    assert told["coming"] == "other" and studio.poll(ME, story)["model"]["coming"] == "other"
    with pytest.raises(ThroughlineError, match="other is being loaded: wait"):
        studio.choose_model(ME, story, str(other_folder))
    go.set()
    wait_for(lambda: not brief(studio)["coming"])


def test_what_cannot_run_here_is_told_in_one_line() -> None:
    two, five = (catalogue.entry(f"THUDM/CogVideoX-{size}b") for size in (2, 5))
    assert two and five
    assert why_not(catalogue.CATALOGUE[0], LAPTOP, True) == ""
    assert why_not(two, LAPTOP, True) == "it needs a GPU with 6 GiB of memory or more, and this machine has none"
    assert why_not(two, CARD, False) == ""
    assert why_not(five, CARD, False) == "it takes 21.5 GB of disk, and 15.0 GB are free"
    assert why_not(five, CARD, True) == ""
    small = Machine("a card", 4.0, 2, 8.0, 400.0)
    assert why_not(two, small, True) == "it needs 6 GiB of GPU memory or more, and a card has 4.0"
    assert "--offline" in why_not(two, CARD, False, offline=True)


@pytest.mark.parametrize(
    ("name", "error"),
    [("THUDM/CogVideoX-2b", "CogVideoX 2B can't run here: it needs a GPU"), ("", "expected"), ("no such", "expected")],
)
def test_refusing_a_model_changes_nothing(studio: Studio, name: str, error: str) -> None:
    story = new_story(studio)
    before = brief(studio), studio.get_story(ME, story)
    with pytest.raises(ThroughlineError, match=error):
        studio.choose_model(ME, story, name)
    assert (brief(studio), studio.get_story(ME, story)) == before


def test_what_the_picker_lists(studio: Studio, tiny_folder: Path) -> None:
    found = studio.models(ME)
    assert [one["title"] for one in found["models"]] == [
        "tiny",  # what is in use, so that nobody has to look for it
        "Picture book",
        "CogVideoX 2B",
        "CogVideoX 5B",
        "CogVideoX 1.5 5B",
        "CogVideoX 5B, from a picture",
        "CogVideoX 1.5 5B, from a picture",
        "Stable Diffusion 1.5, moved",
        "Stable Diffusion 1.5, moved, IP-Adapter",
        "Wan 2.1 1.3B",
        "Wan 2.1 VACE 1.3B",
        "LTX-Video 0.9",
        "Wan 2.2 5B",
        "LTX-2",
        "Wan 2.2 A14B",
        "Wan 2.1 14B, from a picture",
        "Wan 2.2 A14B, from a picture",
    ]
    assert found["machine"] == "no GPU, 2 CPU cores, 16 GB of memory, 400 GB of disk free"
    assert [one["current"] for one in found["models"]] == [True] + [False] * 16
    assert "a scene takes" in found["models"][2]["needs"][-1] and found["models"][2]["why_not"]
    assert model_picker.find_machine().cores >= 1


def test_a_revision_is_pinned(studio: Studio) -> None:
    assert studio.model_picker
    wanted = studio.model_picker._wanted("someone/some-model@abc")
    assert (wanted.model, wanted.revision) == ("someone/some-model", "abc")


def test_a_story_gets_what_suits_the_model_but_for_what_was_chosen() -> None:
    story = edits.new_story("Test", PROMPTS)
    first, second = story.scenes
    embedded = asdict(NATIVE)
    story = edits.edit_scene(story, second.id, steps=30, guidance={"text": 5.0})
    after = {"height": 480, "width": 720, "num_frames": 49, "steps": 50, "text": 6.0, "history": 1.5}
    fitted = edits.fit(story, embedded, after)
    assert (fitted.width, fitted.height) == (720, 480)
    assert [(s.num_frames, s.steps, s.guidance.text, s.guidance.history) for s in fitted.scenes] == [
        (49, 50, 6.0, 1.5),
        (49, 30, 5.0, 1.5),
    ]
    assert edits.fit(fitted, after, embedded).scenes[0] == first


def test_an_app_that_starts_again_takes_the_model_that_was_chosen_last(
    tmp_path: Path, other_folder: Path, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(studio, new_story(studio), str(other_folder))
    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path / "home"))
    assert app.chosen(app.parse([])).model == str(other_folder)
    assert app.chosen(app.parse(["--model", "picturebook"])).model == "picturebook"
    shutil.rmtree(other_folder)
    assert app.chosen(app.parse([])).model == "picturebook"


@pytest.mark.parametrize("name", ["SPACE_ID", "THROUGHLINE_AUTH"])
def test_where_many_share_the_model_only_the_operator_chooses(
    name: str, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call: Callable[..., dict[str, Any]] = page.answer
    monkeypatch.setenv(name, "mia:secret")
    assert not model_picker.allowed()
    studio = Studio(lambda: pipeline, tmp_path, "f" * 64)
    try:
        story = studio.new_story(ME, "Test", PROMPTS)["story"]["id"]
        assert "model" not in studio.poll(ME, story)
        for message in ({"verb": "models"}, {"verb": "choose_model", "story": story, "name": "picturebook"}):
            told = call(studio, {**message, "owner": ME})
            assert not told["ok"] and told["error"] == "the model of this app is chosen by whoever runs it"
    finally:
        studio.close()
