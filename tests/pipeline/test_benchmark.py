"""The story benchmark: systems whose score is known beforehand, chance against draws, the command end to end."""

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.evaluation import __main__ as command
from pipeline.evaluation import benchmark, measures, pointing, report, systems
from pipeline.evaluation.chance import chance_tallies, kind_shares
from pipeline.evaluation.command import run
from pipeline.evaluation.measures import MEASURES
from pipeline.evaluation.reader import ClipReader, Reading
from pipeline.evaluation.statistics import Estimate, Tally, estimate, total
from pipeline.picturebook import renderer, world
from pipeline.picturebook.captions import story_captions
from tests.tiny import save_tiny, tiny_pipeline

STORIES = 40


def true_reading(scene: world.Scene) -> Reading:
    """What a perfect reader says of the rendered clip of a scene with one actor."""
    actor = {"kind": scene.cast[0].kind, "action": scene.actions[0], **vars(scene.cast[0].look)}
    return Reading(1.0, 1, actor, {"kind": scene.place.kind, **vars(scene.place.look)})


def true_readings(story: world.Story) -> list[Reading]:
    return [true_reading(scene) for scene in story.scenes]


def stories(protocol: str = "abba", count: int = STORIES) -> list[world.Story]:
    return [benchmark.held_out_story(protocol, index, seed=5) for index in range(count)]


def share(tallies: list[Tally]) -> float:
    value = total(tallies)
    return value.hits / value.counted


class KeyframeReader:
    """A perfect reader of clips whose keyframe was rendered: it knows them all."""

    def __init__(self, story: world.Story, rendered: list[np.ndarray]) -> None:
        self.known = {
            clip[8].tobytes(): true_reading(scene) for clip, scene in zip(rendered, story.scenes, strict=True)
        }

    def read(self, film: list[np.ndarray]) -> list[Reading]:
        return [self.known[clip[8].tobytes()] for clip in film]


@pytest.fixture(scope="module")
def rendered() -> tuple[world.Story, list[np.ndarray]]:
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


# Systems whose score is known


@pytest.mark.parametrize("protocol", ["abba", "long"])
def test_the_truth_agrees_with_itself(protocol: str) -> None:
    for story in stories(protocol):
        readings = true_readings(story)
        for tally in (
            measures.actor_tally(story, readings), measures.place_tally(story, readings),
            measures.prompt_tally(story, readings), measures.presence_tally(readings),
        ):  # fmt: skip
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
    score = benchmark.score_film(story, film, film, KeyframeReader(story, film))
    shares = {name: tally.hits / tally.counted for name, tally in score.tallies.items()}
    assert shares == {"actor": 1, "place": 1, "cross_talk": 0, "prompt": 1, "presence": 1, "motion": 1}


def test_a_frozen_frame_agrees_but_does_not_move_and_shows_the_wrong_thing(rendered) -> None:
    story, film = rendered
    frozen = systems.frozen_frame(film[0], len(film))
    assert np.array_equal(frozen[0], film[0])
    score = benchmark.score_film(story, frozen, film, KeyframeReader(story, film), since=1)
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


def redrawn(story: world.Story, rng: random.Random) -> list[Reading]:
    """Readings of a system that draws everything anew in each scene, but for the kind of the actor."""
    scenes = []
    for scene in story.scenes:
        actor = replace(world.draw_actor(rng, scene.cast[0].name), name=scene.cast[0].name)
        place = world.draw_place(rng, rng.choice(world.PLACES))
        scenes.append(replace(scene, cast=(actor,), actions=(rng.choice(world.ACTIONS),), place=place))
    return true_readings(world.Story(tuple(scenes), story.seed))


def test_chance_is_what_random_looks_give() -> None:
    rng, drawn = random.Random(1), stories(count=300)
    exact = [chance_tallies(story, "abba") for story in drawn]
    random_readings = [(story, redrawn(story, rng)) for story in drawn for _ in range(4)]
    for name, tally in (
        ("actor", measures.actor_tally), ("place", measures.place_tally), ("cross_talk", measures.cross_talk_tally)
    ):  # fmt: skip
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
    pointed = pointing.pointings(pipeline, captions, [renderer.render(scene) for scene in story.scenes])
    assert {p.label for p in pointed} >= {"actor 0", "place"}
    assert all(0 <= p.chance <= 1 for p in pointed)
    by_label = [pointing.pointing_tally(pointed, kind) for kind in ("actor", "action", "place")]
    assert total(by_label) == pointing.pointing_tally(pointed)


# Systems


