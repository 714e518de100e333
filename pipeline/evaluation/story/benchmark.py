"""The story benchmark: held-out stories, films of them by every system, and what the reader finds in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from ...continuity.motion import motion_energy
from ...history import HistoryScene
from ...picturebook import renderer
from ...picturebook.captions import Caption, story_captions
from ...picturebook.localiser import Localiser
from ...picturebook.reader import ClipReader, Reading
from ...picturebook.renderer import RenderedClip
from ...picturebook.world import WorldStory
from ..common.statistics import Tally
from . import measures
from .chance import PROTOCOLS, chance_tallies
from .detail import Instruments, sharpness_tallies
from .filming import FilmedScene, Filming, Script
from .pointing import Pointed, chance_tally, pointing_tally, pointings
from .systems import SYSTEMS, Film, frozen_frame, keyframes, noise_seeds
from .witnesses import Line


@dataclass(frozen=True, eq=False)
class FilmScore:
    """What one film adds to the measures; a measure that makes no sense for it is left out."""

    tallies: dict[str, Tally]
    gaps: dict[int, Tally] = field(default_factory=dict)


StoryScore = dict[str, FilmScore]  # of every system and control


@dataclass(frozen=True, eq=False)
class Judge:
    """What looks at clips. All was trained on rendered clips alone."""

    reader: ClipReader
    localiser: Localiser
    line: Line | None = None  # the second witness


@dataclass(frozen=True)
class HeldOut:
    """WorldStory `index` of the benchmark of a seed; its domain is shared with no training story."""

    protocol: str
    index: int
    seed: int

    @property
    def domain(self) -> str:
        return f"bench/{self.seed}"

    @property
    def story(self) -> WorldStory:
        return PROTOCOLS[self.protocol](self.index, self.domain)

    @property
    def captions(self) -> list[Caption]:
        return story_captions(self.story, plain=True, domain=self.domain)

    @property
    def script(self) -> Script:
        return Script(tuple(c.text for c in self.captions), tuple(noise_seeds(self.story, self.domain)))


def score_film(story: WorldStory, film: Film, rendered: Film, readings: Sequence[Reading], since: int = 0) -> FilmScore:
    """All measures but pointing and sharpness. `since`: the first scene that counts in measures of single scenes."""
    energies, true_energies = ([motion_energy(clip) for clip in clips] for clips in (film, rendered))
    tallies = {
        "actor": measures.actor_tally(story, readings),
        "place": measures.place_tally(story, readings),
        "cross_talk": measures.cross_talk_tally(story, readings),
        "prompt": measures.prompt_tally(story, readings, since),
        "presence": measures.presence_tally(readings, since),
        "motion": measures.motion_tally(energies, true_energies, since),
    }
    return FilmScore(tallies, measures.gap_tallies(story, readings))


def score_story(
    filming: Filming, judge: Judge, held_out: HeldOut, takes: Mapping[str, Sequence[FilmedScene]]
) -> StoryScore:
    """The films of one story, by the names of their systems, and its controls, scored. Chance has no film."""
    story = held_out.story
    clips = [renderer.render(scene) for scene in story.scenes]
    rendered = [clip.frames for clip in clips]
    films = {name: [take.frames for take in own] for name, own in takes.items()}
    first = next(iter(films.values()))[0]
    films |= {"frozen_frame": frozen_frame(first, len(rendered)), "ceiling": rendered}
    readings = {name: judge.reader.read(film) for name, film in films.items()}
    scores = {
        name: score_film(story, film, rendered, readings[name], int(name == "frozen_frame"))
        for name, film in films.items()
    }
    scores["chance"] = FilmScore(chance_tallies(story, held_out.protocol))
    if "ours" in takes:
        _score_pointing(scores, filming, judge, held_out, clips, (takes["ours"], readings["ours"]))
        instruments = Instruments(filming.pipeline.vae, judge.reader, judge.localiser, judge.line)
        scores["ours"].tallies.update(sharpness_tallies(instruments, story, films["ours"], rendered))
    return scores


def _score_pointing(
    scores: StoryScore,
    filming: Filming,
    judge: Judge,
    held_out: HeldOut,
    clips: Sequence[RenderedClip],
    ours: tuple[Sequence[FilmedScene], Sequence[Reading]],
) -> None:
    """Pointing on rendered keyframes (true masks) and on generated ones (the localiser's); of the ceiling the second is
    the localiser's on rendered keyframes, where the first says what it should be."""
    prompts = held_out.script.prompts
    past = [filming.pipeline.encode_scene(text, clip.frames) for text, clip in zip(prompts, clips, strict=True)]
    true = [clip.masks[len(clip.masks) // 2] for clip in clips if clip.masks is not None]
    found = judge.localiser.masks(keyframes([clip.frames for clip in clips]))
    on_rendered = _all_pointings(filming, held_out, past, true)
    scores["ours"].tallies["pointing"] = pointing_tally(on_rendered)
    scores["ours"].tallies["pointing_actor"] = pointing_tally(on_rendered, "actor")
    scores["ours"].tallies["pointing_place"] = pointing_tally(on_rendered, "place")
    scores["chance"].tallies["pointing"] = chance_tally(on_rendered)
    scores["ceiling"].tallies["pointing_generated"] = pointing_tally(_all_pointings(filming, held_out, past, found))
    on_generated = generated_pointings(filming, judge, held_out, *ours)
    scores["ours"].tallies["pointing_generated"] = pointing_tally(on_generated)
    scores["chance"].tallies["pointing_generated"] = chance_tally(on_generated)


def _all_pointings(
    filming: Filming, held_out: HeldOut, past: Sequence[HistoryScene], masks: Sequence[np.ndarray]
) -> list[Pointed]:
    return list(chain(*pointings(filming.pipeline, held_out.captions, past, masks)))


def generated_pointings(
    filming: Filming, judge: Judge, held_out: HeldOut, takes: Sequence[FilmedScene], readings: Sequence[Reading]
) -> list[Pointed]:
    """On the scenes of a film, with masks of the localiser; as everywhere, actors count only where they are there."""
    past = [take.scene for take in takes]
    masks = judge.localiser.masks([scene.keyframe for scene in past])
    scenes = pointings(filming.pipeline, held_out.captions, past, masks)
    return [
        pointed
        for own, reading in zip(scenes, readings, strict=True)
        for pointed in own
        if reading.sure or pointed.label == "place"
    ]


def score_stories(
    filming: Filming, judge: Judge, stories: Sequence[HeldOut], names: Sequence[str]
) -> list[tuple[StoryScore, dict[str, list[FilmedScene]]]]:
    """Films and scores of a few stories by the named systems."""
    films = filming.films([story.script for story in stories], {name: SYSTEMS[name] for name in names})
    return [(score_story(filming, judge, story, takes), takes) for story, takes in zip(stories, films, strict=True)]
