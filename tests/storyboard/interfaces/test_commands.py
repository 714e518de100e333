"""The verbs as commands, end to end over a tiny model: what they print, how they say no, what an interrupt leaves."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Story
from storyboard.interfaces import cli, commands, verbs
from storyboard.operations.registry import VERBS
from storyboard.store.library import Library
from storyboard.studio import Studio
from tests.paths import ROOT
from tests.storyboard.studios import ME, TEN, small

Run = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("THROUGHLINE_OWNER", raising=False)
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its last line of JSON, or (code, error) if it failed."""

    def run(*arguments: object) -> Any:
        try:
            code = cli.main([*map(str, arguments), "--model", str(tiny_folder)])
        except SystemExit as error:
            code = int(str(error.code))
        out, error = capsys.readouterr()
        run.lines = [json.loads(line) for line in out.splitlines()]  # type: ignore[attr-defined]
        return (code, error) if code else run.lines[-1]  # type: ignore[attr-defined]

    return run


def change(story: str, edit: Callable[[Story], Story]) -> None:
    """Edits past the commands: what these refuse may be in older stories."""
    library = Library(Path(os.environ["THROUGHLINE_HOME"]))
    library.edit((library._database.path.parent / "owner").read_text(), story, edit)
    library.close()


def new(run: Run, *prompts: str) -> tuple[str, list[str]]:
    story = run("new-story", "A film", *prompts)["story"]
    change(story["id"], small)  # sizes that the tiny model renders in no time
    return story["id"], [scene["id"] for scene in story["scenes"]]


# --- what belongs together -------------------------------------------------------------------------------------------


def test_commands_are_the_verbs() -> None:
    names = {verb.name for verb in commands.offered().values()}
    assert names == set(VERBS) - {"cancel"}, "interrupting a render cancels it"
    top = argparse.ArgumentParser()
    commands.add_commands(added := top.add_subparsers())
    choices = dict(leaves(added))
    assert set(choices) == set(commands.offered())
    for name, verb in commands.offered().items():
        shell = verb.shell  # which may have arguments of its own
        own = {action.dest: action for action in choices[name]._actions}
        assert [found for found in own if found in shell.fields] == [p.name for p in shell.parameters], name
        options = {found: a.default for found, a in own.items() if a.option_strings and found in shell.fields}
        assert {p.name: p.default for p in shell.parameters if p.default is not p.empty} == options
        starred = {found for found, action in own.items() if action.nargs == "*"}
        assert starred == {p.name for p in shell.parameters if p.annotation == list[str]}, name
        assert verb.__doc__ and verb.summary and not verb.summary.endswith(".")


