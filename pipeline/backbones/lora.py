"""python -m pipeline.backbones.lora MODEL TO --lora FILE=STRENGTH ...: a model with LoRAs merged into its weights.

LoRAs are read as diffusers and peft write them, and as diffusers converts what other trainers write. They stack: each
with its own strength. What comes of it is a model folder like any other, with its own digest, which says by itself how
it is to be run: a LoRA that was distilled to a few steps comes with `--steps`, `--text` and `--shift`. Weights that
stay as they are become links where the disk allows it.

Does not cover: LoRAs of text encoders, which are left out and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import loaders
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import ThroughlineError, WeightsError
from .checkpoints import check_folder, find, gguf_of, stored_dtype, variant
from .distilled import SHIFTS, FewSteps
from .pairs import link

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
READERS = {  # how diffusers reads the LoRAs of a network, and what their names begin with
    "CogVideoXTransformer3DModel": ("CogVideoXLoraLoaderMixin", "transformer"),
    "WanTransformer3DModel": ("WanLoraLoaderMixin", "transformer"),
    "WanVACETransformer3DModel": ("WanLoraLoaderMixin", "transformer"),
    "LTXVideoTransformer3DModel": ("LTXVideoLoraLoaderMixin", "transformer"),
    "LTX2VideoTransformer3DModel": ("LTX2LoraLoaderMixin", "transformer"),
    "UNetMotionModel": ("StableDiffusionLoraLoaderMixin", "unet"),
    "UNet2DConditionModel": ("StableDiffusionLoraLoaderMixin", "unet"),
}
PEFT = "base_model.model."  # what names begin with that peft wrote


@dataclass(frozen=True)
class Lora:
    """A LoRA and how much of it; second: for the expert for little noise."""

    path: Path
    strength: float = 1.0
    second: bool = False

    @classmethod
    def of(cls, text: str, second: bool = False) -> Lora:
        """ "FILE" or "FILE=STRENGTH". Raises ThroughlineError for a strength that is none."""
        name, _, strength = text.rpartition("=") if "=" in text else (text, "", "1")
        try:
            found = float(strength)
        except ValueError:
            raise ThroughlineError(f"lora is {text!r}: expected FILE or FILE=STRENGTH, a number") from None
        if not -10 <= found <= 10:
            raise ThroughlineError(f"strength of {name!r} is {found}: expected a number from -10 to 10")
        return cls(Path(name), found, second)


def merge(folder: Path, target: Path, stack: Sequence[Lora], few: FewSteps | None = None) -> list[str]:
    """Writes `target`, which must not be there, and says what was done, a line a LoRA.

    Raises ThroughlineError for a model or a LoRA of another kind, WeightsError for files that are no LoRA.
    """
    index = check_folder(folder)
    if target.exists():
        raise ThroughlineError(f"target is {str(target)!r}, which exists: expected a new folder")
    if importlib.util.find_spec("peft") is None:
        raise ThroughlineError("peft is not installed, which LoRAs need: expected it (pip install peft)")
    network = "unet" if index.get("unet") else "transformer"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=target.name, dir=target.parent))
    try:
        said = []
        for name in (network, f"{network}_2"):
            own = [one for one in stack if one.second == name.endswith("_2")]
            if own and not index.get(name):
                raise ThroughlineError(f"model {str(folder)!r} has no {name}: expected one for {str(own[0].path)!r}")
            if own:
                said += _merge_one(folder / name, index[name][1], own, part / name)
        _copy_rest(folder, part)
        if few is not None:
            said.append(few.write(part))
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return said


def _merge_one(component: Path, kind: str, stack: Sequence[Lora], target: Path) -> list[str]:
    if kind not in READERS:
        raise ThroughlineError(f"{component.name} is a {kind}: expected {' or '.join(READERS)}")
    if shared := gguf_of(component):
        raise ThroughlineError(f"{component.name} has {shared.name}: expected safetensors, to merge LoRAs into")
    half, said = variant(component), list[str]()
    model = getattr(diffusers, kind).from_pretrained(
        component, use_safetensors=True, local_files_only=True, dtype=DTYPES[stored_dtype(component)],
        **({"variant": half} if half else {}),
    )  # fmt: skip
    for number, one in enumerate(stack):
        weights, alphas, strength = _read(one, model, *READERS[kind])
        model.load_lora_adapter(
            weights, prefix=READERS[kind][1], network_alphas=alphas, adapter_name=str(number), low_cpu_mem_usage=False
        )
        model.fuse_lora(lora_scale=strength, adapter_names=[str(number)])
        model.unload_lora()
        said.append(f"{one.path} -> {component.name}: {len(weights)} tensors at {one.strength:g}")
    model.save_pretrained(target, **({"variant": half} if half else {}))
    return said


def _read(one: Lora, model: Any, reader: str, prefix: str) -> tuple[dict[str, Tensor], Any, float]:
    """The tensors of a LoRA by the names of diffusers, their alphas, and its strength. Raises WeightsError."""
    path, strength = _file(one.path), one.strength
    try:
        weights = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is no whole safetensors file ({error})") from None
    if weights and all(name.startswith(PEFT) for name in weights):
        weights = {f"{prefix}.{name.removeprefix(PEFT)}": value for name, value in weights.items()}
        settings = path.parent / "adapter_config.json"
        if settings.is_file():
            known = json.loads(settings.read_text(encoding="utf-8"))
            strength *= known["lora_alpha"] / known["r"]
    found = getattr(loaders.lora_pipeline, reader).lora_state_dict(weights)
    state, alphas = found if isinstance(found, tuple) else (found, None)
    own = {name: value for name, value in state.items() if name.startswith(f"{prefix}.")}
    modules = {name for name, _ in model.named_modules()}
    lacking = [name for name in own if name.removeprefix(f"{prefix}.").partition(".lora")[0] not in modules]
    if not own or lacking:
        example = (lacking or list(state) or ["nothing"])[0]
        raise WeightsError(f"{path} has {example!r}: expected a LoRA of a {type(model).__name__}")
    return own, alphas, strength


def _file(path: Path) -> Path:
    """The one safetensors file of a folder, or the file itself. Raises WeightsError."""
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if len(files) != 1 or not files[0].is_file() or files[0].suffix != ".safetensors":
        raise WeightsError(f"lora is {str(path)!r}: expected a .safetensors file, or a folder with one")
    return files[0]


def _copy_rest(folder: Path, target: Path) -> None:
    """What was not merged, as links to the very same files where that can be."""
    for path in folder.iterdir():
        if path.is_dir() and not (target / path.name).exists() and not path.name.startswith("."):
            shutil.copytree(path, target / path.name, copy_function=link)
    shutil.copy2(folder / "model_index.json", target / "model_index.json")


def few_steps(options: argparse.Namespace) -> FewSteps | None:
    """Raises ThroughlineError for a shift or a weight without steps."""
    if options.steps is None:
        if options.shift is not None:
            raise ThroughlineError(f"shift is {options.shift:g}: expected --steps beside it")
        return None
    return FewSteps(options.steps, options.text, options.shift)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 2 and one line for what cannot be merged."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.backbones.lora", description=__doc__.partition("\n")[0])
    parser.add_argument("model", metavar="MODEL", help="hub id or model folder")
    parser.add_argument("target", type=Path, metavar="TO", help="folder to write; must not exist")
    parser.add_argument("--lora", action="append", default=[], metavar="FILE=STRENGTH", help="may be given repeatedly")
    parser.add_argument("--lora-2", action="append", default=[], metavar="FILE=STRENGTH", help="for the second expert")
    parser.add_argument("--steps", type=int, help="how many the LoRA was distilled to")
    parser.add_argument("--text", type=float, default=1.0, help="weight of the text that goes with them (%(default)g)")
    parser.add_argument("--shift", type=float, help=f"of their noise levels: {', '.join(SHIFTS.values())}")
    options = parser.parse_args(arguments)
    try:
        stack = [Lora.of(text) for text in options.lora] + [Lora.of(text, True) for text in options.lora_2]
        said = merge(find(options.model), options.target, stack, few_steps(options))
    except (ThroughlineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*said, options.target, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
