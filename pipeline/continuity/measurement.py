"""The continuity meter: whether what a clip shows of a mention looks as it did before, whether it is there at all,
whether the clip shows its prompt, and whether it moves.

A mention's region is where its words look in a clip (`FeatureExtractor.look`). Raw similarities say little by
themselves, so every figure is put on a scale by rendered clips whose truth is known (`continuity.calibration`). Does
not cover: which mentions of which prompts belong together (`pipeline.text_filter`).

Letters: F frames looked at, m mentions, P patches, d width of a look.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.checkpoints import assets_folder
from ..encoders.image import patch_features, to_pixels
from ..encoders.text import TextEncoding
from ..encoders.vision_models import LookEncoder
from ..errors import ThroughlineError
from ..story_pipeline import StoryPipeline
from .facts import Chances, load_facts, share_alike
from .motion import motion_energy
from .photometry import Light, light_of

LOOKS_AT = (1 / 8, 1 / 2, 7 / 8)  # places in the clip
LEAST_MOTION = 0.15  # mean change of 255 from frame to frame with which a clip counts as moving: 5% of rendered clips
CHANGED = 0.35  # similarity below which a mention looks other than before
PRESENT = 0.4  # probability from which a mention counts as there
LEAST_SPREAD = 0.02  # between the same and different looks: below it an encoder does not tell looks apart

Span = tuple[int, int]  # characters of a prompt


@dataclass(frozen=True, eq=False)
class Region:
    """What a clip shows where the words of a mention look."""

    look: np.ndarray  # float32 (d,)
    evidence: tuple[float, float, float]  # that it is there: see `_evidence`
    facts: Chances = field(default_factory=dict)  # none where the model's world is not known


@dataclass(frozen=True, eq=False)
class Measurement:
    """A clip, measured but not put on a scale."""

    regions: tuple[Region, ...]  # in the order of the mentions that were asked for
    prompt: float | None  # cosine with the prompt; None if the encoders share no space
    motion: float  # mean change from frame to frame, of 255
    light: Light


@dataclass(frozen=True, eq=False)
class Sight:
    """What a clip shows, before anything is said of it."""

    frames: np.ndarray  # uint8 (F, H, W, 3): those looked at
    patches: Tensor  # φ of them, (F, P, v)
    projected: Tensor  # the same in the space that pictures and words share, (F, P, t)
    motion: float
    light: Light


@dataclass(frozen=True, eq=False)
class Calibration:
    """What puts readings on a scale; see `pipeline.continuity.calibration.calibrate`."""

    centre: np.ndarray  # float32 (d,), the mean look
    different: float  # cosine of two looks of which nothing that can differ agrees, on average
    same: float  # of two looks of the same one
    gate: tuple[float, ...]  # of the evidence: three means, three spreads, three weights and a bias
    other_prompt: float  # cosine of a clip with another one's prompt, on average
    own_prompt: float


class Gauge:
    """Measures clips with the encoders of a pipeline, or with another encoder for looks.

    looks: None for the pipeline's own image encoder, read through the extractor's cross-attention. Raises
    ThroughlineError for a model that has none, as stock checkpoints have: where a word looks is then not known.
    """

    def __init__(self, pipeline: StoryPipeline, looks: LookEncoder | None = None) -> None:
        if pipeline.extractor is None or pipeline.image_encoder is None:
            raise ThroughlineError("the model has no feature extractor: expected one, to find words in pictures")
        self.pipeline, self.looks = pipeline, looks
        self.name = looks.name if looks else "own"
        line = load_facts(assets_folder()) if looks is None else None
        self.facts = line if line and line.fingerprint == self.fingerprint() else None

    def fingerprint(self) -> str:
        """SHA-256 of what decides a reading: names, shapes and the first values of all weights."""
        total = hashlib.sha256(self.name.encode())
        for module in (self.pipeline.extractor.attention, self.pipeline.image_encoder):
            for name, weight in module.named_parameters():
                total.update(f"{name}{tuple(weight.shape)}".encode())
                total.update(weight.detach().flatten()[:4096].float().cpu().numpy().tobytes())
        return total.hexdigest()

    def read(self, frames: np.ndarray, prompt: str, mentions: Sequence[Sequence[Span]]) -> Measurement:
        """Measures a clip, uint8 (F, H, W, 3). mentions: for each the characters of its words in `prompt`."""
        return self.compare(self.see(frames), prompt, mentions)

    @torch.no_grad()
    def see(self, frames: np.ndarray) -> Sight:
        """What a clip, uint8 (F, H, W, 3), shows, whatever is said of it."""
        picked = frames[sorted({round(place * (len(frames) - 1)) for place in LOOKS_AT})]
        model = self.pipeline.image_encoder
        patches = patch_features(model, to_pixels(picked, model.config.image_size).to(model.device, model.dtype))
        projected = model.visual_projection(patches).float().cpu()
        return Sight(picked, patches, projected, motion_energy(frames), light_of(picked))

    @torch.no_grad()
    def compare(self, seen: Sight, prompt: str, mentions: Sequence[Sequence[Span]]) -> Measurement:
        """`read` of what was seen before."""
        text = self.pipeline.text.encode(prompt)
        regions = self._regions(seen, text, mentions) if mentions else ()
        return Measurement(regions, self._agreement(seen, text), seen.motion, seen.light)

    def _regions(self, seen: Sight, text: TextEncoding, mentions: Sequence[Sequence[Span]]) -> tuple[Region, ...]:
        rows, maps, evidence = zip(
            *(self._look(seen, text, spans) for spans in mentions), strict=True
        )  # each (F, d), (F, P), 3 numbers
        looks = torch.stack(rows, 1).mean(0)
        if self.looks:
            side = round(seen.patches.shape[1] ** 0.5)
            looks = self.looks.regions(seen.frames, torch.stack(maps, 1).unflatten(-1, (side, side)))
        found = zip(looks.float().cpu().numpy(), evidence, mentions, strict=True)
        return tuple(Region(look, told, self._facts(look, text.text, spans)) for look, told, spans in found)

    def _facts(self, look: np.ndarray, prompt: str, spans: Sequence[Span]) -> Chances:
        return self.facts.read(look, " ".join(prompt[a:b] for a, b in spans)) if self.facts else {}

    def _look(
        self, seen: Sight, text: TextEncoding, spans: Sequence[Span]
    ) -> tuple[Tensor, Tensor, tuple[float, float, float]]:
        """A mention's rows A, its attention map in every frame, and how much speaks for its being there."""
        extractor = self.pipeline.extractor
        tokens = [i for i, (a, b) in enumerate(text.offsets) if any(a < end and b > start for start, end in spans)]
        words = text.hidden[tokens]
        queries = words.to(extractor.device, extractor.dtype).expand(len(seen.patches), -1, -1)
        keys = seen.patches.to(extractor.device, extractor.dtype)
        rows, maps = extractor.attention(queries, keys)
        scores, map_ = extractor.attention.scores(queries, keys).float().cpu(), maps.mean(1).float().cpu()
        return rows.mean(1).float().cpu(), map_, _evidence(scores, map_, seen.projected, words.float().mean(0))

    def _agreement(self, seen: Sight, text: TextEncoding) -> float | None:
        """Cosine of the frames with the sentence, in a space that pictures and words share."""
        if self.looks and (told := self.looks.agreement(seen.frames, text.text)) is not None:
            return told
        return _cosine(seen.projected.mean((0, 1)), text.hidden.float().mean(0))


