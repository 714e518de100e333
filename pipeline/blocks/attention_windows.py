"""Attention of long or large clips in windows: what a video token looks at, as a mask that is a pure function.

A token sees the last l_t frames up to its own, never a later one (autoregressive in time), and of these the tokens of
its cell of l_x rows and l_y columns; the cells are shifted by half in every other layer and end at the picture's edge
(Hong et al. 2022, CogVideo; cells after Liu et al. 2021). In time the window slides, so that a frame sees those just
before it in every layer. Video also sees the whole text; text sees text alone, so it carries nothing from later frames
to earlier ones. History, which sees itself and the text, is seen as ever.

Letters: B batch, L text tokens, f frames, X rows, Y columns of video tokens, N = f X Y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from ..errors import ThroughlineError

Grid: TypeAlias = tuple[int, int, int]  # f, X, Y
MaskMod: TypeAlias = Callable[[Any, Any, Tensor, Tensor], Tensor]  # (row, head, query, key) -> bool: flex_attention's


class AttentionWindow(NamedTuple):
    """How many frames, rows and columns of tokens a token looks at: l_t, l_x, l_y."""

    frames: int
    rows: int
    columns: int

    @classmethod
    def of(cls, sizes: object) -> AttentionWindow:
        """Raises ThroughlineError for what isn't three whole numbers above 0."""
        if not (isinstance(sizes, tuple | list) and len(sizes) == 3 and all(type(n) is int and n > 0 for n in sizes)):
            raise ThroughlineError(f"attention_window is {sizes!r}: expected three whole numbers above 0")
        return cls(*sizes)

    def sees(self, grid: Grid, length: int, shifted: bool) -> MaskMod:
        """Which query sees which key, of text and then video, in a layer whose cells are shifted or not. length: L"""
        _, rows, columns = grid
        down, right = _shift(self.rows, rows, shifted), _shift(self.columns, columns, shifted)

        def mask(b: Any, h: Any, query: Tensor, key: Tensor) -> Tensor:
            q, k = query - length, key - length
            frame, other = q // (rows * columns), k // (rows * columns)
            row, other_row = q // columns % rows, k // columns % rows
            column, other_column = q % columns, k % columns
            near = (other <= frame) & (frame - other < self.frames)
            near &= (row + down) // self.rows == (other_row + down) // self.rows
            near &= (column + right) // self.columns == (other_column + right) // self.columns
            return (k < 0) | ((q >= 0) & near)

        return mask

    def reach(self, grid: Grid, layers: int) -> Grid:
        """How many frames back, rows and columns away the farthest token is that some token sees through all layers."""
        frames, rows, columns = grid
        return (
            min(frames - 1, layers * (self.frames - 1)),
            max(_farthest(place, self.rows, rows, layers) for place in range(rows)),
            max(_farthest(place, self.columns, columns, layers) for place in range(columns)),
        )


def _shift(cell: int, side: int, shifted: bool) -> int:
    """A cell as large as the picture stays whole."""
    return cell // 2 if shifted and cell < side else 0


def _farthest(place: int, cell: int, side: int, layers: int) -> int:
    """In one direction of space."""
    low = high = place
    for layer in reversed(range(layers)):
        shift = _shift(cell, side, layer % 2 == 1)
        low = max(0, (low + shift) // cell * cell - shift)
        high = min(side, ((high + shift) // cell + 1) * cell - shift) - 1
    return max(place - low, high - place)


def frames_at_once(grid: Grid, window: tuple[int, int]) -> int:
    """How many frames can be at work at once that are made token by token in raster order: ⌊XY / (A_x Y + A_y)⌋, at
    least 1 (Hong et al. 2022, section 4.2). window: A_x, A_y; a token of frame t + 1 looks at fewer than A_x rows and
    A_y columns on in frame t, so it can be made once that frame is A_x Y + A_y tokens ahead."""
    _, rows, columns = grid
    return max(1, rows * columns // (window[0] * columns + window[1]))


@dataclass(frozen=True)
class ClipWindows:
    """The windows of one clip's tokens, for all layers."""

    window: AttentionWindow
    grid: Grid

    def mask(self, length: int, layer: int, text_mask: Tensor | None, device: torch.device) -> Tensor:
        """For scaled_dot_product_attention: bool (B or 1, 1, L + N, L + N). text_mask: bool (B, L) or None."""
        seen = _mask(self.window, self.grid, length, layer % 2 == 1, str(device))[None, None]
        return seen if text_mask is None else seen & _keys(text_mask, self.grid)[:, None, None]

    def block_mask(self, length: int, layer: int, text_mask: Tensor | None, device: torch.device) -> Any:
        """The same for flex_attention: a BlockMask, which blocks of tokens that see nothing of one another skip."""
        if text_mask is None:
            return _block_mask(self.window, self.grid, length, layer % 2 == 1, str(device))
        inner, keys = self.window.sees(self.grid, length, layer % 2 == 1), _keys(text_mask, self.grid)

        def mask(b: Any, h: Any, query: Tensor, key: Tensor) -> Tensor:
            return inner(b, h, query, key) & keys[b, key]

        return _blocks(mask, len(text_mask), keys.shape[1], str(device))

    def attend(
        self, qkv: tuple[Tensor, Tensor, Tensor], length: int, layer: int, text_mask: Tensor | None, compiled: bool
    ) -> Tensor:
        """flex_attention of queries, keys and values (B, heads, L + N, e). compiled: as it is fast; plain it is for
        tests, and on a CPU."""
        from torch.nn.attention.flex_attention import flex_attention

        blocks = self.block_mask(length, layer, text_mask, qkv[0].device)
        flex: Any = _compiled() if compiled else flex_attention
        attended: Tensor = flex(*qkv, block_mask=blocks)
        return attended


def _keys(text_mask: Tensor, grid: Grid) -> Tensor:
    """Which keys of text and video are there, bool (B, L + N)."""
    video = text_mask.new_ones(len(text_mask), grid[0] * grid[1] * grid[2])
    return torch.cat([text_mask, video], dim=1)


@lru_cache(maxsize=4)
def _mask(window: AttentionWindow, grid: Grid, length: int, shifted: bool, device: str) -> Tensor:
    token = torch.arange(length + grid[0] * grid[1] * grid[2], device=device)
    return window.sees(grid, length, shifted)(0, 0, token[:, None], token[None])


@lru_cache(maxsize=4)
def _block_mask(window: AttentionWindow, grid: Grid, length: int, shifted: bool, device: str) -> Any:
    total = length + grid[0] * grid[1] * grid[2]
    return _blocks(window.sees(grid, length, shifted), None, total, device)


def _blocks(mask: MaskMod, rows: int | None, total: int, device: str) -> Any:
    from torch.nn.attention.flex_attention import create_block_mask

    return create_block_mask(mask, rows, None, total, total, device=device)


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., Tensor] = torch.compile(flex_attention)
    return compiled
