"""The story benchmark: statistics, systems whose score is known beforehand, chance against draws, pointing."""

import random
from dataclasses import replace

import numpy as np
import pytest

from pipeline.evaluation.common.statistics import Tally, difference, estimate, ratio, total
from pipeline.evaluation.story import measures, pointing, systems
from pipeline.evaluation.story.benchmark import HeldOut, score_film
from pipeline.evaluation.story.chance import chance_tallies, kind_shares
from pipeline.picturebook import renderer, world
from pipeline.picturebook.captions import story_captions
from pipeline.picturebook.reader import Reading
from tests.tiny import tiny_pipeline

STORIES = 40


def true_reading(scene: world.WorldScene) -> Reading:
    """What a perfect reader says of the rendered clip of a scene with one actor."""
    actor = {"kind": scene.cast[0].kind, "action": scene.actions[0], **vars(scene.cast[0].look)}
    return Reading(1.0, 1, actor, {"kind": scene.place.kind, **vars(scene.place.look)})


def true_readings(story: world.WorldStory) -> list[Reading]:
    return [true_reading(scene) for scene in story.scenes]


def stories(protocol: str = "abba", count: int = STORIES) -> list[world.WorldStory]:
    return [HeldOut(protocol, index, seed=5).story for index in range(count)]


def share(tallies: list[Tally]) -> float:
    value = total(tallies)
    return value.hits / value.counted


class KeyframeReader:
    """A perfect reader of clips whose keyframe was rendered: it knows them all."""

    def __init__(self, story: world.WorldStory, rendered: list[np.ndarray]) -> None:
        self.known = {
            clip[8].tobytes(): true_reading(scene) for clip, scene in zip(rendered, story.scenes, strict=True)
        }

    def read(self, film: list[np.ndarray]) -> list[Reading]:
        return [self.known[clip[8].tobytes()] for clip in film]


@pytest.fixture(scope="module")
def rendered() -> tuple[world.WorldStory, list[np.ndarray]]:
    story = stories(count=1)[0]
    return story, [renderer.render(scene, masks=False).frames for scene in story.scenes]


# Statistics


def test_estimate_is_the_ratio_of_sums_with_an_interval_around_it() -> None:
    value = estimate([Tally(1, 2), Tally(3, 4), Tally(0, 0), Tally(2, 2)])
    assert (value.mean, value.n) == (6 / 8, 3)
    assert value.low is not None and value.high is not None
    assert 0.5 <= value.low <= value.mean <= value.high <= 1


def test_estimate_of_nothing_is_null() -> None:
    assert estimate([Tally(), Tally()]).to_dict() == {"mean": None, "low": None, "high": None, "n": 0}


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    samples = ([Tally(float(hit), 1) for hit in rng.random(100) < 0.7] for _ in range(100))
    covered = sum(value.low <= 0.7 <= value.high for value in map(estimate, samples))  # type: ignore[operator]
    assert 88 <= covered <= 100


def test_a_paired_difference_cancels_what_the_stories_have_in_common() -> None:
    rng = np.random.default_rng(1)
    easy = rng.integers(0, 9, 60)  # stories differ a lot; the first system is better by one in ten of all of them
    pairs = [(Tally(float(hits) + 1, 10), Tally(float(hits), 10)) for hits in easy]
    paired, alone = difference(pairs), estimate(a for a, _ in pairs)
    assert (paired.mean, paired.low, paired.high) == pytest.approx((0.1, 0.1, 0.1))
    assert alone.high - alone.low > 0.1  # type: ignore[operator]


def test_a_difference_counts_stories_that_one_side_alone_counts_in() -> None:
    pairs = [(Tally(1, 1), Tally()), (Tally(0, 1), Tally(1, 2)), (Tally(), Tally())]
    value = difference(pairs)
    assert (value.mean, value.n) == (0.5 - 0.5, 2)
    assert value.low is not None and value.high is not None and value.low <= 0 <= value.high


def test_a_ratio_of_shares() -> None:
    pairs = [(Tally(3, 4), Tally(4, 4)), (Tally(3, 4), Tally(4, 4))]
    assert ratio(pairs).mean == pytest.approx(0.75) == ratio(pairs).low
    assert ratio([(Tally(1, 1), Tally(0, 1))]).mean is None
    assert ratio([]).n == 0


