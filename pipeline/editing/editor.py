"""Edits of a clip that is there: several regions at once, each with words of its own (docs/editing.md).

A region's new words are compared with its old ones first: the edit is kept to where they would change anything
(`contrast`). There the clip is made anew from the new words: of the noise that it was made of, where that is known,
side by side with what the old words make of it; else of the clip itself, noised most of the way. Attention is modulated
by regions. Everywhere else the clip is put back at every step, and at the end pixel by pixel.

Letters: F frames, H, W pixels, f latent frames, C channels, h, w latents a side, N video tokens.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..backbones.base import Backbone, Conditions
from ..blocks.modulation import Modulation
from ..encoders.latents import check_finite
from ..errors import ThroughlineError
from ..generation import Step
from ..history import HistoryScene
from ..sampling import Timestep, VariancePreserving
from ..text_filter import kept_tokens
from .contrast import contrast, differing, explained, touched
from .finding import token_frames
from .flow import Pair, Predict, beside, flow_edit, inverted, noised
from .layout import ANYONE, NOBODY, Layout
from .region import Region, soft
from .wording import Rewritten, Span, encoded, rewrite, tokens_of

if TYPE_CHECKING:
    from ..story_pipeline import StoryPipeline

WAYS = ("noise", "invert", "flow")
MOST_STRENGTH = 2.0
EDGE = 3  # an edit fades into the clip over twice as many pixels
CLOSE = 2  # likewise, around pixels in which old and new words differ
NEARLY = 0.8  # share of how well another try is said by its words, from which the first one will do
LEAST_CHANGE = 1e-4  # of a latent, from which words change it


@dataclass(frozen=True, eq=False)
class Change:
    """A region and what it becomes. place: the characters of the clip's prompt that `words` take the place of; None for
    words that are added to it. Without words a region stays as it is: it is told apart from the others. strength: from
    0, nothing, over 1 to MOST_STRENGTH. whole: changes all of the region, not only where the words would; None for what
    suits the words: all of it, unless they repeat the old ones and only add to them."""

    region: Region
    words: str
    place: Span | None = None
    strength: float = 1.0
    whole: bool | None = None


@dataclass(frozen=True)
class Making:
    """How a clip was made: the seed of its noise, in how many steps, and how strongly it followed its words."""

    seed: int
    steps: int
    text: float


@dataclass(frozen=True)
class EditSettings:
    """How a clip is edited. `for_model` says what suits a model: the defaults suit the embedded one, which was never
    trained with words encoded alone, and which modulated attention takes out of what it knows (docs/editing.md)."""

    way: str = "noise"  # one of WAYS
    start: float = 0.957  # share of the noise schedule to which the clip is noised
    steps: int = 24  # of the whole schedule, of which those below `start` are made
    text: float = 3.0  # how strongly it follows the new words
    seed: int = 0
    modulation: bool = False  # of the attention, by regions
    blending: bool = True  # of what lies outside with what was there
    local: bool = False  # words of a region encoded alone
    contrast: float = 0.2  # of the largest difference that the words make, from which a latent changes; 0: all do
    making: Making | None = None  # of the clip; None where that is not known. With it:
    stronger: float = 2.0  # how many times as strongly as the clip followed its words it follows the new ones
    alike: float = 12.0  # of 255; pixels in which what new and old words make differs less stay as they are
    enough: float = 0.12  # how much better new words must say what came of it (`contrast.explained`), or it is noised

    @classmethod
    def for_model(cls, name: str, seed: int = 0, making: Making | None = None) -> EditSettings:
        """name: of a family, as `Backbone.name` says it."""
        large = name != "picturebook"
        return cls(modulation=large, local=large, seed=seed, making=None if large else making)

    @property
    def makes_both(self) -> bool:
        """Whether what the old words make is made beside what the new ones do."""
        return self.making is not None and self.way == "noise" and self.blending


@dataclass(frozen=True, eq=False)
class Edited:
    """frames: uint8 (F, H, W, 3). prompt: with the new words. region: where anything changed."""

    frames: np.ndarray
    prompt: str
    region: Region


def edit(
    pipeline: StoryPipeline,
    frames: np.ndarray,
    prompt: str,
    changes: Sequence[Change],
    settings: EditSettings | None = None,
    history: Sequence[HistoryScene] = (),
) -> Iterator[Step | Edited]:
    """Yields a Step after every denoising step and at last what came of it. Closing the generator cancels.

    frames: the clip, uint8 (F, H, W, 3); prompt: what it shows; history: what was remembered when it was made. Words
    that say what was there give the very same frames. Raises ThroughlineError for what can't be done, before the first
    step. Does not cover: models that start from a picture.
    """
    settings = settings or EditSettings()
    _check(pipeline, frames, changes, settings)
    rewritten = rewrite(prompt, [change.place for change in changes], [_words(prompt, c) for c in changes])
    pipeline.check(rewritten.text, replace(pipeline.native, height=frames.shape[1], width=frames.shape[2]))
    return _Work(pipeline, frames, prompt, tuple(changes), rewritten, settings).run(history)


def _words(prompt: str, change: Change) -> str:
    """What stands at the place of a region: its old words, if it has no new ones."""
    return prompt[slice(*change.place)] if change.place and not change.words else change.words


def _check(pipeline: StoryPipeline, frames: np.ndarray, changes: Sequence[Change], settings: EditSettings) -> None:
    if pipeline.backbone.limits.pictures:
        raise ThroughlineError("the model makes clips that start from a picture: expected one that makes them of words")
    if settings.way not in WAYS or not 0 < settings.start < 1:
        raise ThroughlineError(
            f"way is {settings.way!r} from {settings.start}: expected {', '.join(WAYS)}, from 0 to 1"
        )
    if settings.way == "invert" and not isinstance(pipeline.backbone.noising, VariancePreserving):
        raise ThroughlineError("way is 'invert': expected noise or flow, this model's steps can't be taken back")
    if not any(change.words.strip() for change in changes):
        raise ThroughlineError("no region has new words: expected at least one")
    for change in changes:
        if change.region.is_empty:
            raise ThroughlineError(f"the region of {change.words[:40]!r} is empty: expected one that covers something")
        if change.region.mask.shape != frames.shape[:3]:
            shapes = f"{change.region.mask.shape}, the clip {frames.shape[:3]}"
            raise ThroughlineError(f"the region has frames, height and width {shapes}: expected the same")
        if not 0 <= change.strength <= MOST_STRENGTH:
            raise ThroughlineError(f"strength is {change.strength}: expected a number from 0 to {MOST_STRENGTH:g}")
    places = sorted(change.place for change in changes if change.place)
    for (_, end), (start, _) in pairwise(places):
        if start < end:
            raise ThroughlineError(f"two regions have words at character {start}: expected words of their own each")


@dataclass(eq=False)
class _Work:
    """One edit."""

    pipeline: StoryPipeline
    frames: np.ndarray
    prompt: str
    changes: tuple[Change, ...]
    rewritten: Rewritten
    settings: EditSettings
    clean: Tensor = field(init=False)  # latents of the clip, (1, f, C, h, w)
    cut: int = field(init=False)  # latent frames before those of the clip

    @property
    def backbone(self) -> Backbone:
        return self.pipeline.backbone

    @torch.no_grad()
    def run(self, history: Sequence[HistoryScene]) -> Iterator[Step | Edited]:
        latents = self.pipeline.latents.encode(self.frames)
        self.cut = self.backbone.padding_frames(latents.shape[1])
        self.clean = torch.cat([latents[:, :1].expand(-1, self.cut, -1, -1, -1), latents], dim=1)
        old, new, empty = self._told(history)
        inside = self._inside()
        mask = inside.float()[None, :, None]
        region = self._region(inside)
        if region.is_empty:
            yield Edited(self.frames.copy(), self.rewritten.text, region)
            return
        timesteps, steps = self._timesteps(), self._steps(old, new, empty, mask)
        for number, z in enumerate(steps, 1):
            check_finite(z, f"the model, at step {number}", "--dtype bfloat16 or float32")
            yield Step(number, len(timesteps), partial(self._shown, z[:, self.cut :], region, True))
        made = Edited(self._shown(z[:, self.cut :], region), self.rewritten.text, region)
        yield (yield from self._sure(made, history, len(timesteps))) if self.settings.makes_both else made

    # --- whether it shows what was asked for -----------------------------------------------------------------------

    def _sure(self, made: Edited, history: Sequence[HistoryScene], done: int) -> Generator[Step, None, Edited]:
        """With regions that do not show their new words made as if it were not known how the clip was made, if those
        show them better. done: steps before."""
        said = self._said(made)
        if min(said.values()) >= self.settings.enough:
            return made
        settings = replace(self.settings, making=None)
        work = _Work(self.pipeline, self.frames, self.prompt, self.changes, self.rewritten, settings)
        for item in work.run(history):
            if isinstance(item, Step):
                yield replace(item, index=done + item.index, total=done + item.total)
        assert isinstance(item, Edited), "an edit ends with what came of it"
        better = self._said(item)
        chosen = [i for i in said if said[i] < min(self.settings.enough, NEARLY * better[i])]
        if len(chosen) == len(said):
            return item
        others = [self.changes[i].region for i in said if i not in chosen]
        own = [self.changes[i].region.grown(2 * EDGE).without(others).mask for i in chosen]
        mask = np.maximum.reduce([np.zeros_like(self.changes[0].region.mask), *own])[..., None]
        return replace(made, frames=np.where(mask > 0, item.frames, made.frames))

    def _said(self, made: Edited) -> dict[int, float]:
        """Of each change, how much better the new words say what is in its region than the old ones."""
        latents, text = self.pipeline.latents.encode(made.frames), self.backbone.text
        clean = torch.cat([self.clean[:, : self.cut], latents], dim=1)
        new, old = (Conditions(text.encode(words).hidden) for words in (self.rewritten.text, self.prompt))
        grid, period = (clean.shape[1], *clean.shape[3:]), self.pipeline.latents.period
        active = [i for i, change in enumerate(self.changes) if change.words and change.strength > 0]
        inside = torch.stack([self.changes[i].region.cells(period, grid) > 0 for i in active])
        return dict(zip(active, explained(self.backbone, clean, old, new, inside, self.settings.seed), strict=True))

    # --- what the model is told ------------------------------------------------------------------------------------

    def _told(self, history: Sequence[HistoryScene]) -> tuple[Conditions, Conditions, Conditions]:
        """Of the clip as it is, as it is to be, and of no words."""
        text = self.backbone.text
        past, own = self._remembered(history, self.prompt), self._remembered(history, self.rewritten.text)
        hidden, before = encoded(text, self.rewritten, self.settings.local), text.encode(self.prompt).hidden
        new, old = Conditions(hidden, own[0]), Conditions(before, past[0])
        if self.settings.modulation or own[0] is not None:
            new = replace(new, modulation=self._modulation(own[1], len(hidden)))
        if self.settings.makes_both:  # words are all that they differ in
            alike = None if own[0] is None else self._modulation(own[1], len(before), told=False)
            old = Conditions(before, own[0], modulation=alike)
        return old, new, Conditions(text.encode("").hidden, own[0])

    def _remembered(self, history: Sequence[HistoryScene], prompt: str) -> tuple[Tensor | None, tuple[int, ...]]:
        """History tokens (H, d), and the tokens of the prompt that they belong to."""
        if not history or self.pipeline.history != "trained":
            return None, ()
        result = self.pipeline.filter([scene.prompt for scene in history], prompt)
        tokens = self.pipeline.remember(history, result).tokens
        return (
            (None, ())
            if tokens is None
            else (tokens[0], kept_tokens(result.current, self.backbone.text.encode(prompt)))
        )

    def _modulation(self, past: Sequence[int], length: int, told: bool = True) -> Modulation:
        """past: the tokens of the new prompt that history tokens belong to; told: whether words are modulated, too."""
        patch, (_, f, _, h, w) = self.backbone.patch, self.clean.shape
        grid = token_frames(self.backbone, f), h // patch, w // patch
        shares = [change.region.cells(self.pipeline.latents.period, grid) for change in self.changes]
        whole = self.backbone.text.encode(self.rewritten.text)
        words = [tokens_of(whole, span) if span else [] for span in self.rewritten.spans]
        strengths = [change.strength if self.settings.modulation else 0.0 for change in self.changes]
        owners = [self._owner(row, words) for row in past] if past else None
        if not told:
            words, strengths = [], [0.0 for _ in strengths]
        return Layout.of(shares).modulation(words, length, strengths, owners)

    def _owner(self, row: int, words: Sequence[Sequence[int]]) -> int:
        """Which region may look at what a token of the prompt remembers: none, if new words say what is there."""
        for index, (rows, change) in enumerate(zip(words, self.changes, strict=True)):
            if row in rows:
                return NOBODY if change.words else index
        return ANYONE

    # --- where -----------------------------------------------------------------------------------------------------

    def _inside(self) -> Tensor:
        """The latents that may change, bool (f, h, w)."""
        _, f, _, h, w = self.clean.shape
        everywhere = torch.ones(f, h, w, dtype=torch.bool)
        if not self.settings.blending:
            return everywhere
        told = [Conditions(self.backbone.text.encode(text).hidden) for text in (self.prompt, self.rewritten.text)]
        difference = contrast(self.backbone, self.clean, told[0], told[1], self.settings.seed).cpu()
        differs = difference > LEAST_CHANGE
        found = torch.zeros_like(everywhere)
        for change in self.changes:
            if change.words and change.strength > 0:
                inside = (change.region.cells(self.pipeline.latents.period, (f, h, w)) > 0) & differs
                share = 0.0 if self._is_whole(change) else self.settings.contrast
                found |= touched(difference, inside, share) if bool(inside.any()) else inside
        return found

    def _is_whole(self, change: Change) -> bool:
        if change.whole is not None or change.place is None:
            return bool(change.whole)
        return self.prompt[slice(*change.place)].lower() not in change.words.lower()

    def _region(self, inside: Tensor) -> Region:
        """What of the regions lies in latents that may change, at the clip's own pixels."""
        if not self.settings.blending:
            return Region.everything(self.frames.shape[:3])
        unit, period = self.pipeline.latents.unit, self.pipeline.latents.period
        cells = inside[self.cut :].float().repeat_interleave(unit, 1).repeat_interleave(unit, 2)
        times = [0] + [1 + i // period for i in range(len(self.frames) - 1)]
        own = np.maximum.reduce([change.region.mask for change in self.changes if change.words])
        return Region(cells[times].numpy() * own)

    # --- how -------------------------------------------------------------------------------------------------------

    def _timesteps(self) -> list[Timestep]:
        if self.settings.makes_both and self.settings.making:
            return list(self.backbone.sampler(self.settings.making.steps, 0.0, self.clean.shape).timesteps)
        most = self.settings.start * self.backbone.noising.total
        every = self.backbone.sampler(self.settings.steps, 0.0, self.clean.shape).timesteps
        found = [t for t in every if t <= most]
        if not found:
            raise ThroughlineError(f"start is {self.settings.start}: expected one above the last of so few steps")
        return found

    def _steps(self, old: Conditions, new: Conditions, empty: Conditions, mask: Tensor) -> Iterator[Tensor]:
        """What the clean latents are taken for after every step."""
        backbone, w = self.backbone, self.settings.text
        generator = torch.Generator().manual_seed(self.settings.seed)
        if self.settings.makes_both:
            return self._both(old, new, empty, mask)
        targets, three = backbone.network([new, empty]), backbone.network([old, new, empty])

        def guided(full: Tensor, negative: Tensor) -> Tensor:
            return negative + w * (full - negative)

        def target(z: Tensor, t: Timestep) -> Tensor:
            return guided(*targets(torch.cat([z, z]), t).split(1))

        def pair(source: Tensor, z: Tensor, t: Timestep) -> tuple[Tensor, Tensor]:
            v, *both = three(torch.cat([source, z, z]), t).split(1)
            return v, guided(*both)

        return self._way(target, pair, backbone.network([old]), mask, generator)

    def _both(self, old: Conditions, new: Conditions, empty: Conditions, mask: Tensor) -> Iterator[Tensor]:
        """As `_steps`, of the new words and the old ones, (2, f, C, h, w)."""
        backbone, making = self.backbone, self.settings.making
        assert making is not None, "both are made of known noise"
        network = backbone.network([new, old, empty, empty])
        weights = torch.tensor([self.settings.stronger * making.text, making.text])[:, None, None, None, None]

        def predict(z: Tensor, t: Timestep) -> Tensor:
            told, negative = network(torch.cat([z, z]), t).to(z).split(2)
            return negative + weights.to(z) * (told - negative)

        noise = backbone.noise(self.clean.shape, torch.Generator().manual_seed(making.seed)).to(self.clean)
        return beside(predict, noise, backbone.noising, self._timesteps(), mask)

    def _way(
        self, target: Predict, pair: Pair, source: Predict, mask: Tensor, generator: torch.Generator
    ) -> Iterator[Tensor]:
        noising, timesteps = self.backbone.noising, self._timesteps()
        if self.settings.way == "flow":
            return flow_edit(pair, self.clean, noising, timesteps, mask, generator)
        if self.settings.way == "invert":
            assert isinstance(noising, VariancePreserving), "checked before"
            return inverted(source, target, self.clean, noising, timesteps, mask)
        return noised(target, self.clean, noising, timesteps, mask, generator)

    def _shown(self, z: Tensor, region: Region, quick: bool = False) -> np.ndarray:
        """Latents as frames, with the clip's own pixels outside the region."""
        latents = self.pipeline.latents
        made, *others = ((latents.preview if quick else latents.decode)(one) for one in z.split(1))
        if not self.settings.blending:
            return made
        mask = soft(region, EDGE)[..., None]
        whole = [change.region for change in self.changes if change.words and self._is_whole(change)]
        for before in others:
            changed = differing(made, before, self.settings.alike).joined(whole)
            mask = np.minimum(mask, soft(changed, CLOSE)[..., None])
        mask = mask * (1 - self._stays()[..., None])
        return (mask * made + (1 - mask) * self.frames).round().astype(np.uint8)

    def _stays(self) -> np.ndarray:
        """What regions without new words have to themselves, into which no edge fades, (F, H, W)."""
        without, told = ([c.region for c in self.changes if bool(c.words) == told] for told in (False, True))
        return without[0].joined(without[1:]).without(told).mask if without else np.zeros(self.frames.shape[:3])
