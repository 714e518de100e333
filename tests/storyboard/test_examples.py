"""The README's examples run as they are written, over a tiny model in the place of the embedded one."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.storyboard.studios import open_studio, served

README = Path(os.environ.get("THROUGHLINE_EXAMPLES", ROOT / "README.md"))


def example(heading: str) -> str:
    """The first block of code under a heading of the README."""
    text = README.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {heading}\n+(?:(?!^#|^```).*\n)*```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"README.md has no block of code under the heading {heading!r}"
    return found[1]


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
