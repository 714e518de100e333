"""Long clips in windows that are denoised together."""

import itertools

import pytest
import torch
from torch import Tensor

from pipeline.blocks.windows import over_windows, repeated, starts
from pipeline.guidance import Anchor

W = 5


@pytest.mark.parametrize(("frames", "expected"), [(6, [0, 1]), (8, [0, 3]), (9, [0, 3, 4]), (20, [0, 3, 6, 9, 12, 15])])
def test_windows_cover_a_clip_and_overlap(frames: int, expected: list[int]) -> None:
    found = starts(frames, W)
    assert found == expected
    assert all(two - one <= 3 for one, two in itertools.pairwise(found)) and found[-1] + W == frames


def drawn(frames: int, alpha_bar: float) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy latents, their timesteps and ᾱ."""
    torch.manual_seed(0)
    return torch.randn(1, frames, 3, 2, 2), torch.full((1, frames), 500), torch.full((1, frames), alpha_bar)


def test_what_is_the_same_for_every_window_is_what_comes_of_all() -> None:
    z, times, alpha_bar = drawn(11, 0.9)
    v = over_windows(lambda part, t, anchor: 2 * part, z, times, alpha_bar, None, W)
    torch.testing.assert_close(v, 2 * z)


def test_the_first_window_goes_by_itself_and_later_ones_share_what_its_frames_have_in_common() -> None:
    z, times, alpha_bar = drawn(11, 0.2)
    a, s = 0.2**0.5, 0.8**0.5
    seen = list[Tensor]()

    def predict(part: Tensor, t: Tensor, anchor: Anchor | None) -> Tensor:
        seen.append(part)
        return (a * part - torch.full_like(part, float(len(seen)))) / s  # the n-th window takes all to be n

    v = over_windows(predict, z, times, alpha_bar, None, W)
    assert [part.shape[1] for part in seen] == [W] * 3 and torch.equal(seen[0], z[:, :W])
    torch.testing.assert_close(a * z - s * v, torch.ones_like(z), atol=1e-5, rtol=1e-5)
    seen.clear()
    decided = over_windows(predict, z, times, torch.full_like(alpha_bar, 0.95), None, W)
    assert float((decided[:, -1] - v[:, -1]).abs().max()) > 1, "once looks are decided each window is its own"


@pytest.mark.parametrize("ends", [False, True])
def test_only_windows_that_show_known_frames_go_by_them(ends: bool) -> None:
    z, times, alpha_bar = drawn(9, 0.5)
    known = torch.tensor([[True, True, *[False] * 6, ends]])
    times[known] = 5
    told = list[tuple[Tensor | None, int]]()

    def predict(part: Tensor, t: Tensor, anchor: Anchor | None) -> Tensor:
        told.append((None if anchor is None else anchor.frame, t.ndim))
        return part

    over_windows(predict, z, times, alpha_bar, Anchor(z, known), W)
    (first, dims), (middle, one), (last, of_last) = told
    assert first is not None and torch.equal(first, z[:, 1:2]) and dims == 2
    assert middle is None and one == 1, "it has one timestep, as clips made at once"
    assert (last is not None) == ends and of_last == 1 + ends
    assert last is None or torch.equal(last, z[:, -1:])


def test_the_noise_of_a_window_is_repeated() -> None:
    noise = torch.randn(1, W, 3, 2, 2)
    long = repeated(noise, 12)
    assert torch.equal(long[:, :W], noise) and torch.equal(long[:, W : 2 * W], noise) and long.shape[1] == 12
