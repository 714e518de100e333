"""The loop from noise to latents: the branches of the guidance, in batches, for one scene or several.

Letters: B rows (branches of scenes), f latent frames, C channels, h, w latents a side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .backbones.base import Backbone, Conditions
from .blocks.attention import KeysValues
from .blocks.block_cache import EXACT, Caches, Speed
from .encoders.latents import check_finite
from .generation import SceneRequest, token_strengths
from .guidance import Anchor, branches, guide
from .reference.attention import Collage, collage, cut_out, drawn, keys_and_values
from .reference.prompts import image_prompts
from .sampling import NoiseLevel, Timestep

Predictions = dict[str, Tensor]  # by branch
Outcome = tuple[Tensor, dict[str, float]]  # of a step, of a scene
BranchRow = tuple[int, str]  # a scene, by its place in the batch, and a branch of its guidance
TAUGHT = "taught"  # the branch "full" of a network that knows taught subjects


class Subject(NamedTuple):
    """Taught subjects that scenes show."""

    dressed: Callable[[bool], AbstractContextManager[None]]  # whether the network knows them while it is open
    where: Callable[[str, Tensor], Tensor]  # as `adapters.figures.Finder`


@dataclass(eq=False)
class Denoiser:
    """Makes the latents of clips with a backbone."""

    backbone: Backbone
    speed: Speed = EXACT
    subject: Subject | None = None  # of scenes that show taught subjects, in a branch of their own

    @torch.no_grad()
    def __call__(self, requests: Sequence[SceneRequest], shape: tuple[int, ...]) -> Iterator[list[Outcome]]:
        """Yields after every step, of each scene, the estimate of the clean latents, (1, f, C, h, w), and the norms.

        shape: of the latents of a clip, (1, f, C, h, w), with those that are known, which stay as they are. The
        scenes have as many steps.
        """
        cut = self.backbone.padding_frames(shape[1])
        shape = (shape[0], shape[1] + cut, *shape[2:])
        generators = [torch.Generator().manual_seed(request.settings.seed) for request in requests]
        pictures = [self.backbone.noise(shape, generator) for generator in generators]
        sounds = [self.backbone.sound(shape, generator) for generator in generators]
        noisy = [z if s is None else torch.cat([s, z], dim=1) for s, z in zip(sounds, pictures, strict=True)]
        sound = 0 if sounds[0] is None else sounds[0].shape[1]
        samplers = [self.backbone.sampler(r.settings.steps, r.settings.eta, shape) for r in requests]
        known = [Known.of(request, z) for request, z in zip(requests, noisy, strict=True)]
        predict = Predictor(self.backbone, self.speed, requests, known, self.subject, sound)
        steps = len(samplers[0].timesteps)
        for index, t in enumerate(samplers[0].timesteps):
            weights = [self.speed.guiding(request.guidance).weights(index, steps) for request in requests]
            names = [
                branches(*w, request.memory.remembers, context_weight(request))
                for w, request in zip(weights, requests, strict=True)
            ]
            predict.begin(names, index / steps)
            predictions, outcome = predict(noisy, [t] * len(requests), names), []
            for i, (w1, w2) in enumerate(weights):
                v = guide(predictions[i], w1, w2, context_weight(requests[i]))
                check_finite(v, f"the model, at step {index + 1} of {steps},", "--dtype bfloat16 or float32")
                noisy[i], clean = samplers[i].step(index, v, noisy[i], generators[i])
                clean = known[i].kept(clean[:, sound + cut :])
                outcome.append((clean, {"text": w1, "history": w2} | pulls(predictions[i])))
            yield outcome


def context_weight(request: SceneRequest) -> float:
    """s, for a clip with known frames; else 0."""
    return 0.0 if request.beginning is None and request.ending is None else request.guidance.context


@dataclass(frozen=True, eq=False)
class Known:
    """The latent frames that a clip begins and ends with, (1, k, C, h, w) and (1, e, C, h, w), often none, and the
    noise (1, f, C, h, w) that it starts from."""

    beginning: Tensor
    ending: Tensor
    noise: Tensor

    @classmethod
    def of(cls, request: SceneRequest, noise: Tensor) -> Known:
        beginning, ending = (
            noise[:, :0] if known is None else known.to(noise) for known in (request.beginning, request.ending)
        )
        return cls(beginning, ending, noise)

    @property
    def any(self) -> bool:
        return bool(self.beginning.shape[1] or self.ending.shape[1])

    @property
    def frames(self) -> Tensor:
        """Which are known, bool (1, f)."""
        place, count = torch.arange(self.noise.shape[1])[None], self.noise.shape[1]
        return (place < self.beginning.shape[1]) | (place >= count - self.ending.shape[1])

    def kept(self, z: Tensor) -> Tensor:
        """z (1, f, C, h, w), but for what is known."""
        made = z[:, self.beginning.shape[1] : z.shape[1] - self.ending.shape[1]]
        return torch.cat([self.beginning, made, self.ending], dim=1)

    def noised(self, z: Tensor, level: NoiseLevel) -> Tensor:
        """z, but for what is known, which is as noisy as the level says."""
        return torch.where(self.frames[..., None, None, None].to(z.device), level.noised(self.kept(z), self.noise), z)

    def timesteps(self, t: Timestep, of_known: Timestep) -> Tensor:
        """Of every latent frame, (1, f)."""
        return torch.where(self.frames, torch.tensor(of_known), torch.tensor(t))


class Predictor:
    """(z, t, branches) -> v of each branch, of each scene. Rows run as one batch, those that look at references as one
    batch a scene."""

    def __init__(
        self,
        backbone: Backbone,
        speed: Speed,
        requests: Sequence[SceneRequest],
        known: Sequence[Known],
        subject: Subject | None = None,
        sound: int = 0,  # latent frames before all others
    ) -> None:
        self.sound = sound
        self.backbone, self.requests, self.known, self.caches = backbone, requests, list(known), Caches(speed)
        self.subject = subject

        def encoded(text: str) -> Tensor:
            return backbone.text.encode(text).hidden

        self.words = [(encoded(r.prompt), encoded(r.settings.negative_prompt)) for r in requests]
        self.strengths = [token_strengths(backbone.text.encode(r.prompt), r.settings.strengths) for r in requests]
        seen, place = [request.memory.references for request in requests], backbone.where()
        shows, prompts = backbone.limits.keyframes, backbone.limits.prompts  # of networks trained to make use of either
        looks = not (shows or prompts)
        self.collages = [collage(own, backbone.patch).to(place) if own and looks else None for own in seen]
        self.keyframes = [cut_out(own, backbone.patch) if own and shows else None for own in seen]
        self.prompts = [image_prompts(own, backbone) if own and prompts else None for own in seen]

    def __call__(
        self, noisy: Sequence[Tensor], times: Sequence[Timestep], names: Sequence[tuple[str, ...]]
    ) -> list[Predictions]:
        """noisy, times, names: of each scene its latents (1, f, C, h, w), their timestep and the branches, none for a
        scene that rests."""
        predictions: list[Predictions] = [{} for _ in names]
        rows = [row for row in self._rows(names) if row[1] != TAUGHT or self._weight(times[row[0]])]
        for group, seen in self._groups(rows, times):
            for (i, name), v in zip(group, self._batch(noisy, times, group, seen), strict=True):
                target = None if seen is None else self.collages[i]
                predictions[i][name] = v if target is None else self._drawn(v, noisy[i], times[i], target)
        for i, own in enumerate(names):
            predictions[i] = self._with_subject(predictions[i], own, i, noisy[i], times[i])
        return predictions

    def _drawn(self, v: Tensor, z: Tensor, t: Timestep, target: Collage) -> Tensor:
        """`drawn`, but for the sound."""
        heard, level = self.sound, self.backbone.noising.level(t)
        return torch.cat([v[:, :heard], drawn(v[:, heard:], z[:, heard:], level, target)], dim=1)

    def _rows(self, names: Sequence[tuple[str, ...]]) -> list[BranchRow]:
        """What a step computes: the branches of scenes, and where subjects are shown what tells how they look."""
        needed = ("full", TAUGHT) if self.subject else ()
        return [(i, name) for i, own in enumerate(names) if own for name in dict.fromkeys((*own, *needed))]

    def _with_subject(self, found: Predictions, names: tuple[str, ...], i: int, z: Tensor, t: Timestep) -> Predictions:
        """Guided by `SubjectGuidance`, where the clip shows the subjects by now. What is added to every branch is in
        the guided sum once."""
        if self.subject is None or TAUGHT not in found:
            return {name: found[name] for name in names}
        full = found["full"]
        clean = self.known[i].kept(self.backbone.noising.level(t).clean(z, full))
        where = self.subject.where(self.requests[i].prompt, clean)
        pull = self._weight(t) * where * (found[TAUGHT] - full)
        return {name: found[name] + pull for name in names}

    def _weight(self, t: Timestep) -> float:
        """How strongly taught subjects are followed now."""
        level, guidance = self.backbone.noising.level(t), self.backbone.limits.subject
        return guidance.at(float(level.alpha), float(level.sigma)) if self.subject and guidance else 0.0

    def begin(self, names: list[tuple[str, ...]], share: float) -> None:
        """The next step, after `share` of all steps."""
        self.caches.begin(self._rows(names), share)

    def _groups(
        self, rows: list[BranchRow], times: Sequence[Timestep]
    ) -> list[tuple[list[BranchRow], list[KeysValues] | None]]:
        """The batches of a step, each with the references that it looks at."""
        if taught := [row for row in rows if row[1] == TAUGHT]:
            rest = [row for row in rows if row[1] != TAUGHT]
            return [*self._alike(rest, times), *self._alike(taught, times)]
        return self._alike(rows, times)

    def _alike(
        self, rows: list[BranchRow], times: Sequence[Timestep]
    ) -> list[tuple[list[BranchRow], list[KeysValues] | None]]:
        plain = [row for row in rows if not self._looks(row)]
        apart = ([row for row in plain if self._kind(row[0], times) == kind] for kind in ("plain", "going on", "drawn"))
        groups: list[tuple[list[BranchRow], list[KeysValues] | None]] = [(own, None) for own in apart if own]
        for i in sorted({row[0] for row in rows if self._looks(row)}):
            seen = keys_and_values(self.requests[i].memory.references, self.backbone, times[i])
            groups.append(([row for row in rows if row[0] == i and self._looks(row)], seen))
        return groups

    def _kind(self, i: int, times: Sequence[Timestep]) -> str:
        """How the network sees a clip: "plain"; "going on" from known frames, or up to them; or, while the network of
        other clips draws where a clip's motion led to (`Limits.drawn`), "drawn", with known frames as noisy as the
        others."""
        known = self.known[i]
        if not known.any:
            return "plain"
        goes_on = known.beginning.shape[1] > 1 and not known.ending.shape[1]
        drawn = self.backbone.limits.drawn if goes_on else 0.0
        level = self.backbone.noising.level(times[i])
        return "drawn" if drawn and level.sigma <= drawn * level.alpha else "going on"

    def _looks(self, row: BranchRow) -> bool:
        return row[1] != "forgetful" and self.collages[row[0]] is not None

    def _batch(
        self, noisy: Sequence[Tensor], times: Sequence[Timestep], rows: list[BranchRow], seen: list[KeysValues] | None
    ) -> tuple[Tensor, ...]:
        with self.subject.dressed(rows[0][1] == TAUGHT) if self.subject else nullcontext():
            return self._predicted(noisy, times, rows, seen)

    def _predicted(
        self, noisy: Sequence[Tensor], times: Sequence[Timestep], rows: list[BranchRow], seen: list[KeysValues] | None
    ) -> tuple[Tensor, ...]:
        told = [self._told(i, name) for i, name in rows]
        kind = self._kind(rows[0][0], times)  # of all of them
        caches = None if kind == "drawn" else self.caches.of(rows)  # what another network kept is of no use
        network = self.backbone.network(told, references=seen, caches=caches)
        if kind != "going on":
            own = [times[i] for i, _ in rows]
            when = own[0] if len(set(own)) == 1 else torch.tensor(own)
            return network(torch.cat([self._as_noisy(i, noisy[i], times[i]) for i, _ in rows]), when).split(1)
        z, by_frame = zip(*(self._begun(noisy[row[0]], times[row[0]], row) for row in rows), strict=True)
        latents = torch.cat([self.known[i].kept(noisy[i]) for i, _ in rows])
        known = torch.cat([self.known[i].frames & (name != "unbegun") for i, name in rows])
        return network(torch.cat(z), torch.cat(by_frame), Anchor(latents, known.to(latents.device))).split(1)

    def _as_noisy(self, i: int, z: Tensor, t: Timestep) -> Tensor:
        """The latents of a clip, all of its frames as noisy as t says."""
        known = self.known[i]
        return known.noised(z, self.backbone.noising.level(t)) if known.any else z

    def _begun(self, z: Tensor, t: Timestep, row: BranchRow) -> tuple[Tensor, Tensor]:
        """The latents and timesteps (1, f) that a branch sees: known frames are nearly clean, but in the branch that is
        not to go by them as noisy as the others."""
        known, of_known = self.known[row[0]], t if row[1] == "unbegun" else self.backbone.known_timestep
        return known.noised(z, self.backbone.noising.level(of_known)), known.timesteps(t, of_known)

    def _told(self, i: int, name: str) -> Conditions:
        request = self.requests[i]
        shown, looks = (None if given is None else given[0] for given in (request.pictures, request.looks))
        strengths = None if name == "negative" else self.strengths[i]
        keyframes, prompts = (None, None) if name == "forgetful" else (self.keyframes[i], self.prompts[i])
        words = self.words[i][name == "negative"]
        history = self._history(i, name)
        return Conditions(
            words, history, shown, looks, keyframes=keyframes, prompts=prompts, strengths=strengths, sound=self.sound
        )

    def _history(self, i: int, name: str) -> Tensor | None:
        tokens = self.requests[i].memory.tokens
        return None if name == "forgetful" or tokens is None else tokens[0]


def pulls(predictions: Predictions) -> dict[str, float]:
    """How much the text and the history pull, root mean square."""
    norms = {}
    for name, other in (("text_pull", "negative"), ("history_pull", "forgetful")):
        if other in predictions and "full" in predictions:
            norms[name] = float((predictions["full"] - predictions[other]).square().mean().sqrt())
    return norms
