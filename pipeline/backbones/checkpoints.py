"""Which models there are and where, and whether their files are all there, before anything is loaded from them.

Imports no torch, so that a page can be up before a model is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from ..errors import ThroughlineError, WeightsError
from . import hub

NAMES = ("picturebook",)  # folders of `assets_folder`
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
WITHOUT_WEIGHTS = {  # components, and the files of which one tells that they are there
    "feature_extractor": ("preprocessor_config.json",),
    "image_processor": ("preprocessor_config.json",),
    "low_res_scheduler": ("scheduler_config.json",),
    "processor": ("processor_config.json", "preprocessor_config.json"),
    "scheduler": ("scheduler_config.json",),
    "tokenizer": ("tokenizer.json", "spiece.model", "tokenizer.model", "vocab.json", "vocab.txt"),
}
GGUF, MAGIC = ".gguf", b"GGUF"
HALF = "fp16"  # the variant of a checkpoint that has its weights in half precision alone
CONTINUATION = "continuation"  # component of the embedded model: the network of clips that go on from known frames
STUDENT = "live"  # folder of the embedded model: the student that makes sketches (`pipeline.live`)
FIRST_CONTINUATION = "a9fae27e9af3d19a27bcb974231d51d9e6d3a23c8a59e5cd7a809ed0ef4304dc"  # digest of the one of 2026
UNCOUNTED = ("reader/", f"{CONTINUATION}/", f"{STUDENT}/")
SCALES = ("scaled_fp8", "scale_weight", "weight_scale", "scale_input", "input_scale")  # what such names end with
MEGABYTES = 64  # of every file that count for its digest: all of the embedded model's


def assets_folder() -> Path:
    """Where the embedded models are: THROUGHLINE_ASSETS, or `assets` beside this package."""
    return Path(os.environ.get("THROUGHLINE_ASSETS") or Path(__file__).resolve().parents[2] / "assets")


def find(name: str = "picturebook", revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a model, checked but not loaded: a cheap look at every weight file.

    name: one of NAMES, a local folder in the diffusers layout, or a hub id, which is downloaded first if need be; or
    such a folder or id, "+" and a file of weights in GGUF for each of its transformers (`hub.with_gguf`).
    revision, offline: see `hub.fetch`. Raises ThroughlineError for an unknown model, WeightsError for weights that are
    missing, truncated or pickles.
    """
    if name.endswith(GGUF):
        folder = hub.with_gguf(name, revision, offline)
        check_folder(folder)
        return folder
    folder = assets_folder() / name if name in NAMES else Path(name)
    if name in NAMES and not (folder / "model_index.json").is_file():
        raise WeightsError(f"model {name!r} is not there: expected {folder / 'model_index.json'}")
    if name and not folder.is_dir() and hub.is_hub_name(name):
        folder = hub.fetch(name, revision, offline)
    if not name or not folder.is_dir():
        known = " or ".join(map(repr, NAMES))
        raise ThroughlineError(f"model is {name!r}: expected {known}, a local model folder, or a hub id")
    check_folder(folder)
    return folder


def digest(folder: Path) -> str:
    """SHA-256 of a model: of the names, sizes and first MEGABYTES of its files. The reader, which takes no part in
    generation, does not count; nor do the network of clips that go on (`continuation_digest`) and the student: other
    takes stay fresh."""
    return _digest(folder, UNCOUNTED)


def continuation_digest(folder: Path) -> str | None:
    """The same of a model's network of clips that begin or end with known frames, which counts for these alone. None
    for a model without one, and for the first one that shipped: takes that were made by it do not tell of it."""
    own = folder / CONTINUATION
    found = _digest(own) if own.is_dir() else None
    return None if found == FIRST_CONTINUATION else found


