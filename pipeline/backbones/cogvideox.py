"""CogVideoX 1.0 and 1.5 as their authors published them, from text and from a picture: how prompts are read, where
tokens stand, what samples.

Does not cover: guidance that grows with the steps as diffusers' `use_dynamic_cfg` has it (`Guidance.schedule` is ours).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import CogVideoXDPMScheduler, CogVideoXPipeline
from torch import Tensor

from ..blocks.attention import Rotary
from ..encoders.latents import CogVideoXLatents, Where
from ..encoders.padded_text import PaddedTextEncoder
from ..encoders.text import TextEncoder
from ..errors import ThroughlineError
from ..guidance import Preconditioning, make_preconditioning
from ..sampling import DpmSampler, Sampler, StockSampler
from ..transformer import StoryTransformer3DModel
from .base import Limits, Native
from .checkpoints import check_folder, read_index, variant
from .distilled import suited
from .registry import class_of
from .transformer_backbone import TransformerBackbone, histories_of, to_device

SIZE_15 = (768, 1360)  # pixels, what CogVideoX 1.5 was trained for
STEPS, TEXT, HISTORY = 50, 6.0, 1.5  # steps and w1 as the checkpoints' authors recommend
LONGEST = 81  # frames
OFS = 2.0  # what diffusers tells networks with that embedding, those of 1.5 that start from a picture
FROM_PICTURE = "CogVideoXImageToVideoPipeline"  # other pipelines have networks with as many channels for another use
CLASSES = {"transformer": "CogVideoXTransformer3DModel", "text_encoder": "T5EncoderModel"}  # of a stock checkpoint


class CogVideoXBackbone(TransformerBackbone):
    """Without history its clips are those of diffusers' CogVideoXPipeline, or of CogVideoXImageToVideoPipeline: such a
    network has as many channels again for the latents of the picture, which are zeros after the first frame."""

    name: ClassVar[str] = "cogvideox"
    quantizable: ClassVar[tuple[str, ...]] = ("transformer", "text_encoder")
    reads_padding = True
    latents: CogVideoXLatents

    def __init__(self, components: Mapping[str, Any], where: Where) -> None:
        super().__init__(components, where)
        vae, config = components["vae"], self.transformer.config
        encoder, tokenizer = components["text_encoder"], components["tokenizer"]
        self.text: TextEncoder = PaddedTextEncoder(encoder, tokenizer, config.max_text_seq_length, where)
        self.latents = CogVideoXLatents(vae, where)
        self.precondition: Preconditioning = make_preconditioning(None)
        self.native = suited(native(config, self.latents.unit, self.latents.period), components)
        self.extra = config.in_channels - self.latents.channels
        most = self.latents.unit * (1 if config.patch_size_t else 2)  # 1.5's configuration names the largest size
        self.limits = Limits(
            unit=self.latents.unit * self.patch,
            height=config.sample_height * most,
            width=config.sample_width * most,
            num_frames=max(LONGEST, 2 * config.sample_frames - 1),
            has_eta=False,
            pictures=self.extra > 0,
            one_size=config.use_learned_positional_embeddings,
        )
        self._positions: tuple[Any, Rotary] = (None, None)  # the last ones, by shape and device

    def padding_frames(self, frames: int) -> int:
        """CogVideoX 1.5: a token spans several latent frames."""
        return -frames % (self.transformer.config.patch_size_t or 1)

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """In the precision in which the stock pipeline draws it, and after what it draws for a picture (`shown`), for
        that is what a seed means."""
        if self.extra:
            torch.randn((1, self.extra, 1, *shape[3:]), generator=generator, dtype=self.latents.vae.dtype)
        drawn = torch.randn(tuple(shape), generator=generator, dtype=self.transformer.dtype)
        return drawn.float().to(self.where())

    def shown(self, first: np.ndarray, last: np.ndarray | None, num_frames: int, seed: int) -> Tensor:
        """The latents of the picture, and zeros for the frames that are made. last: None, for there is no ending."""
        assert last is None, "its limits say that it does not end with a picture"
        latents = self.latents.drawn(first, torch.Generator().manual_seed(seed))
        frames = (num_frames - 1) // self.latents.period + 1
        return F.pad(latents, (0, 0, 0, 0, 0, 0, 0, frames - 1 + self.padding_frames(frames))).float()

    def ofs(self, rows: int, device: torch.device) -> Tensor | None:
        return None if self.transformer.config.ofs_embed_dim is None else torch.full((rows,), OFS, device=device)

    def sampler(self, steps: int, eta: float, shape: Sequence[int] | None = None) -> Sampler:
        """The checkpoint's own. It has no eta: CogVideoXDDIMScheduler ignores it, CogVideoXDPMScheduler always adds
        noise."""
        kind = DpmSampler if type(self.scheduler) is CogVideoXDPMScheduler else StockSampler
        return kind(self.scheduler, steps)

    def positions(self, shape: Sequence[int]) -> Rotary:
        key = (tuple(shape[1:]), self.where())
        if self._positions[0] != key:
            rotary = rotary_positions(self.transformer, (shape[1], shape[3], shape[4]), self.latents.unit)
            self._positions = (key, to_device(rotary, self.where()))
        return self._positions[1]


class CogVideoXFamily:
    """`base.Family`."""

    name = CogVideoXBackbone.name

    def native(self, folder: Path) -> Native:
        vae, transformer = (
            json.loads((folder / name / "config.json").read_text(encoding="utf-8")) for name in ("vae", "transformer")
        )
        unit = 2 ** (len(vae["block_out_channels"]) - 1)
        found = native({"patch_size_t": None, **transformer}, unit, vae["temporal_compression_ratio"])
        return suited(found, read_index(folder / "model_index.json"))

    def histories(self, folder: Path) -> tuple[str, ...]:
        return histories_of(folder)

    def continues(self, folder: Path) -> bool:
        config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
        return bool(config["in_channels"] > config["out_channels"])

    def components(self, folder: Path, precision: torch.dtype) -> dict[str, Any]:
        """A stock checkpoint's transformer becomes one that may look at references."""
        index, half = check_folder(folder), variant(folder / "transformer")
        options = {"dtype": precision, **({"variant": half} if half else {})}
        if index.get("_class_name") == "StoryPipeline":
            return options
        _check(folder, index)
        transformer = StoryTransformer3DModel.from_pretrained(
            folder / "transformer", history_dim=0, use_safetensors=True, local_files_only=True, **options
        )
        return {**options, "transformer": transformer}

    def bind(self, components: Mapping[str, Any], where: Where) -> CogVideoXBackbone:
        return CogVideoXBackbone(components, where)


