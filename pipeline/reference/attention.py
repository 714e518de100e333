"""History without training: past keyframes enter as reference latent frames that the video's patches may look at.

A model that was never trained with history tokens is given the keyframes themselves. Each contributing keyframe, noised
to the present step (but never beyond MOST_NOISE), goes through the transformer as a clip of one frame with its own
scene's prompt: its patches attend to themselves and to that text. The keys and values of those patches that a kept
mention looks at are then offered to the patches of the new clip, block by block, beside their own and the text's. They
are made once a step and shared by the branches. What is kept out is kept out exactly: a scene that keeps nothing has no
reference, a patch that no kept mention looks at has no key.

That brings places back and hardly people: while looks are decided there is little but noise in a clip, and nothing in
it that a query could recognise a person by. So as long as a clip is mostly noise (UNDECIDED) what the branches with
history expect of it, in the mean over time, is those same patches (`drawn`), as where editing starts from a noised
collage (Meng et al. 2022, SDEdit). After that the clip is the model's own.

Letters: L text tokens, t width of the text encoder, f latent frames, C latent channels, R patches of a keyframe,
M kept mentions that have a look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..backbones.base import Backbone, Conditions
from ..blocks.attention import KeysValues
from ..blocks.grids import at_grid, sides
from ..history import Reference
from ..sampling import NoiseLevel, Timestep

NOISE_SEED = 0  # of the noise on keyframes: always the same, so that it depends on nothing else
LOOK_AT = 0.2  # share of the noise schedule at which the model is asked what it looks at
MOST_NOISE = 0.6  # share of the noise schedule that a keyframe is never noised beyond: looks are decided early
UNDECIDED = 0.0075  # ᾱ up to which a clip is drawn to its references: a quarter of the steps of the embedded model
THRESHOLD = 0.05  # share of what the patch that depends most on a mention does


def noised(latents: Tensor, level: NoiseLevel) -> Tensor:
    """The keyframe at a noise level; the noise of a keyframe is the same at every step."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return level.noised(latents, torch.randn(latents.shape, generator=generator))


@dataclass
class Attention:
    """Witness: what patches look at in the text, and what can be looked at in them."""

    length: int  # L
    keys_values: list[KeysValues]
    looks: list[Tensor]  # of each block, float32 (L, R): the share of a patch's attention to the text, mean over heads

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        self.keys_values.append((k[:, :, self.length :], v[:, :, self.length :]))
        with torch.autocast(q.device.type, enabled=False):
            scores = q[0, :, self.length :].float() @ k[0, :, : self.length].float().transpose(-1, -2)
            self.looks.append((scores * q.shape[-1] ** -0.5).softmax(-1).mean(0).T)


def keys_and_values(references: Sequence[Reference], backbone: Backbone, t: Timestep) -> list[KeysValues]:
    """Of every block, the keys and values of the patches of all references, noised to timestep t, but never beyond
    MOST_NOISE, unless the network of t knows no less noise."""
    found, t = [], max(min(t, round(MOST_NOISE * backbone.noising.total)), backbone.least_noise(t))
    for reference in references:
        attention, _ = _seen(reference.text, reference.latents, backbone, t)
        patches = reference.patches.any(0).to(attention.keys_values[0][0].device)
        grid = _grid(reference.latents, backbone)
        found.append([(k[:, :, seen], v[:, :, seen]) for k, v, seen in _confined(attention.keys_values, patches, grid)])
    return [_joined(parts) for parts in zip(*found, strict=True)]


def _confined(
    blocks: Sequence[KeysValues], patches: Tensor, grid: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The keys and values of every block, and which of them lie wholly in patches, bool (R) of a grid."""
    for k, v in blocks:
        yield k, v, at_grid(patches.float()[None], grid, sides(k.shape[2], grid))[0] > 0.999


def _grid(latents: Tensor, backbone: Backbone) -> tuple[int, int]:
    """Patches a side."""
    return latents.shape[-2] // backbone.patch, latents.shape[-1] // backbone.patch


def _joined(parts: Sequence[KeysValues]) -> KeysValues:
    keys, values = (torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True))
    return keys, values


def _seen(text: Tensor, latents: Tensor, backbone: Backbone, t: Timestep) -> tuple[Attention, Tensor]:
    """What there is to be looked at in a keyframe (1, 1, C, h, w), noised to timestep t, and the prediction for it."""
    attention = Attention(len(text), [], [])
    z = noised(latents, backbone.noising.level(t)).expand(-1, 1 + backbone.padding_frames(1), -1, -1, -1)
    return attention, backbone.network([Conditions(text)], witness=attention)(z, t)


def looks(text: Tensor, latents: Tensor, backbone: Backbone) -> tuple[Tensor, Tensor]:
    """What the model looks at in a keyframe: how much each patch attends to each token relative to what other patches
    do, mean over blocks, (L, R), and its prediction. text: (L, t)."""
    attention, v = _seen(text, latents, backbone, round(LOOK_AT * backbone.noising.total))
    grid = _grid(latents, backbone)
    seen = [at_grid(look, sides(look.shape[1], grid), grid) for look in attention.looks]
    relative = torch.stack([look / look.mean(-1, keepdim=True) for look in seen])
    return relative.log().mean(0), v


@dataclass(frozen=True, eq=False)
class Collage:
    """All patches that kept mentions look at, in one picture."""

    latents: Tensor  # float32 (1, 1, C, h, w)
    there: Tensor  # 1 where there is a patch, else 0, float32 (1, 1, 1, h, w)

    def to(self, device: torch.device) -> Collage:
        return Collage(self.latents.to(device), self.there.to(device))


def collage(references: Sequence[Reference], patch: int) -> Collage:
    """What covers fewer patches stands before what covers more: figures before grounds. patch: latents a side."""
    first = references[0].latents
    latents, there = torch.zeros_like(first), torch.zeros_like(first[:, :, :1])
    owners = [reference for reference in references for _ in reference.patches]
    for number, patches in layers(references):
        mask = to_latents(patches, patch, first.shape[-1])
        latents, there = torch.where(mask, owners[number].latents, latents), torch.where(mask, 1.0, there)
    return Collage(latents, there)


def layers(references: Sequence[Reference]) -> list[tuple[int, Tensor]]:
    """The patches of all mentions, bool (R), with their numbers: what covers more stands behind, and comes first."""
    every = enumerate(patches for reference in references for patches in reference.patches)
    return sorted(every, key=lambda layer: int(layer[1].sum()), reverse=True)


def cut_out(references: Sequence[Reference], patch: int) -> Tensor:
    """Every keyframe and, as its last channel, 1 where a kept mention looks at it, (r, C + 1, h, w)."""
    width = references[0].latents.shape[-1]
    there = torch.stack([to_latents(one.patches.any(0), patch, width) for one in references])
    return torch.cat([torch.cat([one.latents[0] for one in references]), there[:, None].float()], dim=1)


def to_latents(patches: Tensor, patch: int, width: int) -> Tensor:
    """bool (R) to bool (h, w)."""
    grid = patches.unflatten(0, (-1, width // patch))
    return grid.repeat_interleave(patch, 0).repeat_interleave(patch, 1)


def drawn(v: Tensor, z: Tensor, level: NoiseLevel, target: Collage) -> Tensor:
    """The prediction for z (1, f, C, h, w) whose clean latents are the target's, in the mean over time, where it has
    any; v itself once a clip is decided. How frames differ stays as it was predicted."""
    if level.alpha_bar > UNDECIDED:
        return v
    clean = level.clean(z, v).mean(1, keepdim=True)
    return v - target.there * (target.latents - clean) / level.sigma
