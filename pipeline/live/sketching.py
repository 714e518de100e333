"""From the weights of the guidance to a sketch of a clip: four steps of one pass each, by the student.

A sketch begins from the noise of the exact take with the same seed, so that it resembles it; it is no take.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Conditions
from ..backbones.checkpoints import STUDENT
from ..backbones.picturebook import PicturebookBackbone
from ..backbones.transformer_backbone import fast_on_cpu
from ..encoders.latents import check_finite
from ..errors import ThroughlineError
from ..generation import SceneRequest
from ..guidance import Guidance
from ..history import HistoryScene
from ..stages.making import latent_shape
from ..story_pipeline import StoryPipeline
from ..text_filter import FilterResult
from .student import Student, load

STEPS = 4


def student_folder(pipeline: StoryPipeline) -> Path | None:
    """Where the student of a model is; None for a model without one."""
    home = getattr(pipeline, "name_or_path", None)
    folder = Path(str(home)) / STUDENT if home else None
    return folder if folder and (folder / "config.json").is_file() else None


@dataclass(frozen=True, eq=False)
class Sketch:
    """A scene that is ready to be sketched again and again: its words and its past are encoded.

    Calling it with weights w1 and w2 (`Guidance.text` and `history`, from 0; those over `student.LARGEST` count as
    that) gives frames, uint8 (F, H, W, 3), the same for the same weights; decoded as previews are, without sharpening.
    """

    pipeline: StoryPipeline
    backbone: PicturebookBackbone
    told: Conditions
    noise: Tensor  # (1, f, C, h, w)

    @torch.no_grad()
    def latents(self, w1: float, w2: float) -> Tensor:
        """Of the clip, (1, f, C, h, w). Raises ThroughlineError for weights that are none."""
        Guidance(w1, w2)
        remembered = w2 if self.told.history is not None else 0.0
        weights = torch.tensor([w1, remembered])
        network, z = self.backbone.network([replace(self.told, guidance=weights)]), self.noise
        sampler = self.backbone.sampler(STEPS, 0.0)
        with fast_on_cpu(self.backbone.where(), self.backbone.autocast):  # around all steps: it casts the weights once
            for index, t in enumerate(sampler.timesteps):
                z, clean = sampler.step(index, network(z, t), z, torch.Generator())
        check_finite(clean, "the student", "other weights")
        return clean

    def __call__(self, w1: float, w2: float) -> np.ndarray:
        return self.pipeline.latents.preview(self.latents(w1, w2))


class Sketcher:
    """Makes sketches with the student of a pipeline's model."""

    def __init__(self, pipeline: StoryPipeline, student: Student) -> None:
        self.pipeline = pipeline
        self.backbone: PicturebookBackbone = copy.copy(pipeline.backbone)  # type: ignore[assignment]
        self.backbone.transformer = student

    @classmethod
    def of(cls, pipeline: StoryPipeline) -> Sketcher:
        """Loads the student that is beside a pipeline's model. Raises ThroughlineError for a model that has none,
        WeightsError for one that is not whole."""
        folder = student_folder(pipeline)
        if folder is None:
            raise ThroughlineError("this model has no student for live sketches: expected the embedded one")
        return cls(pipeline, load(folder, pipeline.transformer))

    def begin(
        self, prompt: str, history: Sequence[HistoryScene] = (), decision: FilterResult | None = None, **settings
    ) -> Sketch:
        """A scene to be sketched. history, decision, settings: as `StoryPipeline.generate` takes them; the steps have
        no part. Raises ThroughlineError as that does, and for a negative prompt, which the student does not know."""
        options = replace(self.pipeline.native, **settings)
        self.pipeline.check(prompt, options)
        result = decision or self.pipeline.filter([scene.prompt for scene in history], prompt)
        memory = self.pipeline.remember(history, result, options)
        return self.resume(SceneRequest(prompt, memory, settings=options))

    @torch.no_grad()
    def resume(self, request: SceneRequest) -> Sketch:
        """The same for a scene whose past is worked out."""
        _check(request)
        generator = torch.Generator().manual_seed(request.settings.seed)
        noise = self.backbone.noise(latent_shape(self.pipeline.backbone, request.settings), generator)
        tokens = request.memory.tokens
        told = Conditions(self.pipeline.text.encode(request.prompt).hidden, None if tokens is None else tokens[0])
        return Sketch(self.pipeline, self.backbone, told, noise)


def _check(request: SceneRequest) -> None:
    """Raises ThroughlineError for what the student was not taught."""
    if request.settings.negative_prompt:
        asked = request.settings.negative_prompt[:40]
        raise ThroughlineError(f"negative prompt is {asked!r}: expected none, live sketches do not know it")
    if request.beginning is not None or request.ending is not None or request.pictures is not None:
        raise ThroughlineError("known frames are given: expected none, live sketches begin with nothing")
