"""The sampler against diffusers' own."""

import pytest
import torch

from pipeline.sampling import ddim_step, trailing_timesteps
from pipeline.training.models.generator import new_scheduler


@pytest.mark.parametrize("steps", [1, 10, 20, 24, 50])
def test_timesteps_are_those_of_the_scheduler(steps: int) -> None:
    scheduler = new_scheduler()
    scheduler.set_timesteps(steps)
    assert trailing_timesteps(steps, 1000) == scheduler.timesteps.tolist()


@pytest.mark.parametrize("steps", [1, 4, 25])  # of 1000 without remainder: the scheduler goes back by 1000 // steps
def test_without_noise_it_is_the_schedulers_step(steps: int) -> None:
    scheduler, generator = new_scheduler(), torch.Generator().manual_seed(0)
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps.tolist()
    alpha_bars = [scheduler.alphas_cumprod[t].float() for t in timesteps] + [torch.tensor(1.0)]
    z = torch.randn(1, 2, 4, 3, 3, generator=generator)
    for index, t in enumerate(timesteps):
        v = torch.randn(z.shape, generator=generator)
        expected = scheduler.step(v, t, z, eta=0.0)
        z, clean = ddim_step(v, z, alpha_bars[index], alpha_bars[index + 1])
        torch.testing.assert_close(clean, expected.pred_original_sample.float(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(z, expected.prev_sample.float(), rtol=1e-4, atol=1e-5)


def test_a_true_prediction_leads_to_the_clean_latents() -> None:
    x, noise = torch.randn(2, 1, 1, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    a, later = torch.tensor(0.3), torch.tensor(0.8)
    z, v = a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x
    after, clean = ddim_step(v, z, a, later)
    torch.testing.assert_close(clean, x)
    torch.testing.assert_close(after, later.sqrt() * x + (1 - later).sqrt() * noise)


def test_with_noise_the_spread_stays_that_of_the_schedule() -> None:
    """At eta = 1 as at any: z' given x has variance 1 - ᾱ'."""
    generator = torch.Generator().manual_seed(2)
    x, noise = torch.zeros(1, 50_000), torch.randn(1, 50_000, generator=generator)
    a, later = torch.tensor(0.3), torch.tensor(0.8)
    z, v = (1 - a).sqrt() * noise, a.sqrt() * noise
    after, clean = ddim_step(v, z, a, later, eta=1.0, generator=generator)
    torch.testing.assert_close(clean, x, atol=1e-6, rtol=0)
    assert after.var().item() == pytest.approx(0.2, abs=0.01)
    correlation = torch.corrcoef(torch.cat([after, noise]))[0, 1].item()
    variance = (1 - later) / (1 - a) * (1 - a / later)
    assert correlation == pytest.approx(((0.2 - variance) / 0.2).sqrt().item(), abs=0.02)
