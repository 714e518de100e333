"""History without training: past keyframes enter as reference latent frames that the video's patches may look at.

A model that was never trained with history tokens is given the keyframes themselves. Each contributing keyframe, noised
to the present step (but never beyond MOST_NOISE), goes through the transformer as a clip of one frame with its own
scene's prompt: its patches attend to themselves and to that text. The keys and values of those patches that a kept
mention looks at are then offered to the patches of the new clip, block by block, beside their own and the text's. They
are made once a step and shared by the branches. What is kept out is kept out exactly: a scene that keeps nothing has no
reference, a patch that no kept mention looks at has no key.

Letters: L text tokens, t width of the text encoder, f latent frames, C latent channels, R patches of a keyframe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .transformer import KeysValues, Witness

Network = Callable[[Tensor, Tensor, int, Tensor, Witness], Tensor]  # (latents, text, t, ᾱ, witness) -> v

NOISE_SEED = 0  # of the noise on keyframes: always the same, so that it depends on nothing else
LOOK_AT = 0.2  # share of the noise schedule at which the model is asked what it looks at
MOST_NOISE = 0.6  # share of the noise schedule that a keyframe is never noised beyond: looks are decided early
WEIGHT = 4  # how many times a reference's keys are offered: a patch of it counts as so many patches of the clip
THRESHOLD = 0.5  # share of what the patch that depends most on a mention does


@dataclass(frozen=True, eq=False)
class Reference:
    """A keyframe that contributes."""

    text: Tensor  # τ of its own scene's prompt, float32 (L, t)
    latents: Tensor  # float32 (1, 1, C, h, w)
    patches: Tensor  # bool (R), those that a kept mention looks at


def noised(latents: Tensor, alpha_bar: Tensor) -> Tensor:
    """The keyframe at the noise level of ᾱ; the noise of a keyframe is the same at every step."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = torch.randn(latents.shape, generator=generator)
    return alpha_bar.sqrt() * latents + (1 - alpha_bar).sqrt() * noise


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


def keys_and_values(references: Sequence[Reference], network: Network, t: int, alpha_bar: Tensor) -> list[KeysValues]:
    """Of every block, the keys and values of the patches of all references, noised to timestep t."""
    found = []
    for reference in references:
        attention = Attention(len(reference.text), [], [])
        network(noised(reference.latents, alpha_bar), reference.text, t, alpha_bar, attention)
        patches = reference.patches.to(attention.keys_values[0][0].device)
        found.append([(_often(k[:, :, patches]), _often(v[:, :, patches])) for k, v in attention.keys_values])
    return [_joined(parts) for parts in zip(*found, strict=True)]


def _often(x: Tensor) -> Tensor:
    return x.repeat(1, 1, WEIGHT, 1)


def _joined(parts: Sequence[KeysValues]) -> KeysValues:
    keys, values = (torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True))
    return keys, values


def looks(text: Tensor, latents: Tensor, network: Network, t: int, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """What the model looks at in a keyframe: how much each patch attends to each token relative to what other patches
    do, mean over blocks, (L, R), and its prediction."""
    attention = Attention(len(text), [], [])
    v = network(noised(latents, alpha_bar), text, t, alpha_bar, attention)
    relative = torch.stack([look / look.mean(-1, keepdim=True) for look in attention.looks])
    return relative.log().mean(0), v