FAMILY = CogVideoXFamily()


def _check(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for folders that are no CogVideoX, or one that is told of something else."""
    for name, wanted in CLASSES.items():
        found = class_of(index, name)
        if found != wanted:
            raise ThroughlineError(f"model {str(folder)!r} has {found} as its {name}: expected {wanted}")
    config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    into, out, kind = config.get("in_channels"), config.get("out_channels"), index.get("_class_name")
    if into != out and not (into == 2 * out and kind == FROM_PICTURE):
        raise ThroughlineError(
            f"model {str(folder)!r} has {into} channels in, {out} out, for a {kind}: expected as many (from text), or "
            f"twice as many for a {FROM_PICTURE}"
        )


def native(config: Mapping[str, Any], unit: int, period: int) -> Native:
    """By the configuration of a transformer. unit: pixels a side of a latent; period: its frames."""
    height, width, newer = config["sample_height"], config["sample_width"], config["patch_size_t"]
    if newer:  # CogVideoX 1.5, whose configuration names the largest size, not the usual one
        height, width = min(height, SIZE_15[0] // unit), min(width, SIZE_15[1] // unit)
    size, frames_per_second = (height * unit, width * unit), 16 if newer else 8
    return Native(*size, config["sample_frames"], frames_per_second, STEPS, TEXT, HISTORY, period)


def rotary_positions(transformer: StoryTransformer3DModel, latents: tuple[int, int, int], unit: int) -> Rotary:
    """Rotary positions of the video tokens for latents (f, h, w), as the stock pipeline lays them out; None for a model
    with absolute ones. unit: pixels a side of a latent."""
    if not transformer.config.use_rotary_positional_embeddings:
        return None
    f, h, w = latents
    return CogVideoXPipeline._prepare_rotary_positional_embeddings(
        _Grid(transformer, unit), h * unit, w * unit, f, torch.device("cpu")
    )


class _Grid:
    """As much of a CogVideoXPipeline as its method that lays out positions looks at."""

    def __init__(self, transformer: StoryTransformer3DModel, unit: int) -> None:
        self.transformer, self.vae_scale_factor_spatial = transformer, unit
