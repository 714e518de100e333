"""The examples of all documents run as they are written, over a tiny model in the place of the embedded one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.storyboard.studios import open_studio, served

BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
EXAMPLES = {  # what the tests below run
    ("README.md", "First steps in the shell"),
    ("docs/api.md", "From Python"),
    ("docs/api.md", "From a shell"),
    ("docs/api.md", "Over HTTP"),
    ("docs/api.md", "One film from four prompts"),
    ("docs/api.md", "The model alone"),
    ("docs/live.md", "Live sketches"),
}


def examples() -> dict[tuple[str, str], str]:
    """Every block of Python or shell of every document, by its document and the heading that it stands under."""
    found: dict[tuple[str, str], str] = {}
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        for block in BLOCK.finditer(text):
            key = name, HEADING.findall(text[: block.start()])[-1]
            assert key not in found, f"{name} has two examples under {key[1]!r}: expected one"
            found[key] = block[2]
    return found


def example(heading: str, document: str = "docs/api.md") -> str:
    return examples()[document, heading]


def test_every_example_of_the_documents_is_run() -> None:
    assert set(examples()) == EXAMPLES


@pytest.fixture
def environment(tiny_folder: Path, tmp_path: Path) -> dict[str, str]:
    """Where picturebook is the tiny model, and `python` this one."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "picturebook").symlink_to(tiny_folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = {"THROUGHLINE_HOME": str(tmp_path / "home"), "THROUGHLINE_ASSETS": str(tmp_path / "assets")}
    return {**os.environ, **places, "PATH": path, "PYTHONPATH": str(ROOT)}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_python(environment: dict[str, str], tmp_path: Path) -> None:
    told = run([sys.executable, "-W", "error::SyntaxWarning", "-c", example("From Python")], tmp_path, environment)
    assert "'running'" in told
    assert re.search(r"^1 .*\*red\* → \*blue\*", told, re.MULTILINE) and re.search(r"^2 ", told, re.MULTILINE)


@pytest.mark.slow
def test_from_a_shell(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    told = run(["bash", "-euo", "pipefail", "-c", example("From a shell")], tmp_path / "here", environment)
    (path,) = re.findall(r'"path": "([^"]+\.gif)"', told)
    assert Path(path).read_bytes().startswith(b"GIF8")


@pytest.mark.slow
def test_over_http(environment: dict[str, str], pipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path / "home")
    with served(studio) as address:
        code = example("Over HTTP")
        assert "http://127.0.0.1:7860" in code
        told = run([sys.executable, "-c", code.replace("http://127.0.0.1:7860", address)], tmp_path, environment)
    studio.close()
    assert re.search(r"media/[0-9a-f]{64}\.mp4", told) and "dict_keys(['plan'])" in told


@pytest.mark.slow
def test_one_film_from_four_prompts(environment: dict[str, str], tmp_path: Path) -> None:
    code = example("One film from four prompts")
    assert code == example("First steps in the shell", "README.md")
    run(["bash", "-euo", "pipefail", "-c", code], tmp_path, environment)
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    trace = json.loads((tmp_path / "film_scenes" / "trace.json").read_text(encoding="utf-8"))
    assert len(trace["scenes"]) == 4
    assert len(list((tmp_path / "film_scenes").glob("*.mp4"))) == 4


def test_the_model_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THROUGHLINE_ASSETS", environment["THROUGHLINE_ASSETS"])
    exec(example("The model alone"), {})
    assert "Mia" in capsys.readouterr().out


@pytest.mark.slow
def test_a_live_sketch(tmp_path: Path) -> None:
    """Of the embedded model itself, for the tiny one has no student."""
    code = example("Live sketches", "docs/live.md") + "print(frames.shape, frames.std() > 10)"
    told = run([sys.executable, "-c", code], tmp_path, {**os.environ, "PYTHONPATH": str(ROOT)})
    assert told.split("\n")[-2] == "(17, 96, 144, 3) True"
