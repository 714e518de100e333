"""Where a model's weights are, and in how many bits: `--memory {auto,fast,balanced,low}` and
`--weights {auto,full,int8,float8}`.

Does not cover: several devices.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import ModelMixin

from ..defaults import MEMORIES, WEIGHTS
from ..errors import ThroughlineError

GIB = 2**30

MEANING = {
    "fast": "all weights on the device",
    "balanced": "one model at a time on the device, clips decoded in tiles",
    "low": "{bits}, one layer at a time on the device, clips decoded in tiles",
}
MEANING_ON_CPU = {
    "fast": "all weights as they are",
    "balanced": "clips decoded in tiles",
    "low": "{bits}, clips decoded in tiles",
}
ACTIVATIONS = 4.0  # GiB for 17,550 video tokens of width 1920 in three branches, and as much for decoding in tiles
TOKENS_WIDTH = 17_550 * 1920
AS_THEY_ARE = "weights as they are"
KEPT = ("shared", "embed", "norm", "relative_attention_bias", r"\bwo$", "lm_head")
# of text encoders: T5 looks at wo's precision, and Gemma's head has the weights of its embedding


@dataclass(frozen=True)
class Card:
    """What a device offers. free: GiB; float8: whether it computes with 8-bit floats."""

    name: str
    free: float
    float8: bool = False


def find_card(device: torch.device) -> Card | None:
    """None for a CPU, whose memory is not counted here."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    capability = torch.cuda.get_device_capability(device)
    return Card(torch.cuda.get_device_name(device), free / GIB, capability >= (8, 9))


def gibibytes(module: Any) -> float:
    """What a module's weights take."""
    if not isinstance(module, torch.nn.Module):
        return 0.0
    return sum(p.numel() * p.element_size() for p in (*module.parameters(), *module.buffers())) / GIB


def activations(pipeline: Any) -> float:
    """GiB for what a clip of the model's own size takes beside the weights: an estimate."""
    return ACTIVATIONS * pipeline.backbone.activation_size / TOKENS_WIDTH


def choose(memory: str, pipeline: Any, card: Card | None) -> str:
    """One of MEMORIES[1:]: what was asked for, or for "auto" the first that fits. Raises ThroughlineError."""
    if memory not in MEMORIES:
        raise ThroughlineError(f"memory is {memory!r}: expected one of {', '.join(MEMORIES)}")
    if memory != "auto":
        return memory
    if card is None:
        return "fast"
    sizes = [gibibytes(module) for module in pipeline.components.values()]
    beside = activations(pipeline)
    if sum(sizes) + 2 * beside <= card.free:  # decoding without tiles
        return "fast"
    return "balanced" if max(sizes) + beside <= card.free else "low"


@dataclass
class Placement:
    """The present memory setting of a pipeline. Until `place` it is left as it is: everything where it was loaded."""

    name: str = "fast"
    device: torch.device | None = None
    weights: str = "auto"  # one of `defaults.WEIGHTS`
    said: list[str] = field(default_factory=list)  # what was chosen and why, in words
    _bits: str = AS_THEY_ARE  # what weights were put into, in words

    @property
    def lower(self) -> str | None:
        """The next step down; None on the last one."""
        rest = MEMORIES[MEMORIES.index(self.name) + 1 :]
        return rest[0] if rest else None

    def place(self, pipeline: Any, memory: str, device: torch.device, weights: str = "auto") -> str:
        """Moves weights as `memory` says, and says in a sentence what was chosen. weights: one of `defaults.WEIGHTS`,
        of which "auto" is fewer bits with "low" alone, as torchao has them; once for a pipeline. Raises
        ThroughlineError."""
        if weights not in WEIGHTS:
            raise ThroughlineError(f"weights is {weights!r}: expected one of {', '.join(WEIGHTS)}")
        card, self.weights = find_card(device), weights
        fewer = {"int8": to_int8, "float8": to_float8}.get(weights)
        self._bits = fewer(pipeline) if fewer else AS_THEY_ARE
        self.name, self.device = choose(memory, pipeline, card), device
        sentence = self._apply(pipeline, card)
        where = f" ({card.name}, {card.free:.1f} GiB free)" if card else ""
        self.said.append(f"memory {self.name}{' (auto)' if memory == 'auto' else ''}: {sentence}{where}")
        return self.said[-1]

    def step_down(self, pipeline: Any) -> str:
        """One step further down after the device ran out of memory, and what a user is told about it."""
        before, lower = self.name, self.lower
        assert lower is not None, "there is no step below the last one"
        self.name, self.device = lower, self.device or pipeline.transformer.device
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        sentence = self._apply(pipeline, find_card(self.device))
        self.said.append(f"memory ran out with {before}: the scene starts again with {lower} ({sentence})")
        return self.said[-1]

    def no_way_out(self, error: BaseException) -> str:
        reason = str(error).partition("\n")[0]
        return f"memory ran out with {self.name}, the last step: expected a smaller or shorter scene ({reason})"

    def _apply(self, pipeline: Any, card: Card | None) -> str:
        device = self.device
        assert device is not None
        if self.name != "fast":
            for way in ("tiling", "slicing"):
                if hasattr(pipeline.vae, f"use_{way}"):  # others say that they have none by an error
                    getattr(pipeline.vae, f"enable_{way}")()
        pipeline.remove_all_hooks()
        bits = self._bits
        if self.name == "low" and self.weights == "auto":
            bits = quantize(pipeline, card)
        if card is None or self.name == "fast":
            pipeline.to(device)
        elif self.name == "balanced":
            pipeline.to("cpu")
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to("cpu")
            _offload_layers(pipeline, device)
        meaning = (MEANING if card else MEANING_ON_CPU)[self.name]
        if self.name != "low" and bits != AS_THEY_ARE:
            meaning = bits if meaning == MEANING_ON_CPU["fast"] else f"{{bits}}, {meaning}"
        return meaning.format(bits=bits)