def _digest(folder: Path, uncounted: tuple[str, ...] = ()) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix in (".json", ".safetensors", GGUF) and not name.startswith(uncounted):
            total.update(f"{name}:{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                total.update(file.read(MEGABYTES * 2**20))
    return total.hexdigest()


def check_folder(folder: Path) -> dict:
    """The `model_index.json` of a diffusers folder whose weights are all there, whole, and safetensors.

    Raises ThroughlineError if it is no model folder, WeightsError if a component is missing, or if a weight file is
    missing, truncated or a pickle.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        raise ThroughlineError(f"model is {str(folder)!r}: expected 'picturebook' or a folder with a model_index.json")
    components = read_index(index)
    for name, value in components.items():
        if not name.startswith("_") and isinstance(value, list) and value and value[0]:
            check_component(folder / name)
    return components


def variant(component: Path) -> str | None:
    """HALF if a component has its weights in that variant alone; None for weights without a variant."""
    names = [path.name for path in component.glob("*.safetensors")]
    return HALF if names and all(f".{HALF}" in name for name in names) else None


def gguf_of(component: Path) -> Path | None:
    """The file of a component whose weights are in GGUF; None for others."""
    return next(component.glob(f"*{GGUF}"), None)


def stored_dtype(component: Path) -> str:
    """The precision of a component's weights, as safetensors calls it: "F32", "F16", "BF16"; "GGUF" for those."""
    if gguf_of(component):
        return "GGUF"
    with safe_open(min(component.glob("*.safetensors")), "np") as weights:
        found = Counter(weights.get_slice(key).get_dtype() for key in weights.keys())  # noqa: SIM118  it is no mapping
    return str(found.most_common(1)[0][0])


def network_of(folder: Path) -> str:
    """The component of a model folder that predicts: image models call theirs a U-Net."""
    return "unet" if (folder / "unet").is_dir() else "transformer"


def check_complete(wanted: Collection[str], component: Path) -> None:
    """Raises WeightsError if files lack weights that a component has, where diffusers would make them up."""
    found = set[str]()
    for path in component.glob("*.safetensors"):
        with safe_open(path, "np") as weights:
            found.update(weights.keys())
    lacking = sorted(set(wanted) - found)
    if lacking:
        raise WeightsError(
            f"model {str(component.parent)!r} cannot be loaded: its {component.name} lacks {lacking[0]!r}"
        )


def read_index(path: Path) -> dict[str, Any]:
    """The components that a model_index.json names. Raises WeightsError."""
    try:
        components = json.loads(path.read_text())
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(components, dict):
        raise WeightsError(f"{path} lists no components: expected names with their classes")
    return components


def check_component(folder: Path) -> None:
    """Raises WeightsError if a component's files are not all there, whole, and safetensors."""
    if not folder.is_dir():
        raise WeightsError(f"no {folder.name} in {folder.parent}: expected a folder of that name")
    if folder.name in WITHOUT_WEIGHTS:
        wanted = WITHOUT_WEIGHTS[folder.name]
        if not any((folder / name).is_file() for name in wanted):
            raise WeightsError(f"no {folder.name} in {folder}: expected {' or '.join(wanted)}")
        return
    if not (folder / "config.json").is_file():
        raise WeightsError(f"no config.json in {folder}: expected the configuration of the {folder.name}")
    _check_weights(folder)


def _check_weights(folder: Path) -> None:
    files, shared = sorted(folder.glob("*.safetensors")), gguf_of(folder)
    if shared:
        with shared.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise WeightsError(f"{shared} is no GGUF file: expected one that begins with {MAGIC.decode()}")
        return
    if not files:
        pickles = [path for path in folder.glob("*") if path.suffix in PICKLES]
        if pickles:
            raise WeightsError(f"{pickles[0]} is a pickle, which could run code: expected a .safetensors file")
        raise WeightsError(f"no weights in {folder}: expected a .safetensors file")
    for index in folder.glob("*.safetensors.index*.json"):
        found = read_index(index).get("weight_map")
        if not isinstance(found, dict):
            raise WeightsError(f"{index} has no weight_map: expected the file of every weight")
        parts = set(map(str, found.values()))
        lacking = sorted(parts - {path.name for path in files})
        if lacking:
            raise WeightsError(f"no {lacking[0]} in {folder}: expected all {len(parts)} files of {index.name}")
    for path in files:
        try:
            with safe_open(path, "np") as weights:
                scaled = next((key for key in weights.keys() if key.endswith(SCALES)), None)  # noqa: SIM118  no mapping
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is no whole safetensors file ({error})") from None
        if scaled:
            raise WeightsError(
                f"{path} has weights in 8 bits with scales ({scaled}): expected none, or weights in GGUF"
            )
