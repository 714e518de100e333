"""Open-vocabulary detectors through transformers, which say of single frames where it shows what words say: Grounding
DINO (Liu et al. 2023, arXiv 2303.05499), its MM variant, and SAM 3's own detector (Carion et al. 2025, arXiv
2511.16719).

Pictures for SAM 3 are prepared here: transformers' own classes for that need torchvision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    MMGroundingDinoForObjectDetection,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Sam3Model,
)

from ..errors import ThroughlineError, WeightsError

DINO = {"grounding-dino": GroundingDinoForObjectDetection, "mm-grounding-dino": MMGroundingDinoForObjectDetection}
SAM3 = ("sam3", "sam3_video")
AT_ONCE = 4  # frames
TOKENS = 32  # of SAM 3's prompts


class Said(NamedTuple):
    """What a detector says of a picture: how sure it is, 0 to 1, and a box, float32 (4), left, top, right, bottom as
    shares of the picture."""

    score: float
    box: np.ndarray


NOTHING = Said(0.0, np.zeros(4, np.float32))


class Detector(Protocol):
    """What finds words in pictures."""

    least_score: float  # from which it is sure

    def look(self, pictures: np.ndarray, words: str) -> list[Said]:
        """The best box in each of the pictures, uint8 (K, H, W, 3)."""


class GroundingDino:
    """`Detector`."""

    least_score = 0.3  # the models' own threshold

    def __init__(self, model: PreTrainedModel, processor: GroundingDinoProcessor) -> None:
        self.model, self.processor = model, processor

    @torch.no_grad()
    def look(self, pictures: np.ndarray, words: str) -> list[Said]:
        phrase, found = words.strip().lower().rstrip(".") + ".", list[Said]()  # as its training had them
        for start in range(0, len(pictures), AT_ONCE):
            images = [Image.fromarray(picture) for picture in pictures[start : start + AT_ONCE]]
            inputs = self.processor(images=images, text=[phrase] * len(images), return_tensors="pt", padding=True)
            inputs = inputs.to(self.model.device)
            told = self.processor.post_process_grounded_object_detection(
                self.model(**inputs), inputs.input_ids, threshold=0.0, text_threshold=0.0
            )
            found += [_best(one["scores"], one["boxes"]) for one in told]
        return found


class Sam3:
    """`Detector`."""

    least_score = 0.5

    def __init__(self, model: Sam3Model, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model, self.tokenizer = model, tokenizer

    @torch.no_grad()
    def look(self, pictures: np.ndarray, words: str) -> list[Said]:
        """A score is that of a box times that of the words being in the picture at all."""
        asked = self.tokenizer(
            [words.strip()], return_tensors="pt", padding="max_length", truncation=True, max_length=TOKENS
        )
        told = {name: asked[name].to(self.model.device) for name in ("input_ids", "attention_mask")}
        found = list[Said]()
        for picture in pictures:
            pixels = pixels_of(picture[None], self.model.config.image_size, (0.5,) * 3, (0.5,) * 3)
            seen = self.model(pixel_values=pixels.to(self.model.device, self.model.dtype), **told)
            scores = seen.pred_logits[0].sigmoid() * seen.presence_logits[0].sigmoid()
            found.append(_best(scores, seen.pred_boxes[0]))
        return found


def pixels_of(frames: np.ndarray, side: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Frames, uint8 (K, H, W, 3), as squares, float32 (K, 3, side, side)."""
    pixels = torch.tensor(frames).movedim(-1, 1).float() / 255
    square = F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return (square - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def load_detector(folder: Path, device: str | torch.device = "cpu") -> Detector:
    """Raises ThroughlineError for a folder of another kind of model, WeightsError for weights that are missing or no
    safetensors."""
    kind = kind_of(folder, (*DINO, *SAM3))
    if kind in SAM3:
        return Sam3(loaded(Sam3Model, folder).to(device), loaded(AutoTokenizer, folder))
    pictures = loaded(GroundingDinoImageProcessorPil, folder)
    processor = GroundingDinoProcessor(pictures, loaded(AutoTokenizer, folder))
    return GroundingDino(loaded(DINO[kind], folder).to(device), processor)


def kind_of(folder: Path, kinds: Sequence[str]) -> str:
    """Which of some kinds of model a folder has. Raises ThroughlineError for another one."""
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ThroughlineError(
            f"detector {str(folder)!r}: expected a folder whose config.json names a model"
        ) from error
    if kind not in kinds:
        raise ThroughlineError(f"detector {folder.name!r} is a {kind!r}: expected one of {', '.join(kinds)}")
    return str(kind)


def loaded(part: Any, folder: Path) -> Any:
    """A model or another part of a detector, by its class. Raises WeightsError."""
    is_model = isinstance(part, type) and issubclass(part, PreTrainedModel)
    options = {"use_safetensors": True, "output_loading_info": True} if is_model else {}
    try:
        found = part.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(f"detector {folder.name!r} cannot be loaded: {reason}") from error
    if not is_model:
        return found
    model, told = found
    if told["missing_keys"]:
        raise WeightsError(f"detector {folder.name!r} cannot be loaded: it lacks {min(told['missing_keys'])!r}")
    return model.eval().requires_grad_(False)


def _best(scores: Tensor, boxes: Tensor) -> Said:
    if not len(scores):
        return NOTHING
    best = int(scores.argmax())
    return Said(float(scores[best]), boxes[best].float().clamp(0, 1).cpu().numpy())
