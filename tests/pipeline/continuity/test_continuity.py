"""The measures of the continuity meter: on rendered clips, and where figures must be exact."""

import random
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.continuity.calibration import calibrate, change_actor, draw
from pipeline.continuity.measurement import (
    Calibration,
    Gauge,
    Measurement,
    Region,
    held,
    motion_score,
    presence,
    prompt_score,
    similarity,
)
from pipeline.continuity.photometry import Light, drift, light_of, out_of_line
from pipeline.errors import ThroughlineError
from pipeline.evaluation.continuity import (
    blurred,
    faded,
    gate_figures,
    greyed,
    light_figures,
    prompt_figures,
    similarity_figures,
)
from pipeline.picturebook import renderer, world
from tests.tiny import tiny_pipeline

CENTRE = np.array([1.0, 0.0, 0.0], np.float32)
SCALE = Calibration(CENTRE, 0.25, 0.75, (1.0, 0.0, 0.0, 2.0, 1.0, 1.0, 4.0, 0.0, 0.0, -1.0), 0.1, 0.5)


def region(*look: float, peak: float = 1.0) -> Region:
    return Region(np.array(look, np.float32) + CENTRE, (peak, 0.0, 0.0))


def reading(prompt: float | None = 0.3, motion: float = 1.0) -> Measurement:
    return Measurement((), prompt, motion, Light(0.2, 0.5, 0.6))


@cache
def embedded() -> tuple[Gauge, Calibration]:
    gauge = Gauge(loading.load("picturebook", "cpu"))
    return gauge, calibrate(gauge, stories=12)


# Scales


def test_similarity_lies_between_different_and_same_around_the_centre() -> None:
    a = region(0, 1, 0)
    assert similarity(SCALE, a, region(0, 3, 0)) == 1  # a cosine of 1 is over "same"
    assert similarity(SCALE, a, region(0, -1, 0)) == 0
    half = region(0, 1, 3**0.5)  # a cosine of 0.5
    assert similarity(SCALE, a, half) == pytest.approx(0.5)
    blind = Calibration(CENTRE, 0.5, 0.51, SCALE.gate, 0.1, 0.5)
    assert similarity(blind, a, a) == 0, "an encoder that sees no difference vouches for nothing"


def test_presence_is_a_probability_that_rises_with_the_evidence() -> None:
    weak, even, strong = (presence(SCALE, region(0, 1, 0, peak=peak)) for peak in (-1.0, 1.5, 5.0))
    assert 0 < weak < even < strong < 1 and even == pytest.approx(0.5)
    assert presence(SCALE, region(0, 1, 0, peak=1e9)) == pytest.approx(1.0)


def test_prompt_and_motion_scores() -> None:
    assert [prompt_score(SCALE, reading(prompt)) for prompt in (0.0, 0.3, 0.9)] == pytest.approx([0, 0.5, 1])
    assert prompt_score(SCALE, reading(None)) is None
    assert motion_score(reading(motion=0.0)) == 0 and motion_score(reading(motion=3.0)) == 1


def test_a_clip_is_worth_its_weakest_figure() -> None:
    assert held([], 1.0, 1.0) is None
    assert held([1.0, 0.5], 0.9, 1.0) == 0.75
    assert held([1.0], 0.2, 1.0) == 0.2
    assert held([1.0], None, 0.0) == 0, "a still"


# On rendered clips


def test_the_gate_and_the_similarity_on_held_out_clips() -> None:
    gauge, scale = embedded()
    drawn = [draw(gauge, index, "test") for index in range(16)]
    figures = dict(similarity_figures(scale, [pair for each in drawn for pair in each.pairs]))
    figures |= gate_figures(scale, [sight for each in drawn for sight in each.sights])
    figures |= prompt_figures(scale, drawn)
    for case in ("actor", "place"):
        assert figures[f"{case}: correlation with the true share"] >= 0.65, figures
    assert figures["gate: precision"] >= 0.9 and figures["gate: recall"] >= 0.9, figures
    assert figures["prompt: own above another's"] >= 0.9 and figures["prompt: mean score with another's"] < 0.4


def test_a_frozen_frame_looks_the_same_and_is_worth_nothing() -> None:
    gauge, scale = embedded()
    first, again = (renderer.render(world.abba_story(3, "still").scenes[i], masks=False).frames for i in (0, 3))
    still = np.repeat(first[8][None], len(first), axis=0)
    name = world.abba_story(3, "still").scenes[0].cast[0].name
    before, now, frozen = (
        gauge.read(f, f"{name} is in the forest.", [[(0, len(name))]]) for f in (first, again, still)
    )
    alike = similarity(scale, before.regions[0], frozen.regions[0])
    assert alike >= similarity(scale, before.regions[0], now.regions[0]) - 1e-6
    assert held([alike], prompt_score(scale, frozen), motion_score(frozen)) == 0


