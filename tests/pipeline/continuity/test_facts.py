"""The line that tells the meter which facts of a look changed."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import loading
from pipeline.continuity import facts
from pipeline.continuity.calibration import FRAMES
from pipeline.continuity.facts import SIZES, SLOTS, Difference, FactLine, differences, load_facts, share_alike, shows
from pipeline.continuity.measurement import Gauge, Region
from pipeline.picturebook import captions, renderer, world
from pipeline.picturebook.world import SLOT_VALUES
from tests.tiny import tiny_pipeline


def line_of(**values: str) -> FactLine:
    """A line whose first input is all that counts, and speaks for these values."""
    weight = np.zeros((sum(SIZES), 2), np.float32)
    starts = dict(zip(SLOTS, np.cumsum((0, *SIZES)), strict=False))
    for slot, value in values.items():
        weight[starts[slot] + SLOT_VALUES[slot].index(value), 0] = 9.0
    return FactLine(weight, np.zeros(sum(SIZES), np.float32), "f")


LOOK = np.array([1, 0], np.float32)


@pytest.mark.parametrize(
    ("text", "kind"), [("the robot", "robot"), ("Mia", "person"), ("a snowy forest", "forest"), ("Actor 2", "person")]
)
def test_what_a_mention_is_is_in_its_words(text: str, kind: str) -> None:
    assert facts.kind_of(text) == kind


def test_only_what_it_can_wear_is_read() -> None:
    read = line_of(hat="green", time="night").read(LOOK, "the robot")
    assert set(read) == {"top", "bottom", "skin", "hat"}
    assert len(read["hat"]) == len(world.HAT_COLOURS) and read["hat"].sum() == pytest.approx(1)
    assert shows(read, "the robot", "hat", "green") and not shows(read, "the robot", "hat", "none")
    assert set(line_of().read(LOOK, "desert")) == set(world.PLACE_SLOTS)
    assert "hair_style" in line_of().read(LOOK, "Actor 1") and "hair_style" not in line_of().read(LOOK, "Mia")


def test_a_fact_that_changed_is_told_and_no_other() -> None:
    before, now = (line_of(hat=hat, top="red").read(LOOK, "Mia") for hat in ("yellow", "green"))
    assert differences(before, now, "Mia") == (Difference("hat", "yellow", "green"),)
    assert differences(before, before, "Mia") == ()
    unsure = line_of(top="red").read(LOOK, "Mia")
    assert differences(before, unsure, "Mia") == (), "what nobody knows did not change"
    assert differences(before, line_of(time="night").read(LOOK, "desert"), "Mia") == (), "they have no fact in common"


def test_the_share_that_is_alike() -> None:
    before, now = (line_of(hat=hat, top="red").read(LOOK, "the robot") for hat in ("yellow", "green"))
    same = share_alike(before, before)
    other = share_alike(before, now)
    assert same is not None and other is not None and same - other == pytest.approx(1 / 4, abs=0.01)
    assert share_alike(before, {}) is None


@pytest.mark.parametrize(("slot", "text", "word"), [("hat", "the robot", "lamp"), ("top", "Mia", "coat"),
                                                    ("skin", "the dog", "fur"), ("hair_style", "Actor 1", "hair style"),
                                                    ("time", "desert", "time of day")])  # fmt: skip
def test_facts_have_names_that_people_use(slot: str, text: str, word: str) -> None:
    assert facts.word_for(slot, text) == word


def test_it_is_kept_with_the_encoders_that_it_is_for(tmp_path: Path) -> None:
    line = line_of(hat="green")
    line.save(tmp_path / facts.FILE)
    load_facts.cache_clear()
    kept = load_facts(tmp_path)
    load_facts.cache_clear()
    assert kept is not None and kept.fingerprint == "f" and np.array_equal(kept.weight, line.weight)
    assert load_facts(tmp_path / "nowhere") is None
    load_facts.cache_clear()
    assert Gauge(tiny_pipeline()).facts is None, "what ships is for other encoders"


def test_the_shipped_one_names_what_changed_in_rendered_clips() -> None:
    gauge, named, missed, false = Gauge(loading.load("picturebook", "cpu")), 0, 0, 0
    for index in range(24):
        rng = random.Random(f"facts/test/{index}")
        actor = world.draw_actor(rng, world.draw_names(rng, 1)[0])
        slot = rng.choice(("top", "hat"))
        other = rng.choice(
            [v for v in world.slot_values(actor.kind, slot) if v not in ("none", getattr(actor.look, slot))]
        )
        changed = replace(actor, look=replace(actor.look, **{slot: other}))
        regions = [_seen(gauge, rng, someone) for someone in (actor, changed)]
        told = differences(regions[0].facts, regions[1].facts, actor.name)
        named += any((each.slot, each.now) == (slot, other) for each in told)
        missed += not any(each.slot == slot for each in told)
        false += any(each.slot != slot for each in told)
    assert named >= 18 and missed <= 5 and false <= 4, (named, missed, false)


def _seen(gauge: Gauge, rng: random.Random, actor: world.Actor) -> Region:
    scene = world.draw_scene(rng, (actor,), world.draw_place(rng, rng.choice(world.PLACES)))
    caption = captions.caption(scene, rng, plain=True)
    spans = [(s.start, s.end) for s in caption.spans if s.label == "actor 0"]
    return gauge.read(renderer.render(scene, masks=False, frames=FRAMES).frames, caption.text, [spans]).regions[0]
