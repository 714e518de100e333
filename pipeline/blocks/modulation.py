"""Attention that regions modulate: pairs of a query and a key that belong together are raised, others lowered.

After Yang et al. 2025 (VideoGrain, arXiv 2502.17258), who did it where text and video have attentions of their own. In
a joint attention the queries of video are modulated, once over the text and once over the video; text is left alone.

Letters: B rows, L text tokens, H history tokens, N video tokens, Q queries, K keys, e width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

CROSS, SELF, POWER = 1.0, 0.3, 5  # λ of both attentions, and how fast they fade with the noise
AT_ONCE = 2**24  # logits that are written out at a time


@dataclass(frozen=True)
class Modulation:
    """How strongly pairs are raised (above 0) or lowered (below 0); 0 leaves a pair alone.

    history: which history tokens a video token may look at; None for all of them.
    """

    text: Tensor  # (N, L), in one row of a batch; (B, N, L) in a batch
    video: Tensor  # (N, N), or (B, N, N)
    history: Tensor | None = None  # bool (N, H), or (B, N, H)

    def at(self, share: float) -> Modulation | None:
        """As it is at a share of the noise schedule, 1 for its noisiest end: times share⁵."""
        c = share**POWER
        return Modulation(c * self.text, c * self.video, self.history)

    def to(self, device: torch.device) -> Modulation:
        history = None if self.history is None else self.history.to(device)
        return Modulation(self.text.to(device), self.video.to(device), history)

    def rows(self, rows: Sequence[int]) -> Modulation:
        """Those of some rows of a batch."""
        chosen = list(rows)
        return Modulation(self.text[chosen], self.video[chosen], _of(self.history, chosen))


def batched(rows: Sequence[Modulation | None], length: int, past: int = 0) -> Modulation | None:
    """The modulations of rows, those with none left alone, for L = `length` and H = `past`; None if no row has any."""
    some = next((row for row in rows if row is not None), None)
    if some is None:
        return None
    tokens = some.video.shape[0]
    text, video = torch.zeros(len(rows), tokens, length), torch.zeros(len(rows), tokens, tokens)
    history = torch.ones(len(rows), tokens, past, dtype=torch.bool) if past else None
    for i, row in enumerate(rows):
        if row is not None:
            text[i, :, : row.text.shape[1]], video[i] = row.text, row.video
            if history is not None and row.history is not None:
                history[i, :, : row.history.shape[1]] = row.history
    return Modulation(text, video, history)


def modulated(scores: Tensor, amount: Tensor) -> Tensor:
    """Logits (B, heads, Q, K) with pairs raised towards the row's maximum or lowered towards its minimum. amount:
    (B, Q, K). Keys that are masked out are -inf, and stay so."""
    seen = scores.isfinite()
    amount = torch.where(seen, amount[:, None].to(scores.dtype), 0)
    top = scores.amax(-1, keepdim=True)
    bottom = torch.where(seen, scores, torch.inf).amin(-1, keepdim=True)
    plain = torch.where(seen, scores, 0)
    moved = plain + amount.clamp(min=0) * (top - plain) + amount.clamp(max=0) * (plain - bottom)
    return torch.where(seen, moved, scores)


def attend_modulated(
    q: Tensor,  # (B, heads, N, e), of video
    k: Tensor,  # (B, heads, K, e)
    v: Tensor,
    parts: Sequence[Tensor],  # (B, N, n) each, over so many keys, in order; keys beyond them are left alone
    mask: Tensor | None = None,  # bool (B, 1, 1, K), True where a key may be seen
) -> Tensor:
    """Scaled dot-product attention whose logits are modulated, part by part, (B, heads, N, e). Logits are written out,
    some queries at a time."""
    at_once = max(1, AT_ONCE // (q.shape[0] * q.shape[1] * k.shape[2]))
    found = []
    for start in range(0, q.shape[2], at_once):
        chunk = slice(start, start + at_once)
        scores = (q[:, :, chunk] @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        pieces, first = [], 0
        for part in parts:
            pieces.append(modulated(scores[..., first : first + part.shape[2]], part[:, chunk]))
            first += part.shape[2]
        scores = torch.cat([*pieces, scores[..., first:]], dim=-1)
        found.append(scores.softmax(-1).to(v.dtype) @ v)
    return torch.cat(found, dim=2)


def _of(x: Tensor | None, rows: list[int]) -> Tensor | None:
    return None if x is None else x[rows]
