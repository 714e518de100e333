"""Teaches a subject from a few pictures: DreamBooth with prior preservation (Ruiz et al. 2023), LoRA (Hu et al. 2021).

A step sees stills of the subject, each with its own prompt, in which the subject's name is the rare token; half of them
also remember another picture of it, as scenes do whose cast has pictures. Latents where the name was looked at count
more, and channels that vary little, fine detail, more than in the network's own training. Beside them it sees clips of
the model's own world, of others and of nobody, for which the network without the adapter says what to predict (prior
preservation by distillation): what it knew stays. And since stills say nothing of motion, it sees clips of others whose
prompts name the subject instead: what changes over their frames is to be what the network without the adapter makes of
the prompt as it was.

The network itself is frozen; teaching is a generator that can be closed at any step, and resumed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from peft import LoraConfig
from peft.functional import set_adapter
from torch import Tensor

from ..backbones.base import Conditions
from ..errors import ThroughlineError
from ..story_pipeline import StoryPipeline
from .files import Adapter
from .layers import spatial_layers
from .wearing import active, several, take_off, weigh

NAME = "taught"  # of the adapter while it is taught
FEWEST, MOST = 3, 8  # pictures
SAVE_EVERY = 20  # steps
LEAST_SPREAD = 0.02  # of a channel: one that varies less counts no more
LOOKED_AT = 4.0  # how much a latent counts where the name was looked at, against 1 elsewhere


@dataclass(frozen=True)
class Recipe:
    steps: int = 240
    stills: int = 8  # of the subject, a step
    priors: int = 6  # clips of others, a step
    acted: int = 4  # clips of others under the subject's name, a step
    rank: int = 8
    learning_rate: float = 2.5e-3
    warmup: int = 10
    prior_weight: float = 5.0
    motion_weight: float = 5.0
    remembered: float = 0.5  # share of the stills that remember another picture
    seed: int = 0

    def rate(self, step: int) -> float:
        """The learning rate of a step: a short rise, and a fall over the second half."""
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, 2 * (self.steps - step) / self.steps)


USUAL = Recipe()


@dataclass(frozen=True, eq=False)
class Still:
    """A picture of the subject, uint8 (H, W, 3), and the prompt that it shows, with the subject's name in it."""

    prompt: str
    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class Prior:
    """What the model knows of others: a clip or a still, uint8 (F, H, W, 3), and its prompt."""

    prompt: str
    frames: np.ndarray
    named: str = ""  # the prompt with the subject's name for whoever acts; none where nobody does


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is to be taught. name: the words that stand for the subject in all prompts."""

    name: str
    stills: Sequence[Still]
    priors: Sequence[Prior]

    def check(self) -> None:
        """Raises ThroughlineError for what can't be taught."""
        if not FEWEST <= len(self.stills) <= MOST:
            given = "1 picture" if len(self.stills) == 1 else f"{len(self.stills)} pictures"
            raise ThroughlineError(f"{self.name!r} has {given}: expected {FEWEST} to {MOST} to teach")
        for still in self.stills:
            if self.name.casefold() not in still.prompt.casefold():
                raise ThroughlineError(
                    f"caption {still.prompt[:60]!r} does not name {self.name!r}: expected that it does"
                )


@dataclass(frozen=True, eq=False)
class Progress:
    """Step `step` of `total` (from 1) is done. adapter: as it is now, made when asked for."""

    step: int
    total: int
    losses: dict[str, float]
    state: Teaching = field(repr=False)

    @property
    def adapter(self) -> Adapter:
        return self.state.adapter()


def teach(
    pipeline: StoryPipeline, lesson: Lesson, recipe: Recipe = USUAL, checkpoint: Path | None = None
) -> Iterator[Progress]:
    """Yields after every step. While it is open the network wears what was learnt so far, so that samples can be made;
    closed or at its end, the network is what it was. checkpoint: a file in which it is kept from time to time, and from
    which it goes on with the same steps. Raises ThroughlineError for what can't be taught."""
    lesson.check()
    with _opened(pipeline, recipe) as parameters, torch.random.fork_rng(devices=[]):
        teaching = Teaching(pipeline, lesson, recipe, parameters)
        start = teaching.resume(checkpoint)
        if start == recipe.steps:  # it ended before its file was kept
            yield Progress(start, start, {}, teaching)
        for step in range(start, recipe.steps):
            losses = teaching.step(step)
            done = step + 1
            if checkpoint and (done % SAVE_EVERY == 0 or done == recipe.steps):
                teaching.save(checkpoint, done)
            yield Progress(done, recipe.steps, losses, teaching)


