"""Frames between frames: which moments are drawn, and that what is drawn is nearer to the truth than a blend."""

import random

import numpy as np
import pytest
import torch

from pipeline.errors import ThroughlineError, WeightsError
from pipeline.evaluation.duration.between import blended, jerk, psnr
from pipeline.picturebook import renderer, world
from pipeline.stages import interpolation
from pipeline.stages.interpolation import Interpolator, at_rate, smooth, warped
from pipeline.training.models.finish import interpolator

UNSEEN = 700_002


def noise(count: int, height: int = 20, width: int = 28) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize(("wanted", "count"), [(8, 5), (16, 10), (32, 20), (24, 15), (12, 8), (4, 2)])
def test_a_clip_lasts_as_long_at_any_rate(wanted: int, count: int) -> None:
    frames = noise(5)
    made = at_rate(Interpolator(8, 1), frames, 8, wanted)
    assert made.shape == (count, 20, 28, 3) and made.dtype == np.uint8
    for place, moment in enumerate(np.arange(count) * 8 / wanted):
        if moment == int(moment) or moment >= 4:
            assert np.array_equal(made[place], frames[min(int(moment), 4)]), "given frames stay, and the last one holds"


def test_untrained_it_blends() -> None:
    frames = noise(3)
    made = at_rate(Interpolator(8, 1), frames, 8, 32)[:9].astype(int)
    assert np.abs(made - blended(frames, np.arange(9) / 4)).max() <= 1


def test_one_frame_stays(tmp_path) -> None:
    frames = noise(1)
    assert np.array_equal(at_rate(Interpolator(8, 1), frames, 8, 32), np.repeat(frames, 4, 0))


def test_a_flow_says_where_a_pixel_comes_from() -> None:
    pictures = torch.rand(1, 3, 8, 10)
    flow = torch.zeros(1, 2, 8, 10)
    flow[:, 0], flow[:, 1] = 2, -1  # from the right and above
    assert torch.allclose(warped(pictures, flow)[:, :, 1:, :-2], pictures[:, :, :-1, 2:], atol=1e-5)


@pytest.mark.parametrize("rates", [(0, 16), (8, 0), (8, -1), (float("nan"), 8)])
def test_rates_that_are_none(rates: tuple[float, float]) -> None:
    with pytest.raises(ThroughlineError, match=r"frame rates are .*: expected numbers above 0"):
        at_rate(Interpolator(8, 1), noise(2), *rates)


def test_missing_weights_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(interpolation, "interpolator_folder", lambda: tmp_path / "none")
    interpolation.load_interpolator.cache_clear()
    with pytest.raises(WeightsError, match=r"no interpolator in .*none"):
        smooth(noise(2), 8, 16)
    interpolation.load_interpolator.cache_clear()


def test_what_ships_is_nearer_to_the_truth_than_a_blend() -> None:
    gains, steadier = [], []
    for scene in world.training_story(UNSEEN).scenes:
        moments = np.arange(0, 16.25, 0.25)
        truth = renderer.render(scene, masks=False, frames=list(moments)).frames
        made, plain = smooth(truth[::4], 8, 32)[: len(truth)], blended(truth[::4], moments)
        new = np.arange(len(truth)) % 4 != 0
        gains.append(psnr(made[new], truth[new]) - psnr(plain[new], truth[new]))
        steadier.append(jerk(made) / jerk(truth))
    assert np.mean(gains) > 2, gains
    assert np.mean(steadier) < 1.4, steadier


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = Interpolator(8, 1)
    losses = interpolator.make_losses(model, 2)
    values = losses(torch.Generator().manual_seed(0))
    values["loss"].backward()
    gradients = [p.grad for p in model.parameters()]
    assert float(values["gain_db"].detach()) == pytest.approx(0, abs=1e-2), "a blend has no gain over a blend"
    assert model.leave.weight.grad is not None and float(model.leave.weight.grad.abs().sum()) > 0
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_drawn_patches_are_of_their_moment() -> None:
    given, truth, moments = interpolator.draw(random.Random(3), 40)
    assert given.shape == (40, 4, 64, 64, 3) and truth.shape == (40, 64, 64, 3)
    assert moments.min() >= 0 and moments.max() <= 1
    early, late = moments < 0.2, moments > 0.8
    to_first, to_second = (np.abs(truth.astype(int) - given[:, i]).mean((1, 2, 3)) for i in (1, 2))
    assert to_first[early].mean() < to_second[early].mean() and to_first[late].mean() > to_second[late].mean()
