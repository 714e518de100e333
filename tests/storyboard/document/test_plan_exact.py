"""The plan is exact: what it renders, and only that, differs from a story that is rendered anew from nothing.

A fake pipeline (`render` of test_plan.py) makes a keyframe of everything that decides one; the last test takes the real
one, tiny and untrained.
"""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.backbones.checkpoints import find
from pipeline.backbones.counting import TokenCounter
from pipeline.guidance import Guidance
from pipeline.text_filter import TextFilter
from storyboard.document import edits, plan
from storyboard.document.conditioning import conditioning_of, past_of, remembers
from storyboard.document.story import Board, Scene, WordRef
from tests.storyboard.document.test_plan import (
    edited,
    fake_filter,
    planned,
    render,
    rendered,
    sha256,
    standings,
    states,
)
from tests.storyboard.document.test_story import take

Render = Callable[[Board, str, int], Board]  # board, scene, seed

PROMPTS = st.lists(st.sampled_from(["Mia", "dog", "red coat", "snow", "Mia Mia", "a", "blue"]), max_size=3).map(
    " ".join
)
PLACES = st.integers(0, 5)
WORD = st.sampled_from(["Mia", "dog", "red coat", "snow"])
EDITS = st.one_of(
    st.tuples(st.just("prompt"), PLACES, PROMPTS),
    st.tuples(st.just("move"), PLACES, PLACES),
    st.tuples(st.just("add"), PLACES, PROMPTS),
    st.tuples(st.just("duplicate"), PLACES),
    st.tuples(st.just("remove"), PLACES),
    st.tuples(st.just("pin"), PLACES, PLACES, WORD, st.integers(0, 1)),
    st.tuples(st.just("mute"), PLACES, PLACES, WORD, st.integers(0, 1)),
    st.tuples(st.just("mute scene"), PLACES, PLACES, st.booleans()),
    st.tuples(st.just("guidance"), PLACES, st.sampled_from(["text", "history"]), st.integers(1, 3)),
    st.tuples(st.just("steps"), PLACES, st.integers(1, 3)),
    st.tuples(st.just("lock"), PLACES, st.booleans()),
    st.tuples(st.just("take"), PLACES, st.integers(0, 9)),
    st.tuples(st.just("remove take"), PLACES, st.integers(0, 9)),
    st.tuples(st.just("keyframe"), PLACES, st.integers(0, 2)),
    st.tuples(st.just("size"), st.sampled_from([144, 168])),
    st.tuples(st.just("render"), st.booleans()),
)
STORIES = st.lists(PROMPTS, min_size=1, max_size=5)


def apply(board: Board, edit: tuple) -> Board:
    """One of EDITS. Places wrap around; what can't be done is left out."""
    do, *args = edit
    if do == "render":
        return render_plan(board, fake)
    if do == "size":
        return edited(board, edits.edit_story, width=args[0])
    scenes = board.story.scenes
    if do == "add":
        return edited(board, edits.add_scene, args[0] % (len(scenes) + 1), prompt=args[1])
    if not scenes:
        return board
    scene = scenes[args[0] % len(scenes)]
    return APPLY[do](board, scene, *args[1:])


def guide(board: Board, scene: Scene, weight: str, value: int) -> Board:
    return edited(board, edits.edit_scene, scene.id, guidance={weight: value})


def override(edit: Callable) -> Callable:
    def apply(board: Board, scene: Scene, other: int, text: str, occurrence: int) -> Board:
        past = board.story.scenes[: board.story.index(scene.id)]
        if not past:
            return board
        word = WordRef(scene=past[other % len(past)].id, text=text, occurrence=occurrence)
        return edited(board, edit, scene.id, word)

    return apply


def mute_scene(board: Board, scene: Scene, other: int, on: bool) -> Board:
    scenes = board.story.scenes
    return edited(board, edits.mute_scene, scene.id, scenes[other % len(scenes)].id, on)


def choose_take(board: Board, scene: Scene, number: int) -> Board:
    takes = board.takes_of(scene.id)
    return edited(board, edits.choose_take, scene.id, takes[number % len(takes)].id) if takes else board


def remove_take(board: Board, scene: Scene, number: int) -> Board:
    takes = board.takes_of(scene.id)
    return edited(board, edits.remove_take, scene.id, takes[number % len(takes)].id) if takes else board


def choose_keyframe(board: Board, scene: Scene, index: int) -> Board:
    take = board.chosen(scene)
    if take is None:
        return board
    picture = sha256(f"frame {index} of {take.keyframe}")
    return edited(board, edits.choose_keyframe, scene.id, take.id, index, picture)


