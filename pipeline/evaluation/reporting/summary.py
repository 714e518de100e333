"""What the scores of many stories say: every measure of every system, gap curves, and what is compared with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..common.statistics import Estimate, Tally, difference, estimate, ratio, total
from ..story.benchmark import FilmScore, StoryScore
from ..story.detail import SHARPNESS
from ..story.measures import MEASURES
from ..story.probe_stories import PROBE_MEASURES, STAYS_PARTS
from ..story.systems import CONTROLS, LONG, SYSTEMS

Table = dict[str, dict[str, Estimate]]  # system, measure
POINTINGS = ("pointing_actor", "pointing_place")
KEPT = {
    "stays": "unsaid facts that stay",
    "stays_actors": "those of actors",
    "stays_places": "those of places",
    "changes": "what was asked",
}
FAR = 2  # scenes: gaps of this and more are out of reach of the last frame


def summary(protocol: str, scores: Sequence[StoryScore]) -> dict:
    """All figures of one protocol; `scores` of stories need not hold the same systems."""
    systems = _systems(scores)
    curved = [name for name in systems if name != "chance"] if protocol == LONG else []
    return {
        "stories": len(scores),
        "systems": {name: {m: _estimate(scores, name, m) for m in MEASURES} for name in systems},
        "pointing": {name: _estimate(scores, "ours", name) for name in POINTINGS},
        "gap_curve": {name: gap_curve(scores, name) for name in curved},
        "comparisons": comparisons(protocol, scores),
        "sharpness": {name: _estimate(scores, "ours", name) for name in SHARPNESS},
    }


def probe_summary(scores: Sequence[StoryScore]) -> dict:
    """All figures of the probes."""
    return {
        "stories": len(scores),
        "systems": {name: {m: _estimate(scores, name, m) for m in PROBE_MEASURES} for name in _systems(scores)},
        "stays": {
            name: {m: _estimate(scores, name, m) for m in STAYS_PARTS} for name in _systems(scores) if name in SYSTEMS
        },
        "comparisons": probe_comparisons(scores),
    }


def probe_comparisons(scores: Sequence[StoryScore]) -> dict[str, Estimate]:
    """Paired over the stories that both systems filmed."""
    other = SYSTEMS["no_history"].title
    found = {
        f"ours minus {other}, cross-talk where nothing of the actor was kept": difference(
            _pairs(scores, "no_history", "cross_talk_unremembered")
        ),
        f"ours minus {other}, unsaid facts that stay": difference(_pairs(scores, "no_history", "stays")),
    }
    for name in ("ours", "no_history"):
        own = [score[name].tallies for score in scores if name in score]
        same_minus_other = difference((tallies["stays"], tallies["stays_other_seed"]) for tallies in own)
        found[f"{SYSTEMS[name].title}, a word changed minus another seed, unsaid facts that stay"] = same_minus_other
    for measure, told in KEPT.items():
        pairs = [(kept, plain) for plain, kept in _pairs(scores, "keep_rest", measure)]
        found[f"{SYSTEMS['keep_rest'].title}, minus ours, {told}"] = difference(pairs)
    return {name: value for name, value in found.items() if value.mean is not None}


def _systems(scores: Sequence[StoryScore]) -> list[str]:
    return [name for name in (*SYSTEMS, *CONTROLS) if any(name in score for score in scores)]


def _estimate(scores: Iterable[StoryScore], system: str, measure: str) -> Estimate:
    return estimate(score[system].tallies.get(measure, Tally()) for score in scores if system in score)


def gap_curve(scores: Iterable[StoryScore], system: str) -> dict[int, Estimate]:
    """Actor agreement with its last appearance, by the number of scenes since then."""
    gaps = [score[system].gaps for score in scores if system in score]
    return {gap: estimate(g[gap] for g in gaps if gap in g) for gap in sorted({gap for g in gaps for gap in g})}


def comparisons(protocol: str, scores: Sequence[StoryScore]) -> dict[str, Estimate]:
    """Paired over the stories that both systems filmed; a comparison without such stories is left out."""
    found = {
        f"ours minus {SYSTEMS[other].title}, {measure.replace('_', '-')}": difference(_pairs(scores, other, measure))
        for other in ("no_history", "uncast", "last_frame", "whole_prompts", "bare_tokens")
        for measure in ("actor", "cross_talk", "prompt")
    }
    if protocol == LONG:
        found |= {
            f"ours minus {SYSTEMS[other].title}, actor at gaps of {FAR} and more": difference(_far(scores, other))
            for other in ("last_frame", "no_history")
        }
        ours = [score["ours"] for score in scores if "ours" in score]
        found["ours, actor after a gap of 8 over that after 1"] = ratio((_gap(s, 8, 8), _gap(s, 1, 1)) for s in ours)
        found["ours, actor after gaps of 6 and more over that after 1"] = ratio(
            (_gap(s, 6), _gap(s, 1, 1)) for s in ours
        )
    return {name: value for name, value in found.items() if value.mean is not None}


def _both(scores: Iterable[StoryScore], other: str) -> list[tuple[FilmScore, FilmScore]]:
    return [(score["ours"], score[other]) for score in scores if "ours" in score and other in score]


def _pairs(scores: Iterable[StoryScore], other: str, measure: str) -> list[tuple[Tally, Tally]]:
    both = _both(scores, other)  # scores of an older run may lack a measure
    return [(a.tallies.get(measure, Tally()), b.tallies.get(measure, Tally())) for a, b in both]


def _far(scores: Iterable[StoryScore], other: str) -> list[tuple[Tally, Tally]]:
    return [(_gap(a, FAR), _gap(b, FAR)) for a, b in _both(scores, other)]


def _gap(score: FilmScore, low: int, high: int = 10_000) -> Tally:
    return total(tally for gap, tally in score.gaps.items() if low <= gap <= high)


def ranking(scores: Mapping[int, StoryScore]) -> list[int]:
    """The numbers of stories from the best to the worst by `ours`: actor, place, cross-talk, prompt and presence."""
    return sorted(scores, key=lambda index: (-_goodness(scores[index]["ours"]), index))


def _goodness(score: FilmScore) -> float:
    shares = {name: t.hits / t.counted for name, t in score.tallies.items() if t.counted}
    good = sum(shares.get(name, 0.0) for name in ("actor", "place", "prompt", "presence"))
    return good - shares.get("cross_talk", 0.0)
