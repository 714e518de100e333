"""Encodings of past scenes as files, so that a restart makes none again: about 80 KB each for the embedded model.

A file is named by the SHA-256 of what it holds, like all of `store.blobs`; the library knows which one belongs to a
model, a prompt and a keyframe. A file that is torn, or that holds anything else than is asked for, is not used: the
scene is encoded again, which puts a sound file in its place.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from .blobs import BlobStore
from .library import Library

if TYPE_CHECKING:
    from pipeline.history import HistoryScene

FORMAT = 1


class Encodings:
    """model: digest of the weights that encode."""

    def __init__(self, library: Library, media: BlobStore, model: str) -> None:
        self.library, self.media, self.model = library, media, model

    def read(self, prompt: str, keyframe: str, picture: np.ndarray) -> HistoryScene | None:
        """A past scene as it was kept, bit for bit; None if there is none to use. keyframe: digest of `picture`, uint8
        (H, W, 3)."""
        digest = self.library.encoding(self.model, prompt, keyframe)
        data = self.media.read(digest, "npz") if digest else None
        return _unpacked(data, self._about(prompt, keyframe), picture) if data else None

    def keep(self, scene: HistoryScene, keyframe: str) -> None:
        """Raises ThroughlineError for a full disk."""
        text = {"tokens": scene.text.tokens, "offsets": scene.text.offsets}
        about = json.dumps(self._about(scene.prompt, keyframe) | text)
        file = io.BytesIO()
        np.savez(file, about=np.array(about), hidden=scene.text.hidden.numpy(), patches=scene.patches.numpy())
        digest = self.media.put(file.getvalue(), "npz")
        self.library.add_encoding(self.model, scene.prompt, keyframe, digest)

    def _about(self, prompt: str, keyframe: str) -> dict[str, object]:
        return {"format": FORMAT, "model": self.model, "prompt": prompt, "keyframe": keyframe}


def _unpacked(data: bytes, wanted: dict[str, object], picture: np.ndarray) -> HistoryScene | None:
    """None for what is no file of ours, or one about something else than `wanted`."""
    import torch

    from pipeline.encoders.text import TextEncoding
    from pipeline.history import HistoryScene

    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            about, hidden, patches = json.loads(str(file["about"])), file["hidden"], file["patches"]
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    if not isinstance(about, dict) or {name: about.get(name) for name in wanted} != wanted:
        return None
    offsets = tuple((start, end) for start, end in about["offsets"])
    text = TextEncoding(about["prompt"], tuple(about["tokens"]), offsets, torch.from_numpy(hidden))
    return HistoryScene(about["prompt"], picture, text, torch.from_numpy(patches))