APPLY: dict[str, Callable] = {
    "prompt": lambda board, scene, prompt: edited(board, edits.edit_scene, scene.id, prompt=prompt),
    "move": lambda board, scene, to: edited(board, edits.move_scene, scene.id, to % len(board.story.scenes)),
    "duplicate": lambda board, scene: edited(board, edits.duplicate_scene, scene.id),
    "remove": lambda board, scene: edited(board, edits.remove_scene, scene.id),
    "pin": override(edits.pin_word),
    "mute": override(edits.mute_word),
    "mute scene": mute_scene,
    "guidance": guide,
    "steps": lambda board, scene, steps: edited(board, edits.edit_scene, scene.id, steps=steps),
    "lock": lambda board, scene, on: edited(board, edits.edit_scene, scene.id, locked=on),
    "take": choose_take,
    "remove take": remove_take,
    "keyframe": choose_keyframe,
}


def fake(board: Board, scene_id: str, seed: int) -> Board:
    return render(board, scene_id, seed=seed)


def render_plan(board: Board, make: Render, rendered: list[str] | None = None) -> Board:
    """Renders what the plan says, in order; what only waited and came out fresh is passed over. rendered: gets ids."""
    for step in plan.make_plan(board, standings(board)).steps:
        if standings(board)[step.scene].state != "fresh":
            board = make(board, step.scene, board.story.scene(step.scene).seed)
            if rendered is not None:
                rendered.append(step.scene)
    return board


def from_nothing(board: Board, make: Render) -> Board:
    """All scenes rendered anew, in order, with the seeds, steps and chosen frames of their takes. Locked scenes and
    those without a prompt keep what they show: no render changes that."""
    bare = board
    for scene in board.story.scenes:
        if not scene.locked and scene.prompt.strip():
            bare = edited(bare, edits.choose_take, scene.id, None)
    for scene in board.story.scenes:
        take = board.chosen(scene)
        if scene.locked or take is None or not scene.prompt.strip():
            continue
        bare = edited(bare, edits.edit_scene, scene.id, steps=take.steps)
        bare = make(bare, scene.id, take.seed)
        own = [choice.index for choice in scene.keyframes if choice.take == take.id]
        if own:
            bare = choose_keyframe(bare, bare.story.scene(scene.id), own[0])
    return bare


def shown(board: Board) -> list[tuple[str, str | None]]:
    """Of each scene: the picture that is remembered. The fake pipeline's pictures differ wherever anything does."""
    return [(scene.id, board.keyframe(scene)) for scene in board.story.scenes]


def conditionings(board: Board) -> list[str | None]:
    """Digests of what the shown takes were made from."""
    takes = [board.chosen(scene) for scene in board.story.scenes]
    return [take.conditioning.digest() if take else None for take in takes]


@given(STORIES, st.lists(EDITS, max_size=12))
@settings(max_examples=300)
@example(["Mia", "Mia dog", "dog"], [("render", True), ("prompt", 0, "Mia snow")])
@example(["Mia", "dog", "Mia"], [("render", True), ("move", 0, 2), ("lock", 1, True), ("prompt", 1, "Mia")])
def test_rendering_the_plan_is_rendering_everything_from_nothing(prompts, changes):
    board = Board(edits.new_story("x", prompts))
    for change in changes:
        board = apply(board, change)
    after = render_plan(board, fake)
    anew = from_nothing(after, fake)
    assert (shown(after), conditionings(after)) == (shown(anew), conditionings(anew))
    assert not plan.make_plan(after, standings(after)).steps, "a rendered plan leaves nothing to render"


@given(STORIES, st.lists(EDITS, max_size=12))
@settings(max_examples=300)
def test_the_plan_is_neither_too_small_nor_too_large(prompts, changes):
    """What it renders is exactly what differs from before. What it announces holds all of that, and no more than that
    where nothing is waited for."""
    board = Board(edits.new_story("x", prompts))
    for change in changes:
        board = apply(board, change)
    found, made = standings(board), list[str]()
    after = render_plan(board, fake, made)
    anew = from_nothing(after, fake)
    assert [old[0] for old, new in zip(shown(board), shown(anew), strict=True) if old != new] == made
    steps = plan.make_plan(board, found).steps
    assert set(made) <= {step.scene for step in steps}
    assert {step.scene for step in steps if not found[step.scene].waits_for} <= set(made)
    assert not any(board.story.scene(step.scene).locked for step in steps)


