"""The probes: what their stories ask, and each measure on readings made by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.evaluation.common.statistics import Tally, total
from pipeline.evaluation.reporting.summary import probe_comparisons, probe_summary
from pipeline.evaluation.story import probe_stories
from pipeline.evaluation.story.benchmark import FilmScore, HeldOut, Judge
from pipeline.evaluation.story.filming import Filming
from pipeline.evaluation.story.measures import unsaid_slots
from pipeline.evaluation.story.probe_stories import CHANGES, PROBE_MEASURES, STAYS_PARTS, ProbeStory, probe_story
from pipeline.evaluation.story.systems import Options
from pipeline.picturebook import world
from pipeline.picturebook.localiser import Localiser
from pipeline.picturebook.reader import ClipReader, Reading
from tests.tiny import tiny_pipeline

STORIES = [probe_story(index, "bench/5") for index in range(200)]


def reading(scene: world.WorldScene, **look: str) -> Reading:
    """Of a perfect reader, but for `look`."""
    actor = {"kind": scene.cast[0].kind, "action": scene.actions[0], **vars(scene.cast[0].look), **look}
    return Reading(1.0, 1, actor, {"kind": scene.place.kind, **vars(scene.place.look)})


def readings(story: ProbeStory) -> dict[str, Reading]:
    """Of every script, in a world where nothing changes but what is asked for."""
    found = {}
    for name, edit in zip(("first", "second"), story.edits, strict=True):
        before, after = reading(edit.before), reading(edit.after)
        found |= {name: before, f"{name}, a word changed": after, f"{name}, another seed": before}
    return found


# Stories


def test_a_story_is_a_then_b_at_the_same_place() -> None:
    for story in STORIES:
        first, second = (edit.before for edit in story.edits)
        assert first.place == second.place and first.cast[0].name != second.cast[0].name
        assert len({*story.seeds, *story.other_seeds}) == 4
    assert STORIES[0] == probe_story(0, "bench/5") != probe_story(0, "bench/6")
    assert {edit.changed for story in STORIES for edit in story.edits} == {
        "top",
        "bottom",
        "hat",
        "hair",
        "action",
        "place",
    }


def test_one_word_changes_and_is_true_of_what_is_rendered() -> None:
    for edit in (edit for story in STORIES for edit in story.edits):
        before, after = (prompt.rstrip(".").split() for prompt in edit.prompts)
        changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        assert len(changed) == 1 and "  " not in " ".join(edit.prompts)
        for word, scene in zip(changed[0], (edit.before, edit.after), strict=True):
            said = {"action": scene.actions[0], "place": scene.place.kind}
            assert word == (said | vars(scene.cast[0].look))[edit.changed]
        assert len({edit.before.seed, edit.after.seed}) == 1


def test_what_is_said_is_not_asked_for() -> None:
    for edit in (edit for story in STORIES for edit in story.edits):
        assert edit.changed not in edit.actor_slots and set(edit.actor_slots) <= set(unsaid_slots(edit.before.cast[0]))
        assert bool(edit.place_slots) == (edit.changed != "place")


def test_scripts_differ_in_the_word_or_in_the_noise_of_their_last_scene() -> None:
    for story in STORIES[:20]:
        scripts = story.scripts
        for name in ("first", "second"):
            base, edited, again = (scripts[name + end] for end in ("", ", a word changed", ", another seed"))
            assert edited.edited and edited.prompts[:-1] == base.prompts and edited.prompts[-1] != base.prompts[-1]
            assert edited.seeds == (*base.seeds, base.seeds[-1])  # the last scene once more
            assert base.prompts == again.prompts and base.seeds[:-1] == again.seeds[:-1]
            assert base.seeds[-1] != again.seeds[-1]


# Measures


def test_a_b_in_the_look_of_a_is_all_cross_talk() -> None:
    counted = 0.0
    for story in STORIES:
        first, second = (reading(edit.before) for edit in story.edits)
        taken = {slot: first.actor[slot] for slot in probe_stories.unremembered_slots(story)}
        tally = probe_stories.cross_talk_tally(story, first, replace(second, actor=second.actor | taken))
        assert tally == Tally(len(taken), len(taken))
        other = replace(second, actor=second.actor | dict.fromkeys(taken, "something else"))
        assert probe_stories.cross_talk_tally(story, first, other) == Tally(0, len(taken))
        assert probe_stories.cross_talk_tally(story, first, replace(second, presence=0.1)) == Tally()
        counted += tally.counted
    assert counted > 2 * len(STORIES)


def test_where_nothing_else_changes_all_stays() -> None:
    for story in STORIES:
        tallies = probe_stories.probe_tallies(story, readings(story))
        assert tuple(tallies) == (*PROBE_MEASURES, *STAYS_PARTS)
        assert tallies["stays_actors"] + tallies["stays_places"] == tallies["stays"]
        assert total(tallies[f"stays_{sort}_changed"] for sort in CHANGES) == tallies["stays"]
        assert tallies["stays"] == tallies["stays_other_seed"]
        assert tallies["stays"].hits == tallies["stays"].counted > 0
        assert total(tallies[f"changes_{sort}"] for sort in CHANGES) == tallies["changes"] == Tally(2, 2)


def test_a_coat_that_changes_the_hat_and_the_barn_with_it_is_found_out() -> None:
    story = next(story for story in STORIES if story.edits[0].changed == "top")
    read = readings(story)
    after = read["first, a word changed"]
    changed = replace(after, actor=after.actor | {"hat": "?"}, place=after.place | {"main": "?"})
    tallies = probe_stories.probe_tallies(story, read | {"first, a word changed": changed})
    assert tallies["stays"].counted - tallies["stays"].hits == 2
    assert tallies["stays_places"].counted - tallies["stays_places"].hits == 1
    assert tallies["stays_other_seed"].hits == tallies["stays_other_seed"].counted


def test_a_coat_that_stays_red_did_not_change() -> None:
    story = next(story for story in STORIES if story.edits[0].changed == "top")
    read, red = readings(story), story.edits[0].before.cast[0].look.top
    after = read["first, a word changed"]
    same = read | {"first, a word changed": replace(after, actor=after.actor | {"top": red})}
    assert (
        probe_stories.probe_tallies(story, same)["changes_look"].hits
        < probe_stories.probe_tallies(story, read)["changes_look"].hits
    )
    unseen = read | {"first, a word changed": replace(after, presence=0.1)}
    assert probe_stories.probe_tallies(story, unseen)["changes"] == Tally(1, 2)


def test_of_somebody_who_cannot_be_seen_the_place_alone_counts() -> None:
    edit = next(edit for story in STORIES for edit in story.edits if edit.changed == "action")
    before, after = reading(edit.before), reading(edit.after)
    assert probe_stories.stays_tally(edit, before, replace(after, presence=0.1)) == Tally(4, 4)
    assert probe_stories.stays_tally(edit, before, after).counted == 4 + len(edit.actor_slots)


def test_chance_is_what_random_looks_give() -> None:
    exact = [probe_stories.probe_chance(story) for story in STORIES]
    drawn = [probe_story(index, "chance") for index in range(3000)]
    found = total(
        probe_stories.cross_talk_tally(story, *(reading(edit.before) for edit in story.edits)) for story in drawn
    )
    expected = total(tallies["cross_talk_unremembered"] for tallies in exact)
    assert expected.hits / expected.counted == pytest.approx(found.hits / found.counted, abs=0.02)
    stays = total(tallies["stays"] for tallies in exact)
    assert 0.2 < stays.hits / stays.counted < 0.35


# Films and figures


def test_rendered_clips_of_a_perfect_reader_are_the_ceiling() -> None:
    story = STORIES[0]
    known = [reading(scene) for edit in story.edits for scene in (edit.before, edit.after)]
    perfect = SimpleNamespace(read=lambda film: known)
    ceiling = probe_stories.probe_ceiling(story, perfect)  # type: ignore[arg-type]
    assert ceiling["stays"].hits == ceiling["stays"].counted > 0 and set(ceiling) == {*PROBE_MEASURES[:2]}


@pytest.mark.slow
def test_a_tiny_model_is_asked() -> None:
    filming, judge = Filming(tiny_pipeline(), Options(steps=1)), Judge(ClipReader().eval(), Localiser().eval())
    stories = [HeldOut("probes", index, 5) for index in range(2)]
    scores = probe_stories.score_probes(filming, judge, stories, ("ours", "no_history"))
    assert filming.made == 2 * (3 + 3 + 3 + 3), "three clips of the first scene and of the second of every system"
    assert [set(score) for score in scores] == [{"ours", "no_history", "ceiling", "chance"}] * 2
    assert all(set(score["ours"].tallies) == {*PROBE_MEASURES, *STAYS_PARTS} for score in scores)
    assert scores[0]["ours"].tallies["stays"].counted > 0


def test_ours_is_compared_with_no_history_and_with_another_seed() -> None:
    def score(cross_talk: int, stays: int, other: int) -> FilmScore:
        return FilmScore(dict(zip(PROBE_MEASURES, (Tally(n, 10) for n in (cross_talk, stays, other, 9)), strict=True)))

    scores = [{"ours": score(3, 9, 4), "no_history": score(2, 8, 4)} for _ in range(5)]
    means = [value.mean for value in probe_comparisons(scores).values()]
    assert means == pytest.approx([0.1, 0.1, 0.5, 0.4])
    figures = probe_summary(scores)
    assert figures["stories"] == 5 and figures["systems"]["ours"]["stays"].mean == 0.9
    assert np.isclose(figures["systems"]["no_history"]["cross_talk_unremembered"].mean, 0.2)