class CountingPipeline:
    """Gives clips of one colour, and says that scene 3 and later keep something of the past."""

    def __init__(self) -> None:
        self.histories: list[int] = []

    def __call__(self, prompt, history, guidance, *, steps, seed):
        self.histories.append(len(history))
        frames = np.full((17, 96, 144, 3), len(self.histories), np.uint8)
        result = SimpleNamespace(contributing=(0,) if len(history) > 1 else ())
        trace = SimpleNamespace(filter=result)
        return SimpleNamespace(frames=frames, trace=trace)

    def encode_scene(self, prompt, frames):
        return prompt


def test_only_scenes_that_remember_are_made_again_without_history() -> None:
    pipeline, options, scenes = CountingPipeline(), systems.Options(), []
    prompts, seeds = ["one", "two", "three", "four"], [1, 2, 3, 4]
    ours = systems.with_history(pipeline, prompts, seeds, options, lambda: scenes.append("ours"))
    assert pipeline.histories == [0, 1, 2, 3]
    film = systems.without_history(pipeline, prompts, seeds, options, ours, lambda: scenes.append("none"))
    assert pipeline.histories[4:] == [0, 0]
    assert [int(clip[0, 0, 0, 0]) for clip in film] == [1, 2, 5, 6]
    assert scenes == ["ours"] * 4 + ["none"] * 4


def test_stories_of_different_seeds_and_of_training_differ() -> None:
    drawn = [benchmark.held_out_story("abba", index, seed) for index in range(20) for seed in (0, 1)]
    assert len(set(drawn)) == len(drawn)
    assert not {story.scenes[0] for story in drawn} & {world.training_story(seed).scenes[0] for seed in range(20)}


# The command


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    torch.manual_seed(0)
    ClipReader().save_pretrained(folder)
    return folder


def bench(*arguments: object) -> int:
    return run(command.parser(), command.main, [str(argument) for argument in arguments])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning:diffusers")
def test_the_command_writes_every_measure_and_the_same_twice(tmp_path: Path, model: Path, reader: Path, capsys) -> None:
    given = ("--stories", 1, "--seed", 2, "--model", model, "--reader", reader, "--steps", 1)
    assert (
        bench(*given, "--json", tmp_path / "a.json", "--markdown", tmp_path / "a.md", "--sheet", tmp_path / "a.png")
        == 0
    )
    printed = capsys.readouterr().out
    assert bench(*given, "--json", tmp_path / "b.json") == 0
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "b.json"))
    assert {k: v for k, v in first.items() if k != "seconds"} == {k: v for k, v in second.items() if k != "seconds"}
    for system in benchmark.SYSTEMS:
        assert set(first[system]) == set(MEASURES)
        assert all(set(value) == {"mean", "low", "high", "n"} for value in first[system].values())
    assert first["ceiling"]["motion"]["mean"] == 1 and first["frozen_frame"]["motion"]["mean"] == 0
    assert first["ours"]["pointing"]["n"] == 1 and first["no_history"]["pointing"]["mean"] is None
    assert set(first) >= {"settings", "reader_accuracy", "seconds"}
    assert printed.startswith("The reader on held-out rendered clips:")
    assert printed.endswith((tmp_path / "a.md").read_text())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.md", "a.png", "b.json"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--stories", "0"], "'0'"),
        (["--seed", "x"], "'x'"),
        (["--protocol", "baab"], "'baab'"),
        (["--guidance-scale", "nan"], "nan"),
        (["--history-scale", "-1"], "-1"),
        (["--model", "nosuch"], "'nosuch'"),
        (["--reader", "nosuch"], "'nosuch'"),
        (["--markdown", "nosuch/table.md"], "'nosuch/table.md'"),
    ],
)
def test_bad_arguments_take_one_line(arguments, named, tmp_path: Path, reader: Path, capsys) -> None:
    standard = [] if "--reader" in arguments else ["--reader", str(reader)]
    try:
        code = bench("--json", tmp_path / "out.json", *standard, *arguments)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert named in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        report.write_all({tmp_path / "table.md": b"table", tmp_path / "nosuch" / "figures.json": b"figures"})
    assert not list(tmp_path.iterdir())


def test_markdown_has_a_row_a_system() -> None:
    table = {name: dict.fromkeys(MEASURES, Estimate(0.5, 0.25, 0.75, 4)) for name in benchmark.SYSTEMS}
    table["chance"]["motion"] = Estimate(None, None, None, 0)
    lines = report.markdown(table).splitlines()
    assert len(lines) == 2 + len(benchmark.SYSTEMS)
    assert lines[-1].count("0.50 (0.25–0.75)") == 6 and "| – |" in lines[-1]
