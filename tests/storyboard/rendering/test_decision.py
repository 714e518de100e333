"""The filter decides once: what is rendered is what the take's digest describes."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from pipeline.story_pipeline import StoryPipeline
from pipeline.text_filter import FilterResult
from storyboard.rendering.jobs.decided import Decided
from tests.storyboard.studios import Desk, Watched, open_studio, wait_for
from tests.tiny import tiny_pipeline

PROMPTS = ("A cat is running on the beach.", "A dog is skiing.", "The cat is jumping on the beach.")


class Listening(Watched):
    """A pipeline that remembers the decisions it was given."""

    def __init__(self, pipeline: StoryPipeline) -> None:
        super().__init__(pipeline)
        self.decisions: list[FilterResult] = []

    def generate(self, prompt: str, *arguments: Any, **settings: Any) -> Any:
        self.decisions.append(arguments[2])
        return super().generate(prompt, *arguments, **settings)


@pytest.fixture(scope="module")
def pipeline() -> StoryPipeline:
    return tiny_pipeline()


def test_what_generates_a_clip_is_what_its_digest_describes(pipeline: StoryPipeline, tmp_path: Path) -> None:
    listening = Listening(pipeline)
    studio = open_studio(listening, tmp_path)
    try:
        desk = Desk.new(studio, *PROMPTS)
        desk.ask("edit", {"do": "mute_word", "scene": desk.ids[2], "word": {"scene": desk.ids[0], "text": "cat"}})
        desk.render()
        take = desk.takes(2)[0]
    finally:
        studio.close()
    given = listening.decisions[2]
    assert take.conditioning is not None
    assert [scene.prompt for scene in given.scenes] == [memory.prompt for memory in take.conditioning.memories]
    kept = [tuple((m.start, m.end) for m in scene.kept_mentions) for scene in given.scenes]
    assert kept == [memory.kept for memory in take.conditioning.memories] == [((24, 29),)]


def test_a_scene_of_no_history_weight_is_given_no_history_and_the_cell_of_a_sheet_is(
    pipeline: StoryPipeline, tmp_path: Path
) -> None:
    listening = Listening(pipeline)
    studio = open_studio(listening, tmp_path)
    try:
        desk = Desk.new(studio, *PROMPTS)
        desk.edit(2, guidance={"history": 0})
        desk.render()
        take, states = desk.takes(2)[0], [standing.state for standing in desk.standings()]
        desk.edit(0, prompt="A cat is swimming in the sea.")
        after = desk.standings()[2]
        desk.ask("sheet", desk.ids[2], [2.0], [0.0, 3.0])
        wait_for(lambda: len(listening.decisions) == 5)
    finally:
        studio.close()
    assert states == ["fresh"] * 3 and (after.state, after.needs) == ("fresh", ())
    assert take.conditioning is not None and take.conditioning.memories == ()
    assert listening.decisions[2] == pipeline.filter((), PROMPTS[2])
    assert [len(decision.scenes) for decision in listening.decisions[3:]] == [0, 1]


def test_a_scene_that_keeps_the_rest_is_made_from_its_own_take(pipeline: StoryPipeline, tmp_path: Path) -> None:
    listening = Listening(pipeline)
    studio = open_studio(listening, tmp_path)
    try:
        desk = Desk.new(studio, "A dog is skiing.", "A cat in a red coat is running on the beach.")
        desk.render()
        before, words = desk.takes(1)[0], "A cat in a blue coat is running on the beach."
        desk.ask("edit", {"do": "edit_scene", "scene": desk.ids[1], "changes": {"prompt": words}})
        desk.render()
        after, fresh = desk.takes(1)[-1], desk.ask("get_story")["story"]["scenes"][1]["takes"]
        shown, maps = desk.ask("remembers", scene=desk.ids[1])["past"][-1], desk.ask("maps", scene=desk.ids[1])["maps"]
        desk.ask("edit", {"do": "edit_scene", "scene": desk.ids[1], "changes": {"prompt": before.conditioning.prompt}})
        back = desk.standings()[1].conditioning
    finally:
        studio.close()
    memory = after.own_memory
    assert memory is not None and memory.words == ("running", "beach") and memory.keyframe == before.keyframe
    assert [scene.prompt for scene in listening.decisions[2].scenes] == [before.conditioning.prompt]
    assert [word.text for word in listening.decisions[2].current if word.kept] == ["running", "beach"]
    assert shown["former"] and shown["scene"] == after.scene and [take["prompt"] for take in fresh][-1] == words
    assert {found["text"] for found in maps} == {"running", "beach"} and all(found["preview"] for found in maps)
    assert back.digest() == before.conditioning.digest()


def test_a_decision_about_some_scenes_is_that_about_them_alone(pipeline: StoryPipeline) -> None:
    whole = pipeline.filter(PROMPTS[:2], PROMPTS[2])
    assert whole.only((0,)) == pipeline.filter(PROMPTS[:1], PROMPTS[2])
    assert whole.only(()) == pipeline.filter((), PROMPTS[2])
    assert whole.only((0, 1)) == whole


def test_a_decision_about_something_else_is_refused(pipeline: StoryPipeline) -> None:
    other = pipeline.filter((), "A robot is waving.")
    with pytest.raises(ThroughlineError, match=r"decision is about 'A robot is waving\.' and 0 scenes: expected one"):
        pipeline.generate(PROMPTS[0], (), None, other)


def test_scenes_without_a_keyframe_do_not_enter(pipeline: StoryPipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    try:
        desk = Desk.new(studio, *PROMPTS)
        now = desk.standings()[2].conditioning
        assert now is not None
        decided = Decided.of(desk.board, desk.ids[2], pipeline.filter, now)
    finally:
        studio.close()
    assert decided.decision.contributing == (0,) and decided.keyframes == []
    assert decided.about_keyframes().scenes == () and not any(w.kept for w in decided.about_keyframes().current)