def _offload_layers(pipeline: Any, device: torch.device) -> None:
    """Layer by layer, for blocks are not called as a whole by `pipeline.transformer`. The adapter is small."""
    for name, module in pipeline.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        if name in pipeline._adapter:
            module.to(device)
        else:
            from diffusers.hooks import apply_group_offloading

            apply_group_offloading(module, device, torch.device("cpu"), "leaf_level", use_stream=True)


def _is_quantized(module: Any) -> bool:
    """Whether weights came in fewer bits, as those in GGUF do."""
    return getattr(module, "quantization_method", None) is not None


def check_savable(components: Mapping[str, Any]) -> None:
    """Raises ThroughlineError for weights that diffusers writes in no file."""
    for name, module in components.items():
        if _is_quantized(module):
            raise ThroughlineError(
                f"the weights of the {name} are in GGUF: expected others, to save them; copy the folder"
            )


def quantize(pipeline: Any, card: Card | None) -> str:
    """Weights of transformer and text encoder in 8 bits, if torchao is installed; says what they are in."""
    if not pipeline.backbone.quantizable:
        return AS_THEY_ARE
    if importlib.util.find_spec("torchao") is None:
        return f"{AS_THEY_ARE} (8 bits need: pip install torchao)"
    from torchao.quantization import Float8WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

    float8 = card is not None and card.float8
    for module in _large(pipeline):
        quantize_(module, Float8WeightOnlyConfig() if float8 else Int8WeightOnlyConfig())
    return "weights in 8-bit floats" if float8 else "weights in 8-bit integers"


def to_int8(pipeline: Any) -> str:
    """As `quantize`, wherever weights are. Raises ThroughlineError without torchao."""
    if importlib.util.find_spec("torchao") is None:
        raise ThroughlineError("weights is 'int8': expected torchao to be installed (pip install torchao)")
    return quantize(pipeline, None)


def to_float8(pipeline: Any) -> str:
    """Weights of transformer and text encoder as E4M3 of 8 bits: each layer has them in its own precision only while it
    computes, on any device (diffusers' layerwise casting). Those of norms, embeddings and the first and the last layer
    stay as they are. Says what weights are in."""
    from diffusers.hooks import apply_layerwise_casting

    for module in _large(pipeline):
        if isinstance(module, ModelMixin):
            module.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=module.dtype)
        else:
            apply_layerwise_casting(module, torch.float8_e4m3fn, module.dtype, skip_modules_pattern=KEPT)
    return "weights in 8-bit floats" if pipeline.backbone.quantizable else AS_THEY_ARE


def _large(pipeline: Any) -> list[Any]:
    """The modules whose weights may be kept in 8 bits, and are not yet."""
    found = (getattr(pipeline, name) for name in pipeline.backbone.quantizable)
    return [module for module in found if module is not None and not _is_quantized(module)]
