"""The continuity meter in a studio: what recurs, what is told, and that nothing is measured twice."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.continuity.calibration import calibrate
from pipeline.continuity.facts import values_of
from pipeline.continuity.measurement import Calibration, Measurement, Region
from pipeline.continuity.photometry import Light
from pipeline.errors import ThroughlineError
from pipeline.text_filter import TextFilter
from storyboard.continuity import entries, meter, table
from storyboard.continuity.mentions import mentions_of
from storyboard.continuity.report import ChangedFact, ContinuityReport, links_of, report
from storyboard.document import edits
from storyboard.document.cast.entries import CastEntry, CastPicture
from storyboard.document.story import Board, Story, Take, WordRef
from storyboard.interfaces import verbs  # noqa: F401  defines them
from storyboard.operations.registry import VERBS
from storyboard.store.blobs import BlobStore
from storyboard.store.clips import keep_frames, read_frames
from tests.storyboard.conftest import gradient
from tests.storyboard.studios import ME, Desk, Watched, open_studio

PROMPTS = (
    "Mia is running on the beach.",
    "A dog is sleeping on the snow.",
    "Mia is skiing on the snow.",
    "The dog is running on the beach.",
)
SCALE = Calibration(np.zeros(2, np.float32), 0.0, 1.0, (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0), 0.0, 1.0)


@pytest.fixture(scope="module")
def filter() -> TextFilter:
    return TextFilter.from_backbone()


def region(angle: float, there: bool = True) -> Region:
    """A look in the plane; cosines of two are those of the angle between them."""
    return Region(np.array([np.cos(angle), np.sin(angle)], np.float32), (5.0 if there else -5.0, 0.0, 0.0))


def reading(*regions: Region, prompt: float = 0.9, motion: float = 2.0, light: Light | None = None) -> Measurement:
    return Measurement(regions, prompt, motion, light or Light(0.2, 0.5, 0.6))


def story_of(*prompts: str) -> Story:
    return edits.new_story("Film", prompts)


def reported(filter: TextFilter, story: Story, *readings: Measurement | None) -> ContinuityReport:
    known = {scene.id: each for scene, each in zip(story.scenes, readings, strict=True) if each}
    return report(story, links_of(story, filter), known, SCALE)


# What recurs


def test_actions_have_no_looks() -> None:
    found = mentions_of("Mia in a red coat is running on the beach with a dog.")
    assert [mention.text for mention in found] == ["Mia in a red coat", "beach", "dog"]
    assert found[1].spans == ((36, 41),)
    assert mentions_of("跑步") == () or all(m.text for m in mentions_of("跑步"))


def test_threads_run_through_the_story(filter: TextFilter) -> None:
    story = story_of(*PROMPTS, "Mia and the dog are waving on the beach.")
    links, ids = links_of(story, filter), [scene.id for scene in story.scenes]
    told = report(story, links, {}, SCALE).threads
    assert [(thread.text, [ids.index(scene) for scene in thread.scenes]) for thread in told] == [
        ("Mia", [0, 2, 4]),
        ("beach", [0, 3, 4]),
        ("dog", [1, 3, 4]),
        ("snow", [1, 2]),
    ]


def test_a_muted_word_is_another_one(filter: TextFilter) -> None:
    story = story_of(*PROMPTS)
    first, third = story.scenes[0].id, story.scenes[2].id
    story = edits.mute_word(story, third, WordRef(scene=first, text="Mia"))
    assert [thread.text for thread in report(story, links_of(story, filter), {}, SCALE).threads] == [
        "beach",
        "dog",
        "snow",
    ]


# How it went on


def test_first_and_last_time_seen(filter: TextFilter) -> None:
    story = story_of("Mia is running.", "Mia is skiing.", "Mia is waving.", "Mia is dancing.")
    told = reported(
        filter, story, reading(region(0)), reading(region(0.5)), reading(region(0.2, there=False)), reading(region(1.0))
    )
    one, two, three, four = (scene.mentions[0] for scene in told.scenes)
    assert one.first is one.last is None and one.present
    assert two.first and two.first == two.last and two.first.number == 1
    assert two.first.similarity == pytest.approx(np.cos(0.5))
    assert not three.present and three.first is three.last is None
    assert four.first and four.last and (four.first.number, four.last.number) == (1, 2), "scene 3 did not show her"
    assert (four.first.similarity, four.last.similarity) == pytest.approx((np.cos(1.0), np.cos(0.5)))
    assert [scene.held for scene in told.scenes] == pytest.approx([None, np.cos(0.5), 0.0, np.cos(1.0)])


def test_a_still_with_perfect_looks_holds_nothing(filter: TextFilter) -> None:
    story = story_of("Mia is running.", "Mia is skiing.")
    told = reported(filter, story, reading(region(0)), reading(region(0), motion=0.0))
    assert told.scenes[1].mentions[0].first and told.scenes[1].mentions[0].first.similarity == pytest.approx(1)
    assert told.scenes[1].held == 0
    assert [(each.number, each.kind) for each in told.warnings] == [(2, "still")]


def test_warnings_name_the_scene_and_what_is_odd(filter: TextFilter) -> None:
    story = story_of("Mia is running.", "Mia is skiing.", "Mia is waving.", "Mia is dancing.", "Mia is jumping.")
    told = reported(
        filter,
        story,
        reading(region(0)),
        reading(region(1.5)),
        reading(region(0), light=Light(0.2, 0.5, 0.3)),
        reading(region(0, there=False), prompt=0.1),
        reading(region(0), light=Light(0.05, 0.5, 0.6)),
    )
    assert [(each.scene, each.kind) for each in told.warnings] == [
        (story.scenes[number - 1].id, kind)
        for number, kind in ((2, "changed"), (3, "sharpness"), (4, "absent"), (4, "prompt"), (5, "contrast"))
    ]
    texts = [each.text for each in told.warnings]
    assert texts[0] == "*Mia* looks other than in scene 1" and texts[2] == "*Mia* is not to be seen"
    assert "is blurred: sharpness is 50%" in texts[1] and "washed out: contrast is 25%" in texts[4]


def dressed(text: str, **looks: str) -> Region:
    """A region that surely shows these looks."""
    facts = {slot: np.array([float(value == looks.get(slot)) for value in values_of(text, slot)]) for slot in looks}
    return replace(region(0), facts=facts)


def test_it_names_what_changed_and_who_had_it_before(filter: TextFilter) -> None:
    story = story_of("Mia is running.", "The robot is skiing.", "Mia is waving.", "Mia in a blue coat is dancing.")
    told = reported(
        filter,
        story,
        reading(dressed("Mia", hat="yellow", top="red")),
        reading(dressed("robot", hat="green", top="blue")),
        reading(dressed("Mia", hat="green", top="red")),
        reading(dressed("Mia", hat="yellow", top="blue")),
    )
    third, fourth = told.scenes[2].mentions[0], told.scenes[3].mentions[0]
    assert third.changed == (ChangedFact("hat", "yellow", "green", ("robot", 2)),)
    assert fourth.changed == (), "the prompt says that the coat is blue"
    (warned,) = [each for each in told.warnings if each.kind == "changed"]
    assert warned.number == 3
    assert warned.text == "*Mia* looks other than in scene 1: hat green, was yellow (as *robot* in scene 2)"
    assert third.first and third.first.similarity == pytest.approx(0.75), "half of it is what facts say"
    assert "75% (1); hat green" in table.continuity_table({"meter": asdict(told)})


def test_facts_are_kept_with_what_was_measured() -> None:
    own = reading(dressed("Mia", hat="yellow"))
    kept = meter._unpacked(json.loads(json.dumps(meter._packed(own))))
    assert {slot: chances.tolist() for slot, chances in kept.regions[0].facts.items()} == {
        slot: chances.tolist() for slot, chances in own.regions[0].facts.items()
    }


def test_scenes_that_are_not_measured_are_left_out(filter: TextFilter) -> None:
    story = story_of("Mia is running.", "Mia is skiing.", "Mia is waving.")
    told = reported(filter, story, None, reading(region(0)), reading(region(0)))
    assert [scene.number for scene in told.scenes] == [2, 3]
    assert told.scenes[0].mentions[0].first is None
    assert told.scenes[1].mentions[0].first and told.scenes[1].mentions[0].first.number == 2


# In a studio


@pytest.fixture(scope="module")
def scaled() -> Iterator[None]:
    """Scales of the tiny model, which has nothing to tell: they are made in no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.continuity.calibration.calibrate", calibrate_few)
        yield


