"""Whether looks can be told: the second witness, where the two agree, and the command on a tiny model."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation import clarity
from pipeline.evaluation.common.command import run
from pipeline.evaluation.common.statistics import Tally
from pipeline.evaluation.probe import load_image_encoder
from pipeline.evaluation.story import witnesses
from pipeline.evaluation.story.benchmark import HeldOut
from pipeline.evaluation.story.detail import rebuilt
from pipeline.evaluation.story.systems import Options
from pipeline.evaluation.story.witnesses import Line, witness_tallies
from pipeline.picturebook import renderer
from pipeline.picturebook.localiser import Localiser
from pipeline.picturebook.reader import ClipReader, Reading
from pipeline.picturebook.world import WorldScene
from tests.tiny import tiny_autoencoder

SCENES = HeldOut("abba", 0, 7).story.scenes[:2]
GREY = np.full((17, 96, 144, 3), 128, np.uint8)


class Says:
    """A witness that says of every clip what it was told to."""

    def __init__(self, *looks: dict[str, str], sure: bool = True) -> None:
        self.told, self.sure = looks, sure

    def read(self, film: list[np.ndarray]) -> list[Reading]:
        return [Reading(1.0 if self.sure else 0.0, 1, look, {}) for look in self.told]

    def looks(self, film: list[np.ndarray]) -> list[dict[str, str]]:
        return list(self.told)


def truth(scene: WorldScene) -> dict[str, str]:
    return dict(vars(scene.cast[0].look))


def test_witnesses_who_say_the_same_agree_about_everything_unsaid() -> None:
    looks = [truth(scene) for scene in SCENES]
    found = witness_tallies(SCENES, [GREY, GREY], Says(*looks), Says(*looks))  # type: ignore[arg-type]
    assert found["all"].counted >= 8 and found["all"].hits == found["all"].counted
    assert found["top"] == Tally(2, 2)


def test_one_other_word_is_one_disagreement() -> None:
    looks = [truth(scene) for scene in SCENES]
    other = [{**looks[0], "top": "something else"}, looks[1]]
    found = witness_tallies(SCENES, [GREY, GREY], Says(*looks), Says(*other))  # type: ignore[arg-type]
    assert found["top"] == Tally(1, 2) and found["all"].hits == found["all"].counted - 1


@pytest.mark.parametrize(("sure", "second"), [(False, None), (True, {})])
def test_who_is_not_seen_does_not_count(sure: bool, second: dict[str, str] | None) -> None:
    looks = [truth(scene) for scene in SCENES]
    line = Says(*(looks if second is None else [second, second]))
    found = witness_tallies(SCENES, [GREY, GREY], Says(*looks, sure=sure), line)  # type: ignore[arg-type]
    assert set(found.values()) == {Tally()}


def test_rebuilt_clips_are_clips() -> None:
    (made,) = rebuilt(tiny_autoencoder(), [renderer.render(SCENES[0]).frames[:5, :48, :72]])
    assert made.shape == (5, 48, 72, 3) and made.dtype == np.uint8


@pytest.mark.slow
def test_the_shipped_networks_agree_on_rendered_clips() -> None:
    line = Line.trained(load_image_encoder("picturebook"), Localiser.load(), stories=60)
    total = Tally()
    for index in range(8):
        scenes = HeldOut("abba", index, 3).story.scenes[:2]
        film = [renderer.render(scene, masks=False).frames for scene in scenes]
        total += witness_tallies(scenes, film, ClipReader.load(), line)["all"]
    assert total.counted > 60 and total.hits / total.counted > 0.9


@pytest.mark.slow
def test_the_command_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clarity, "TRAINING_STORIES", 4)
    monkeypatch.setattr(clarity, "Options", partial(Options, steps=2))
    monkeypatch.setattr(witnesses, "fit", partial(witnesses.fit, steps=100))
    json_file = tmp_path / "clarity.json"
    arguments = ["--stories", "1", "--json", str(json_file)]
    assert run(clarity.parser(), clarity.main, arguments) == 0
    figures = json.loads(json_file.read_text())
    assert list(figures) == list(clarity.SOURCES)
    assert all(0 < row["all"]["mean"] <= 1 and row["top"]["n"] == 1 for row in figures.values())
    assert capsys.readouterr().out.count("|") > 40


def test_bad_arguments_are_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(clarity.parser(), clarity.main, ["--stories", "0"])
    assert capsys.readouterr().err.count("\n") == 1
