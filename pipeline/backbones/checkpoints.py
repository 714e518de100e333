"""Which models there are and where. Imports no torch, so that a page can be up before a model is loaded."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..errors import ThroughlineError, WeightsError
from . import hub
from .weights import check_folder

NAMES = ("picturebook",)  # folders of `assets_folder`
MEGABYTES = 64  # of every file that count for its digest: all of the embedded model's


def assets_folder() -> Path:
    """Where the embedded models are: THROUGHLINE_ASSETS, or `assets` beside this package."""
    return Path(os.environ.get("THROUGHLINE_ASSETS") or Path(__file__).resolve().parents[2] / "assets")


def find(name: str = "picturebook", revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a model, checked but not loaded: a cheap look at every weight file.

    name: one of NAMES, a local folder in the diffusers layout, or a hub id, which is downloaded first if need be.
    revision, offline: see `hub.fetch`. Raises ThroughlineError for an unknown model, WeightsError for weights that are
    missing, truncated or pickles.
    """
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
    generation, does not count."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix in (".json", ".safetensors") and not name.startswith("reader/"):
            total.update(f"{name}:{path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                total.update(file.read(MEGABYTES * 2**20))
    return total.hexdigest()
