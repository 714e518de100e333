"""A trained adapter and its backbone as one model folder, in the layout that StoryPipeline.from_pretrained reads."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from ..stages import COMPONENTS


def write_model(folder: Path, backbone: Path, parts: dict[str, Any], dtype: torch.dtype) -> None:
    """parts: the trained components by name, written in `dtype`. What the backbone brings is linked, or copied where
    that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        (part if part.dtype == dtype else part.to(dtype)).save_pretrained(folder / name)
    index = json.loads((backbone / "model_index.json").read_text())
    for name in (key for key in index if key not in parts and (backbone / key).is_dir()):
        _link(backbone / name, folder / name)
    ours = {name: list(COMPONENTS[name]) for name in parts}
    rest = {"_class_name": "StoryPipeline"} | {name: value for name, value in index.items() if name != "_class_name"}
    (folder / "model_index.json").write_text(json.dumps(rest | ours, indent=2) + "\n")


def _link(source: Path, target: Path) -> None:
    for path in (path for path in source.rglob("*") if path.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(path.resolve(), place)
        except OSError:  # another file system
            shutil.copy2(path, place)
