"""The benchmarks of shots and of pictures with which scenes begin, on one story each."""

import json
from pathlib import Path

import pytest

from pipeline.evaluation.scenes import pictures, shots
from pipeline.evaluation.story.benchmark import HeldOut


def test_only_second_appearances_are_in_a_shot() -> None:
    story = HeldOut("abba", 0, 5).story
    assert [scene.shot for scene in shots.in_shot(story, "close").scenes] == ["", "", "close", "close"]
    assert shots.in_shot(story, "") == story


def test_shots_are_measured_beside_rendered_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shots.json"
    assert shots.run(shots.parser(), shots.main, ["--stories", "1", "--seed", "5", "--json", str(file)]) == 0
    found = {name: figure["mean"] for name, figure in json.loads(file.read_text()).items()}
    assert found["none/larger"] == found["none rendered/larger"] == 1
    assert found["wide rendered/size"] == found["close rendered/size"] == 1
    assert found["wide rendered/larger"] < 0.92 < 1.05 < found["close rendered/larger"]
    assert found["none/presence"] == 1 and "| close rendered |" in capsys.readouterr().out


def test_a_scene_keeps_what_its_picture_shows_if_it_remembers_it(tmp_path: Path) -> None:
    file = tmp_path / "pictures.json"
    arguments = ["--stories", "1", "--seed", "5", "--json", str(file)]
    assert pictures.run(pictures.parser(), pictures.main, arguments) == 0
    found = {name: figure["mean"] for name, figure in json.loads(file.read_text()).items()}
    assert found["begins, and remembers it/own looks"] >= found["begins/own looks"] > 0.5
