"""Who may join: addresses and tokens; and that nothing changes where Ray is not installed."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.rendering.model_choice import Choice
from storyboard.rendering.workers import access, nodes, starting
from storyboard.rendering.workers.access import FILE, VARIABLE, token_for
from tests.paths import ROOT

TOKEN = "0123456789abcdef" * 2


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_this_machine_alone_makes_a_token_that_nobody_else_reads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    token = token_for("127.0.0.1", home)
    assert len(token) >= access.LEAST and (home / FILE).stat().st_mode & 0o777 == 0o600
    assert token_for("127.0.0.1", home) == token == token_for("192.0.2.7", home)


def test_an_address_of_the_network_is_refused_without_a_token(tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=rf"worker-listen is '192.0.2.7' and there is no token: .*{VARIABLE}"):
        token_for("192.0.2.7", tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_token_of_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)
    assert token_for("192.0.2.7", tmp_path) == TOKEN and not (tmp_path / FILE).exists()
    monkeypatch.setenv(VARIABLE, "short")
    with pytest.raises(ThroughlineError, match="has 5 characters: expected at least 32"):
        token_for("127.0.0.1", tmp_path)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(TOKEN)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ThroughlineError, match="has mode 644: expected 600"):
        token_for("127.0.0.1", tmp_path)


def wanted(*words: str) -> starting.Wanted | None:
    parser = argparse.ArgumentParser()
    starting.add_options(parser)
    return starting.Wanted.of(parser.parse_args(words))


def test_without_the_options_there_are_no_workers() -> None:
    assert wanted() is None


def test_the_head_listens_on_loopback_unless_told_otherwise() -> None:
    assert wanted("--workers", "2") == starting.Wanted(2, "127.0.0.1", 0)
    assert wanted("--worker-listen", "192.0.2.7") == starting.Wanted(0, "192.0.2.7", access.PORT)
    assert wanted("--workers", "1", "--worker-listen", "192.0.2.7:7001") == starting.Wanted(1, "192.0.2.7", 7001)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--workers", "0"], "workers is 0: expected 1 to 64, or 0 with --worker-listen"),
        (["--workers", "65"], "workers is 65"),
        (["--workers", "2", "--worker-listen", "0.0.0.0"], "not all of them"),
        (["--workers", "2", "--worker-listen", "a-machine"], "expected an IP address"),
        (["--workers", "2", "--worker-listen", "192.0.2.7:0"], "expected HOST:PORT"),
    ],
)
def test_what_cant_be_is_refused(words: list[str], reason: str) -> None:
    with pytest.raises(ThroughlineError, match=reason):
        wanted(*words)


def test_ray_asks_every_server_for_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*nodes.ENVIRONMENT, "RAY_AUTH_TOKEN", "PYTHONPATH"):
        monkeypatch.setenv(name, "")
    nodes.prepare(TOKEN, "/a/folder")
    assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"]) == ("token", TOKEN)
    assert os.environ["PYTHONPATH"] == "/a/folder"


# --- without Ray


def test_without_ray_workers_are_refused_in_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nodes, "available", lambda: False)
    with pytest.raises(ThroughlineError, match="workers need Ray, which is not installed"):
        starting.start(starting.Wanted(2), Choice(), tmp_path)
    with pytest.raises(ThroughlineError, match="workers need Ray"):
        starting.join("127.0.0.1:7001", 1, None, tmp_path)
    assert not (tmp_path / FILE).exists()


def test_the_app_renders_without_ray_and_never_imports_it(tmp_path: Path, tiny_folder: Path) -> None:
    program = f"""
import sys
sys.modules["ray"] = None  # importing it raises
from pathlib import Path
import app, storyboard.interfaces.cli
from storyboard.rendering.model_choice import Choice
from storyboard.studio import Studio
from tests.storyboard.studios import Desk
choice = Choice(model={str(tiny_folder)!r})
studio = Studio(choice.load, Path({str(tmp_path)!r}), choice.digest())
desk = Desk.new(studio, "A dog is jumping.")
desk.render()
assert desk.states == ["fresh"] and studio.renderer.queue.places == 1 and studio.renderer.crew is None
assert "together" not in desk.ask("plan")["plan"]
studio.close()
assert not [name for name in sys.modules if name.startswith("ray.")]
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
