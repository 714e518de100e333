"""What depends on what, told in words: reasons, plans, words that are found again. The filter here is a fake one, which
keeps the words of a small vocabulary that two prompts share; test_plan_exact.py takes the real one too."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits, plan
from storyboard.document.conditioning import conditioning_of, find_word, remembers, word_ref
from storyboard.document.decisions import WordPlace
from storyboard.document.plan import Plan, PlanStep
from storyboard.document.story import Board, Conditioning, Scene, Story, WordRef
from tests.storyboard.document.test_story import take

VOCABULARY = ("red coat", "playground", "mia", "dog", "snow")
LONGEST = 40  # words of a prompt that the fake filter takes


def fake_filter(
    past_prompts: Sequence[str],
    prompt: str,
    *,
    threshold: float | None = None,
    pins: Sequence[WordPlace] = (),
    mutes: Sequence[WordPlace] = (),
    muted_scenes: Sequence[int] = (),
) -> SimpleNamespace:
    """Like `TextFilter`: each place of a vocabulary word is a mention, kept if the prompt has that word too."""
    for text in (*past_prompts, prompt):
        if len(text.split()) > LONGEST:
            raise ThroughlineError(f"prompt has {len(text.split())} words, at most {LONGEST} are possible")
    own = {text.lower() for text, _, _ in words_of(prompt)}

    def kept(scene: int, word: tuple[str, int, int]) -> bool:
        text, start, end = word
        hit = [
            any(key.scene == scene and key.start < end and key.end > start for key in keys) for keys in (pins, mutes)
        ]
        return (text.lower() in own or hit[0]) and not hit[1] and scene not in muted_scenes

    scenes = [filtered(text, lambda word, i=i: kept(i, word)) for i, text in enumerate(past_prompts)]
    found = {word.text.lower() for scene in scenes for word in scene.words if word.kept}
    return SimpleNamespace(scenes=scenes, current=filtered(prompt, lambda word: word[0].lower() in found).words)


def filtered(text, keep) -> SimpleNamespace:
    words = [
        SimpleNamespace(text=word[0], start=word[1], end=word[2], mention=i, kept=keep(word))
        for i, word in enumerate(words_of(text))
    ]
    return SimpleNamespace(words=words, kept=any(word.kept for word in words))


def words_of(text: str) -> list[tuple[str, int, int]]:
    return [(found[0], *found.span()) for found in re.finditer("|".join(VOCABULARY), text, re.IGNORECASE)]


def render(board: Board, scene_id: str, *, seed: int | None = None, blind: bool = False) -> Board:
    """A take of a scene as the fake pipeline makes it: its keyframe follows from all that a pipeline is given; from the
    seed alone if it is blind."""
    scene = board.story.scene(scene_id)
    conditioning = conditioning_of(board, scene_id, remembers(board, scene_id, fake_filter), "m")
    seed = scene.seed if seed is None else seed
    content = seed if blind else (given_to_pipeline(conditioning), seed, scene.steps)
    take_id = f"t{len(board.takes)}"
    made = take(
        take_id,
        scene_id,
        clip=sha256(f"clip {content}"),
        keyframe=sha256(str(content)),
        seed=seed,
        steps=scene.steps,
        conditioning=conditioning,
    )
    return Board(edits.choose_take(board.story, scene_id, take_id), {**board.takes, take_id: made})


def given_to_pipeline(c: Conditioning) -> tuple:
    """Ids and places of scenes mean nothing to a pipeline, nor does the weight of a history that is empty."""
    history = [(memory.prompt, memory.kept, memory.keyframe) for memory in c.memories]
    weights = c.guidance.model_dump() if history else c.guidance.model_dump(exclude={"history"})
    begun = c.beginning and c.beginning.clip
    return c.model, c.prompt, c.negative_prompt, weights, c.width, c.height, c.num_frames, c.rows, history, begun


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def standings(board: Board) -> dict[str, plan.Standing]:
    return plan.standings(board, fake_filter, "m")


def rendered(*prompts: str) -> Board:
    """A story with scenes a, b, c, ..., all of them rendered."""
    board = Board(Story(id="s", scenes=tuple(Scene(id="abcdef"[i], prompt=p) for i, p in enumerate(prompts))))
    for scene in board.story.scenes:
        if scene.prompt:
            board = render(board, scene.id)
    return board


def edited(board: Board, edit, *args, **kwargs) -> Board:
    return replace(board, story=edit(board.story, *args, **kwargs))


def states(board: Board) -> str:
    """'fresh stale ...' of the scenes in order."""
    return " ".join(standing.state for standing in standings(board).values())


def planned(board: Board, **kwargs) -> str:
    return "".join(step.scene for step in plan.make_plan(board, standings(board), **kwargs).steps)


PROMPTS = ("Mia on the playground.", "A girl in a red coat.", "Her red coat in the snow.", "Mia and a dog.")


@pytest.fixture(scope="module")
def board() -> Board:
    return rendered(*PROMPTS)


# --- how scenes stand ------------------------------------------------------------------------------------------------


def test_a_rendered_story_is_fresh_and_needs_what_it_keeps(board):
    found = standings(board)
    assert states(board) == "fresh fresh fresh fresh"
    assert {scene: "".join(standing.needs) for scene, standing in found.items()} == {
        "a": "",
        "b": "",
        "c": "b",
        "d": "a",
    }
    assert all(standing.reasons == () for standing in found.values())


def test_scenes_without_a_take_are_new_and_those_without_a_prompt_blank():
    board = Board(edits.new_story("x", ["Mia", "  ", "Mia"]))
    a, _, c = board.story.scenes
    found = standings(board)
    assert states(board) == "new blank new"
    assert found[c.id].reasons == ("not rendered yet",)
    assert found[c.id].waits_for == found[c.id].needs == (a.id,)


REASONS = [
    ({"prompt": "Mia on the big playground."}, "its prompt changed: *–* → *big*"),
    ({"prompt": "Mia on a playground."}, "its prompt changed: *the* → *a*"),
    ({"prompt": "Mia on  the playground."}, "its prompt changed: spaces"),
    ({"negative_prompt": "fog"}, "negative prompt changed"),
    ({"num_frames": 21}, "length 17 → 21"),
    ({"guidance": {"text": 6}}, "text guidance 3.0 → 6.0"),
    ({"guidance": {"start": 0.25, "end": 0.5}}, "guidance start 0.0 → 0.25; guidance end 1.0 → 0.5"),
    ({"guidance": {"schedule": "cosine"}}, "guidance schedule constant → cosine"),
]


@pytest.mark.parametrize(("changes", "reasons"), REASONS)
def test_a_scene_tells_what_changed_of_its_own(board, changes, reasons):
    found = standings(edited(board, edits.edit_scene, "a", **changes))["a"]
    assert (found.state, "; ".join(found.reasons)) == ("stale", reasons)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 9},
        {"steps": 9},
        {"new_seed": True},
        {"threshold": 0.9},
        {"seam": {"seconds": 2}},
        {"guidance": {"history": 9}},
    ],
)
def test_what_does_not_decide_the_picture_leaves_a_scene_fresh(board, changes):
    """The history weight too, for this scene remembers nothing."""
    assert states(edited(board, edits.edit_scene, "a", **changes)) == "fresh fresh fresh fresh"


def test_settings_of_the_story_and_the_model_are_told(board):
    found = standings(edited(board, edits.edit_story, width=168, height=72))["b"]
    assert found.reasons == ("width 144 → 168", "height 96 → 72")
    assert plan.standings(board, fake_filter, "n")["b"].reasons == ("model changed",)
    assert states(edited(board, edits.edit_story, title="Other", captions=True)) == "fresh fresh fresh fresh"


def test_the_history_weight_is_told_where_something_is_remembered(board):
    found = standings(edited(board, edits.edit_scene, "c", guidance={"history": 4}))
    assert found["c"].reasons == ("history guidance 3.0 → 4.0",)


def test_at_a_history_weight_of_0_a_scene_is_made_from_nothing_that_came_before(board):
    alone = edited(board, edits.edit_scene, "c", guidance={"history": 0})
    found = standings(alone)["c"]
    assert found.conditioning.memories == () and found.conditioning.rows == () and found.needs == ()
    assert found.reasons == ("history guidance 3.0 → 0.0", *(r for r in found.reasons if "no longer remembers" in r))
    assert len(found.reasons) > 1
    for changed in (edited(alone, edits.edit_scene, "a", prompt="A dog."), edited(alone, edits.remove_scene, "a")):
        assert standings(changed)["c"].conditioning.digest() == found.conditioning.digest()
    assert standings(edited(alone, edits.edit_scene, "c", guidance={"history": 3}))["c"].state == "fresh"


def test_changed_words_are_told_of_the_scene_and_of_those_that_remember_it(board):
    after = edited(board, edits.edit_scene, "b", prompt="A boy in a red coat.")
    assert states(after) == "fresh stale stale fresh"
    assert standings(after)["b"].reasons == ("its prompt changed: *girl* → *boy*",)
    assert standings(after)["c"].reasons == ("*red coat* of scene 2 changed",)


def test_a_word_that_goes_is_told(board):
    after = edited(board, edits.edit_scene, "b", prompt="A girl in a blue coat.")
    assert standings(after)["b"].reasons == ("its prompt changed: *red* → *blue*",)
    assert standings(after)["c"].reasons == ("no longer remembers *red coat* of scene 2",)


def test_a_word_that_comes_is_told(board):
    after = edited(board, edits.edit_scene, "d", prompt="Mia and a dog on the playground.")
    prompt = "its prompt changed: *dog.* → *dog on the playground.*"
    assert standings(after)["d"].reasons == (prompt, "now also remembers *playground* of scene 1")


def test_pins_and_mutes_are_told(board):
    pinned = edited(board, edits.pin_word, "d", WordRef(scene="b", text="red coat"))
    assert standings(pinned)["d"].reasons == ("now also remembers *red coat* of scene 2",)
    muted = edited(board, edits.mute_word, "d", WordRef(scene="a", text="Mia"))
    assert standings(muted)["d"].reasons == ("no longer remembers *Mia* of scene 1",)
    assert standings(muted)["d"].needs == ()
    silent = edited(board, edits.mute_scene, "d", "a")
    assert standings(silent)["d"].reasons == ("no longer remembers *Mia* of scene 1",)


def test_another_take_or_frame_is_a_changed_memory(board):
    other = render(board, "b", seed=99)
    assert states(other) == "fresh fresh stale fresh"
    assert standings(other)["c"].reasons == ("*red coat* of scene 2 changed",)
    frame = edited(board, edits.choose_keyframe, "b", "t1", 3, sha256("frame"))
    assert standings(frame)["c"].reasons == ("*red coat* of scene 2 changed",)


def test_words_of_a_scene_that_moved_or_was_deleted_are_told(board):
    moved = edited(board, edits.move_scene, "b", 3)
    assert standings(moved)["c"].reasons == ("no longer remembers *red coat* of scene 4",)
    assert standings(moved)["b"].reasons == ("now also remembers *red coat* of scene 2",)
    gone = edited(board, edits.remove_scene, "b")
    assert standings(gone)["c"].reasons == ("no longer remembers *red coat* of a scene that was deleted",)


def test_another_order_is_told():
    after = edited(rendered("Mia", "A dog", "Mia and a dog"), edits.move_scene, "b", 0)
    assert states(after) == "fresh fresh stale"
    assert standings(after)["c"].reasons == ("what it remembers comes in another order",)


def test_every_stale_scene_has_a_reason():
    """Also one that keeps the same words of the same prompt, but from another place in it."""
    board = rendered("Mia and Mia", "Mia")
    first, second = (WordRef(scene="a", text="Mia", occurrence=i) for i in (0, 1))
    muted = render(edited(board, edits.mute_word, "b", first), "b")
    after = edited(edited(muted, edits.release_word, "b", first), edits.mute_word, "b", second)
    assert standings(after)["b"].state == "stale"
    assert standings(after)["b"].reasons == ("the words by which it remembers changed",)


def test_a_scene_waits_for_what_it_needs():
    board = edited(rendered("Mia", "Mia and a dog", "A dog"), edits.edit_scene, "a", guidance={"text": 9})
    found = standings(board)
    assert states(board) == "stale waiting waiting"
    assert (found["b"].waits_for, found["b"].reasons) == (("a",), ("waits for scene 1",))
    assert (found["c"].waits_for, found["c"].reasons) == (("b",), ("waits for scene 2",))


def test_nobody_waits_for_a_locked_scene():
    board = edited(rendered("Mia", "Mia and a dog", "A dog"), edits.edit_scene, "a", guidance={"text": 9}, locked=True)
    assert states(board) == "stale fresh fresh"
    assert planned(board) == ""


def test_a_clip_of_the_users_own_is_fresh_and_is_remembered():
    board = rendered("Mia", "Mia")
    own = take("own", "a", source="imported", keyframe=sha256("own"))
    after = edited(replace(board, takes={**board.takes, "own": own}), edits.choose_take, "a", "own")
    assert states(after) == "fresh stale"
    assert standings(after)["b"].conditioning.memories[0].keyframe == sha256("own")
    assert plan.make_plan(after, standings(after), ["a"]).blocked == ("scene 1 shows a clip of your own",)


def test_a_prompt_that_cannot_be_read_is_told_where_it_is(board):
    after = edited(board, edits.edit_scene, "c", prompt="red coat " * LONGEST)
    assert states(after) == "fresh fresh blank blank"
    reason = f"prompt has {2 * LONGEST} words, at most {LONGEST} are possible"
    assert standings(after)["c"].reasons == (reason,)
    assert standings(after)["d"].reasons == ("the prompt of scene 3 can't be read",)
    assert plan.make_plan(after, standings(after), ["c"]).blocked == (f"scene 3 can't be rendered: {reason}",)
    assert plan.settle(after, fake_filter, "m") is after


# --- what to render --------------------------------------------------------------------------------------------------


def test_the_plan_tells_scenes_reasons_and_seconds(board):
    after = edited(board, edits.edit_scene, "b", prompt="A boy in a red coat.")
    found = plan.make_plan(after, standings(after), estimate=lambda scene, story, remembers: 3.0 if remembers else 2.0)
    assert found.steps == (
        PlanStep("b", 2, ("its prompt changed: *girl* → *boy*",), 2.0),
        PlanStep("c", 3, ("*red coat* of scene 2 changed",), 3.0),
    )
    assert found.seconds == 5
    assert plan.make_plan(after, standings(after)).seconds is None
    assert Plan().seconds == 0


def test_wanted_scenes_come_whatever_their_state(board):
    assert planned(board) == ""
    found = plan.make_plan(board, standings(board), ["d", "c"])
    assert [(step.scene, step.reasons) for step in found.steps] == [("c", ("asked for",)), ("d", ("asked for",))]


def test_wanted_scenes_bring_those_that_they_need_and_that_have_no_take():
    board = Board(
        Story(
            id="s", scenes=tuple(Scene(id=i, prompt=p) for i, p in zip("abc", ("Mia", "Mia dog", "dog"), strict=True))
        )
    )
    assert planned(board, wanted=["c"]) == "abc"
    assert planned(render(board, "a"), wanted=["c"]) == "bc"
    locked = edited(board, edits.edit_scene, "b", locked=True)
    assert planned(locked, wanted=["c"]) == "c"
    assert plan.make_plan(locked, standings(locked), ["c"]).blocked == ()


def test_what_cannot_be_rendered_is_told():
    board = edited(rendered("Mia", "", "Mia"), edits.edit_scene, "c", locked=True)
    found = plan.make_plan(board, standings(board), ["a", "b", "c"])
    assert [step.scene for step in found.steps] == ["a"]
    assert found.blocked == ("scene 2 has no prompt", "scene 3 is locked")
    with pytest.raises(ThroughlineError, match="scene 'x' does not exist"):
        plan.make_plan(board, standings(board), ["x"])


# --- words that are found again --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "text", "occurrence", "place"),
    [
        ("A cat sees a cat.", "cat", 0, (2, 5)),
        ("A cat sees a cat.", "cat", 1, (13, 16)),
        ("A cat sees a cat.", "cat", 2, None),
        ("A caterpillar sees a cat.", "cat", 0, (21, 24)),
        ("A bobcat.", "cat", 0, None),
        ("Actor 10 and Actor 1.", "Actor 1", 0, (13, 20)),
        ("Mia's cat", "Mia", 0, (0, 3)),
        ("L'enfant", "enfant", 0, (2, 8)),
        ("一只狗在骑自行车", "狗", 0, (2, 3)),
        ("", "cat", 0, None),
    ],
)
def test_words_are_found_whole(prompt, text, occurrence, place):
    assert find_word(prompt, WordRef(scene="a", text=text, occurrence=occurrence)) == place


@given(
    st.lists(st.sampled_from(["cat", "Cat", "cats", "a", "狗", "ba na na", "1", "10"]), min_size=1, max_size=8),
    st.data(),
)
def test_every_word_has_a_reference_that_finds_it(words, data):
    prompt = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    start = len(" ".join([*words[:first], ""]))
    end = start + len(words[first])
    assert find_word(prompt, word_ref(Scene(id="a", prompt=prompt), start, end)) == (start, end)


def test_a_pin_follows_its_word_through_edits_and_moves(board):
    pinned = edited(board, edits.pin_word, "d", WordRef(scene="b", text="red coat"))
    longer = edited(pinned, edits.edit_scene, "b", prompt="Here is a girl in a red coat.")
    moved = edited(longer, edits.move_scene, "b", 0)
    gone = edited(longer, edits.edit_scene, "b", prompt="A girl.")
    assert [standings(now)["d"].needs for now in (pinned, longer, moved, gone)] == [
        ("a", "b"),
        ("a", "b"),
        ("b", "a"),
        ("a",),
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a red coat", "a blue coat", "*red* → *blue*"),
        ("a coat", "a red coat", "*–* → *red*"),
        ("a a", "a", "*a* → *–*"),
        ("a b c d", "x b c y", "*a b c d* → *x b c y*"),
        ("a  b", "a b ", "spaces"),
    ],
)
def test_changed_words(old, new, words):
    assert plan.changed_words(old, new) == words
