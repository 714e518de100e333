"""Puts adapters on a pipeline's network and takes them off again: bit for bit what it was.

The network's own weights are never written: peft's layers stand before them, and are taken away in the end.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusers.utils.peft_utils import recurse_remove_peft_layers
from peft.functional import set_adapter
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from ..denoising import Subject
from ..errors import ThroughlineError
from ..story_pipeline import StoryPipeline
from .figures import Finder
from .files import Adapter, read_adapter

MOST_STRENGTH = 2.0


@dataclass(frozen=True)
class Worn:
    """An adapter's file and how strongly it counts: 0 not at all, 1 as it was taught."""

    path: Path
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.strength) and 0 <= self.strength <= MOST_STRENGTH):
            raise ThroughlineError(f"strength is {self.strength}: expected a number from 0 to {MOST_STRENGTH:g}")


@contextmanager
def worn(pipeline: StoryPipeline, adapters: Sequence[Worn]) -> Iterator[None]:
    """While it is open the network wears the adapters, all at once. Raises ThroughlineError for files that are no
    adapters of this model."""
    read = [(read_adapter(one.path), one.strength, one.path.name) for one in adapters if one.strength]
    with ExitStack() as stack:
        for network in (pipeline.transformer, pipeline.continuation):
            if network is not None:
                stack.enter_context(_wearing(network, read))
        yield


@contextmanager
def shown(pipeline: StoryPipeline, adapters: Sequence[Worn]) -> Iterator[None]:
    """As `worn`, for subjects that scenes show: where the model follows these by a branch of their own
    (`guidance.SubjectGuidance`), the network wears the adapters in that alone, and their figures alone are pulled."""
    names = [str(read_adapter(one.path).about.get("name", "")) for one in adapters if one.strength]
    with worn(pipeline, adapters), followed(pipeline, names) if names else nullcontext():
        yield


@contextmanager
def followed(pipeline: StoryPipeline, names: Sequence[str]) -> Iterator[None]:
    """While it is open, what the network wears counts in a branch of its own, if the model has one. names: of what it
    was taught; an empty one is of nobody that prompts call by it."""
    denoiser, before = pipeline.denoiser, pipeline.denoiser.subject
    networks = [one for one in (pipeline.transformer, pipeline.continuation) if one is not None]
    scales = [(scale, dict(scale)) for network in networks for scale in _scales(network)]

    @contextmanager
    def dress(on: bool) -> Iterator[None]:
        for scale, usual in scales:
            scale.update(usual if on else dict.fromkeys(usual, 0.0))
        try:
            yield
        finally:
            for scale, usual in scales:
                scale.update(usual)

    subject = Subject(dress, Finder(pipeline, [name for name in names if name]))
    denoiser.subject = subject if pipeline.backbone.limits.subject else None
    try:
        yield
    finally:
        denoiser.subject = before


def _scales(network: nn.Module) -> list[dict[str, float]]:
    """How strongly adapters count, by name, of every layer that wears any."""
    return [module.scaling for module in network.modules() if isinstance(module, LoraLayer)]


@contextmanager
def _wearing(network: Any, read: Sequence[tuple[Adapter, float, str]]) -> Iterator[None]:
    """read: adapters, their strengths and the names of their files."""
    before, strengths = active(network), dict[str, float]()
    try:
        for index, (adapter, strength, file) in enumerate(read):
            strengths[f"worn{index}"] = strength
            put_on(network, adapter, f"worn{index}", file)
        if strengths:
            set_adapter(network, [*before, *strengths], inference_mode=True)
            weigh(network, strengths)
        yield
    finally:
        take_off(network, list(strengths), before)


def put_on(network: Any, adapter: Adapter, name: str, file: str = "") -> None:
    """Adds an adapter's layers. file: what errors call it."""
    check_fits(network, adapter, file or name)
    training = network.training
    with several():
        network.load_lora_adapter(dict(adapter.weights), prefix=None, adapter_name=name)
    network.train(training)


@contextmanager
def several() -> Iterator[None]:
    """Where an adapter is put beside others, which peft warns of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
        yield


def active(network: nn.Module) -> list[str]:
    """The names of the adapters that count."""
    layers = (module for module in network.modules() if isinstance(module, BaseTunerLayer))
    return list(dict.fromkeys(name for layer in layers for name in layer.active_adapters))


def weigh(network: nn.Module, strengths: Mapping[str, float]) -> None:
    """How strongly adapters count from now on."""
    for module in network.modules():
        if isinstance(module, LoraLayer):
            for name, strength in strengths.items():
                module.set_scale(name, strength)


def take_off(network: Any, names: Sequence[str], before: Sequence[str]) -> None:
    """Takes these adapters away, and every trace of them if there are no others. before: the names of those that
    counted when there were only others."""
    present = [name for name in names if name in getattr(network, "peft_config", {})]
    if not present:
        return
    if set(network.peft_config) == set(present):
        recurse_remove_peft_layers(network)
        del network.peft_config
        network._hf_peft_config_loaded = False
    else:
        network.delete_adapters(present)
        set_adapter(network, list(before), inference_mode=True)


def check_fits(network: nn.Module, adapter: Adapter, file: str) -> None:
    """Raises ThroughlineError for an adapter of another model."""
    layers = {name.replace(".base_layer", ""): module for name, module in network.named_modules()}
    for key, weight in adapter.weights.items():
        name, _, part = key.rpartition(".lora_")
        layer = layers.get(name)
        shape = tuple(getattr(getattr(layer, "weight", None), "shape", ()))
        wanted = shape[1:] if part.startswith("A") else shape[:1]
        given = weight.shape[1:] if part.startswith("A") else weight.shape[:1]
        if not shape or tuple(given) != tuple(wanted):
            raise ThroughlineError(f"adapter {file!r} is of another model: layer {name!r} does not fit")
