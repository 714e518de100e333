"""Masks of what is in a box of one frame, followed through a clip: SAM 2 (Ravi et al. 2024, arXiv 2408.00714), or the
same memory on SAM 3's features, through transformers.

Does not cover: several things at once; clips that do not fit into memory (4 MB a frame at 1024 pixels).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import (
    PreTrainedModel,
    Sam2VideoInferenceSession,
    Sam2VideoModel,
    Sam3TrackerVideoInferenceSession,
    Sam3TrackerVideoModel,
)

from .detectors import kind_of, loaded, pixels_of

SAM2_MEAN, SAM2_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
KINDS: dict[str, tuple[Any, Any, tuple[float, ...], tuple[float, ...]]] = {  # model, session, mean and std of pixels
    "sam2_video": (Sam2VideoModel, Sam2VideoInferenceSession, SAM2_MEAN, SAM2_STD),
    "sam3_video": (Sam3TrackerVideoModel, Sam3TrackerVideoInferenceSession, HALF, HALF),
}
CORNERS = (2, 3)  # the labels of points that are the corners of a box


class MaskTracker:
    """SAM 2 or SAM 3, told where something is in one frame."""

    def __init__(self, model: PreTrainedModel, kind: str) -> None:
        self.model = model
        _, self._session, self._mean, self._std = KINDS[kind]

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> MaskTracker:
        """Raises ThroughlineError for a folder of another kind of model, WeightsError for weights that are missing or
        no safetensors."""
        kind = kind_of(folder, tuple(KINDS))
        return cls(loaded(KINDS[kind][0], folder).to(device), kind)

    @torch.no_grad()
    def masks(self, frames: np.ndarray, at: int, box: np.ndarray) -> np.ndarray:
        """What is in a box (4), left, top, right, bottom as shares of the picture, of frame `at`: bool (T, H, W), False
        where it is not to be seen. frames: uint8 (T, H, W, 3)."""
        model, size, side = self.model, frames.shape[1:3], self.model.config.image_size
        session = self._session(
            video=pixels_of(frames, side, self._mean, self._std), video_height=size[0], video_width=size[1],
            inference_device=model.device, dtype=model.dtype,
        )  # fmt: skip
        corners = torch.tensor(box, dtype=torch.float32).reshape(1, 1, 2, 2) * side
        told = {"point_coords": corners, "point_labels": torch.tensor([[CORNERS]], dtype=torch.int32)}
        session.add_point_inputs(session.obj_id_to_idx(0), at, told)
        session.obj_with_new_inputs = [0]
        found = np.zeros(frames.shape[:3], bool)
        for reverse in (False, True):
            for seen in model.propagate_in_video_iterator(session, start_frame_idx=at, reverse=reverse):
                mask = F.interpolate(seen.pred_masks.float(), size, mode="bilinear", align_corners=False)
                found[seen.frame_idx] = (mask[0, 0] > 0).cpu().numpy()
        return found
