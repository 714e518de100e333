"""The story benchmark: held-out stories, a film of each by every system, and what the reader finds in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..picturebook import renderer
from ..picturebook.captions import story_captions
from ..picturebook.world import Story
from ..story_pipeline import StoryPipeline
from . import measures
from .chance import PROTOCOLS, chance_tallies
from .measures import MEASURES
from .pointing import chance_tally, pointing_tally, pointings
from .reader import ClipReader
from .statistics import Estimate, Tally, estimate
from .systems import Film, Options, frozen_frame, noise_seeds, nothing, with_history, without_history

SYSTEMS = ("ours", "no_history", "frozen_frame", "ceiling", "chance")


@dataclass(frozen=True, eq=False)
class FilmScore:
    """What one film adds to the measures; a measure that makes no sense for it is left out."""

    tallies: dict[str, Tally]
    gaps: dict[int, Tally] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class StoryScore:
    """One story: the score of every system."""

    scores: dict[str, FilmScore]
    pointing_actor: Tally
    pointing_place: Tally


def held_out_story(protocol: str, index: int, seed: int) -> Story:
    """Story `index` of the benchmark of `seed`; its domain is shared with no training story."""
    return PROTOCOLS[protocol](index, domain(seed))


def domain(seed: int) -> str:
    return f"bench/{seed}"


def score_film(story: Story, film: Film, rendered: Film, reader: ClipReader, since: int = 0) -> FilmScore:
    """All measures but pointing. `since`: the first scene that counts in measures of single scenes."""
    readings = reader.read(film)
    energies, true_energies = ([measures.motion_energy(clip) for clip in clips] for clips in (film, rendered))
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
    pipeline: StoryPipeline, reader: ClipReader, story: Story, protocol: str, domain: str, options: Options,
    advance: Callable[[], None] = nothing,
) -> tuple[StoryScore, dict[str, Film]]:  # fmt: skip
    """Makes the films of one story and scores them; `advance` is called twice a scene. Chance has no film."""
    captions = story_captions(story, plain=True, domain=domain)
    prompts, seeds = [caption.text for caption in captions], noise_seeds(story, domain)
    clips = [renderer.render(scene) for scene in story.scenes]
    ours = with_history(pipeline, prompts, seeds, options, advance)
    films = {
        "ours": [clip.frames for clip in ours],
        "no_history": without_history(pipeline, prompts, seeds, options, ours, advance),
        "frozen_frame": frozen_frame(ours[0].frames, len(prompts)),
        "ceiling": [clip.frames for clip in clips],
    }
    since = {"frozen_frame": 1}
    scores = {
        name: score_film(story, film, films["ceiling"], reader, since.get(name, 0)) for name, film in films.items()
    }
    scores["chance"] = FilmScore(chance_tallies(story, protocol))
    pointed = pointings(pipeline, captions, clips)
    scores["ours"].tallies["pointing"] = pointing_tally(pointed)
    scores["chance"].tallies["pointing"] = chance_tally(pointed)
    return StoryScore(scores, pointing_tally(pointed, "actor"), pointing_tally(pointed, "place")), films


Table = dict[str, dict[str, Estimate]]  # system, measure


def summary(scores: Sequence[StoryScore]) -> Table:
    """Every measure of every system over all stories."""
    return {system: {measure: _estimate(scores, system, measure) for measure in MEASURES} for system in SYSTEMS}


def _estimate(scores: Iterable[StoryScore], system: str, measure: str) -> Estimate:
    return estimate(score.scores[system].tallies.get(measure, Tally()) for score in scores)


def extras(scores: Sequence[StoryScore], protocol: str) -> dict:
    """Pointing of actors and of places, and the gap curves of a long protocol."""
    return {
        "pointing_actor": estimate(score.pointing_actor for score in scores),
        "pointing_place": estimate(score.pointing_place for score in scores),
        "gap_curve": gap_curves(scores) if protocol == "long" else {},
    }


def gap_curves(scores: Sequence[StoryScore]) -> dict[str, dict[int, Estimate]]:
    """Actor agreement with its last appearance, by the number of scenes since then; one curve a system."""
    curves = {}
    for system in SYSTEMS[:-1]:
        gaps = [score.scores[system].gaps for score in scores]
        curves[system] = {
            gap: estimate(g[gap] for g in gaps if gap in g) for gap in sorted({k for g in gaps for k in g})
        }
    return curves


def count_scenes(protocol: str, stories: int, seed: int) -> int:
    return sum(len(held_out_story(protocol, index, seed).scenes) for index in range(stories))


def contact_sheet(stories: Sequence[dict[str, Film]], margin: int = 4) -> np.ndarray:
    """Keyframes, uint8 (H, W, 3): a block a story; rows are rendered, ours and no history, columns scenes."""
    columns = max(len(films["ours"]) for films in stories)
    blocks = []
    for films in stories:
        for name in ("ceiling", "ours", "no_history"):
            row = [_framed(clip[len(clip) // 2], margin) for clip in films[name]]
            row += [np.full_like(row[0], 255)] * (columns - len(row))
            blocks.append(np.concatenate(row, axis=1))
        blocks.append(np.full((3 * margin, blocks[-1].shape[1], 3), 255, np.uint8))
    return np.concatenate(blocks)


def _framed(picture: np.ndarray, margin: int) -> np.ndarray:
    return np.pad(picture, ((0, margin), (0, margin), (0, 0)), constant_values=255)
