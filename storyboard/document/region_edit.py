"""An edit of regions of a take, as the document keeps it: where, and what is to be seen there instead.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from .values import Digest, Flag, Many, Number, Seed, Value, Whole

MOST_REGIONS = 8
MOST_STROKES = 512  # points of a brush
Share = Number  # of the width or the height of the picture


class Stroke(Value):
    """A point that a brush went over, with the brush's radius as a share of the picture's height."""

    x: Share = Field(ge=0, le=1)
    y: Share = Field(ge=0, le=1)
    radius: Share = Field(default=0.05, gt=0, le=1)


class RegionWords(Value):
    """A region and its words: that of a word of the scene's prompt, a box, what a brush went over, or the rest, which
    is all that shows nobody. `words` take the place of `word`; without a word they are added to the prompt. A region
    without words stays as it is."""

    told_as = "region"

    word: str = Field(default="", max_length=200)
    occurrence: Whole = Field(default=0, ge=0, le=100)  # 0 for the first one in the prompt
    words: str = Field(default="", max_length=400)
    box: tuple[Share, Share, Share, Share] | None = None  # left, top, right, bottom
    brush: Many[Stroke] = Field(default=(), max_length=MOST_STROKES)
    rest: Flag = False
    upper: Share = Field(default=1.0, gt=0, le=1)  # the share of it, from above, that is meant: a hat, a head
    strength: Number = Field(default=1.0, ge=0, le=2)

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        places = [self.box is not None, bool(self.brush), self.rest]
        if sum(places) > 1 or not (any(places) or self.word):
            raise PydanticCustomError("place", "expected a word, a box, a brush or the rest")
        return self


class RegionEdit(Value):
    """What was done to a clip. source: the clip before it."""

    told_as = "edit"

    source: Digest
    regions: Many[RegionWords] = Field(min_length=1, max_length=MOST_REGIONS)
    seed: Seed = 0

    @property
    def words(self) -> str:
        """In a line, for people."""
        told = [f"{region.word or 'a region'} → {region.words}" for region in self.regions if region.words]
        return ", ".join(told)
