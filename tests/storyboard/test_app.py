"""How the app starts and says no, without a browser."""

from pathlib import Path
from typing import Any

import httpx
import pytest

import app
from pipeline.backbones import checkpoints
from pipeline.errors import ThroughlineError
from storyboard.studio import Studio, home
from storyboard.ui import page
from storyboard.ui.components.board import Board


def test_an_unknown_model_ends_the_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--model", "no such model"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "no such model" in error and error.count("\n") == 1


def test_a_home_that_is_no_folder_ends_the_app(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path / "file"))
    assert app.main(["--model", str(tiny_folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(tmp_path / "file") in error and error.count("\n") == 1


def test_the_app_closes_its_studio_whatever_happens(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    closed: list[Studio] = []
    close = Studio.close

    def taken(*_: Any, **__: Any) -> None:
        raise OSError("Cannot find empty port in range: 7860-7860")

    def noted(studio: Studio) -> None:
        closed.append(studio)
        close(studio)

    monkeypatch.setenv("THROUGHLINE_HOME", str(tmp_path))
    monkeypatch.setattr("gradio.Blocks.launch", taken)
    monkeypatch.setattr(Studio, "close", noted)
    monkeypatch.setattr("storyboard.rendering.renderer.Renderer.warm_up", lambda _: None)
    assert app.main(["--model", str(tiny_folder), "--port", "7860"]) == 2
    assert "empty port" in capsys.readouterr().err
    (studio,) = closed
    assert studio.folder == tmp_path and studio.renderer.model == checkpoints.digest(tiny_folder)


def test_every_stylesheet_and_script_of_the_page_is_there() -> None:
    for name in page.STYLES:
        assert (page.STATIC / name).is_file() and f"/{name}" in page.HEAD


def test_logins_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THROUGHLINE_AUTH", raising=False)
    assert app.logins() == []
    monkeypatch.setenv("THROUGHLINE_AUTH", "mia:red:coat, tom:hat")
    assert app.logins() == [("mia", "red:coat"), ("tom", "hat")]
    monkeypatch.setenv("THROUGHLINE_AUTH", "mia")
    with pytest.raises(ThroughlineError, match="name:password"):
        app.logins()


def test_without_a_login_nothing_answers(pipeline, tmp_path: Path) -> None:
    studio = Studio(lambda: pipeline, tmp_path, "m" * 64)
    blocks = page.build(studio)
    try:
        options = {**page.options(studio), "prevent_thread_lock": True, "quiet": True, "auth": [("mia", "secret")]}
        _, address, _ = blocks.launch(server_name="127.0.0.1", **options)
        (component,) = [block for block in blocks.blocks.values() if isinstance(block, Board)]
        call = {"component_id": component._id, "fn_name": "call", "session_hash": "x", "data": {"verb": "stories"}}
        answers = [
            httpx.post(f"{address}gradio_api/component_server", json=call),
            httpx.get(f"{address}config"),
            httpx.post(f"{address}gradio_api/call/list_stories", json={"data": ["a" * 32]}),
        ]
        assert [answer.status_code for answer in answers] == [401] * 3
    finally:
        blocks.close()
        studio.close()


@pytest.mark.parametrize(("option", "variable"), [("99999", ""), ("", "abc"), ("-1", ""), ("", "70000")])
def test_a_port_that_is_none_is_one_line(
    option: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRADIO_SERVER_PORT", variable)
    assert app.main([f"--port={option}"] if option else []) == 2
    said = capsys.readouterr().err
    assert said == f"error: port is {option or variable!r}: expected a whole number from 0 to 65535\n"


def test_the_home_of_stories_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("THROUGHLINE_HOME", "~/stories")
    assert home() == tmp_path / "stories"
