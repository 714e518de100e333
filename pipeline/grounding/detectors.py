"""Open-vocabulary detectors for films that are no picture book: Grounding DINO (Liu et al. 2023, arXiv 2303.05499) and
its MM variant through transformers, from a local folder. Nothing is downloaded.

A detector sees single frames, so it tells who is where, not who does what: a tube is the longest run of frames in which
it is sure. Boxes between the frames that it looks at lie between theirs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import (
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    GroundingDinoProcessor,
    MMGroundingDinoForObjectDetection,
    PreTrainedModel,
)

from ..errors import ThroughlineError, WeightsError
from .tubes import SLOW, Tube

KINDS = {"grounding-dino": GroundingDinoForObjectDetection, "mm-grounding-dino": MMGroundingDinoForObjectDetection}
LEAST_SCORE = 0.3  # of a box, the models' own threshold
AT_ONCE = 4  # frames


@dataclass(frozen=True, eq=False)
class LookedAt:
    """Every SLOW-th frame of a clip, uint8 (K, H, W, 3), and how many the clip has."""

    pictures: np.ndarray
    frames: int

    @property
    def nbytes(self) -> int:
        return self.pictures.nbytes


class DetectorFilm:
    """Searches films with a detector, as `film.FilmLocator` does with ours."""

    def __init__(self, model: PreTrainedModel, processor: GroundingDinoProcessor) -> None:
        self.model, self.processor = model.eval().requires_grad_(False), processor

    @classmethod
    def load(cls, folder: Path, device: str | torch.device = "cpu") -> DetectorFilm:
        """Raises ThroughlineError for a folder of another kind of model, WeightsError for weights that are missing or
        no safetensors."""
        kind = _kind(folder)
        try:
            model, told = KINDS[kind].from_pretrained(
                folder, use_safetensors=True, local_files_only=True, output_loading_info=True
            )
            pictures = GroundingDinoImageProcessorPil.from_pretrained(folder, local_files_only=True)
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise WeightsError(f"detector {folder.name!r} cannot be loaded: {reason}") from error
        if told["missing_keys"]:
            raise WeightsError(f"detector {folder.name!r} cannot be loaded: it lacks {min(told['missing_keys'])!r}")
        return cls(model.to(device), GroundingDinoProcessor(pictures, tokenizer))

    def see(self, frames: np.ndarray) -> tuple[LookedAt, ...]:
        """A clip, uint8 (T, H, W, 3). Nothing is computed before somebody asks: the model sees pictures with words."""
        return (LookedAt(frames[::SLOW].copy(), len(frames)),)

    def find(self, clip: tuple[LookedAt, ...], words: str) -> Tube | None:
        """The longest run of frames in which the detector sees what words say; None if it is not there."""
        (looked,) = clip
        found = [self._best(said) for said in self._batches(looked.pictures, words)]
        runs = _runs([score >= LEAST_SCORE for score, _ in found])
        if not runs:
            return None
        first, last = max(runs, key=lambda run: run[1] - run[0])
        boxes = np.stack([box for _, box in found[first : last + 1]])
        end = looked.frames - 1 if last == len(found) - 1 else last * SLOW
        times = np.arange(first * SLOW, end + 1)
        at = np.arange(first, last + 1) * SLOW
        between = np.stack([np.interp(times, at, side) for side in boxes.T], axis=1).astype(np.float32)
        return Tube(int(times[0]), int(times[-1]), between, max(score for score, _ in found[first : last + 1]))

    @torch.no_grad()
    def _batches(self, pictures: np.ndarray, words: str) -> list[dict[str, torch.Tensor]]:
        """What the detector says of each picture; boxes as shares of the picture."""
        phrase = words.strip().lower().rstrip(".") + "."  # as its training had them
        said: list[dict[str, torch.Tensor]] = []
        for start in range(0, len(pictures), AT_ONCE):
            images = [Image.fromarray(picture) for picture in pictures[start : start + AT_ONCE]]
            inputs = self.processor(images=images, text=[phrase] * len(images), return_tensors="pt", padding=True)
            inputs = inputs.to(self.model.device)
            said += self.processor.post_process_grounded_object_detection(
                self.model(**inputs), inputs.input_ids, threshold=0.0, text_threshold=0.0
            )
        return said

    @staticmethod
    def _best(said: dict[str, torch.Tensor]) -> tuple[float, np.ndarray]:
        if not len(said["scores"]):
            return 0.0, np.zeros(4, np.float32)
        best = int(said["scores"].argmax())
        return float(said["scores"][best]), said["boxes"][best].float().clamp(0, 1).cpu().numpy()


def _runs(sure: list[bool]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    runs, start = list[tuple[int, int]](), None
    for index, one in enumerate([*sure, False]):
        if one and start is None:
            start = index
        elif not one and start is not None:
            runs.append((start, index - 1))
            start = None
    return runs


def _kind(folder: Path) -> str:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ThroughlineError(
            f"detector {str(folder)!r}: expected a folder whose config.json names a model"
        ) from error
    if kind not in KINDS:
        raise ThroughlineError(f"detector {folder.name!r} is a {kind!r}: expected one of {', '.join(KINDS)}")
    return str(kind)