# Systems whose score is known


@pytest.mark.parametrize("protocol", ["abba", "long"])
def test_the_truth_agrees_with_itself(protocol: str) -> None:
    for story in stories(protocol):
        readings = true_readings(story)
        for tally in (
            measures.actor_tally(story, readings),
            measures.place_tally(story, readings),
            measures.prompt_tally(story, readings),
            measures.presence_tally(readings),
        ):
            assert tally.hits == tally.counted > 0
        cross_talk = measures.cross_talk_tally(story, readings)
        assert cross_talk.hits == 0
        assert protocol == "long" or cross_talk.counted > 0


def test_a_system_that_swaps_the_actors_is_all_cross_talk() -> None:
    for story in stories():
        first, second, third, fourth = true_readings(story)
        swapped = [first, second, replace(third, actor=fourth.actor), replace(fourth, actor=third.actor)]
        tally = measures.cross_talk_tally(story, swapped)
        assert tally.hits == tally.counted > 0
        agreed = measures.actor_tally(story, swapped)
        assert agreed.hits < agreed.counted


def test_rendered_clips_score_the_ceiling(rendered) -> None:
    story, film = rendered
    score = score_film(story, film, film, KeyframeReader(story, film).read(film))
    shares = {name: tally.hits / tally.counted for name, tally in score.tallies.items()}
    assert shares == {"actor": 1, "place": 1, "cross_talk": 0, "prompt": 1, "presence": 1, "motion": 1}


def test_a_frozen_frame_agrees_but_does_not_move_and_shows_the_wrong_thing(rendered) -> None:
    story, film = rendered
    frozen = systems.frozen_frame(film[0], len(film))
    assert np.array_equal(frozen[0], film[0])
    score = score_film(story, frozen, film, KeyframeReader(story, film).read(frozen), since=1)
    assert score.tallies["actor"] == Tally(score.tallies["actor"].counted, score.tallies["actor"].counted)
    assert score.tallies["motion"].hits == 0 < score.tallies["motion"].counted
    assert score.tallies["cross_talk"].counted == 0
    assert score.tallies["prompt"] == Tally(0, 3)


def test_attributes_are_counted_only_where_the_reader_is_sure() -> None:
    story = stories(count=1)[0]
    *others, last = true_readings(story)
    unsure = [*others, replace(last, presence=0.4)]
    a, b = story.scenes[0].cast[0], story.scenes[1].cast[0]
    assert measures.actor_tally(story, unsure).counted == len(measures.unsaid_slots(b))
    assert measures.actor_tally(story, [*others, last]).counted == len(
        measures.unsaid_slots(a) + measures.unsaid_slots(b)
    )
    assert measures.presence_tally(unsure) == Tally(3, 4)


def test_what_a_name_says_is_no_memory() -> None:
    rng = random.Random(0)
    slots = {
        name: measures.unsaid_slots(world.draw_actor(rng, name)) for name in ("Actor 1", "Mia", "Tom", "cat", "robot")
    }
    assert slots["Actor 1"] == world.ACTOR_SLOTS
    assert slots["Mia"] == slots["Tom"] == world.ACTOR_SLOTS[:-1]
    assert slots["cat"] == slots["robot"] == ("top", "bottom", "skin", "hat")


def test_every_wrong_part_of_a_scene_misses_the_prompt() -> None:
    scene = stories(count=1)[0].scenes[0]
    right = true_reading(scene)
    other = {"kind": "nothing", "action": "nothing"}
    assert measures.says_prompt(scene, right)
    for key in other:
        assert not measures.says_prompt(scene, replace(right, actor=right.actor | {key: other[key]}))
    assert not measures.says_prompt(scene, replace(right, place=right.place | {"kind": "nowhere"}))
    assert not measures.says_prompt(scene, replace(right, number=2))


def test_gaps_count_scenes_since_the_last_appearance() -> None:
    for story in stories("long"):
        seen: dict[str, int] = {}
        expected = []
        for index, scene in enumerate(story.scenes):
            name = scene.cast[0].name
            expected += [index - seen[name]] if name in seen else []
            seen[name] = index
        assert sorted(measures.gap_tallies(story, true_readings(story))) == sorted(set(expected))


