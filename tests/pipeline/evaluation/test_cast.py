"""The cast benchmark, on the tiny model: what an anchor outranks, what is filmed, and what the figures count."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.adapters.teaching import Recipe
from pipeline.evaluation.cast import taught
from pipeline.evaluation.cast.__main__ import Filmed, figures, main, parser, slope
from pipeline.evaluation.cast.films import Anchor, Casting, anchored, film, track_of
from pipeline.evaluation.common.statistics import Tally
from pipeline.evaluation.editing.judging import Seen
from pipeline.evaluation.story.benchmark import HeldOut
from pipeline.evaluation.story.measures import unsaid_slots
from pipeline.picturebook.facts import ACTOR_FACTS, PLACE_FACTS
from pipeline.picturebook.localiser import load_localiser
from pipeline.picturebook.reader import ClipReader, Reading
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline() -> StoryPipeline:
    return tiny_pipeline()


@pytest.fixture(scope="module")
def anchor(pipeline: StoryPipeline) -> Anchor:
    frames = np.full((1, 96, 144, 3), 90, np.uint8)
    return Anchor(pipeline.encode_scene("Actor 1 is waving on the farm.", frames), (0, 7))


def test_an_anchor_outranks_earlier_scenes_and_gives_nothing_else(pipeline: StoryPipeline, anchor: Anchor) -> None:
    past = ["Actor 1 is running on the beach.", "Actor 2 is waving on the snow."]
    result = anchored(pipeline.filter, past, anchor, "Actor 1 is waving on the beach near a farm.")
    kept = {scene.index: [mention.text for mention in scene.kept_mentions] for scene in result.scenes}
    assert kept[2] == ["Actor 1"] and "Actor 1" not in kept[0] and "beach" in " ".join(kept[0])
    both = anchored(pipeline.filter, past, replace(anchor, beside=True), "Actor 1 is waving on the beach near a farm.")
    kept = {scene.index: [mention.text for mention in scene.kept_mentions] for scene in both.scenes}
    assert kept[2] == ["Actor 1"] and "Actor 1" in kept[0], "beside earlier scenes"


def test_a_hero_is_the_same_in_both_stories_and_the_kept_scene_is_in_neither() -> None:
    casting = Casting.of(HeldOut("long", 0, 1))
    assert all(scene.cast == (casting.hero,) for scene in (*casting.story, *casting.second, casting.kept))
    assert len(casting.story) == len(casting.places) >= 2 and casting.kept not in (*casting.story, *casting.second)


def test_films_are_made_scene_after_scene(pipeline: StoryPipeline, anchor: Anchor) -> None:
    scenes = Casting.of(HeldOut("long", 1, 1)).story[:2]
    tracks = [track_of(scenes, anchor), track_of(scenes[:1], None)]
    film(pipeline, tracks)
    assert [len(track.clips) for track in tracks] == [2, 1] and tracks[0].clips[0].shape == (17, 96, 144, 3)


def reading(**looks: str) -> Reading:
    return Reading(1.0, 1, looks, {})


def test_the_figures_count_the_last_against_the_first_and_both_stories() -> None:
    casting = Casting.of(HeldOut("long", 0, 1))
    slots = unsaid_slots(casting.hero)
    same, other = reading(**dict.fromkeys(slots, "red")), reading(**dict.fromkeys(slots, "blue"))
    count = len(casting.places)
    found = figures([Filmed(casting, [same] * count, [same] * (count - 1) + [other], [same, other])])
    assert found["actor_with"].mean == 1 and found["actor_without"].mean == 0 and found["two_stories"].mean == 0.5
    assert found["pairs_with"].mean == 1 and found["actor_with"].n == 1


def test_the_slope_is_that_of_a_line() -> None:
    falling = [[(1, 1.0), (3, 0.8), (5, 0.6)], [(2, 0.9), (4, 0.7)]]
    found = slope(falling)
    assert found.mean == pytest.approx(-0.1) and found.low == pytest.approx(-0.1) == found.high
    assert slope([[(1, 1.0)]]).mean is None


def test_the_command_writes_its_figures(
    pipeline: StoryPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pipeline.evaluation.cast.__main__.loading.load", lambda name: pipeline)
    short = Casting.of(HeldOut("long", 0, 1))
    cut = Casting(short.hero, short.places[:2], short.story[:2], short.second[:1], short.kept)
    monkeypatch.setattr(Casting, "of", classmethod(lambda cls, held_out: cut))
    main(parser().parse_args(["--stories", "1", "--seed", "3", "--json", str(tmp_path / "cast.json")]))
    found = json.loads((tmp_path / "cast.json").read_text())
    assert set(found["actor_with"]) == {"mean", "low", "high", "n"}
    assert {"actor_with", "actor_without", "slope", "two_stories"} <= set(found)
    assert "| two_stories |" in capsys.readouterr().out


# --- taught subjects -------------------------------------------------------------------------------------------------


def test_a_subject_is_taught_and_filmed_with_and_without_what_was_taught(pipeline: StoryPipeline) -> None:
    pipeline.native = replace(pipeline.native, steps=2)
    nobody = SimpleNamespace(see=lambda clip: Seen((), (), (), {}))
    judges = taught.Judges(ClipReader.load(), load_localiser(), nobody)
    found = taught.judged(pipeline, judges, 0, Recipe(steps=1, stills=2, priors=1, rank=2))
    assert found.facts.counted == found.facts_before.counted == 3 * 4 and found.prompt.counted == 3 * 2
    assert found.others.counted == taught.OTHERS * (len(ACTOR_FACTS) + len(PLACE_FACTS))
    assert found.others.hits == found.others.counted, "nobody else wears what was taught"
    assert found.beside == Tally(), "nobody is seen"
    assert 0 < found.others_worn.hits <= found.others_worn.counted and found.megabytes < 3
    told = taught.figures([found, found])
    assert set(taught.MEASURES) < set(told) and told["prompt"].n == 2


def test_beside_a_subject_only_facts_of_somebody_else_count() -> None:
    def seen(*looks: dict[str, str]) -> Seen:
        return Seen((), looks, tuple(frozenset(look) for look in looks), {})

    was = seen({"kind": "cat", "top": "red"}, {"kind": "dog", "top": "blue"})
    now = seen({"kind": "robot", "top": "green"}, {"kind": "dog", "top": "red"})
    judge = SimpleNamespace(see=lambda clip: (was, now, seen())[int(clip[0])])
    first, after, nobody = (np.array([i]) for i in range(3))
    assert taught._kept_beside(judge, first, after) == Tally(1, 2)
    assert taught._kept_beside(judge, first, nobody) == Tally(0, 2)
    assert taught._kept_beside(judge, nobody, first) == Tally()


def test_facts_count_as_the_same_only_if_they_are_read_alike() -> None:
    one, other = reading(top="red", hat="blue"), reading(top="red", hat="green")
    assert taught._same([one, one], [one, other]) == Tally(3, 4)