def leaves(added: Any) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands by name, those of a group with its name before theirs."""
    for name, parser in added.choices.items():
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        yield from (((f"{name} {own}", leaf) for group in groups for own, leaf in leaves(group)) if groups
                    else [(name, parser)])  # fmt: skip


def test_help_tells_all_commands_without_loading_anything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    names = {name.partition(" ")[0] for name in commands.offered()}  # of a group its own
    assert all(re.search(rf"^ +{name}\b", text, re.MULTILINE) for name in names)
    loaded = "print({'torch', 'gradio', 'pydantic'} & {*sys.modules})"
    program = f"import sys, storyboard.interfaces.cli as c; c.parser(); {loaded}"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).strip() == "set()"


def test_help_of_every_command_loads_no_model_and_no_page() -> None:
    loaded = "print({'torch', 'gradio', 'numpy', 'diffusers'} & {*sys.modules})"
    program = f"import sys, storyboard.interfaces.cli as c; assert 'film' in c.parser().format_help(); {loaded}"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).strip() == "set()"


# --- a story from beginning to end -----------------------------------------------------------------------------------


def test_a_clip_of_ones_own_is_fitted_as_asked(run: Run, home: Path, tmp_path: Path) -> None:
    story, (first, _) = new(run, TEN[0], TEN[3])
    picture = np.zeros((100, 300, 3), np.uint8)
    picture[:, :100], picture[:, 200:] = 250, 120  # white, black, grey
    Image.fromarray(picture).save(tmp_path / "wide.png")
    seen = []
    for options in (["--fit", "fill", "--across", "0"], ["--fit", "fill", "--across", "1"], ["--fit", "fit"]):
        scene = run("import-clip", story, first, str(tmp_path / "wide.png"), *options)["story"]["scenes"][0]
        take = scene["takes"][-1]
        assert (take["source"], take["note"]) == ("imported", "wide.png")
        digest = re.search("[0-9a-f]{64}", take["keyframe"])
        assert digest
        with Image.open(next(home.rglob(f"*{digest[0][4:]}*"))) as keyframe:
            grey = np.asarray(keyframe.convert("L"))
            seen.append(tuple(int(grey[y, grey.shape[1] // 8]) for y in (2, len(grey) // 2)))
    assert [tuple(round(value / 60) for value in pair) for pair in seen] == [(4, 4), (0, 0), (0, 4)]


def test_a_story_is_written_rendered_and_exported(run: Run, home: Path) -> None:
    story, (first, second) = new(run, TEN[0], TEN[3])
    assert [scene["prompt"] for scene in run("get-story", story)["story"]["scenes"]] == [TEN[0], TEN[3]]
    assert [entry["id"] for entry in run("list-stories")["stories"]] == [story]
    told = run("plan", story)
    assert told["scenes"][second] == {"state": "new", "reasons": ["not rendered yet"], "needs": [first]}
    assert [step["scene"] for step in told["plan"]["steps"]] == [first, second]
    end = run("render-story", story)
    assert [scene["state"] for scene in end["scenes"].values()] == ["fresh", "fresh"]
    told = [job for line in run.lines for job in line.get("jobs", {}).values()]
    assert {"queued", "running"} & {job["state"] for job in told} and not any(job["preview"] for job in told)
    for format in ("mp4", "sheet.png"):
        made = Path(run("film", story, "--format", format)["path"])
        assert made.is_relative_to(home) and made.stat().st_size > 1000
    archive = Path(run("export-story", story)["path"])
    copy = run("import-story", archive)["story"]
    assert copy["id"] != story and len(copy["scenes"][0]["takes"]) == 1
    assert run("plan", copy["id"])["plan"]["steps"] == []


def test_scripts_come_in_and_shot_lists_go_out(run: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "Ferry.fountain").write_text("EXT. PIER - DAY\n\nMia waits.\n\nMIA\nHello.\n\n> THE END <\n", "utf-8")
    made = run("import-story", tmp_path / "Ferry.fountain")
    assert made["story"]["title"] == "Ferry" and made["unused"] == ["line 8: centred: THE END"]
    table = Path(run("film", made["story"]["id"], "--format", "shots.csv")["path"])
    assert "Mia waits on the pier by day.,Mia: Hello." in table.read_text("utf-8")


def test_whom_nobody_describes_is_cast_as_on_the_page(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, names in ((frozenset[str](), []), (frozenset(["waits"]), ["Mia"])):  # of a model with a world of its own
        monkeypatch.setattr("pipeline.language.vocabulary.read", lambda folder, words=words: words)
        story = run("new-story", "Film", "Mia waits.")["story"]["id"]
        told = run("cast", "list", "--story", story)["cast"]["casting"]
        assert (told["able"], [one["name"] for one in told["drawn"]]) == (bool(words), names)


def test_edits_and_undo(run: Run) -> None:
    story, (first, second) = new(run, TEN[0], TEN[3])
    run("edit-scene", story, first, '{"guidance": {"history": 3}, "steps": 5}')
    scenes = run("add-scene", story, TEN[1], "--index", 1)["story"]["scenes"]
    assert [scene["prompt"] for scene in scenes] == [TEN[0], TEN[1], TEN[3]] and scenes[0]["guidance"]["history"] == 3
    third = scenes[1]["id"]
    assert [s["id"] for s in run("move-scene", story, third, 0)["story"]["scenes"]] == [third, first, second]
    assert len(run("duplicate-scene", story, third)["story"]["scenes"]) == 4
    assert len(run("remove-scene", story, third)["story"]["scenes"]) == 3
    assert run("mute-word", story, second, first, "Mia")["story"]["scenes"][-1]["mutes"][0]["text"] == "Mia"
    assert run("pin-word", story, second, first, "desert")["story"]["scenes"][-1]["pins"][0]["text"] == "desert"
    assert run("undo", story)["story"]["scenes"][-1]["pins"] == []
    assert run("redo", story)["story"]["scenes"][-1]["pins"][0]["text"] == "desert"


def test_a_word_is_pinned_where_it_can_be_remembered(run: Run) -> None:
    """Not where it says how the scene is filmed, or is a function word."""
    story, (first, second) = new(run, "The camera pans over the farm. Tom has a camera.", "Tom sells the camera.")
    (pin,) = run("pin-word", story, second, first, "camera")["story"]["scenes"][-1]["pins"]
    assert pin["occurrence"] == 1


def test_takes_can_be_chosen(run: Run) -> None:
    story, (first,) = new(run, TEN[0])
    run("render-story", story)
    run("edit-scene", story, first, '{"seed": 9}')
    end = run("render-story", story, first)
    takes = [take["id"] for take in end["story"]["scenes"][0]["takes"]]
    assert len(takes) == 2 and end["story"]["scenes"][0]["chosen"] == takes[1]
    assert run("choose-take", story, first, takes[0])["story"]["scenes"][0]["chosen"] == takes[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("get-story", "nothing"), "story 'nothing' does not exist"),
        (("render-story", "nothing"), "story 'nothing' does not exist"),
        (("render-story", "STORY", "nowhere"), "scene 'nowhere' does not exist"),
        (("edit-scene", "STORY", "SCENE", "{steps: 3}"), "expected JSON"),
        (("edit-scene", "STORY", "SCENE", "[1]"), "changes is [1]"),
        (("edit-scene", "STORY", "SCENE", '{"steps": 0}'), "steps is 0"),
        (("edit-scene", "STORY", "SCENE", '{"x\\ny": 0}'), "can't be edited"),
        (("move-scene", "STORY", "SCENE", "7"), "place 7 is not in the story"),
        (("move-scene", "STORY", "SCENE", "one"), "index: invalid int value"),
        (("pin-word", "STORY", "SCENE", "SCENE", "cow"), "'cow' is not in scene"),
        (("pin-word", "STORY", "SCENE", "SCENE", "a"), "'a' cannot be pinned or muted: expected a content word"),
        (("choose-take", "STORY", "SCENE", "nothing"), "take 'nothing' does not exist"),
        (("film", "STORY", "--format", "avi"), "expected one of mp4"),
        (("film", "STORY"), "has no clip yet"),
        (("import-story", "no such file.zip"), "'no such file.zip' does not exist"),
        (("undo", "STORY", "--owner", "short"), "owner is no secret"),
        (("undo", "STORY", "--owner", "b" * 32), "does not exist"),
        (("new-story",), "required: title"),
    ],
)
def test_errors_are_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    story, (scene,) = new(run, TEN[0])
    code, error = run(*({"STORY": story, "SCENE": scene}.get(part, part) for part in arguments))
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1 and message in error


def test_a_scene_that_fails_is_an_error_at_the_end(run: Run) -> None:
    story, (first, second) = new(run, TEN[0], TEN[1])
    change(story, lambda before: edits.edit_scene(before, first, num_frames=6))
    code, error = run("render-story", story)
    assert code == 2 and re.fullmatch(rf"error: scene '{first}' failed: num_frames is 6: .*\n", error)
    assert run("plan", story)["scenes"][second]["state"] == "fresh", "the others are rendered all the same"


# --- owners ----------------------------------------------------------------------------------------------------------


def test_the_own_secret_is_kept_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THROUGHLINE_OWNER", raising=False)
    secret = commands.own_secret(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", secret) and commands.own_secret(tmp_path) == secret
    assert (tmp_path / "owner").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("THROUGHLINE_OWNER", "c" * 32)
    assert commands.own_secret(tmp_path) == "c" * 32


def test_archives_come_from_files_only_in_a_shell(pipeline: Any, tmp_path: Path) -> None:
    studio = Studio(lambda: pipeline, tmp_path, "f" * 64)
    (tmp_path / "story.zip").write_bytes(b"PK")
    for given in (str(tmp_path / "story.zip"), "/etc/passwd"):
        with pytest.raises(ThroughlineError, match=r"did not arrive whole|is no zip file") as caught:
            verbs.import_story(studio, ME, given)
        assert "passwd" not in str(caught.value)
    studio.close()


# --- interrupts ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_cancels_and_nothing_goes_on_later(
    run: Run, home: Path, tiny_folder: Path, number: int, code: int
) -> None:
    story, (first, second) = new(run, TEN[0], TEN[3])
    run("render-story", story, first)
    run("edit-scene", story, second, '{"steps": 1000}')
    command = [sys.executable, "-m", "storyboard", "render-story", story, "--model", str(tiny_folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        seen = ""
        while '"running"' not in seen or '"total": 1000' not in seen:
            seen = process.stdout.readline()
            assert seen, process.stderr.read()
        process.send_signal(number)
        _, error = process.communicate(timeout=120)
    assert process.returncode == code and "Traceback" not in error
    assert error == ("\ninterrupted: what was done before is kept\n" if code == 130 else "")
    library = Library(home)
    assert library.job_store.jobs() == [], "a page that starts later does not go on with it"
    library.close()
    told = run("plan", story)
    assert [scene["state"] for scene in told["scenes"].values()] == ["fresh", "new"]


@pytest.mark.slow
def test_a_crash_leaves_what_a_page_goes_on_with(run: Run, home: Path, tiny_folder: Path, pipeline: Any) -> None:
    story, (first, second) = new(run, TEN[0], TEN[3])
    run("render-story", story, first)
    run("edit-scene", story, second, '{"steps": 600}')
    command = [sys.executable, "-m", "storyboard", "render-story", story, "--model", str(tiny_folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while '"total": 600' not in (seen := process.stdout.readline()):
            assert seen
        process.kill()
    owner = (home / "owner").read_text()
    assert run("edit-scene", story, second, '{"steps": 2}'), "no command goes on with it"
    studio = Studio(lambda: pipeline, home, "f" * 64)
    list(studio.follow(owner, story))
    scenes = studio.get_story(owner, story)["story"]["scenes"]
    assert [len(scene["takes"]) for scene in scenes] == [1, 1]
    studio.close()


def test_whoever_stops_reading_hears_nothing(home: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-m", "storyboard", "list-stories"]
    done = subprocess.run(program, cwd=ROOT, env={**os.environ, "THROUGHLINE_HOME": str(home)},
                          stdout=writing, stderr=subprocess.PIPE)  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
