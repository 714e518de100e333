"""python -m pipeline.backbones.convert FROM TO: a model folder of the original method's code, made into one of ours.

That code saves a pipeline with its transformer in `transformer_t2v` and its feature extractor in `feature_extractor`,
the latter, and sometimes more, as pickles (.pth, .pt, .bin, .ckpt). A pickle can run code when it is read: here it is
read with `weights_only=True`, which admits tensors and plain containers and nothing else, and written as safetensors.

Its feature extractor has another architecture than ours: its tensors are kept, in `original_feature_extractor`, and
the converted model remembers by reference frames.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ThroughlineError, WeightsError
from .checkpoints import PICKLES, read_index

RENAMED = {"transformer_t2v": "transformer", "feature_extractor": "original_feature_extractor"}
WRAPPERS = ("state_dict", "model", "module")  # what training code puts around weights
WEIGHTS = {"text_encoder": "model.safetensors"}  # transformers' name; diffusers' is the usual one
USUAL = "diffusion_pytorch_model.safetensors"


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle, by name, read with `weights_only=True`. Raises WeightsError for anything else in it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:  # a broken or forbidden pickle can fail in any way
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"{path} cannot be read with weights_only=True: expected tensors alone ({reason})") from None
    while isinstance(content, Mapping) and len(inner := [content[key] for key in WRAPPERS if key in content]) == 1:
        content = inner[0]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds other things than tensors: expected a state dictionary")
    return {str(name).removeprefix("module."): value.contiguous().clone() for name, value in content.items()}


def convert(source: Path, target: Path) -> list[str]:
    """Writes `target`, which must not be there, and says what was done, a line a component.

    Raises ThroughlineError for a folder in another layout, WeightsError for pickles that are more than tensors.
    """
    index = _index(source)
    if target.exists():
        raise ThroughlineError(f"target is {str(target)!r}, which exists: expected a new folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    try:
        said = [_component(path, part) for path in sorted(source.iterdir()) if path.is_dir()]
        (part / "model_index.json").write_text(json.dumps(_stock_index(index), indent=2) + "\n")
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return said


def _index(source: Path) -> dict[str, Any]:
    path = source / "model_index.json"
    if not path.is_file() or not (source / "transformer_t2v").is_dir():
        raise ThroughlineError(f"source is {str(source)!r}: expected model_index.json and a folder transformer_t2v")
    return read_index(path)


def _stock_index(index: dict[str, Any]) -> dict[str, Any]:
    """That of a stock pipeline: classes of the original code are not ours to load."""
    kept = {name: index[name] for name in ("scheduler", "text_encoder", "tokenizer", "vae") if name in index}
    version = index.get("_diffusers_version", "0.30.0")
    own = {"_class_name": "CogVideoXPipeline", "_diffusers_version": version}
    return own | kept | {"transformer": ["diffusers", "CogVideoXTransformer3DModel"]}


def _component(folder: Path, target: Path) -> str:
    """Copies a component; pickles become safetensors."""
    name = RENAMED.get(folder.name, folder.name)
    (target / name).mkdir()
    pickles = [path for path in sorted(folder.iterdir()) if path.suffix in PICKLES]
    safe = [path for path in folder.iterdir() if path.suffix == ".safetensors"]
    for path in folder.iterdir():
        if path.is_file() and path not in pickles and not path.name.endswith(".bin.index.json"):
            shutil.copy(path, target / name / path.name)
    if name == "transformer":
        _rename_class(target / name / "config.json")
    if not pickles or safe:
        return f"{folder.name} -> {name}: copied"
    tensors = {key: value for path in pickles for key, value in read_pickle(path).items()}
    save_file(tensors, target / name / WEIGHTS.get(name, USUAL), {"format": "pt"})
    names = ", ".join(path.name for path in pickles)
    return f"{folder.name} -> {name}: {len(tensors)} tensors of {names}, read with weights_only=True"


def _rename_class(config: Path) -> None:
    if not config.is_file():
        raise WeightsError(f"no {config.name} in transformer_t2v: expected that of a CogVideoX transformer")
    content = json.loads(config.read_text()) | {"_class_name": "CogVideoXTransformer3DModel"}
    config.write_text(json.dumps(content, indent=2) + "\n")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 2 and one line for what cannot be converted."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.backbones.convert", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("source", type=Path, metavar="FROM", help="folder in the original layout")
    parser.add_argument("target", type=Path, metavar="TO", help="folder to write; must not exist")
    options = parser.parse_args(arguments)
    try:
        said = convert(options.source, options.target)
    except (ThroughlineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*said, options.target, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
