"""Names to loaded pipelines, with the device, the precision and the memory they run in."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import safe_open
from transformers.utils import logging as transformers_logging

from .backbones.checkpoints import NAMES as NAMES
from .backbones.checkpoints import assets_folder as assets_folder
from .backbones.checkpoints import digest as digest
from .backbones.checkpoints import find as find
from .backbones.weights import check_folder
from .blocks.block_cache import find_speed
from .errors import ThroughlineError, WeightsError
from .story_pipeline import HISTORIES, StoryPipeline
from .transformer import StoryTransformer3DModel

OWN_COMPONENTS = ("extractor", "decoupler", "transformer", "vae")
STOCK_CLASSES = {"transformer": "CogVideoXTransformer3DModel", "vae": "AutoencoderKLCogVideoX",
                 "text_encoder": "T5EncoderModel"}  # fmt: skip
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    name: str = "picturebook", device: str | torch.device | None = None, dtype: str | torch.dtype | None = None,
    *, memory: str = "auto", history: str | None = None, revision: str | None = None, offline: bool = False,
    speed: str = "exact",
) -> StoryPipeline:  # fmt: skip
    """The pipeline of a model.

    device: None for a GPU if there is one, else the CPU.
    dtype: the precision; None for bfloat16 on a GPU (float16 on one that lacks it), and on a CPU that has instructions
    for it (autocast, over float32 weights). Of the embedded model it is the transformer's alone, which does nearly all
    of the work, so that the text filter, which shares the text encoder, decides the same.
    memory: one of `placement.MEMORIES`; `StoryPipeline.placement.said` tells what came of it.
    history: one of `story_pipeline.HISTORIES`; None for "trained" if the model has what that needs, else "reference".
    revision, offline: see `find`. speed: one of `caching.SPEEDS`.
    Raises ThroughlineError as `find` does, and for a device, a precision or a history that is not to be had.
    """
    folder, place = find(name, revision, offline), find_device(device)
    precision = _dtype(dtype, place)
    _check_history(history)
    find_speed(speed)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = _load(folder, precision)
    except ThroughlineError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError, ImportError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"model {str(folder)!r} cannot be loaded: {reason}") from error
    _check_complete(pipeline, folder)
    if history == "trained" and not pipeline.has_adapter:
        raise ThroughlineError(
            f"history is 'trained', but {str(folder)!r} has no adapter: expected 'reference' or 'off'"
        )
    pipeline.speed = speed
    pipeline.history = history or pipeline.history
    pipeline.placement.place(pipeline, memory, place)
    pipeline.autocast = dtype is None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _load(folder: Path, precision: torch.dtype) -> StoryPipeline:
    """A folder of ours, or of a stock CogVideoXPipeline, whose transformer becomes one that may look at references."""
    stock = check_folder(folder).get("_class_name") != StoryPipeline.__name__
    if not stock and not _is_cogvideox(folder):
        return StoryPipeline.from_pretrained(folder, dtype={"transformer": precision, "default": torch.float32})
    if not stock:
        return StoryPipeline.from_pretrained(folder, dtype=precision)
    _check_text_to_video(folder)
    transformer = StoryTransformer3DModel.from_pretrained(
        folder / "transformer", dtype=precision, history_dim=0, use_safetensors=True, local_files_only=True
    )
    return StoryPipeline.from_pretrained(folder, dtype=precision, transformer=transformer)


def _is_cogvideox(folder: Path) -> bool:
    return json.loads((folder / "vae" / "config.json").read_text())["_class_name"] == "AutoencoderKLCogVideoX"


def _check_text_to_video(folder: Path) -> None:
    """Raises ThroughlineError for folders that are no CogVideoX, or one that starts from a picture."""
    classes = {name: value[1] for name, value in check_folder(folder).items() if isinstance(value, list)}
    for name, wanted in STOCK_CLASSES.items():
        if classes.get(name) != wanted:
            raise ThroughlineError(f"model {str(folder)!r} has {classes.get(name)} as its {name}: expected {wanted}")
    config = json.loads((folder / "transformer" / "config.json").read_text())
    if config.get("in_channels") != config.get("out_channels"):
        channels = f"{config.get('in_channels')} channels in, {config.get('out_channels')} out"
        raise ThroughlineError(f"model {str(folder)!r} has {channels}: expected a text-to-video model, with as many")


def _check_history(history: str | None) -> None:
    if history is not None and history not in HISTORIES:
        raise ThroughlineError(f"history is {history!r}: expected one of {', '.join(HISTORIES)}")


def _check_complete(pipeline: StoryPipeline, folder: Path) -> None:
    """Raises WeightsError if a component has weights that its files lack, where diffusers would make them up."""
    for name in OWN_COMPONENTS:
        component = getattr(pipeline, name)
        if component is None:
            continue
        found = set[str]()
        for path in (folder / name).glob("*.safetensors"):
            with safe_open(path, "pt") as weights:
                found.update(weights.keys())
        wanted = component.state_dict().keys()
        lacking = sorted(key for key in wanted - found if not key.startswith("history_"))  # stock CogVideoX has none
        if lacking:
            raise WeightsError(f"model {str(folder)!r} cannot be loaded: its {name} lacks {lacking[0]!r}")


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


def _dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.float16
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise ThroughlineError(f"dtype is {dtype!r}: expected one of {', '.join(DTYPES)}")
    return found
