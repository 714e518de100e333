"""The embedded model: MiniLM's tokens, latents of a linear autoencoder, DDIM over v."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from .. import defaults
from ..blocks.windows import repeated
from ..encoders.latents import LinearLatents, Where
from ..encoders.text import TextEncoder
from ..guidance import SubjectGuidance, make_preconditioning
from ..sampling import Sampler, TrailingDdim
from ..transformer import StoryTransformer3DModel
from .base import Limits, Native
from .checkpoints import CONTINUATION
from .transformer_backbone import TransformerBackbone, histories_of

NATIVE = Native(
    defaults.HEIGHT,
    defaults.WIDTH,
    defaults.NUM_FRAMES,
    defaults.FRAMES_PER_SECOND,
    defaults.STEPS,
    defaults.TEXT,
    defaults.HISTORY,
    defaults.PERIOD,
)
MOST_PATCHES = 20  # a side of a clip
DRAWN = 0.5  # σ/α below which clips that go on are drawn by the network of all other clips
SUBJECT = SubjectGuidance(looks=5.0, finish=2.5, decided=1.0, seen=13.0)
LONGEST, STREAMED = 161, 481  # frames of a scene, and of one that is streamed


class PicturebookBackbone(TransformerBackbone):
    """`StoryTransformer3DModel` on the latents of an `AutoencoderLinearVideo`."""

    name: ClassVar[str] = "picturebook"
    quantizable: ClassVar[tuple[str, ...]] = ()
    native = NATIVE

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        super().__init__(components, where)
        vae, config = components["vae"], self.transformer.config
        self.text = TextEncoder(
            components["text_encoder"], components["tokenizer"], max_tokens=config.max_text_seq_length
        )
        self.latents = LinearLatents(vae, where)
        self.precondition = make_preconditioning(vae.config.latents_std, vae.config.latents_motion_std)
        unit, longest = self.latents.unit * self.patch, max(LONGEST, 2 * config.sample_frames - 1)
        self.continuation = components.get(CONTINUATION)
        self.window = (config.sample_frames - 1) // self.latents.period + 1
        piece = config.sample_frames if self.continuation or config.frame_timesteps else 0
        self.limits = Limits(
            unit, MOST_PATCHES * unit, MOST_PATCHES * unit, longest, has_eta=True, ends=piece > 0, piece=piece,
            windows=True, window=self.window, streamed=STREAMED, drawn=DRAWN if self.continuation else 0.0, eased=True,
            subject=SUBJECT,
        )  # fmt: skip

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
        first = super().noise((shape[0], min(shape[1], self.window), *shape[2:]), generator)
        return repeated(first, shape[1])

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        return TrailingDdim(self.scheduler, steps, eta)


class PicturebookFamily:
    """`base.Family`."""

    name = PicturebookBackbone.name

    def native(self, folder: Path) -> Native:
        return NATIVE

    def histories(self, folder: Path) -> tuple[str, ...]:
        return histories_of(folder)

    def continues(self, folder: Path) -> bool:
        config = json.loads((folder / "transformer" / "config.json").read_text("utf-8"))
        return (folder / CONTINUATION).is_dir() or bool(config.get("frame_timesteps"))

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        """The precision is the transformer's alone, which does nearly all of the work: the text filter, which shares
        the text encoder, decides the same in any."""
        options: dict[str, Any] = {"dtype": {"transformer": precision, "default": torch.float32}}
        if (folder / CONTINUATION).is_dir():  # beside what the index names, which is the digest of older takes
            network = StoryTransformer3DModel.from_pretrained(folder / CONTINUATION, torch_dtype=precision)
            options[CONTINUATION] = network
        return options

    def bind(self, components: Mapping[str, Any], where: Where) -> PicturebookBackbone:
        return PicturebookBackbone(components, where)


FAMILY = PicturebookFamily()
