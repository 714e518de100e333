"""Model folders of links: an image model, the motion adapter that moves it and perhaps an IP-Adapter; or a model with
other weights. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import ThroughlineError

PARTS = ("unet", "vae", "text_encoder", "tokenizer")  # of an image model, which are all that a clip needs
IMAGE_FILES = ("model_index.json", *(f"{part}/*.{kind}" for part in PARTS for kind in ("json", "safetensors", "txt")))
MOTION_FILES = ("config.json", "*.safetensors")
PROMPTED_BY = "ip-adapter_sd15.safetensors"  # of h94/IP-Adapter, unless another file is named
ENCODER_FILES = ("models/image_encoder/*.json", "models/image_encoder/*.safetensors")  # of that repository
LEFT_OUT = ("*.fp16.*", "*non_ema*")
SCHEDULE: dict[str, Any] = {  # that motion adapters are trained with
    "_class_name": "DDIMScheduler",
    "beta_schedule": "linear",
    "clip_sample": False,
    "steps_offset": 1,
}


def link(source: str, target: str) -> None:
    """The very same file, or a copy where the disk has no links."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy2(source, target)


def put_together(image: Path, motion: Path, place: Path, adapter: Path | None = None) -> Path:
    """The folder under `place` that holds them, made if it is not there. Raises ThroughlineError for other models.

    adapter: the file of an IP-Adapter, with image_encoder/ beside it.
    """
    try:
        index = json.loads((image / "model_index.json").read_text(encoding="utf-8"))
        kind = json.loads((motion / "config.json").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError) as error:
        raise ThroughlineError(f"no image model and motion adapter in {image} and {motion}: {error}") from None
    if kind != "MotionAdapter":
        raise ThroughlineError(f"what is to move {image} is a {kind}: expected a MotionAdapter")
    if adapter is not None and not (adapter.is_file() and (adapter.parent / "image_encoder").is_dir()):
        raise ThroughlineError(f"no IP-Adapter at {adapter}: expected that file, and image_encoder beside it")

    def fill(part: Path) -> None:
        for own in (own for own in PARTS if (image / own).is_dir()):
            shutil.copytree(image / own, part / own, copy_function=link)
        shutil.copytree(motion, part / "motion_adapter", copy_function=link)
        if adapter is not None:
            (part / "ip_adapter").mkdir()
            link(str(adapter), str(part / "ip_adapter" / adapter.name))
            shutil.copytree(adapter.parent / "image_encoder", part / "image_encoder", copy_function=link)
        (part / "scheduler").mkdir()
        (part / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULE), encoding="utf-8")
        kept = {own: index.get(own) for own in PARTS}
        added = {"motion_adapter": ["diffusers", "MotionAdapter"], "scheduler": ["diffusers", "DDIMScheduler"]}
        content = {"_class_name": "AnimateDiffPipeline", **kept, **added}
        (part / "model_index.json").write_text(json.dumps(content, indent=2), encoding="utf-8")

    return _made(place, (image, motion, *([adapter] if adapter else [])), fill)


def put_gguf(folder: Path, files: Sequence[Path], place: Path) -> Path:
    """The folder under `place` of a model whose transformers have their weights in files in GGUF, the expert for much
    noise first. Raises ThroughlineError for other models than Wan's, and another number of files."""
    try:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ThroughlineError(f"no model in {folder}: {error}") from None
    found = (index.get("vae") or [None, None])[1]
    if found != "AutoencoderKLWan":
        raise ThroughlineError(f"{files[0].name} is for {str(folder)!r}, with {found}: expected a model of Wan's")
    experts = [name for name in ("transformer", "transformer_2") if (index.get(name) or [None])[0]]
    if len(files) != len(experts):
        raise ThroughlineError(f"{len(files)} files in GGUF: expected {len(experts)}, for {' and '.join(experts)}")

    def fill(part: Path) -> None:
        for own in (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            left = shutil.ignore_patterns("*.safetensors*", "*.gguf") if own.name in experts else None
            shutil.copytree(own, part / own.name, copy_function=link, ignore=left)
        for expert, file in zip(experts, files, strict=True):
            link(str(file), str(part / expert / file.name))
        shutil.copy2(folder / "model_index.json", part / "model_index.json")

    return _made(place, (folder, *files), fill)


def _made(place: Path, sources: Sequence[Path], fill: Callable[[Path], None]) -> Path:
    """The folder under `place` that is made of sources, filled if it is not there."""
    name = hashlib.sha256("\n".join(str(one.resolve()) for one in sources).encode()).hexdigest()[:16]
    if (place / name).is_dir():
        return place / name
    place.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=place))
    try:
        fill(part)
        part.rename(place / name)
    except FileExistsError:
        pass  # another process was faster
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return place / name
