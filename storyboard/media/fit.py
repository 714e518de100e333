"""How a picture of one shape gets into a frame of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.errors import ThroughlineError

if TYPE_CHECKING:
    import numpy as np

FitMode = Literal["fit", "fill", "stretch"]
NEARLY = 0.99  # share of the frame from which it counts as filled: nobody wants bars of a pixel


@dataclass(frozen=True)
class Fit:
    """fit: all of the picture, with black bars; fill: no bars, cut where `across` and `down` say; stretch: neither."""

    mode: FitMode = "fit"
    across: float = 0.5  # where the cut of `fill` lies, from 0 (the left is kept) to 1 (the right)
    down: float = 0.5  # from 0 (the top) to 1 (the bottom)

    def __post_init__(self) -> None:
        if self.mode not in get_args(FitMode):
            raise ThroughlineError(f"fit is {self.mode!r}: expected one of {', '.join(get_args(FitMode))}")
        if not (0 <= self.across <= 1 and 0 <= self.down <= 1):
            raise ThroughlineError(f"the cut lies at {self.across:g}, {self.down:g}: expected numbers from 0 to 1")

    def size(self, aspect: float, width: int, height: int) -> tuple[int, int]:
        """Width and height to which a picture of that aspect is brought, before it is cut or gets bars."""
        wide, tall = height * aspect, width / aspect
        if self.mode == "fill":
            return max(width, round(wide)), max(height, round(tall))
        if self.mode == "fit":
            return (width if wide >= NEARLY * width else max(1, round(wide)),
                    height if tall >= NEARLY * height else max(1, round(tall)))  # fmt: skip
        return width, height


FIT, FILL = Fit("fit"), Fit("fill")


def fitted(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame, uint8 (H, W, 3), at another size, width and height: cut to its shape, never stretched."""
    import numpy as np  # the help of the shell needs what is above, and is to come at once
    from PIL import Image, ImageOps

    if frame.shape[:2] == size[::-1]:
        return frame
    return np.asarray(ImageOps.fit(Image.fromarray(frame), size, Image.Resampling.LANCZOS))
