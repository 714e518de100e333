"""Films of many stories by many systems at once.

Scene i of a film depends on scenes before it alone, so that scene i of all films is denoised together, in batches. What
a scene is made of (words, noise, what is remembered) is the same for many systems: each such clip is made once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...guidance import Guidance
from ...history import HistoryScene
from ...picturebook.casting import Casting, Company
from ...story_pipeline import SceneRequest, Settings, StoryPipeline
from ...text_filter import FilterResult, Word
from .filters import PromptFilter
from .systems import Options, System, filters_of

BATCH = 8  # shots; more made a scene no faster on a CPU


@dataclass(frozen=True)
class Script:
    """A story as a system gets it: a prompt and the seed of the noise for every scene. edited: whether the last one is
    the scene before it once more, with its words edited."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    edited: bool = False


@dataclass(frozen=True, eq=False)
class FilmedScene:
    """A scene of a film."""

    frames: np.ndarray  # uint8 (F, H, W, 3)
    scene: HistoryScene  # what it offers to later scenes
    digest: str  # of its keyframe


@dataclass(frozen=True, eq=False)
class _Track:
    """A film in the making."""

    script: Script
    filter: PromptFilter
    guidance: Guidance
    remembers_by: str | None
    takes: list[FilmedScene]
    keeps: bool = False  # of an edited scene the rest of its former take
    casts: bool = False  # whom nobody describes

    def decided(self, index: int) -> FilterResult:
        """What scene `index` remembers, its castings last; of an edited one the scene before is no past but its own
        former take."""
        prompt, castings = self.script.prompts[index], [casting.role.caption for casting in self.castings(index)]
        if self._is_edited(index) and self.keeps:
            return self.filter((*self.script.prompts[:index], *castings), prompt, former=index - 1)
        return self.filter((*self._before(index), *castings), prompt)

    def castings(self, index: int) -> list[Casting]:
        """Of whom scene `index` names, by the seed of the first scene."""
        company = Company()
        for prompt in self._before(index) if self.casts else ():
            company.pass_by(prompt)
        roles = company.of(self.script.prompts[index]) if self.casts else []
        return [Casting(role, self.script.seeds[0]) for role in roles]

    def _is_edited(self, index: int) -> bool:
        return self.script.edited and index + 1 == len(self.script.prompts)

    def _before(self, index: int) -> tuple[str, ...]:
        return self.script.prompts[: index - self._is_edited(index)]


@dataclass
class Filming:
    """Makes films; `made` counts the clips that were denoised for them."""

    pipeline: StoryPipeline
    options: Options
    batch: int = BATCH
    made: int = 0
    _castings: dict[Casting, HistoryScene] = field(default_factory=dict, repr=False)

    def films(self, scripts: Sequence[Script], systems: Mapping[str, System]) -> list[dict[str, list[FilmedScene]]]:
        """Of every script the film of every system."""
        filters = filters_of(self.pipeline)
        tracks = [
            {
                name: _Track(script, filters[s.words], s.guidance(self.options), s.remembers_by, [], s.keeps, s.casts)
                for name, s in systems.items()
            }
            for script in scripts
        ]
        for index in range(max((len(script.prompts) for script in scripts), default=0)):
            self._advance([t for own in tracks for t in own.values() if index < len(t.script.prompts)], index)
        return [{name: track.takes for name, track in own.items()} for own in tracks]

    def _advance(self, tracks: Sequence[_Track], index: int) -> None:
        """Makes scene `index` of every film."""
        shots, keys = dict[str, SceneRequest](), list[str]()
        for track in tracks:
            seed, result = track.script.seeds[index], track.decided(index)
            castings = [self._encoded(casting) for casting in track.castings(index)]
            past = [take.scene for take in track.takes[: len(result.scenes) - len(castings)]] + castings
            digests = [hashlib.sha256(scene.keyframe.tobytes()).hexdigest() for scene in past]
            keys.append(conditioning_key(result, seed, track.guidance, digests, track.remembers_by))
            if keys[-1] not in shots:
                shots[keys[-1]] = self._shot(track, past, result, seed)
        takes = dict(zip(shots, self._takes(list(shots.values())), strict=True))
        for track, key in zip(tracks, keys, strict=True):
            track.takes.append(takes[key])

    def _encoded(self, casting: Casting) -> HistoryScene:
        if casting not in self._castings:
            self._castings[casting] = self.pipeline.encode_scene(casting.role.caption, casting.picture[None])
        return self._castings[casting]

    def _shot(self, track: _Track, past: Sequence[HistoryScene], result: FilterResult, seed: int) -> SceneRequest:
        settings = Settings(steps=self.options.steps, seed=seed)
        memory = self.pipeline.remember(past, result, settings, by=track.remembers_by)
        return SceneRequest(result.prompt, memory, track.guidance, settings)

    def _takes(self, shots: list[SceneRequest]) -> Iterator[FilmedScene]:
        for start in range(0, len(shots), self.batch):
            batch = shots[start : start + self.batch]
            self.made += len(batch)
            for shot, frames in zip(batch, self.pipeline.render(batch), strict=True):
                scene = self.pipeline.encode_scene(shot.prompt, frames)
                yield FilmedScene(frames, scene, hashlib.sha256(scene.keyframe.tobytes()).hexdigest())


def conditioning_key(
    result: FilterResult, seed: int, guidance: Guidance, keyframes: Sequence[str], remembers_by: str | None = None
) -> str:
    """Equal for scenes that are the same clip: by words, noise, guidance and what is remembered of which keyframe."""
    remembered = [(scene.prompt, _kept(scene.words), keyframes[scene.index]) for scene in result.scenes if scene.kept]
    weight = (guidance.history, remembers_by) if remembered else None
    own = (guidance.text, weight, guidance.start, guidance.end, guidance.schedule)
    return repr((result.prompt, seed, own, remembered, _kept(result.current)))


def _kept(words: Sequence[Word]) -> list[tuple[int, int]]:
    return [(word.start, word.end) for word in words if word.kept]