@given(STORIES, st.lists(EDITS, max_size=8), st.lists(EDITS, max_size=8))
def test_undo_comes_out_fresh_where_it_was(prompts, before, changes):
    """Whatever is rendered after an edit, undoing it needs no render of what was fresh."""
    board = Board(edits.new_story("x", prompts))
    for change in before:
        board = apply(board, change)
    later = board
    for change in changes:
        later = apply(later, change)
    later = render_plan(later, fake)
    undone = plan.settle(Board(board.story, later.takes), fake_filter, "m")
    again = standings(undone)
    for scene, standing in standings(board).items():
        assert standing.state != "fresh" or again[scene].state == "fresh"
    assert shown(plan.settle(undone, fake_filter, "m")) == shown(undone)


@given(STORIES, st.lists(EDITS, max_size=8))
def test_undoing_to_a_rendered_story_leaves_nothing_to_render(prompts, changes):
    board = render_plan(Board(edits.new_story("x", prompts)), fake)
    later = board
    for change in changes:
        later = apply(later, change)
    undone = plan.settle(Board(board.story, render_plan(later, fake).takes), fake_filter, "m")
    assert not plan.make_plan(undone, standings(undone)).steps
    assert undone.story == board.story


def test_undo_finds_the_take_that_fits_though_another_one_is_chosen():
    board = rendered("Mia", "Mia and a dog", "dog")
    prompt = board.story.scene("a").prompt
    later = render_plan(edited(board, edits.edit_scene, "a", prompt="Mia in the snow"), fake)
    assert [take.id for take in later.takes_of("b")] == ["t1", "t4"]
    back = edited(later, edits.edit_scene, "a", prompt=prompt)
    assert states(back) == "stale stale waiting"
    settled = plan.settle(back, fake_filter, "m")
    assert states(settled) == "fresh fresh fresh"
    assert shown(settled) == shown(board)


def test_undo_takes_the_newest_of_the_takes_that_fit():
    board = render(rendered("Mia"), "a", seed=1)
    changed = edited(edited(board, edits.edit_scene, "a", prompt="dog"), edits.choose_take, "a", None)
    undone = edited(changed, edits.edit_scene, "a", prompt="Mia")
    assert plan.settle(undone, fake_filter, "m").story.scene("a").chosen == "t1"
    removed = edited(undone, edits.remove_take, "a", "t1")
    assert plan.settle(removed, fake_filter, "m").story.scene("a").chosen == "t0"


# --- single cases ----------------------------------------------------------------------------------------------------


def test_an_identical_keyframe_stops_the_cascade():
    """The scenes that waited for it come out fresh and are not rendered."""

    def blind(board: Board, scene_id: str, seed: int) -> Board:
        return render(board, scene_id, seed=seed, blind=True)

    board = Board(edits.new_story("x", ["Mia", "Mia and a dog", "dog"]))
    board = render_plan(board, blind)
    a, b, c = (scene.id for scene in board.story.scenes)
    changed = edited(board, edits.edit_scene, a, guidance={"text": 9})
    assert states(changed) == "stale waiting waiting"
    assert planned(changed) == a + b + c
    made: list[str] = []
    after = render_plan(changed, blind, made)
    assert made == [a]
    assert states(after) == "fresh fresh fresh"
    assert after.story.scenes[1:] == board.story.scenes[1:]


def test_a_locked_scene_ends_the_cascade():
    board = edited(rendered("Mia", "Mia and a dog", "dog"), edits.edit_scene, "b", locked=True)
    changed = edited(board, edits.edit_scene, "a", prompt="Mia in the snow")
    assert states(changed) == "stale stale fresh"
    assert planned(changed) == "a"
    after = render_plan(changed, fake)
    assert after.story.scenes[1:] == changed.story.scenes[1:]


STORY = ("Mia on the playground", "dog", "Mia and a dog", "red coat", "red coat in the snow")


@pytest.mark.parametrize("place", range(5))
def test_a_scene_that_nobody_depends_on_may_go_anywhere(place):
    board = rendered(*STORY, "blue")
    moved = edited(board, edits.move_scene, "f", place)
    assert states(moved) == "fresh " * 5 + "fresh"
    assert planned(moved) == ""


@pytest.mark.parametrize("place", range(6))
def test_an_unrelated_scene_changes_no_other(place):
    added = edited(rendered(*STORY), edits.add_scene, place, id="new", prompt="blue")
    board = render(added, "new")
    changed = edited(board, edits.edit_scene, "new", prompt="a green one")
    removed = edited(board, edits.remove_scene, "new")
    assert planned(added) == planned(changed) == "new"
    assert planned(removed) == ""
    assert states(removed) == "fresh fresh fresh fresh fresh"


