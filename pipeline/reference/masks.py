"""Which patches of past keyframes a scene may look at, and the maps that show it (history by reference).

A mention's patches are those that look at it more than at the rest of the prompt (text-to-patch attention, mean over
blocks and heads) and whose prediction changes when it is taken out of the prompt, as a mask is found in DiffEdit
(Couairon et al. 2022). Neither will do alone: attention finds places, but a person only roughly; without its place a
person changes more than the place does. What is done ("is running") has no look of its own, only that of who does
it: it has maps, but no patches. The maps that are shown are the attention.

Letters: L text tokens, R patches of a keyframe, (h, w) latents a side, p side of a patch in latents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..backbones.base import Backbone
from ..encoders.text import TextEncoding
from ..history import AttentionMap, HistoryScene, Memory, Reference
from ..language.mentions import analyse
from ..text_filter import FilteredScene, FilterResult, Mention, kept_tokens
from .attention import THRESHOLD, looks
from .prompts import cut_outs


def refer(
    history: Sequence[HistoryScene], result: FilterResult, latents: Mapping[int, Tensor], backbone: Backbone
) -> Memory:
    """The references of the past scenes that contribute, and a map of every kept word.

    latents: of the keyframes of those scenes, (1, 1, C, h, w). Each scene is looked at alone: one that keeps nothing
    cannot change a bit of the outcome.
    """
    references, maps = [], list[AttentionMap]()
    for index in result.contributing:
        reference, own = _look(history[index], result.scenes[index], latents[index], backbone)
        maps += own
        if reference is not None:
            references.append(reference)
    return Memory(None, tuple(maps), tuple(references))


def _look(
    scene: HistoryScene, verdict: FilteredScene, latents: Tensor, backbone: Backbone
) -> tuple[Reference | None, list[AttentionMap]]:
    """What a scene contributes: no reference if nothing but what is done was kept."""
    relative, v = looks(scene.text.hidden, latents, backbone)
    relative = relative.cpu()
    grid = (latents.shape[-2] // backbone.patch, latents.shape[-1] // backbone.patch)
    patches, maps = list[Tensor](), list[AttentionMap]()
    for mention in verdict.kept_mentions:
        maps += [_map(verdict.index, relative, scene.text, replace(mention, words=(w,)), grid) for w in mention.words]
        if not _is_done(mention, scene.prompt):
            without = backbone.text.encode(_without(scene.prompt, mention)).hidden
            _, other = looks(without, latents, backbone)
            missed = F.adaptive_avg_pool2d((v - other).square().mean((0, 1, 2))[None], grid).flatten().cpu()
            patches.append(_patches(_attended(relative, scene.text, mention), missed))
    if not patches:
        return None, maps
    seen, tokens = torch.stack(patches), None
    if backbone.limits.prompts:
        tokens = backbone.picture_tokens(cut_outs(scene.keyframe, seen, grid))
    return Reference(scene.text.hidden, latents, seen, tokens), maps


def _is_done(mention: Mention, prompt: str) -> bool:
    """Whether a mention is a verb."""
    found = analyse(prompt)
    return mention.words[0].start in {found.segments[i].start for i in found.verbs}


def _patches(attended: Tensor, missed: Tensor) -> Tensor:
    """bool (R): of the patches that look at a mention (of all, if none does) those that depend on it.

    attended, missed: (R), how much more they look at it than at the rest, and what changes without it.
    """
    looking = attended > 0
    if not looking.any():  # the tokenizer of the model dropped its characters, or it is the whole prompt
        looking = torch.ones_like(looking)
    return looking & (missed >= THRESHOLD * missed[looking].max())


def _attended(relative: Tensor, text: TextEncoding, mention: Mention) -> Tensor:
    """How much more patches look at a mention than at the rest of the prompt, (R)."""
    own = set(kept_tokens(mention.words, text))
    if not own:  # the tokenizer of the model dropped its characters
        return torch.zeros(relative.shape[1])
    rest = [i for i, (start, end) in enumerate(text.offsets) if end > start and i not in own]
    mine = relative[sorted(own)].mean(0)
    return mine - relative[rest].mean(0) if rest else mine


def _map(scene: int, relative: Tensor, text: TextEncoding, mention: Mention, grid: tuple[int, int]) -> AttentionMap:
    """Of a mention of one word: its patches' weights, which sum to 1."""
    weights = _attended(relative, text, mention).softmax(0)
    return AttentionMap(scene, mention.words[0], weights.reshape(*grid).float().numpy())


def _without(prompt: str, mention: Mention) -> str:
    return prompt[: mention.start] + prompt[mention.end :]
