"""The schedulers that such models are run with, step by step as the stock pipeline uses them."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...errors import ThroughlineError
from ...sampling import StockSampler, VariancePreserving

PREDICTIONS = ("epsilon", "v_prediction")
GIVEN = {  # what the step of a scheduler is given beside the prediction
    "DDIMScheduler": ("eta", "generator"),
    "DPMSolverMultistepScheduler": ("generator",),
    "EulerDiscreteScheduler": ("generator",),
    "LCMScheduler": ("generator",),
}


class ImageSampler(StockSampler):
    """Of one of GIVEN. Latents are z = α x + σ ε throughout: Euler's own, x + σ' ε, are scaled in and out."""

    def __init__(self, scheduler: Any, noising: VariancePreserving, steps: int, eta: float = 0.0) -> None:
        name = type(scheduler).__name__
        try:
            super().__init__(scheduler, steps)
        except ValueError as error:
            raise ThroughlineError(
                f"steps is {steps}: expected a number that the model's {name} takes ({error})"
            ) from None
        self.noising, self.eta, self._given = noising, eta, GIVEN[name]
        self._is_scaled = name == "EulerDiscreteScheduler"

    def _step(self, index: int, v: Tensor, z: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
        scheduler, level = self.scheduler, self.noising.level(self.timesteps[index])
        clean, predicts_v = level.clean(z, v), scheduler.config.prediction_type == "v_prediction"
        predicted = v if predicts_v else level.alpha * v + level.sigma * z
        options = {name: {"eta": self.eta, "generator": generator}[name] for name in self._given}
        t, own = scheduler.timesteps[index], self._scale(index) * z.transpose(1, 2)  # noise is drawn channels first
        scheduler.scale_model_input(own, t)
        own, *rest = scheduler.step(predicted.transpose(1, 2), t, own, return_dict=False, **options)
        z = own.transpose(1, 2) / self._scale(index + 1)
        return z, rest[0].transpose(1, 2) if rest else clean

    def _scale(self, index: int) -> float:
        """What a scheduler's own latents are larger by at a step."""
        return float((1 + self.scheduler.sigmas[index] ** 2) ** 0.5) if self._is_scaled else 1.0


def first_scale(scheduler: Any) -> float:
    """The spread of the noise that a clip starts from: a little less than 1 with some of Euler's spacings."""
    if type(scheduler).__name__ != "EulerDiscreteScheduler":
        return 1.0
    fresh = type(scheduler).from_config(scheduler.config)
    return float(fresh.init_noise_sigma / (fresh.sigmas.max() ** 2 + 1) ** 0.5)
