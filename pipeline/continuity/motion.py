"""How much a clip moves."""

from __future__ import annotations

import numpy as np


def motion_energy(frames: np.ndarray) -> float:
    """Mean absolute difference of successive frames, uint8 (F, H, W, 3)."""
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean()) if len(frames) > 1 else 0.0
