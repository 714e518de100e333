"""The registry of operations: one definition is enough for the page, programs, the shell, their help and the docs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from gradio_client import Client
from pydantic import Field

from pipeline import defaults
from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board, Scene, Story
from storyboard.export import film
from storyboard.interchange.format_names import FORMATS
from storyboard.interchange.formats import MAKERS
from storyboard.interfaces import cli, commands, documentation
from storyboard.interfaces.served import served as told_to_the_page
from storyboard.operations import registry
from storyboard.operations.arguments import SceneId
from storyboard.operations.registry import EDITS, PAGE, VERBS
from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.components import board
from tests.paths import ROOT
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, served

STEP = "How far, in whole numbers"


def skip_seeds(board: Board, scene: SceneId, by: Annotated[int, Field(description=STEP, ge=1)] = 1) -> Story:
    """Takes a later seed. A toy."""
    return edits.edit_scene(board.story, scene, seed=board.story.scene(scene).seed + by)


@pytest.fixture
def toy() -> Iterator[str]:
    """An edit that is defined while the tests run: the one place but for its control."""
    registry.edit("later seed")(skip_seeds)
    yield skip_seeds.__name__
    del EDITS[skip_seeds.__name__], VERBS[skip_seeds.__name__]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    studio = open_fake(tmp_path)
    yield studio
    studio.close()


def new(studio: Studio) -> tuple[str, str]:
    story = studio.new_story(ME, "Film", ["Mia sleeps."])["story"]
    return story["id"], story["scenes"][0]["id"]


def seed(studio: Studio, story: str) -> int:
    return int(studio.get_story(ME, story)["story"]["scenes"][0]["seed"])


# --- a new edit ------------------------------------------------------------------------------------------------------


def test_a_new_edit_is_on_the_page_and_can_be_undone(toy: str, studio: Studio) -> None:
    story, scene = new(studio)
    edited = studio.edit(ME, story, {"do": toy, "scene": scene, "by": 4})["story"]
    assert (edited["scenes"][0]["seed"], edited["undo_label"]) == (4, "later seed")
    call = {"verb": "edit", "owner": ME, "story": story, "op": {"do": toy, "scene": scene}}
    assert page.answer(studio, call)["story"]["scenes"][0]["seed"] == 5
    assert page.answer(studio, {"verb": "undo", "owner": ME, "story": story})["story"]["scenes"][0]["seed"] == 4
    assert studio.undo(ME, story)["story"]["scenes"][0]["seed"] == 0
    assert studio.redo(ME, story)["story"]["scenes"][0]["seed"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "far"}, "by is 'far': input should be a valid integer"),
        ({"by": 0}, "by is 0: input should be greater than or equal to 1"),
        ({"to": 1}, "to is 1: extra inputs are not permitted"),
        ({"scene": "none"}, "scene 'none' does not exist"),
    ],
)
def test_its_arguments_are_checked(toy: str, studio: Studio, arguments: dict[str, Any], message: str) -> None:
    story, scene = new(studio)
    with pytest.raises(ThroughlineError, match=message):
        studio.edit(ME, story, {"do": toy, "scene": scene, **arguments})
    assert seed(studio, story) == 0


def test_a_new_edit_is_an_endpoint_with_its_description(toy: str, studio: Studio) -> None:
    story, scene = new(studio)
    with served(studio) as address:
        client = Client(address, verbose=False)
        assert client.predict(ME, story, scene, 3, api_name=f"/{toy}")["story"]["scenes"][0]["seed"] == 3
        assert client.predict(ME, story, scene, api_name=f"/{toy}")["story"]["undo_label"] == "later seed"
        assert client.predict(ME, story, api_name="/undo")["story"]["scenes"][0]["seed"] == 3
        described = client.view_api(return_format="dict", print_info=False)["named_endpoints"][f"/{toy}"]
        assert described["description"].startswith("Takes a later seed.")
        assert [p["parameter_name"] for p in described["parameters"]] == ["owner", "story", "scene", "by"]
        from_a_browser = called_as_the_page_does(address, {"do": toy, "scene": scene, "by": 2}, story)
        assert from_a_browser["story"]["scenes"][0]["seed"] == 5
        client.close()
    function = next(fn.fn for fn in page.build(studio).fns.values() if fn.api_name == toy)
    assert f"by: {STEP}" in (function.__doc__ or ""), "what the callers of tools are told"


def called_as_the_page_does(address: str, op: dict[str, Any], story: str) -> Any:
    config = httpx.get(f"{address}/config").json()
    (number,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "application"]
    message = {"verb": "edit", "owner": ME, "story": story, "op": op}
    body = {"component_id": number, "fn_name": "call", "session_hash": "x", "data": message}
    return httpx.post(f"{address}/gradio_api/component_server", json=body).json()


def test_a_new_edit_is_a_command_with_its_help(
    toy: str, studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    story, scene = new(studio)
    monkeypatch.setattr(commands, "_studio", lambda choice: open_fake(studio.folder))
    for arguments, expected in (([], 1), (["--by", "6"], 7)):
        assert cli.main(["skip-seeds", story, scene, *arguments, "--owner", ME]) == 0
        assert json.loads(capsys.readouterr().out)["story"]["scenes"][0]["seed"] == expected
    assert cli.main(["undo", story, "--owner", ME]) == 0
    assert json.loads(capsys.readouterr().out)["story"]["redo_label"] == "later seed"
    assert cli.main(["skip-seeds", story, scene, "--by", "0", "--owner", ME]) == 2
    assert capsys.readouterr().err == "error: by is 0: input should be greater than or equal to 1\n"
    with pytest.raises(SystemExit, match="2"):
        cli.main(["skip-seeds", story, scene, "--by", "far"])
    assert "--by: invalid int value: 'far'" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        cli.main(["skip-seeds", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "Takes a later seed." in told and f"{STEP} (default: 1)" in told
    assert "takes a later seed" in " ".join(cli.parser().format_help().split())


def test_a_new_edit_is_documented(toy: str) -> None:
    told = documentation.page()
    assert f"| `{toy}` | Takes a later seed. A toy. | `story`: Id of a story<br>`scene`: Id of a scene" in told
    assert f"`by` = `1`: {STEP} | later seed |" in told and "| `skip-seeds` |" in told


# --- what is said of them --------------------------------------------------------------------------------------------


def test_the_documentation_is_as_the_registry() -> None:
    written = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert written == documentation.page(), "write it again: see its head"


def test_every_argument_of_every_operation_is_described() -> None:
    for operation in [*EDITS.values(), *PAGE.values(), *VERBS.values()]:
        assert operation.description, operation.name
        for name, field in operation.fields.items():
            assert field.description, (operation.name, name)


def test_the_formats_of_a_film_are_those_that_are_told() -> None:
    told = VERBS["film"].fields["format"].description or ""
    assert told.replace(" or ", ", ").split(", ") == list(FORMATS)
    assert (*film.FORMATS, *MAKERS) == FORMATS


def test_defaults_in_help_are_those_that_are_used(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["render", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    scene = Scene(id="x")
    for words, value, used in (
        ("weight of the text", defaults.TEXT, scene.guidance.text),
        ("weight of the history", defaults.HISTORY, scene.guidance.history),
        ("denoising steps a scene", defaults.STEPS, scene.steps),
        ("of a scene, 4 k + 1", defaults.NUM_FRAMES, scene.num_frames),
    ):
        assert f"{words} (default: as suits the model; {value:g} for picturebook)" in told and value == used
    options = cli.parser().parse_args(["render", "--prompts", "x", "--out", "x.mp4"])
    assert f"(default: {options.seed})" in told and f"(default: {options.eta:g})" in told


# --- what the page is told -------------------------------------------------------------------------------------------


def test_the_page_gets_its_defaults_and_limits_with_the_page(studio: Studio) -> None:
    told = told_to_the_page(PAGE)
    blocks = page.build(studio)
    (component,) = [block for block in blocks.blocks.values() if isinstance(block, board.Board)]
    (sent,) = [part for part in blocks.get_config_file()["components"] if part["id"] == component._id]
    assert json.loads(json.dumps(sent["props"]["served"])) == json.loads(json.dumps(told)), "before the page has asked"
    assert {"film", "import_clip", "samples", "keyframe"} <= set(told["slow"]) <= set(page.VERBS)
    assert told["scene"]["guidance"] == {**told["scene"]["guidance"], "text": 3.0, "history": 3.0}
    assert told["most"] == {
        "characters": 2000, "title": 200, "model": 400, "frames": 161, "megabytes": 20, "cells": 36
    }  # fmt: skip


def test_what_the_page_is_told_is_typed_in_no_script() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "storyboard/ui/static").glob("*.js")}
    for name, text in scripts.items():
        for typed in (
            "new Set(['film'",
            "maxlength: 2",
            "maxlength: 4",
            "steps: 24",
            "num_frames: 17",
            "20e6",
            "|| 8;",
        ):
            assert typed not in text, (name, typed)
    signs = set(re.findall(r"<symbol id='(\w+)'", (ROOT / "storyboard/ui/static/signs/all.svg").read_text("utf-8")))
    asked = {name for text in scripts.values() for name in re.findall(r"\b(?:icon|iconButton)\('(\w+)'", text)}
    assert len(signs) > 20 and asked <= signs, "one set of icons, and every one that is asked for is in it"
    assert not any("path', {d: '" in text for text in scripts.values()), "none is drawn elsewhere"