def test_changed_looks_are_as_many_as_was_asked_for() -> None:
    actor = world.draw_actor(random.Random(1), "Actor 1")
    same, share = change_actor(random.Random(2), actor, 1.0)
    assert same == actor and share == 1
    other, share = change_actor(random.Random(2), actor, 0.0)
    assert share == 0 and all(getattr(other.look, slot) != value for slot, value in vars(actor.look).items())


# Readings


def test_readings_of_any_pipeline() -> None:
    gauge = Gauge(tiny_pipeline())
    frames = np.random.default_rng(0).integers(0, 255, (5, 48, 72, 3), np.uint8)
    one = gauge.read(frames, "Mia is on the beach.", [[(0, 3)], [(14, 19)]])
    assert [r.look.shape for r in one.regions] == [(24,), (24,)] and len(one.regions[0].evidence) == 3
    assert one.motion == pytest.approx(np.abs(np.diff(frames.astype(int), axis=0)).mean())
    again = gauge.read(frames, "Mia is on the beach.", [[(0, 3)]])
    assert np.allclose(one.regions[0].look, again.regions[0].look)
    assert gauge.read(frames[:1], "Mia.", []).motion == 0 and gauge.read(frames[:1], "Mia.", []).regions == ()


def test_the_fingerprint_is_of_the_encoders_weights() -> None:
    gauge, other = Gauge(tiny_pipeline()), Gauge(tiny_pipeline())
    assert gauge.fingerprint() == other.fingerprint()
    with torch.no_grad():
        other.pipeline.image_encoder.visual_projection.weight[0, 0] += 1
    assert gauge.fingerprint() != other.fingerprint()


# Light


def frames_of(index: int) -> np.ndarray:
    return renderer.render(world.long_story(0, "light-test").scenes[index], masks=False, frames=(2, 8)).frames


def test_light_tells_what_was_done_to_a_clip() -> None:
    frames = frames_of(0)
    light, soft, pale, grey = (
        light_of(f) for f in (frames, blurred(frames, 1.5), faded(frames, 0.5), greyed(frames, 0.5))
    )
    assert soft.sharpness < 0.75 * light.sharpness and soft.contrast > 0.7 * light.contrast
    assert pale.contrast == pytest.approx(0.5 * light.contrast, rel=0.05)
    assert pale.sharpness == pytest.approx(light.sharpness, rel=0.1), "fading is no blur"
    assert grey.saturation < 0.7 * light.saturation and grey.sharpness == pytest.approx(light.sharpness, rel=0.1)
    assert light_of(np.full((2, 16, 16, 3), 128, np.uint8)) == Light(0.0, 0.0, 0.0)


def test_a_spoiled_scene_is_named_and_the_others_are_not() -> None:
    clips = [frames_of(i) for i in range(6)]
    assert not list(out_of_line([light_of(clip) for clip in clips]))
    clips[4] = blurred(clips[4], 1.5)
    (told,) = out_of_line([light_of(clip) for clip in clips])
    assert (told.scene, told.measure, told.drift) == (4, "sharpness", False) and told.ratio < 0.75
    assert not list(out_of_line([light_of(clips[0]), light_of(clips[4])])), "two scenes have no usual"


def test_a_slow_drift_is_told_of_the_last_scene() -> None:
    lights = [Light(0.2 * 0.93**i, 0.5, 0.6) for i in range(9)]
    (told,) = out_of_line(lights)
    assert (told.scene, told.measure, told.drift) == (8, "contrast", True)
    assert told.ratio == pytest.approx(0.93**8)
    assert drift(np.array([1.0, 0.5, 1.0, 0.5, 1.0, 0.4])) is None
    assert drift(np.array([1.0, 0.9, 0.8])) is None, "too few to tell"


def test_the_figures_about_light() -> None:
    figures = dict(light_figures(3))
    assert figures["light: good scenes with a warning"] <= 0.1 and figures["light: good stories with a drift"] == 0
    assert figures["light: found, blurred by 2 pixels"] == figures["light: found, washed out to 0.4"] == 1


def test_a_model_without_an_extractor_is_told() -> None:
    with pytest.raises(ThroughlineError, match="no feature extractor"):
        Gauge(SimpleNamespace(extractor=None, image_encoder=None))