@contextmanager
def _opened(pipeline: StoryPipeline, recipe: Recipe) -> Iterator[dict[str, torch.nn.Parameter]]:
    """The network with an adapter to train and nothing else; afterwards as it was."""
    network: Any = pipeline.transformer
    wanted = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    before = active(network)
    layers = spatial_layers(network)
    network.requires_grad_(False)
    try:
        with torch.random.fork_rng(devices=[]), several():
            torch.manual_seed(recipe.seed)
            network.add_adapter(LoraConfig(r=recipe.rank, lora_alpha=recipe.rank, target_modules=layers), NAME)
        set_adapter(network, [*before, NAME])
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(f".{NAME}." in name)
        yield {name: p for name, p in network.named_parameters() if p.requires_grad}
    finally:
        take_off(network, [NAME], before)
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(wanted[name])


class Teaching:
    """The state of a teaching: encoded pictures, priors, and an optimizer."""

    def __init__(
        self, pipeline: StoryPipeline, lesson: Lesson, recipe: Recipe, parameters: dict[str, torch.nn.Parameter]
    ) -> None:
        self.pipeline, self.lesson, self.recipe, self.parameters = pipeline, lesson, recipe, parameters
        self.optimizer = torch.optim.AdamW(parameters.values(), recipe.learning_rate, (0.9, 0.99), weight_decay=0.0)
        encode, text = pipeline.latents.encode, pipeline.text.encode
        with torch.no_grad():
            self.stills = torch.cat([encode(still.picture) for still in lesson.stills])  # (n, 1, C, h, w)
            self.texts = [text(still.prompt).hidden for still in lesson.stills]
            self.past, self.weights = self._remembered()
            self.priors = torch.cat([encode(prior.frames) for prior in lesson.priors])  # (m, f, C, h, w)
            self.prior_texts = [text(prior.prompt).hidden for prior in lesson.priors]
            self.evenly = _evenly(self.priors.flatten(0, 1))
            self.named_texts = {i: text(p.named).hidden for i, p in enumerate(lesson.priors) if p.named}

    def _remembered(self) -> tuple[dict[tuple[int, int], Tensor], Tensor]:
        """The history tokens of each still that remembers another one, by both; and how much each latent counts,
        (n, 1, h, w), 1 on average."""
        pipeline, tokens = self.pipeline, dict[tuple[int, int], Tensor]()
        maps = [torch.zeros(self.stills.shape[-2:]) for _ in self.lesson.stills]
        scenes = [pipeline.encode_scene(still.prompt, still.picture[None]) for still in self.lesson.stills]
        for seen, scene in enumerate(scenes):
            for shown, still in enumerate(self.lesson.stills):
                if seen == shown:
                    continue
                memory = pipeline.remember([scene], pipeline.filter([scene.prompt], still.prompt), by=self._by)
                if memory.tokens is not None:
                    tokens[shown, seen] = memory.tokens[0]
                for found in memory.maps:
                    if found.word.text.casefold() in self.lesson.name.casefold():
                        maps[seen] = _resized(found.map, self.stills.shape[-2:])
        weights = torch.stack([1 + (LOOKED_AT - 1) * one for one in maps])[:, None]
        return tokens, weights / weights.mean((2, 3), keepdim=True)

    @property
    def _by(self) -> str:
        return "trained" if self.pipeline.history == "trained" else "off"

    def step(self, step: int) -> dict[str, float]:
        """All chance of a step comes from its number."""
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(step)
        subject = self._subject_loss(generator)
        subject.backward()
        prior = self._prior_loss(generator)
        (self.recipe.prior_weight * prior).backward()
        motion = self._motion_loss(generator)
        (self.recipe.motion_weight * motion).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        losses = {"subject": subject, "prior": prior, "motion": motion}
        return {name: float(loss.detach()) for name, loss in losses.items()} | {"gradient": float(norm)}

    def _subject_loss(self, generator: torch.Generator) -> Tensor:
        count, many = len(self.stills), self.recipe.stills
        shown = torch.randint(count, (many,), generator=generator)
        seen = (shown + torch.randint(1, count, (many,), generator=generator)) % count
        remembers = torch.rand(many, generator=generator) < self.recipe.remembered
        rows = [
            Conditions(self.texts[i], self.past.get((i, j)) if with_past else None)
            for i, j, with_past in zip(shown.tolist(), seen.tolist(), remembers.tolist(), strict=True)
        ]
        t = self._timestep(generator)
        clean = self.stills[shown]
        noise = torch.randn(clean.shape, generator=generator)
        level = self.pipeline.backbone.noising.level(t)
        z = level.noised(clean, noise)
        made = level.clean(z, self.pipeline.backbone.network(rows)(z, t).cpu())
        error = ((made - clean) / level.sigma).square() * self.evenly  # of v: clean latents are keep z - σ v
        return (error.mean(2) * self.weights[shown]).mean()

    def _prior_loss(self, generator: torch.Generator) -> Tensor:
        """How far others are from what they were."""
        chosen = torch.randint(len(self.priors), (self.recipe.priors,), generator=generator).tolist()
        texts = [self.prior_texts[i] for i in chosen]
        worn, target = self._with_and_without(chosen, texts, texts, generator)
        return (worn - target).square().mean()

    def _motion_loss(self, generator: torch.Generator) -> Tensor:
        """How far the subject's motion is from that of others who do the same."""
        acting = list(self.named_texts)
        if not acting or self.priors.shape[1] == 1:
            return torch.zeros((), requires_grad=True)
        drawn = torch.randint(len(acting), (self.recipe.acted,), generator=generator).tolist()
        chosen = [acting[i] for i in drawn]
        named, plain = [self.named_texts[i] for i in chosen], [self.prior_texts[i] for i in chosen]
        worn, target = self._with_and_without(chosen, named, plain, generator)
        return ((worn - worn.mean(1, keepdim=True)) - (target - target.mean(1, keepdim=True))).square().mean()

    def _with_and_without(
        self, chosen: Sequence[int], told: Sequence[Tensor], plain: Sequence[Tensor], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """v of noised priors (n, f, C, h, w): with the adapter and texts `told`, without it and texts `plain`."""
        t, clean, network = self._timestep(generator), self.priors[list(chosen)], self.pipeline.backbone.network
        z = self.pipeline.backbone.noising.level(t).noised(clean, torch.randn(clean.shape, generator=generator))
        weigh(self.pipeline.transformer, {NAME: 0.0})
        with torch.no_grad():
            target = network([Conditions(text) for text in plain])(z, t)
        weigh(self.pipeline.transformer, {NAME: 1.0})
        return network([Conditions(text) for text in told])(z, t), target

    def _timestep(self, generator: torch.Generator) -> int:
        """One for the rows of a batch: networks are told one."""
        total = self.pipeline.backbone.noising.total
        return int(torch.randint(total // 50, total, (), generator=generator))

    # --- what is kept ----------------------------------------------------------------------------------------------

    def adapter(self) -> Adapter:
        """As it is now, in half precision."""
        weights = {name.replace(f".{NAME}.", "."): p.detach().half().cpu() for name, p in self.parameters.items()}
        return Adapter(weights, {"name": self.lesson.name, "rank": self.recipe.rank, "steps": self.recipe.steps})

    def save(self, path: Path, step: int) -> None:
        state = {"weights": {name: p.detach() for name, p in self.parameters.items()}}
        torch.save(state | {"optimizer": self.optimizer.state_dict(), "step": step}, path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)

    def resume(self, path: Path | None) -> int:
        """The step to go on with."""
        if path is None or not path.exists():
            return 0
        saved = torch.load(path, weights_only=True)
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(saved["weights"][name])
        self.optimizer.load_state_dict(saved["optimizer"])
        return int(saved["step"])


def _evenly(latents: Tensor) -> Tensor:
    """How much each channel of latents (n, C, h, w) counts, (C, 1, 1): by one over its spread, in sum what it was.
    Stripes and edges lie in channels that vary little."""
    spread = latents.std((0, 2, 3)).clamp(min=LEAST_SPREAD)
    return (spread.square().sum() / spread.sum() / spread)[:, None, None]


def _resized(grid: np.ndarray, size: Sequence[int]) -> Tensor:
    """A map (rows, columns) at another size, 1 where it is largest."""
    found = F.interpolate(torch.tensor(grid)[None, None], tuple(size), mode="bilinear", antialias=True)[0, 0]
    return found / found.max().clamp(min=1e-8)