def calibrate_few(gauge: Any, stories: int) -> Calibration:
    found = calibrate(gauge, stories)
    return Calibration(found.centre, 0.0, 1.0, found.gate, 0.0, 1.0)


@pytest.fixture(scope="module")
def desk(pipeline: Any, scaled: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Four scenes, three of them rendered. Not to be edited."""
    studio = open_studio(Watched(pipeline), tmp_path_factory.mktemp("studio"))
    desk = Desk.new(studio, *PROMPTS)
    desk.render(0, 1, 2)
    yield desk
    studio.close()


def test_what_is_rendered_is_measured(desk: Desk) -> None:
    told = desk.ask("meter", None)["meter"]
    assert [scene["number"] for scene in told["scenes"]] == [1, 2, 3] and told["pending"] == 0
    assert [thread["text"] for thread in told["threads"]] == ["Mia", "beach", "dog", "snow"]
    third = told["scenes"][2]
    assert [mention["text"] for mention in third["mentions"]] == ["Mia", "snow"]
    assert all(0 <= mention["presence"] <= 1 for mention in third["mentions"])
    assert third["scene"] == desk.ids[2] and third["motion"] > 0 and told["encoder"] == "own"


def test_nothing_is_measured_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch, pipeline: Any) -> None:
    before = desk.ask("meter", None)
    monkeypatch.setattr("storyboard.continuity.meter.read_frames", lambda *_: pytest.fail("read again"))
    assert desk.ask("meter", None) == before
    again = meter.Meter(lambda: pipeline, desk.studio.media, desk.studio.folder / "meter")
    try:
        found = again.report(desk.board, desk.studio.renderer.filter)
    finally:
        again.close()
    assert [scene.number for scene in found.scenes] == [1, 2, 3], "kept as files"
    assert found.scenes[2].motion == before["meter"]["scenes"][2]["motion"]


def test_a_torn_file_is_measured_again(desk: Desk, pipeline: Any) -> None:
    before = desk.ask("meter", None)["meter"]["scenes"]
    for path in (desk.studio.folder / "meter").glob("*.json"):
        path.write_text('{"format": 1, "reg')
    again = meter.Meter(lambda: pipeline, desk.studio.media, desk.studio.folder / "meter")
    try:
        found = again.report(desk.board, desk.studio.renderer.filter).scenes
    finally:
        again.close()
    assert [scene.contrast for scene in found] == pytest.approx([scene["contrast"] for scene in before])


def test_an_impatient_caller_is_told_how_many_are_left(desk: Desk, pipeline: Any, tmp_path: Path) -> None:
    fresh = meter.Meter(lambda: pipeline, desk.studio.media, tmp_path)
    try:
        told = fresh.report(desk.board, desk.studio.renderer.filter, patience=0.0)
        assert told.pending == 3 and not told.scenes
        assert fresh.report(desk.board, desk.studio.renderer.filter).pending == 0
    finally:
        fresh.close()


def test_an_encoder_that_is_not_there_is_replaced_with_a_note(
    desk: Desk, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(meter.ENCODER, str(tmp_path / "nowhere"))
    fresh = meter.Meter(lambda: pipeline, desk.studio.media, desk.studio.folder / "meter")
    try:
        told = fresh.report(desk.board, desk.studio.renderer.filter)
    finally:
        fresh.close()
    assert told.encoder == "own" and len(told.scenes) == 3
    (note,) = told.notes
    assert note.startswith("Measured with the model's own image encoder: image encoder is") and "nowhere" in note


def test_a_scene_whose_clip_is_gone_is_told_of(pipeline: Any, scaled: None, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    try:
        desk = Desk.new(studio, *PROMPTS[:2])
        desk.render()
        take = desk.shown[1]
        assert take
        studio.media.path(take.clip, "mp4").unlink()
        told = desk.ask("meter", None)["meter"]
        assert [scene["number"] for scene in told["scenes"]] == [1]
        assert "Scene 2 can't be measured: file" in told["notes"][0]
    finally:
        studio.close()


def test_old_readings_go(tmp_path: Path, desk: Desk, pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "old.json").write_text("{}")
    fresh = meter.Meter(lambda: pipeline, desk.studio.media, tmp_path)
    fresh.tidy()
    assert (tmp_path / "old.json").exists()
    monkeypatch.setattr(meter, "KEPT_SECONDS", -1.0)
    fresh.tidy()
    fresh.close()
    assert not (tmp_path / "old.json").exists()


def test_a_story_without_takes_has_nothing_to_measure(pipeline: Any, tmp_path: Path) -> None:
    studio = open_studio(lambda: pytest.fail("nothing needs the model"), tmp_path)
    try:
        desk = Desk.new(studio, *PROMPTS)
        assert desk.ask("meter")["meter"]["scenes"] == ()
        with pytest.raises(ThroughlineError, match="does not exist"):
            studio.meter(ME, "nothing")
    finally:
        studio.close()


def test_a_trial_has_the_figures_of_a_scene(desk: Desk) -> None:
    """The sheet's scores come from the same functions."""
    board, renderer = desk.board, desk.studio.renderer
    scene = board.story.scenes[2]
    told = desk.ask("meter", None)["meter"]["scenes"][2]
    take = desk.shown[2]
    assert take
    frames = read_frames(desk.studio.media, take)
    scores = renderer.meter.scores(frames, scene.prompt, renderer.filter([], scene.prompt), [])
    assert scores == meter.Scores(told["prompt"], None, told["motion"])


# As a table


def test_the_table_has_a_row_for_every_mention(filter: TextFilter) -> None:
    story = story_of("Mia is running on the beach.", "Mia is skiing on the beach.")
    told = reported(
        filter, story, reading(region(0), region(0)), reading(region(0.5), region(0, there=False), motion=0.0)
    )
    lines = table.continuity_table({"meter": asdict(told)}).splitlines()
    assert lines[0] == "| scene | mention | there | as first | as last | prompt | motion | held |"
    assert lines[4] == "| 2 | Mia | 99% | 88% (1) | 88% (1) | 90% | 0.0 | 0% |"
    assert lines[5] == "|  | beach | 1% | – | – |  |  |  |"
    assert lines[7:] == ["Scene 2: beach is not to be seen.", "Scene 2: nothing moves."]
    assert table.continuity_table({"meter": asdict(ContinuityReport())}).endswith("Nothing to measure yet.")
    assert VERBS["meter"].table is table.continuity_table


# An entry of the cast


def test_an_entry_is_held_against_the_picture_that_each_scene_looks_at(tmp_path: Path) -> None:
    pictures = tuple(
        CastPicture(id=f"p{i}", file=f"{i}" * 64, width=72, height=48, state=state)
        for i, state in enumerate(("", "wet"))
    )
    mia = CastEntry(id="mia0", name="Mia", pictures=pictures)
    story = story_of("Mia is running.", "A dog sleeps.", "Mia, wet, is skiing.", "Mia is waving.", "Mia is sleeping.")
    story = story.model_copy(update={"cast": (mia,)})
    takes = [
        Take(id=f"t{i}", scene=scene.id, **keep_frames(BlobStore(tmp_path), gradient(8, 48, 72), 8))
        for i, scene in enumerate(story.scenes[:4])
    ]
    for take in takes:
        story = edits.choose_take(story, take.scene, take.id)
    seen = entries.sightings(Board(story, {take.id: take for take in takes}), mia)
    assert [(one.number, one.anchor.picture.id) for one in seen] == [(1, "p0"), (3, "p1"), (4, "p1")]
    shown = [reading(region(0.5)), reading(region(1.0)), reading(region(0, there=False))]
    known = {one.scene.id: (take, reading(region(0))) for one, take in zip(seen, shown, strict=True)}
    told = entries.report(mia, seen, known, SCALE)
    assert [one.similarity for one in told.scenes] == [pytest.approx(np.cos(0.5)), pytest.approx(np.cos(1.0)), None]
    assert told.mean == pytest.approx((np.cos(0.5) + np.cos(1.0)) / 2) and not told.pending and not told.nothing
    assert entries.report(mia, seen, {}, None).pending == 3


def test_an_entry_is_measured_where_asked_for_and_then_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk.new(desk.studio, "Mia is running.", "A dog is sleeping.")
    mia = desk.ask("edit", {"do": "cast_add", "name": "Mia"})["story"]["cast"][0]["id"]
    assert desk.ask("cast_meter", mia)["meter"]["nothing"] == entries.NO_PICTURE
    desk.render(0, 1)
    desk.ask("cast_keep", desk.ids[0], mia)
    before = desk.ask("cast_meter", mia, measure=False)["meter"]
    assert before["nothing"] == entries.NOT_YET and before["pending"] == 1
    told = desk.ask("cast_meter", mia, patience=None)["meter"]
    assert [one["number"] for one in told["scenes"]] == [1] and told["pending"] == 0 and not told["nothing"]
    monkeypatch.setattr("storyboard.continuity.meter.Meter._measure", lambda *_: pytest.fail("measured again"))
    assert desk.ask("cast_meter", mia, measure=False)["meter"] == told
    printed = table.entry_table(VERBS["cast_meter"](studio=desk.studio, owner=ME, story=desk.story, entry=mia))
    assert printed.splitlines()[0] == "| scene | there | as its picture | note |" and "Mia: " in printed