# --- with the real filter and the real pipeline ----------------------------------------------------------------------


def test_what_the_real_filter_refuses_is_told_and_a_ruling_about_nothing_is_none():
    story = edits.new_story("x", ["A dog.", "A dog runs.", "very " * 100])
    first, second, third = (scene.id for scene in story.scenes)
    story = edits.pin_word(story, second, WordRef(scene=first, text="A"))
    embedded = TextFilter.from_backbone().within(TokenCounter.of(find()))
    found = plan.standings(Board(story), embedded, "m")
    assert [found[scene].state for scene in (first, second, third)] == ["new", "new", "blank"]
    assert [memory.words for memory in found[second].conditioning.memories] == [("dog",)]
    assert "at most 64 are possible" in found[third].reasons[0]


def test_a_red_coat_is_needed_by_exactly_the_scenes_that_mention_it():
    story = edits.new_story(
        "Red",
        [
            "A dog is running on the beach.",
            "A girl in a red coat is singing in the kitchen.",
            "A robot is dancing in the desert.",
            "The girl in the red coat is skiing on the snow.",
            "The dog is sleeping in the forest.",
            "A woman in a green coat is eating a cake.",
            "The girl is reading a book.",
        ],
    )
    found = plan.standings(Board(story), TextFilter.from_backbone(), "m")
    numbers = {scene.id: number for number, scene in enumerate(story.scenes, 1)}
    needs = {numbers[scene]: [numbers[other] for other in standing.needs] for scene, standing in found.items()}
    assert needs == {1: [], 2: [], 3: [], 4: [2], 5: [1], 6: [], 7: [2, 4]}
    memory = found[story.scenes[3].id].conditioning.memories[0]
    assert [word.lower() for word in memory.words] == ["girl in a red coat"]


def test_the_real_pipeline_gives_the_same_by_the_plan_as_from_nothing(pipeline):
    """Bit for bit, with the real filter and every earlier scene in the history: an edit of scene 2 asks for scenes 2
    and 4, and the others come out as they were when all of them are rendered again."""
    prompts = [
        "A dog is running on the beach.",
        "A girl in a red coat is singing in the kitchen.",
        "A robot is dancing in the desert.",
        "The girl in the red coat is skiing on the snow.",
        "The dog is sleeping in the forest.",
    ]
    story = edits.new_story("x", prompts, width=72, height=48)
    for scene in story.scenes:
        story = edits.edit_scene(story, scene.id, steps=2, num_frames=1)
    board = really_rendered(pipeline, Board(story), [scene.id for scene in story.scenes])
    changed = edited(board, edits.edit_scene, story.scenes[1].id, prompt="A girl in a red coat is eating a cake.")
    found = plan.standings(changed, pipeline.filter, "tiny")
    steps = [step.scene for step in plan.make_plan(changed, found).steps]
    assert steps == [story.scenes[1].id, story.scenes[3].id]
    after = really_rendered(pipeline, changed, steps)
    anew = really_rendered(pipeline, Board(changed.story), [scene.id for scene in story.scenes])
    assert shown(after) == shown(anew)
    assert [old[0] for old, new in zip(shown(board), shown(anew), strict=True) if old != new] == steps


def really_rendered(pipeline, board: Board, scene_ids: list[str]) -> Board:
    """Takes of scenes, one after the other, with all that lies before each of them as its history. The clip's digest
    stands for its keyframe: these clips have one frame."""
    for scene_id in scene_ids:
        scene, past = board.story.scene(scene_id), past_of(board, scene_id)
        history = [pipeline.encode_scene(other.prompt, PICTURES[board.keyframe(other)]) for other in past]
        clip = pipeline(
            scene.prompt,
            history,
            Guidance(),
            width=board.story.width,
            height=board.story.height,
            num_frames=scene.num_frames,
            steps=scene.steps,
            seed=scene.seed,
        )
        keyframe = hashlib.sha256(clip.frames.tobytes()).hexdigest()
        PICTURES[keyframe] = clip.frames
        conditioning = conditioning_of(board, scene_id, remembers(board, scene_id, pipeline.filter), "tiny")
        made = take(f"t{len(board.takes)}", scene_id, keyframe=keyframe, seed=scene.seed, conditioning=conditioning)
        board = Board(edits.choose_take(board.story, scene_id, made.id), {**board.takes, made.id: made})
    return board


PICTURES: dict[str, np.ndarray] = {}  # by digest: uint8 (1, H, W, 3)
