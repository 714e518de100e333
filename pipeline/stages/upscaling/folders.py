"""Which upscaler lies in a folder, and loading it.

- The one that ships, and those that `python -m pipeline.training upscaler` makes: a config.json of `Upscaler`.
- Swin2SR in the layout of transformers: a config.json whose model_type is swin2sr.
- Stable Diffusion's upscaler in the layout of diffusers: a model_index.json of StableDiffusionUpscalePipeline.
- Anything that spandrel reads (`pip install spandrel`): one file, .safetensors or .pth, by itself or in a folder.

Importing this module loads no torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...backbones import checkpoints
from ...errors import ThroughlineError, WeightsError

if TYPE_CHECKING:
    import torch

    from .enlarging import PictureUpscaler
    from .network import Upscaler

FILES = (".safetensors", ".pth")  # that spandrel reads
PIPELINE = "StableDiffusionUpscalePipeline"
UNFIT = "its weights do not fit its config.json"
EXPECTED = (
    "expected a folder with Throughline's Upscaler, Swin2SR of transformers or StableDiffusionUpscalePipeline of "
    "diffusers, or one file for spandrel, .safetensors or .pth"
)


def kind_of(path: Path) -> str:
    """What lies there: "own", "swin2sr", "diffusion" or "file". Raises ThroughlineError for nothing that is known,
    WeightsError for a pipeline whose files are not all there."""
    if path.suffix in FILES and path.is_file():
        return "file"
    if not path.is_dir():
        raise ThroughlineError(f"upscaler is {str(path)!r}: {EXPECTED}")
    if (path / "model_index.json").is_file():
        found = checkpoints.check_folder(path).get("_class_name")
        return _known({PIPELINE: "diffusion"}, found, path)
    if (path / "config.json").is_file():
        config = checkpoints.read_index(path / "config.json")
        found = config.get("_class_name") or config.get("model_type")
        checkpoints.check_component(path)
        return _known({"Upscaler": "own", "swin2sr": "swin2sr"}, found, path)
    if len(_files(path)) == 1:
        return "file"
    raise ThroughlineError(f"upscaler is {str(path)!r}, which has {len(_files(path))} such files: {EXPECTED}")


def _known(kinds: dict[str, str], found: Any, path: Path) -> str:
    if not isinstance(found, str) or found not in kinds:
        raise ThroughlineError(f"upscaler in {str(path)!r} is {json.dumps(found)}: {EXPECTED}")
    return kinds[found]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in FILES and path.is_file())


def check(path: Path) -> str:
    """`kind_of`. Raises ThroughlineError too for what can't be loaded, as far as can be seen without loading it."""
    kind = kind_of(path)
    if kind == "file" and find_spec("spandrel") is None:
        raise ThroughlineError(f"upscaler is {str(path)!r}: expected spandrel to be there, pip install spandrel")
    return kind


def digest(path: Path) -> str:
    """SHA-256 of an upscaler, as `checkpoints.digest` has it of a model."""
    if kind_of(path) != "file":
        return checkpoints.digest(path)
    own = path if path.is_file() else _files(path)[0]
    with own.open("rb") as file:
        beginning = file.read(checkpoints.MEGABYTES * 2**20)
    return hashlib.sha256(f"{own.name}:{own.stat().st_size}\n".encode() + beginning).hexdigest()


def load(path: Path, device: str | torch.device) -> PictureUpscaler:
    """The upscaler there, on a device. Raises ThroughlineError, WeightsError."""
    import torch

    kind, where = check(path), torch.device(device)
    makers: dict[str, Callable[[], PictureUpscaler]] = {
        "own": lambda: load_own(path).to(where),
        "swin2sr": lambda: _swin2sr(path, where),
        "diffusion": lambda: _diffusion(path, where),
        "file": lambda: _described(path, where),
    }
    try:
        made = makers[kind]()
    except ThroughlineError:
        raise
    except Exception as error:  # whatever libraries raise about files that they can't make sense of
        raise WeightsError(f"upscaler {str(path)!r} can't be loaded: {_why(error)}") from error
    if made.scale < 2:
        raise ThroughlineError(f"upscaler {str(path)!r} enlarges {made.scale} times: expected 2 times or more")
    return made


def load_own(path: Path) -> Upscaler:
    """One of ours, in float32 on the CPU. Raises WeightsError for weights that are not all there."""
    from .network import Upscaler

    model, told = Upscaler.from_pretrained(
        path, use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True
    )
    _check_complete(told, path)
    return model.float().eval().requires_grad_(False)  # type: ignore[no-any-return]


def shipped_folder() -> Path:
    """Apart from the generator's folder: it has no part in what a scene is made of."""
    return checkpoints.assets_folder() / "upscaler"


@lru_cache(maxsize=1)
def load_shipped() -> Upscaler:
    """The one that ships. Raises WeightsError if it is not there."""
    folder = shipped_folder()
    if not (folder / "config.json").is_file():
        raise WeightsError(f"no upscaler in {str(folder)!r}: expected its config.json and weights")
    return load_own(folder)


def _swin2sr(path: Path, device: torch.device) -> PictureUpscaler:
    from transformers import Swin2SRForImageSuperResolution

    from .kinds import Swin2SR

    model, told = Swin2SRForImageSuperResolution.from_pretrained(
        path, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    _check_complete(told, path)
    return Swin2SR(model.eval().requires_grad_(False).to(device))


def _diffusion(path: Path, device: torch.device) -> PictureUpscaler:
    import torch
    from diffusers import StableDiffusionUpscalePipeline

    from .kinds import Diffusion

    dtype = torch.float32 if device.type == "cpu" else torch.float16
    pipeline = StableDiffusionUpscalePipeline.from_pretrained(
        path, dtype=dtype, variant=checkpoints.variant(path / "unet"), local_files_only=True, use_safetensors=True
    )
    for name in ("unet", "vae"):
        checkpoints.check_complete(getattr(pipeline, name).state_dict(), path / name)
    return Diffusion(pipeline.to(device))


def _described(path: Path, device: torch.device) -> PictureUpscaler:
    import spandrel  # type: ignore[import-not-found]

    from .kinds import Described

    found = spandrel.ModelLoader(device=device).load_from_file(path if path.is_file() else _files(path)[0])
    if not isinstance(found, spandrel.ImageModelDescriptor):
        raise ThroughlineError(f"upscaler {str(path)!r} is no network of single pictures: {EXPECTED}")
    return Described(found.eval())


def _check_complete(told: Mapping[str, Any], path: Path) -> None:
    """told: what a library says of its loading."""
    if told["missing_keys"]:
        raise WeightsError(f"upscaler {str(path)!r} can't be loaded: it lacks {min(told['missing_keys'])!r}")
    if told.get("mismatched_keys"):
        raise WeightsError(f"upscaler {str(path)!r} can't be loaded: {UNFIT}")


def _why(error: Exception) -> str:
    """In one line."""
    text = str(error).strip()
    if "mismatch" in text.lower():
        return UNFIT
    return f"{type(error).__name__}, {text.partition(chr(10))[0][:200]}" if text else type(error).__name__
