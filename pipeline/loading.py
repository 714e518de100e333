"""Names to loaded pipelines, with the device, the precision and the memory they run in."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from .backbones.checkpoints import check_complete, find, gguf_of, network_of, stored_dtype
from .backbones.registry import family_of
from .blocks.block_cache import find_speed
from .defaults import HISTORIES
from .errors import ThroughlineError, WeightsError
from .story_pipeline import StoryPipeline

OWN_COMPONENTS = ("extractor", "decoupler", "transformer", "transformer_2", "continuation", "vae", "connectors")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name: str = "picturebook",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    memory: str = "auto",
    weights: str = "auto",
    history: str | None = None,
    revision: str | None = None,
    offline: bool = False,
    speed: str = "exact",
) -> StoryPipeline:
    """The pipeline of a model.

    device: None for a GPU if there is one, else the CPU.
    dtype: the precision; None for bfloat16 on a GPU (on one that lacks it float16, or float32 for weights that came in
    bfloat16, whose range float16 does not have), and on a CPU that has instructions for it (autocast, over float32
    weights). Of the embedded model it is the transformer's alone, which does nearly all of the work, so that the text
    filter, which shares the text encoder, decides the same.
    memory, weights: of `defaults.MEMORIES` and WEIGHTS; `StoryPipeline.placement.said` tells what came of them.
    history: one of `defaults.HISTORIES`; None for "trained" if the model has what that needs, else "reference".
    revision, offline: see `checkpoints.find`. speed: one of `defaults.SPEEDS`.
    Raises ThroughlineError as `checkpoints.find` does, and for a device, a precision or a history that is not there.
    """
    folder, place = find(name, revision, offline), find_device(device)
    precision = _dtype(dtype, place, folder)
    _check_history(history)
    find_speed(speed)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = StoryPipeline.from_pretrained(folder, **family_of(folder).components(folder, precision))
    except ThroughlineError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"model {str(folder)!r} cannot be loaded: {reason}") from error
    _check_complete(pipeline, folder)
    if history is not None and history not in pipeline.backbone.histories:
        offered = " or ".join(map(repr, pipeline.backbone.histories))
        raise ThroughlineError(f"history is {history!r}, which {str(folder)!r} can't take: expected {offered}")
    pipeline.speed = speed
    pipeline.history = history or pipeline.history
    pipeline.placement.place(pipeline, memory, place, weights)
    pipeline.autocast = dtype is None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_history(history: str | None) -> None:
    if history is not None and history not in HISTORIES:
        raise ThroughlineError(f"history is {history!r}: expected one of {', '.join(HISTORIES)}")


def _check_complete(pipeline: StoryPipeline, folder: Path) -> None:
    """Raises WeightsError if a component has weights that its files lack, where diffusers would make them up."""
    for name in OWN_COMPONENTS:
        component = getattr(pipeline, name)
        if gguf_of(folder / name):
            continue  # which its family checked
        if component is not None and (folder / name).is_dir():  # else its family put it together, and checked it
            own = component.state_dict()  # of which stock CogVideoX has no history
            check_complete([key for key in own if not key.startswith("history_")], folder / name)


def find_device(name: str | torch.device | None = None) -> torch.device:
    """The device called `name`; None for a GPU if there is one, else the CPU. Raises ThroughlineError."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ):  # a name that is none, a device that is not here, "meta"
        raise ThroughlineError(f"device is {str(name)!r}: expected one that is here, such as 'cpu' or 'cuda'") from None
    return device


def _dtype(dtype: str | torch.dtype | None, device: torch.device, folder: Path) -> torch.dtype:
    if dtype is None:
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return _without_bfloat16(folder)
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise ThroughlineError(f"dtype is {dtype!r}: expected one of {', '.join(DTYPES)}")
    return found


def _without_bfloat16(folder: Path) -> torch.dtype:
    """For a GPU that has no bfloat16."""
    return torch.float32 if stored_dtype(folder / network_of(folder)) == "BF16" else torch.float16