# Chance


def redrawn(story: world.WorldStory, rng: random.Random) -> list[Reading]:
    """Readings of a system that draws everything anew in each scene, but for the kind of the actor."""
    scenes = []
    for scene in story.scenes:
        actor = replace(world.draw_actor(rng, scene.cast[0].name), name=scene.cast[0].name)
        place = world.draw_place(rng, rng.choice(world.PLACES))
        scenes.append(replace(scene, cast=(actor,), actions=(rng.choice(world.ACTIONS),), place=place))
    return true_readings(world.WorldStory(tuple(scenes), story.seed))


def test_chance_is_what_random_looks_give() -> None:
    rng, drawn = random.Random(1), stories(count=300)
    exact = [chance_tallies(story, "abba") for story in drawn]
    random_readings = [(story, redrawn(story, rng)) for story in drawn for _ in range(4)]
    for name, tally in (
        ("actor", measures.actor_tally),
        ("place", measures.place_tally),
        ("cross_talk", measures.cross_talk_tally),
    ):
        measured = share([tally(story, readings) for story, readings in random_readings])
        assert share([tallies[name] for tallies in exact]) == pytest.approx(measured, abs=0.015)
    assert share([tallies["place"] for tallies in exact]) == pytest.approx((1 / 3 + 1 / 8 + 1 / 8 + 1 / 2) / 4)


def test_chance_of_the_prompt() -> None:
    shares = kind_shares("abba")
    assert sum(shares.values()) == pytest.approx(1)
    value = share([chance_tallies(story, "abba")["prompt"] for story in stories()])
    assert min(shares.values()) / 64 <= value <= max(shares.values()) / 64


# Pointing


def test_a_mention_is_looked_for_in_its_own_mask() -> None:
    mask = np.zeros((96, 144), np.uint8)
    mask[24:72, 48:96], mask[24:72, 96:120] = 1, 2
    actor, action, place = (
        pointing.entity_patches(mask, label, (12, 12)) for label in ("actor 0", "action 0", "place")
    )
    assert actor.sum() == 6 * 4 and action.sum() == 6 * 6
    assert np.array_equal(place, ~action)
    assert not pointing.entity_patches(mask, "actor 1", (12, 12)).any()


def test_pointing_of_a_pipeline_that_never_learnt_it() -> None:
    pipeline, story = tiny_pipeline(), stories(count=1)[0]
    captions = story_captions(story, plain=True, domain="bench/5")
    clips = [renderer.render(scene) for scene in story.scenes]
    past = [pipeline.encode_scene(c.text, clip.frames) for c, clip in zip(captions, clips, strict=True)]
    by_scene = pointing.pointings(pipeline, captions, past, [clip.masks[8] for clip in clips])
    assert [bool(own) for own in by_scene] == [True, True, bool(by_scene[2]), False], "nothing looks at the last scene"
    pointed = [p for own in by_scene for p in own]
    assert {p.label for p in pointed} >= {"actor 0", "place"}
    assert all(0 <= p.chance <= 1 for p in pointed)
    by_label = [pointing.pointing_tally(pointed, kind) for kind in ("actor", "action", "place")]
    assert total(by_label) == pointing.pointing_tally(pointed)


def test_no_map_points_at_an_actor_that_no_mask_shows() -> None:
    pipeline, story = tiny_pipeline(), stories(count=1)[0]
    captions = story_captions(story, plain=True, domain="bench/5")
    past = [pipeline.encode_scene(c.text, np.zeros((1, 96, 144, 3), np.uint8)) for c in captions]
    found = [
        p for own in pointing.pointings(pipeline, captions, past, [np.zeros((96, 144), np.uint8)] * 4) for p in own
    ]
    assert {p.hit for p in found if p.label == "place"} == {True}
    assert {p.hit for p in found if p.label == "actor 0"} == {False}


# Held-out stories


def test_stories_of_different_seeds_and_of_training_differ() -> None:
    drawn = [HeldOut("abba", index, seed).story for index in range(20) for seed in (0, 1)]
    assert len(set(drawn)) == len(drawn)
    assert not {story.scenes[0] for story in drawn} & {world.training_story(seed).scenes[0] for seed in range(20)}
