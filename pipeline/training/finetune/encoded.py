"""Clips, captions and keyframes as the models see them: encoded once and kept in content-addressed files.

A file's name is the SHA-256 of all that determines what is in it: the clip's bytes, its size, the encoder's weights.
It is written under a name of its own and renamed, so that any number of workers may fill one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from ...encoders.image import patch_features, to_pixels
from ...encoders.latents import to_signed
from ...encoders.text import TextEncoding
from ...story_pipeline import StoryPipeline
from ...text_filter import kept_tokens
from ..footage.clips import Video
from ..footage.films import UnreadableError, read_clip

REMEMBERED = 8  # past clips of its video that a clip may remember


@dataclass(frozen=True)
class Size:
    frames: int  # 4 k + 1
    frames_per_second: float
    height: int  # pixels
    width: int


@dataclass(frozen=True)
class Digests:
    """What tells the encoders apart: of the folders of autoencoder, text encoder and image encoder."""

    vae: str
    text: str
    image: str


class Store:
    """Tensors by the values that determine them. Safe for several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, key: object, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        digest = hashlib.sha256(json.dumps([kind, key], sort_keys=True).encode()).hexdigest()
        path = self.folder / kind / digest[:2] / f"{digest[2:]}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{os.getpid()}.{secrets.token_hex(4)}.tmp")
            save_file({name: tensor.contiguous() for name, tensor in make().items()}, temporary)
            os.replace(temporary, path)
        return load_file(path)


@dataclass(frozen=True)
class Row:
    """A clip and where it stands in its video. past: indices of rows, the oldest first."""

    clip: Path
    content: str  # SHA-256 of the file
    caption: str
    past: tuple[int, ...]


class EncodedClips:
    """A training set, encoded on first use. Rows are clips, those of a video one after the other."""

    def __init__(
        self,
        videos: list[Video],
        store: Store,
        size: Size,
        digests: Digests,
        pipeline: StoryPipeline,
        image_encoder: CLIPVisionModelWithProjection,
        device: torch.device,
    ) -> None:
        self.store, self.size, self.digests, self.device = store, size, digests, device
        self.pipeline, self.image_encoder = pipeline, image_encoder
        self.rows, self.unreadable = list[Row](), list[str]()
        for video in videos:
            self._add(video)

    def __len__(self) -> int:
        return len(self.rows)

    def _add(self, video: Video) -> None:
        first = len(self.rows)
        for clip in video.clips:
            with clip.path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            past = tuple(range(max(first, len(self.rows) - REMEMBERED), len(self.rows)))
            self.rows.append(Row(clip.path, content, clip.caption, past))

    def drop_unreadable(self, worker: int = 0, workers: int = 1) -> None:
        """Encodes this worker's share of all clips and captions. Those that cannot be read are listed in
        `unreadable`; call it again after all workers are through, to leave them out everywhere."""
        bad = set[int]()
        for index in range(worker, len(self.rows), workers):
            try:
                self.latents(index)
                self.features(index)
            except UnreadableError as error:
                self.unreadable.append(str(error))
                bad.add(index)
            self.text(index)
        if workers > 1:
            return
        new = {old: i for i, old in enumerate(i for i in range(len(self.rows)) if i not in bad)}
        rows = [self.rows[old] for old in new]
        self.rows = [Row(r.clip, r.content, r.caption, tuple(new[p] for p in r.past if p in new)) for r in rows]
        for index in range(len(self.rows)):
            self.kept(index)

    def _frames(self, row: Row) -> np.ndarray:
        s = self.size
        return read_clip(row.clip, s.frames, s.frames_per_second, s.height, s.width)

    def latents(self, index: int) -> Tensor:
        """Scaled latents of a clip, float32 (f, C, h, w): the mean of what the autoencoder says."""
        row = self.rows[index]
        known_by = [row.content, asdict(self.size), self.digests.vae]
        return self.store.get("latents", known_by, lambda: self._encode(row))["latents"].float()

    @torch.no_grad()
    def _encode(self, row: Row) -> dict[str, Tensor]:
        vae = self.pipeline.vae
        video = torch.cat([to_signed(frame) for frame in self._frames(row)], dim=2)
        vae.to(self.device)
        latents = vae.encode(video.to(self.device, vae.dtype)).latent_dist.mode()[0].transpose(0, 1)
        return {"latents": (latents.float() * vae.config.scaling_factor).half().cpu()}

    def features(self, index: int) -> Tensor:
        """φ of a clip's keyframe, the middle frame, float32 (P, v)."""
        row = self.rows[index]
        key = [row.content, asdict(self.size), self.digests.image]
        return self.store.get("features", key, lambda: self._look(row))["features"].float()

    @torch.no_grad()
    def _look(self, row: Row) -> dict[str, Tensor]:
        model = self.image_encoder.to(self.device)
        pixels = to_pixels(self._frames(row)[self.size.frames // 2][None], model.config.image_size)
        return {"features": patch_features(model, pixels.to(self.device, model.dtype))[0].half().cpu()}

    def text(self, index: int) -> Tensor:
        """τ of a caption, float32 (L, t); padded if the model's texts are."""
        return self.text_of(self.rows[index].caption)

    def text_of(self, text: str) -> Tensor:
        """τ of any text, as `text`."""
        return self.store.get("text", [text, self.digests.text], lambda: self._read(text))["hidden"].float()

    def _read(self, text: str) -> dict[str, Tensor]:
        return {"hidden": self._encoding(text).hidden.to(self.pipeline.text_encoder.dtype)}

    def _encoding(self, text: str) -> TextEncoding:
        self.pipeline.text_encoder.to(self.device)
        self.pipeline.text.where = lambda: self.device  # the pipeline's other models may be elsewhere
        return self.pipeline.text.encode(text)

    def content_tokens(self, index: int) -> Tensor:
        """Tokens of content words of a caption, int64."""
        caption = self.rows[index].caption
        return self.store.get("content", [caption, self.digests.text], lambda: self._content(caption))["tokens"]

    def _content(self, caption: str) -> dict[str, Tensor]:
        words = self.pipeline.filter([caption], caption).scenes[0].words
        return {"tokens": torch.tensor(kept_tokens(words, self._encoding(caption)), dtype=torch.long)}

    def kept(self, index: int) -> list[tuple[Tensor, Tensor]]:
        """For each past clip the tokens of its caption that are kept, and those of this caption that they match,
        int64."""
        row = self.rows[index]
        captions = [self.rows[past].caption for past in row.past]
        found = self.store.get(
            "memory", [captions, row.caption, self.digests.text], lambda: self._remember(captions, row.caption)
        )
        return [(found[f"kept.{i}"], found[f"matched.{i}"]) for i in range(len(captions))]

    def _remember(self, captions: list[str], caption: str) -> dict[str, Tensor]:
        found = {"past": torch.tensor(len(captions))}
        for i, past in enumerate(captions):
            result = self.pipeline.filter([past], caption)
            for name, words, text in (("kept", result.scenes[0].words, past), ("matched", result.current, caption)):
                found[f"{name}.{i}"] = torch.tensor(kept_tokens(words, self._encoding(text)), dtype=torch.long)
        return found

    def release(self) -> None:
        """Moves the encoders off the device: everything is in files."""
        for module in (self.pipeline.vae, self.pipeline.text_encoder, self.image_encoder):
            module.to("cpu")
