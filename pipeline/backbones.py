"""Names to loaded pipelines, with the device and the precision they run in.

Does not cover: hub ids, offload.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from diffusers.utils import logging as diffusers_logging
from safetensors import safe_open
from transformers.utils import logging as transformers_logging

from .errors import ThroughlineError, WeightsError
from .story_pipeline import StoryPipeline
from .weights import check_folder

NAMES = ("picturebook",)  # folders of `assets_folder`
OWN_COMPONENTS = ("extractor", "decoupler", "transformer", "vae")
MEGABYTES = 64  # of every file that count for its digest: all of the embedded model's
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def assets_folder() -> Path:
    """Where the embedded models are: THROUGHLINE_ASSETS, or `assets` beside this package."""
    return Path(os.environ.get("THROUGHLINE_ASSETS") or Path(__file__).resolve().parent.parent / "assets")


def find(name: str = "picturebook") -> Path:
    """The folder of a model, checked but not loaded: a cheap look at every weight file.

    name: one of NAMES, or a local folder in the diffusers layout. Raises ThroughlineError for an unknown model,
    WeightsError for weights that are missing, truncated or pickles.
    """
    folder = assets_folder() / name if name in NAMES else Path(name)
    if name in NAMES and not (folder / "model_index.json").is_file():
        raise WeightsError(f"model {name!r} is not there: expected {folder / 'model_index.json'}")
    if not name or not folder.is_dir():
        raise ThroughlineError(f"model is {name!r}: expected {' or '.join(map(repr, NAMES))}, or a local model folder")
    check_folder(folder)
    return folder


def digest(folder: Path) -> str:
    """SHA-256 of a model: of the names, sizes and first MEGABYTES of its files. The reader, which takes no part in
    generation, does not count."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix in (".json", ".safetensors") and not name.startswith("reader/"):
            total.update(f"{name}:{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                total.update(file.read(MEGABYTES * 2**20))
    return total.hexdigest()


def load(
    name: str = "picturebook", device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
) -> StoryPipeline:
    """The pipeline of a model.

    device: None for a GPU if there is one, else the CPU.
    dtype: the precision of the transformer, which does nearly all of the work; None for bfloat16 on a GPU, and on a CPU
    that has instructions for it (autocast, over float32 weights). All else stays in float32, so that the text filter,
    which shares the text encoder, decides the same.
    Raises ThroughlineError as `find` does, and for a device or a precision that is not to be had.
    """
    folder, place = find(name), find_device(device)
    precision = _dtype(dtype, place)
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = StoryPipeline.from_pretrained(folder, dtype={"transformer": precision, "default": torch.float32})
    except ThroughlineError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"model {str(folder)!r} cannot be loaded: {reason}") from error
    _check_complete(pipeline, folder)
    pipeline.to(place)
    pipeline.autocast = dtype is None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_complete(pipeline: StoryPipeline, folder: Path) -> None:
    """Raises WeightsError if a component has weights that its files lack, where diffusers would make them up."""
    for name in OWN_COMPONENTS:
        found = set[str]()
        for path in (folder / name).glob("*.safetensors"):
            with safe_open(path, "pt") as weights:
                found.update(weights.keys())
        wanted = getattr(pipeline, name).state_dict().keys()
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
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if found is None or found not in DTYPES.values():
        raise ThroughlineError(f"dtype is {dtype!r}: expected one of {', '.join(DTYPES)}")
    return found
