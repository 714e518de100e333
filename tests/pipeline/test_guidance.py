"""Guidance, its branches, its schedule; the preconditioning of the denoiser."""

import pytest
import torch

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance, branches, guide, make_preconditioning

NEGATIVE, FULL, FORGETFUL = (torch.randn(1, 3, generator=torch.Generator().manual_seed(i)) for i in range(3))
PREDICTIONS = {"negative": NEGATIVE, "full": FULL, "forgetful": FORGETFUL}


@pytest.mark.parametrize("w1", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("w2", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("remembers", [True, False])
def test_the_guided_prediction_written_out(w1: float, w2: float, remembers: bool) -> None:
    expected = NEGATIVE + w1 * (FULL - NEGATIVE) + (w2 * (FULL - FORGETFUL) if remembers else 0)
    needed = {name: PREDICTIONS[name] for name in branches(w1, w2, remembers)}
    torch.testing.assert_close(guide(needed, w1, w2), expected)


@pytest.mark.parametrize(
    "w1, w2, remembers, expected",
    [
        (3, 1, True, ("negative", "full", "forgetful")),
        (3, 1, False, ("negative", "full")),
        (3, 0, True, ("negative", "full")),
        (1, 1, True, ("full", "forgetful")),
        (1, 0, True, ("full",)),
        (0, 0, True, ("negative",)),
        (0, 1, True, ("negative", "full", "forgetful")),
    ],
)
def test_branches(w1: float, w2: float, remembers: bool, expected: tuple[str, ...]) -> None:
    assert branches(w1, w2, remembers) == expected


def test_constant_weights_within_the_window_only() -> None:
    guidance = Guidance(text=4, history=2, start=0.2, end=0.6)
    weights = [guidance.weights(i, 10) for i in range(10)]
    assert weights == [(1, 0)] * 2 + [(4, 2)] * 4 + [(1, 0)] * 4


def test_the_whole_window_holds_every_step() -> None:
    for total in (1, 7):
        assert {Guidance(text=4, history=2).weights(i, total) for i in range(total)} == {(4, 2)}


def test_dynamic_weights_rise_with_the_index_of_the_step() -> None:
    text, history = zip(*(Guidance(text=4, history=2, schedule="cosine").weights(i, 8) for i in range(8)), strict=True)
    assert list(text) == sorted(text) and list(history) == sorted(history)
    assert (text[-1], history[-1]) == (4, 2) and 1 < text[0] < 1.2 and 0 < history[0] < 0.1
    assert (text[3], history[3]) == (2.5, pytest.approx(1)), "half of the way at half of the steps"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"text": -1}, "guidance weight text is -1"),
        ({"history": float("nan")}, "guidance weight history is nan"),
        ({"history": float("inf")}, "guidance weight history is inf"),
        ({"start": 0.6, "end": 0.5}, "guidance window is 0.6 to 0.5"),
        ({"end": 1.5}, "guidance window is 0.0 to 1.5"),
        ({"schedule": "linear"}, "guidance schedule is 'linear': expected one of constant, cosine"),
    ],
)
def test_weights_that_are_none(options: dict, message: str) -> None:
    with pytest.raises(ThroughlineError, match=message):
        Guidance(**options)


@pytest.mark.parametrize("alpha_bar", [0.0, 0.2, 0.9, 0.99])
def test_preconditioning_reads_and_asks_for_unit_variance(alpha_bar: float) -> None:
    std, generator = [2.0, 0.5, 0.1], torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 1, 20_000, 3, 1, 1, generator=generator)
    x = x * torch.tensor(std)[:, None, None]
    a = torch.tensor([alpha_bar])
    z, v = a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x
    into, skip, out = make_preconditioning(std).coefficients(a, torch.tensor(std))
    wanted = (v - skip * z) / out
    for channels in ((into * z).var((0, 1)), wanted.var((0, 1))):
        torch.testing.assert_close(channels.flatten(), torch.ones(3), rtol=0.05, atol=0)
    torch.testing.assert_close(make_preconditioning(std)(lambda _: wanted, z, a), v)


def test_a_silent_network_leaves_noisy_fine_components_at_zero() -> None:
    """Far under the noise the simple denoiser lets nothing through, far over it everything."""
    noisy, clean = torch.tensor([0.3]), torch.tensor([1 - 1e-4])
    z = torch.ones(1, 1, 1, 1, 1)
    for a, expected in ((noisy, 0.0), (clean, 1.0)):
        v = make_preconditioning([0.3])(torch.zeros_like, z, a)
        x = a.sqrt() * z - (1 - a).sqrt() * v
        assert x.item() == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("alpha_bar", [0.05, 0.5, 0.95])
def test_what_stands_still_and_what_moves_are_asked_for_apart(alpha_bar: float) -> None:
    still, motion, generator = [2.0, 0.5], [0.3, 0.2], torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 2, 5, 2, 50, 50, generator=generator)
    moving = x - x.mean(1, keepdim=True)
    clean = x.mean(1, keepdim=True) * torch.tensor(still)[:, None, None] + moving * torch.tensor(motion)[:, None, None]
    a = torch.full((2,), alpha_bar)
    alpha, sigma = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    z = alpha * clean + sigma * noise
    apart = make_preconditioning(still, motion)
    silent = apart(torch.zeros_like, z, a)
    for spreads, part in ((still, lambda y: y.mean(1, keepdim=True)), (motion, lambda y: y - y.mean(1, keepdim=True))):
        alone = make_preconditioning(spreads)(torch.zeros_like, part(z), a)
        torch.testing.assert_close(part(silent), alone.expand_as(part(silent)))
    estimate = alpha * z - sigma * silent
    flicker = (estimate - estimate.mean(1, keepdim=True)).std()
    together = alpha * z - sigma * make_preconditioning(still)(torch.zeros_like, z, a)
    assert flicker <= (together - together.mean(1, keepdim=True)).std()


def test_without_spreads_preconditioning_steps_aside() -> None:
    z, a = torch.randn(2, 2, 2, 1, 1), torch.tensor([0.3, 0.6])
    assert torch.equal(make_preconditioning(None)(lambda x: x + 1, z, a), z + 1)
