"""What a figure that was found looks like, and whether that is what words say: a line on the image encoder's features.

The locator mistakes one colour for another more often than this does. It knows the looks of the picture book alone
(`picturebook.said`); words that say none of them are left to the locator.

Letters: K frames looked at closely, P' patches of one, v width of the image encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import WeightsError
from ..picturebook.said import LOOKS
from ..picturebook.world import SLOT_VALUES
from .layers import COLUMNS, ROWS

SIZES = tuple(len(SLOT_VALUES[slot]) for slot in LOOKS)
FLOOR = -4.0  # what one look can count at most against what was found
LENIENT = 2.0  # that what is said to look somehow, and does, is there
FILE = "looks.safetensors"
OWNED = 0.4  # of a patch, from which it is the figure's


@dataclass(frozen=True, eq=False)
class Looks:
    """weight: float32 (values, v), bias: (values), of the slots of LOOKS one after the other."""

    weight: Tensor
    bias: Tensor

    def fits(self, patches: Tensor, cells: Tensor, said: Mapping[str, str]) -> float:
        """How much speaks for it that a figure looks as said, as a logit: LENIENT, less what speaks against the
        unlikeliest look. patches: φ (K, P', v); cells: how surely each cell shows the figure, 0 to 1, (K, P)."""
        side = round(patches.shape[1] ** 0.5)
        own = F.interpolate(cells.unflatten(1, (1, ROWS, COLUMNS)), (side, side), mode="area").flatten(1)
        own = own * (own >= min(OWNED, 0.5 * float(own.max())))
        figure = (patches * own[..., None]).sum((0, 1)) / own.sum()
        rows = (self.weight @ figure + self.bias).split(SIZES)
        chances = {slot: row.log_softmax(0) for slot, row in zip(LOOKS, rows, strict=True)}
        least = min(float(chances[slot][SLOT_VALUES[slot].index(value)]) for slot, value in said.items())
        return LENIENT + max(FLOOR, least)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"weight": self.weight.contiguous(), "bias": self.bias.contiguous()}, path)


@lru_cache(maxsize=1)
def load_looks(path: Path) -> Looks:
    """Raises WeightsError if it is not there."""
    if not path.is_file():
        raise WeightsError(f"no looks in {str(path)!r}: expected weights")
    return Looks(**load_file(path))
