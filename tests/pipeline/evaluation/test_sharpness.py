"""Sharpness: every measure on clips made by hand, the finished film at its own size, and the command."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import ThroughlineError
from pipeline.evaluation import sharpness as command
from pipeline.evaluation.common.command import run
from pipeline.evaluation.common.statistics import Tally
from pipeline.evaluation.reporting.report import sharpness_table
from pipeline.evaluation.story import detail, witnesses
from pipeline.evaluation.story.benchmark import HeldOut
from pipeline.evaluation.story.detail import SHARPNESS, Instruments
from pipeline.evaluation.story.systems import Options
from pipeline.picturebook import renderer
from pipeline.picturebook.localiser import ACTOR, Localiser
from pipeline.picturebook.reader import ClipReader, Reading
from tests.tiny import tiny_autoencoder, tiny_pipeline

STORY = HeldOut("abba", 0, 7).story
SCENE = replace(STORY, scenes=STORY.scenes[:1])  # a story of one scene
GREY = np.full((17, 24, 36, 3), 128, np.uint8)


class SeesNobody:
    """A localiser of pictures without anybody; `there` marks pixels where it sees somebody."""

    def __init__(self, there: tuple[slice, slice] | None = None) -> None:
        self.there = there

    def masks(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        mask = np.zeros((24, 36), np.uint8)
        if self.there is not None:
            mask[self.there] = ACTOR
        return [mask] * len(pictures)


def share(tally: Tally) -> float:
    return tally.hits / tally.counted


def noise(seed: int = 0, size: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(-size, size, (17, 24, 36, 3))


def noisy(clip: np.ndarray, size: int = 20) -> np.ndarray:
    return (clip + noise(size=size)).astype(np.uint8)


def doubled(clip: np.ndarray) -> np.ndarray:
    """A finisher that adds nothing."""
    size = (2 * clip.shape[2], 2 * clip.shape[1])
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)) for frame in clip])


def still(clip: np.ndarray) -> np.ndarray:
    return np.repeat(clip[:1], len(clip), axis=0)


# Energy by band


def test_bands_part_the_components_by_their_spread() -> None:
    coarse, middle, fine = detail.bands(torch.tensor([2.0, 1.5, 0.4, 0.38, 0.1]))
    assert coarse.tolist() == [True, False, False, False, False]
    assert middle.tolist() == [False, True, True, True, False]
    assert fine.tolist() == [False, False, False, False, True]


def test_a_still_has_no_moving_energy_and_half_the_contrast_has_a_quarter_of_it() -> None:
    vae, clip = tiny_autoencoder(), noisy(GREY)
    own = detail.energies(vae, [still(clip)])
    assert float(own["moving"].max()) == pytest.approx(0, abs=1e-6) and float(own["still"].min()) > 0
    faint, strong = (detail.energies(vae, [(128 + noise(size=s) * k).astype(np.uint8)]) for s, k in ((20, 1), (20, 2)))
    assert torch.allclose(strong["moving"], 4 * faint["moving"], rtol=1e-3)


def test_a_film_that_is_its_reference_has_all_of_its_energy() -> None:
    vae, film = tiny_autoencoder(), [noisy(GREY)]
    tallies = detail.band_tallies(vae, film, film)
    assert set(tallies) == {f"{part}_{band}" for part in ("moving", "still") for band in ("coarse", "middle", "fine")}
    assert {name: share(tally) for name, tally in tallies.items() if tally.counted} == pytest.approx(
        {f"{part}_{band}": 1 for part in ("moving", "still") for band in ("middle", "fine")}
    )
    assert share(detail.band_tallies(vae, [still(film[0])], film)["moving_fine"]) == pytest.approx(0, abs=1e-6)


def test_an_autoencoder_that_tells_no_spreads_has_no_bands() -> None:
    vae = tiny_autoencoder()
    vae.register_to_config(latents_std=None)
    assert detail.band_tallies(vae, [GREY], [GREY]) == {}


# Frames


def test_steps_at_borders_of_latents_are_told_from_steps_inside() -> None:
    steps = np.zeros(17, np.uint8)
    steps[[1, 5, 9, 13]] = 4  # frame 0 is a latent of its own, 1 to 4 the next
    borders = (GREY + steps.cumsum(dtype=np.uint8)[:, None, None, None]).astype(np.uint8)
    ramp = (GREY + np.arange(17, dtype=np.uint8)[:, None, None, None]).astype(np.uint8)
    found = detail.difference_tallies([borders], [ramp], period=4)
    assert found == {"within_latents": Tally(0, 12), "across_latents": Tally(16, 4)}


def test_a_steady_film_flickers_as_much_as_a_rendered_one_whatever_its_actors_do() -> None:
    moving, box = GREY.copy(), (slice(8, 16), slice(8, 16))
    moving[::2, 8:16, 8:16] = 200
    assert share(detail.flicker_tally(SeesNobody(box), [moving], [moving])) == 1  # type: ignore[arg-type]
    tally = detail.flicker_tally(SeesNobody(box), [GREY], [moving])  # type: ignore[arg-type]
    assert share(tally) == 1 and tally.counted > 0


def test_what_changes_in_a_place_counts_over_what_moves_in_rendered_clips() -> None:
    rendered = GREY.copy()
    rendered[::2, 8:16, 8:16] = 200  # 64 of 864 pixels by 72 in every frame
    flickering = rendered.copy()
    flickering[::2, 20:24] += 16  # 144 pixels by 16: half of it
    localiser = SeesNobody((slice(8, 16), slice(8, 16)))
    tally = detail.flicker_tally(localiser, [flickering], [rendered])  # type: ignore[arg-type]
    assert share(tally) == pytest.approx(1.5)


def test_where_a_small_picture_shows_somebody_the_large_one_does_too() -> None:
    large = GREY.repeat(2, axis=1).repeat(2, axis=2)
    large[::2, 16:32, 16:32] = 200
    assert detail.resting_change(SeesNobody((slice(8, 16), slice(8, 16))), large) == 0  # type: ignore[arg-type]
    assert detail.resting_change(SeesNobody(), large) > 0  # type: ignore[arg-type]


def test_a_blur_takes_the_energy_of_pixels() -> None:
    sharp = GREY.copy()
    sharp[:, :, ::2] = 160
    blurred = (sharp.astype(int) + np.roll(sharp, 1, axis=2)) // 2
    assert detail.pixel_energy(sharp) > 10 * detail.pixel_energy(blurred[:, :, 1:-1].astype(np.uint8))
    assert detail.pixel_energy(GREY) == pytest.approx(0, abs=1e-12)


# Witnesses


def test_first_looks_are_those_of_scenes_in_which_somebody_is_new() -> None:
    looks = [dict(vars(scene.cast[0].look)) for scene in STORY.scenes]

    class Says:
        def read(self, film: list[np.ndarray]) -> list[Reading]:
            assert [int(clip[0, 0, 0, 0]) for clip in film] == [0, 1], "the first scenes of A and B"
            return [Reading(1.0, 1, look, {}) for look in looks[:2]]

        def looks(self, film: list[np.ndarray]) -> list[dict[str, str]]:
            return [looks[0], {**looks[1], "top": "something else"}]

    film = [np.full((17, 8, 8, 3), index, np.uint8) for index in range(4)]
    tally = detail.first_look_tally(Says(), Says(), STORY, film)  # type: ignore[arg-type]
    assert tally.counted - tally.hits == 1 and tally.counted >= 8


# The whole


@pytest.fixture(scope="module")
def blind() -> Instruments:
    torch.manual_seed(0)
    return Instruments(tiny_autoencoder(), ClipReader().eval(), Localiser().eval())


def test_rendered_clips_are_as_sharp_as_themselves(blind: Instruments) -> None:
    film = command.rendered_film(SCENE)
    tallies = detail.sharpness_tallies(blind, SCENE, film, film, reference=film)
    assert all(share(tally) == pytest.approx(1) for tally in tallies.values() if tally.counted)
    assert set(SHARPNESS) - set(tallies) == {"witnesses", "witnesses_rendered"}, "there is one witness alone"


def test_a_finished_film_is_compared_at_its_own_size(blind: Instruments) -> None:
    plain = command.finished_tallies(blind, SCENE, [doubled(clip) for clip in command.rendered_film(SCENE)])
    right = command.finished_tallies(blind, SCENE, command.rendered_film(SCENE, scale=2))
    assert share(right["pixel_energy"]) == share(right["flicker"]) == 1 == share(right["moving_fine"])
    assert share(plain["pixel_energy"]) < 0.9, "no detail is added"


@pytest.mark.parametrize("shape", [(17, 97, 144, 3), (17, 192, 144, 3), (16, 192, 288, 3)])
def test_a_finisher_that_does_not_enlarge_is_refused(shape: tuple[int, ...], blind: Instruments) -> None:
    with pytest.raises(ThroughlineError, match=r"expected"):
        command.finished_tallies(blind, SCENE, [np.zeros(shape, np.uint8)])


def test_drafts_and_finished_films_have_a_column_each() -> None:
    figures = command.estimates([{"flicker": Tally(3, 2)}])
    assert set(figures) == set(SHARPNESS) and figures["flicker"].mean == 1.5 and figures["witnesses"].n == 0
    table = sharpness_table({"drafts": figures, "finished": figures})
    assert "| flicker | 1.50 (1.50–1.50) | 1.50 (1.50–1.50) |" in table and "| witnesses | – | – |" in table


@pytest.mark.slow
def test_a_tiny_film_is_measured_as_draft_and_finished() -> None:
    drafts, finished = command.sharpness(tiny_pipeline(), 1, 3, doubled)
    assert finished is not None and set(drafts) == set(finished) == set(SHARPNESS)
    assert drafts["moving_fine"].n == finished["moving_fine"].n == 1
    assert drafts["across_latents"].mean is not None and finished["pixel_energy"].mean is not None


@pytest.mark.slow
def test_the_command_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "TRAINING_STORIES", 4)
    monkeypatch.setattr(command, "Options", partial(Options, steps=2))
    monkeypatch.setattr(witnesses, "fit", partial(witnesses.fit, steps=100))
    json_file = tmp_path / "sharpness.json"
    assert run(command.parser(), command.main, ["--stories", "1", "--json", str(json_file)]) == 0
    figures = json.loads(json_file.read_text())
    assert list(figures) == [*SHARPNESS, "finished"] and list(figures["finished"]) == list(SHARPNESS)
    assert figures["finished"]["pixel_energy"]["mean"] > 0
    assert all(set(figures[name]) == {"mean", "low", "high", "n"} for name in SHARPNESS)
    assert figures["witnesses_rendered"]["mean"] > 0 and figures["still_coarse"]["n"] == 1
    assert "| moving fine | " in capsys.readouterr().out
    assert run(command.parser(), command.main, ["--stories", "1", "--drafts-only", "--json", str(json_file)]) == 0
    assert json.loads(json_file.read_text())["finished"] is None


def test_bad_arguments_are_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(command.parser(), command.main, ["--seed", "x"])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_larger_film_has_its_size() -> None:
    assert command.rendered_film(SCENE, scale=2)[0].shape == (17, *renderer.size_at(2), 3)
