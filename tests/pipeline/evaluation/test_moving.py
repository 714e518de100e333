"""The image model, still and moved: what is counted, and the command on a tiny model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation import moving
from pipeline.evaluation.common.command import run
from pipeline.evaluation.common.statistics import Tally
from pipeline.moving.layers import TemporalLayers
from pipeline.moving.pictures import IMAGE, LAYERS
from pipeline.picturebook import renderer
from pipeline.picturebook.localiser import load_localiser
from pipeline.picturebook.reader import ClipReader, Reading
from pipeline.training.models.moving import STORIES, with_adapter, write_adapter
from tests.tiny import tiny_pipeline

FRAMES = 9
DRAWN = list(moving.scenes(4, seed=7))


def middle(scene: Any, frames: int = FRAMES) -> np.ndarray:
    begin = (renderer.NUM_FRAMES - frames) // 2
    return renderer.render(scene, frames=range(begin, begin + frames), masks=False).frames


def shuffled(scene: Any) -> np.ndarray:
    """Every frame of another clip of the same place and actor with other light: what flickers."""
    light = np.linspace(0.6, 1.0, FRAMES)[np.random.default_rng(0).permutation(FRAMES)]
    return (middle(scene) * light[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def judges() -> Any:
    return ClipReader.load(), load_localiser()


def test_the_book_itself_has_flicker_1_and_its_own_looks(judges: Any) -> None:
    pictures = SimpleNamespace(film=lambda caption, seed, alpha: middle(DRAWN[seed][0]))
    found = [moving.measured(pictures, judges, told, k) for k, told in enumerate(DRAWN)]  # type: ignore[arg-type]
    figures = moving.figures_of(found)
    for film in figures["films"].values():
        assert film["flicker"]["mean"] == film["change"]["mean"] == 1 and film["looks"]["mean"] > 0.9
    assert figures["looks_less_the_image_model"]["mean"] == 0


def test_pictures_that_change_where_nothing_moves_flicker(judges: Any) -> None:
    pictures = SimpleNamespace(film=lambda caption, seed, alpha: (shuffled if alpha == 1 else middle)(DRAWN[seed][0]))
    found = [moving.measured(pictures, judges, told, k) for k, told in enumerate(DRAWN)]  # type: ignore[arg-type]
    films = moving.figures_of(found)["films"]
    assert films["still"]["flicker"]["mean"] > 2 > films["moved"]["flicker"]["mean"] == 1


def test_looks_are_counted_by_what_the_scene_has() -> None:
    scene = DRAWN[0][0]
    own, there = {"kind": scene.cast[0].kind} | vars(scene.cast[0].look), vars(scene.place.look)
    right = Reading(1.0, 1, own, {"kind": scene.place.kind} | there)
    wrong = Reading(1.0, 1, own | {"kind": "nobody"}, {"kind": scene.place.kind} | there)
    full = moving.looks(scene, right)
    assert full.hits == full.counted >= 8 and moving.looks(scene, wrong) == Tally(full.hits - 1, full.counted)


def test_no_scene_is_drawn_that_was_trained_on() -> None:
    assert all(len(scene.cast) == 1 and caption for scene, caption in DRAWN)
    assert len({caption for _, caption in DRAWN}) == len(DRAWN)
    assert moving.FIRST_STORY > STORIES


def test_the_command_tells_figures_of_a_tiny_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = tiny_pipeline().transformer
    TemporalLayers.between(network, frames=FRAMES).save_pretrained(tmp_path / LAYERS)
    write_adapter(with_adapter(network), tmp_path / IMAGE)
    monkeypatch.setattr("pipeline.loading.load", tiny_pipeline)
    file = tmp_path / "figures.json"
    options = ["--scenes", "1", "--steps", "1", "--folder", str(tmp_path), "--json", str(file)]
    assert run(moving.parser(), moving.main, options) == 0
    figures = json.loads(file.read_text())
    assert json.loads(capsys.readouterr().out) == figures
    assert figures["settings"]["alphas"] == [0.5] * 3
    still, moved = (figures["films"][name] for name in ("still", "moved"))  # untrained layers add nothing
    assert moved["flicker"]["mean"] < still["flicker"]["mean"] and moved["change"]["mean"] < still["change"]["mean"]
    assert figures["films"]["rendered"]["flicker"]["mean"] == 1


def test_a_folder_without_a_model_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.loading.load", tiny_pipeline)
    assert run(moving.parser(), moving.main, ["--folder", str(tmp_path)]) == 2
    assert "no image model in" in capsys.readouterr().err
