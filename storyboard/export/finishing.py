"""Finished pictures: drafts of the embedded model, enlarged by the model that draws edges, and with frames drawn
between theirs (`pipeline.stages`).

Scenes remember drafts; what is finished is shown and exported, and has no part in what depends on what.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import ThroughlineError

MOST_WIDTH = 240  # pixels of a draft: the model knows pictures of the embedded model's size


def check_finish(width: int) -> None:
    """Raises ThroughlineError for drafts that the finish is not made for."""
    if width > MOST_WIDTH:
        raise ThroughlineError(f"the clip is {width} pixels wide: expected at most {MOST_WIDTH} for a finish")


def drawn_rate(width: int, own: float, wanted: float | None) -> float:
    """Frames a second to which pictures of a clip at `own` are drawn for a film at `wanted` (None: as it is). Wider
    ones than the model knows keep their rate: the film shows them again or leaves some out."""
    return wanted if wanted and wanted > own and width <= MOST_WIDTH else own


def smoothed(frames: np.ndarray, own: float, rate: float) -> np.ndarray:
    """uint8 (F, H, W, 3) at `own` frames a second to as long a clip at `rate`; a second or two on two cores."""
    from pipeline.stages.interpolation import smooth

    return smooth(frames, own, rate) if rate != own else frames


def finished(frames: np.ndarray) -> np.ndarray:
    """uint8 (F, H, W, 3) to uint8 (F, 4 H, 4 W, 3); a second or two on two cores. Raises ThroughlineError."""
    from pipeline.stages.upscaling import finish

    check_finish(frames.shape[2])
    return finish(frames)
