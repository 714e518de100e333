"""Frames as the autoencoder takes them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_video(frames: np.ndarray) -> Tensor:
    """uint8 (N, F, H, W, 3) to float (N, 3, F, H, W) in -1..1."""
    return torch.from_numpy(frames).movedim(-1, 1).float() / 127.5 - 1
