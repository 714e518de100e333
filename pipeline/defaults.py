"""The size, length, steps and weights that suit a model, read from its configuration. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIZE_15 = (768, 1360)  # pixels, what CogVideoX 1.5 was trained for
STOCK_STEPS, STOCK_TEXT, STOCK_HISTORY = 50, 6.0, 1.5  # steps and w1 as the checkpoints' authors recommend
TEXT, HISTORY = 2.0, 3.0  # w1 and w2 of the embedded model
EMBEDDED = {"height": 96, "width": 144, "num_frames": 17, "steps": 24, "text": TEXT, "history": HISTORY}


def stock_size(config: Mapping[str, Any], unit: int) -> tuple[int, int, int]:
    """Height, width and frames by the configuration of a CogVideoX transformer. unit: pixels a side of a latent."""
    height, width = config["sample_height"], config["sample_width"]
    if config["patch_size_t"]:  # CogVideoX 1.5, whose configuration names the largest size, not the usual one
        height, width = min(height, SIZE_15[0] // unit), min(width, SIZE_15[1] // unit)
    return height * unit, width * unit, config["sample_frames"]


def native(folder: Path) -> dict[str, Any]:
    """What suits the model in a folder that `models.find` gave: the keys of EMBEDDED; text and history are w1, w2."""
    vae = json.loads((folder / "vae" / "config.json").read_text(encoding="utf-8"))
    if vae["_class_name"] != "AutoencoderKLCogVideoX":
        return dict(EMBEDDED)
    config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    unit = 2 ** (len(vae["block_out_channels"]) - 1)
    height, width, frames = stock_size({"patch_size_t": None, **config}, unit)
    sizes = {"height": height, "width": width, "num_frames": frames}
    return {**sizes, "steps": STOCK_STEPS, "text": STOCK_TEXT, "history": STOCK_HISTORY}