def _evidence(scores: Tensor, maps: Tensor, projected: Tensor, word: Tensor) -> tuple[float, float, float]:
    """How strongly the words look at their best patch, what that place has in common with the words, and how peaked
    the map is: scores (F, n, P), maps (F, P), projected (F, P, t), word (t)."""
    place = torch.einsum("fp,fpt->t", maps, projected) / len(maps)
    entropy = -(maps * maps.clamp_min(1e-9).log()).sum(-1).mean()
    return float(scores.amax(-1).mean()), _cosine(place, word) or 0.0, float(math.log(maps.shape[-1]) - entropy)


def _cosine(a: Tensor, b: Tensor) -> float | None:
    return float(F.cosine_similarity(a, b, dim=0)) if a.shape == b.shape else None


# Scales


def similarity(scale: Calibration, a: Region, b: Region) -> float:
    """0 to 1: about the share of what can differ in looks that agrees, by their cosine and, where they are known, by
    their facts. 0 from an encoder that can't tell."""
    if scale.same - scale.different < LEAST_SPREAD:
        return 0.0
    alike, facts = _between(look_cosine(scale, a, b), scale.different, scale.same), share_alike(a.facts, b.facts)
    return alike if facts is None else (alike + facts) / 2


def look_cosine(scale: Calibration, a: Region, b: Region) -> float:
    x, y = a.look - scale.centre, b.look - scale.centre
    return float(x @ y / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-9))


def presence(scale: Calibration, region: Region) -> float:
    """The probability that a mention is there at all."""
    mean, spread, weight = (np.array(scale.gate[i : i + 3]) for i in (0, 3, 6))
    logit = float((np.array(region.evidence) - mean) / spread @ weight) + scale.gate[9]
    return 1 / (1 + math.exp(-max(min(logit, 30.0), -30.0)))


def prompt_score(scale: Calibration, reading: Measurement) -> float | None:
    """0 for what another prompt would score, 1 for what rendered clips score with their own."""
    if reading.prompt is None or scale.own_prompt - scale.other_prompt < LEAST_SPREAD:
        return None
    return _between(reading.prompt, scale.other_prompt, scale.own_prompt)


def motion_score(reading: Measurement) -> float:
    """0 for a still, 1 for any clip that moves."""
    return min(1.0, reading.motion / LEAST_MOTION)


def held(similarities: Sequence[float], prompt: float | None, motion: float) -> float | None:
    """A clip is worth no more than the weakest of: the mean of its similarities (0 for who is not there), its prompt
    score, its motion score. So a frozen frame, whose looks agree perfectly, is worth nothing. None if nothing in it
    recurs."""
    if not similarities:
        return None
    return min([float(np.mean(similarities)), motion, *([] if prompt is None else [prompt])])


def _between(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
