"""The tube locator: a clip and words to the frames and the boxes of what the words say, or to "not there".

Letters as in `layers`; v width of the image encoder, t width of the text encoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from ..backbones.checkpoints import assets_folder
from ..encoders.image import patch_features, to_pixels
from ..errors import ThroughlineError, WeightsError
from .layers import COLUMNS, ROWS, DecoderLayer, FrameStem, JointEncoder, box_of, perceptron, sine, sine_grid

HEIGHT, WIDTH = 8 * ROWS, 8 * COLUMNS  # pixels that are looked at
SLOW = 4  # every so many frames are looked at closely, as in the paper
MOST_FRAMES = 200  # at once, as in the paper
REACH = 0.25  # share of the picture by which a box can differ from what the cells fill


Fits = Callable[[Tensor, Tensor], float]  # φ of frames (K, P', v) and how surely their cells show it (K, P): logits


@dataclass(frozen=True, eq=False)
class SeenClip:
    """What a clip shows before anything is asked: what the fast branch sees of every frame, float32 (T, P, d), and φ of
    every SLOW-th one, float32 (K, P', v)."""

    fast: Tensor
    patches: Tensor

    @property
    def frames(self) -> int:
        return len(self.fast)

    @property
    def nbytes(self) -> int:
        return self.fast.nbytes + self.patches.nbytes


@dataclass(frozen=True, eq=False)
class Tube:
    """first and last: frames, both included. boxes: float32 (last - first + 1, 4), left, top, right, bottom as shares
    of the picture. score: from 0 to 1, that what was asked is there. masks: bool (last - first + 1, H, W), of
    searches that make some."""

    first: int
    last: int
    boxes: np.ndarray
    score: float
    masks: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Located:
    """What the network says of B questions, by decoder layer; the last one counts.

    boxes: (layers, B, T, 4), centre x, centre y, width, height in 0..1. ends: (layers, B, T, 2), logits of start and
    end. inside: (layers, B, T), logits of whether a frame shows what is asked. cells: (layers, B, T, P), logits of
    whether a cell does.
    """

    boxes: Tensor
    ends: Tensor
    inside: Tensor
    cells: Tensor
    weights: Tensor  # (layers, B, T, P + L), of the attention to memory


class TubeLocator(ModelMixin, ConfigMixin):
    """TubeDETR on the features of the embedded image encoder: slow and fast branch, and a query for every frame."""

    @register_to_config
    def __init__(
        self,
        image_dim: int = 128,
        text_dim: int = 384,
        dim: int = 128,
        heads: int = 4,
        encoder_layers: int = 2,
        decoder_layers: int = 3,
        channels: int = 48,
    ) -> None:
        super().__init__()
        self.stem = FrameStem(dim, channels)
        self.image_in, self.text_in = nn.Linear(image_dim, dim), nn.Linear(text_dim, dim)
        self.register_buffer("places", sine_grid(dim), persistent=False)
        self.encoder = JointEncoder(dim, heads, encoder_layers)
        self.fuse = nn.Linear(dim, dim)
        nn.init.zeros_(self.fuse.weight)
        nn.init.zeros_(self.fuse.bias)
        self.query = nn.Parameter(0.02 * torch.randn(dim))
        self.decoder = nn.ModuleList(DecoderLayer(dim, heads) for _ in range(decoder_layers))
        self.norm, self.asked, self.shown = nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.doubt = nn.Parameter(torch.full((1,), -2.0))  # most cells show something else
        self.box, self.ends, self.inside = perceptron(dim, 4, 3), perceptron(dim, 2, 2), perceptron(dim, 1, 2)
        nn.init.zeros_(self.box[-1].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.box[-1].bias)  # type: ignore[arg-type]

    def forward(self, fast: Tensor, patches: Tensor, text: Tensor, padding: Tensor, every: int = SLOW) -> Located:
        """fast: (B, T, P, d), of `stem`. patches: (B, K, P', v), φ of every `every`-th frame. text: (B, L, t), padding
        bool (B, L)."""
        b, t = fast.shape[:2]
        memory, hidden = self._memory(fast, patches, text, padding, every)
        moments = sine(torch.arange(t, device=fast.device), fast.shape[-1]).to(fast.dtype)
        shown = memory[:, : ROWS * COLUMNS].unflatten(0, (b, t))
        x, parts = self.query.expand(b, t, -1), []
        for layer in self.decoder:
            x, looked = layer(x, memory, hidden, moments)
            parts.append((*self._say(self.norm(x), shown), looked.float()))
        return Located(*(torch.stack(part) for part in zip(*parts, strict=True)))  # type: ignore[call-arg]

    def _say(self, x: Tensor, shown: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Boxes, ends, inside and cells of queries (B, T, d) and cells (B, T, P, d). A box is what the cells fill, put
        right by what the query saw."""
        asked = self.asked(x)
        fits = shown @ (asked @ self.shown.weight)[..., None]  # as `self.shown` of every cell times `asked`
        cells = (fits[..., 0] + asked @ self.shown.bias[:, None]).float() * x.shape[-1] ** -0.5 + self.doubt
        boxes = (box_of(cells.sigmoid()) + REACH * self.box(x).float().tanh()).clamp(1e-3, 1)
        return boxes, self.ends(x).float(), self.inside(x).float()[..., 0], cells

    def _memory(
        self, fast: Tensor, patches: Tensor, text: Tensor, padding: Tensor, every: int
    ) -> tuple[Tensor, Tensor]:
        """(B T, P + L, d) and where it is no word, bool (B T, P + L)."""
        (b, t), k = fast.shape[:2], patches.shape[1]
        side = round(patches.shape[2] ** 0.5)
        grid = self.image_in(patches).flatten(0, 1).transpose(1, 2).unflatten(2, (side, side))
        grid = F.interpolate(grid, (ROWS, COLUMNS), mode="bilinear").flatten(2).transpose(1, 2)
        looked = fast[:, ::every].flatten(0, 1)  # what convolutions see of these frames
        words, hidden = self.text_in(text).repeat_interleave(k, 0), padding.repeat_interleave(k, 0)
        cells, words = self.encoder(grid + looked + self.places, words, hidden)
        slow, words = (x.unflatten(0, (b, k)).repeat_interleave(every, 1)[:, :t] for x in (cells, words))
        memory = slow + fast + self.fuse(slow + fast) + self.places
        memory = torch.cat([memory, words], dim=2).flatten(0, 1)
        hidden = torch.cat([padding.new_zeros(b, ROWS * COLUMNS), padding], 1).repeat_interleave(t, 0)
        return memory, hidden

    @torch.no_grad()
    def see(self, frames: np.ndarray, vision: CLIPVisionModelWithProjection) -> SeenClip:
        """A clip, uint8 (T, H, W, 3) of any size. Raises ThroughlineError for one that is too long."""
        if not 1 <= len(frames) <= MOST_FRAMES:
            raise ThroughlineError(f"clip has {len(frames)} frames: expected 1 to {MOST_FRAMES}")
        size = vision.config.image_size
        pixels = to_pixels(frames[::SLOW], size).to(vision.device, vision.dtype)
        fast = self.stem(to_input(frames).to(self.device, self.dtype))
        return SeenClip(fast.float().cpu(), patch_features(vision, pixels).float().cpu())

    @torch.no_grad()
    def find(self, clip: SeenClip, words: Tensor, fits: Fits | None = None) -> Tube:
        """The tube of what words say, τ (L, t), with its score: below one half it is more likely not there. fits: what
        else speaks for it or against it."""
        found = self._locate(clip, words)
        first, last = moment(found.ends[-1, 0])
        sure = found.inside[-1, 0].max()
        if fits is not None:
            shown = closely(first, last, len(clip.patches))
            sure = sure + fits(clip.patches[shown], found.cells[-1, 0, [k * SLOW for k in shown]].sigmoid().cpu())
        score = float(sure.sigmoid())
        return Tube(first, last, to_corners(found.boxes[-1, 0, first : last + 1]).cpu().numpy(), score)

    @torch.no_grad()
    def boxes(self, clip: SeenClip, words: Tensor) -> np.ndarray:
        """Where what words say would be in every frame, float32 (T, 4), left, top, right, bottom."""
        return to_corners(self._locate(clip, words).boxes[-1, 0]).cpu().numpy()  # type: ignore[no-any-return]

    def _locate(self, clip: SeenClip, words: Tensor) -> Located:
        fast, text, patches = (x[None].to(self.device, self.dtype) for x in (clip.fast, words, clip.patches))
        padding = torch.zeros(text.shape[:2], dtype=torch.bool, device=self.device)
        return self(fast, patches, text, padding)  # type: ignore[no-any-return]


def closely(first: int, last: int, count: int) -> list[int]:
    """Which of `count` frames that are looked at closely are those of a moment, by their number; at least the one that
    is nearest to it."""
    found = [k for k in range(count) if first <= k * SLOW <= last]
    return found or [min(count - 1, round((first + last) / 2 / SLOW))]


def moment(ends: Tensor) -> tuple[int, int]:
    """The likeliest first and last frame, first <= last, of logits (T, 2)."""
    start, end = ends.float().log_softmax(0).unbind(1)
    both = start[:, None] + end[None]
    both = both.masked_fill(torch.ones_like(both, dtype=torch.bool).tril(-1), -torch.inf)
    best = int(both.argmax())
    return best // len(ends), best % len(ends)


def to_corners(boxes: Tensor) -> Tensor:
    """Centre x, centre y, width, height (..., 4) to left, top, right, bottom."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def to_input(frames: np.ndarray) -> Tensor:
    """uint8 (T, H, W, 3) to what the stem takes, (T, 3, 96, 144) in -1..1."""
    x = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1).float() / 127.5 - 1
    return x if x.shape[2:] == (HEIGHT, WIDTH) else F.interpolate(x, (HEIGHT, WIDTH), mode="bilinear", antialias=True)


def locator_folder() -> Path:
    return assets_folder() / "locator"


@lru_cache(maxsize=1)
def load_locator() -> TubeLocator:
    """The one that ships, in float32 on the CPU. Raises WeightsError if it is not there."""
    folder = locator_folder()
    if not (folder / "config.json").is_file():
        raise WeightsError(f"no tube locator in {str(folder)!r}: expected its config.json and weights")
    return TubeLocator.from_pretrained(folder, use_safetensors=True).float().eval().requires_grad_(False)
