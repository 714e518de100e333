"""The document's values: JSON and back, what is refused, what a digest counts, the shelf."""

import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import ThroughlineError
from storyboard.document.cast.entries import CastEntry
from storyboard.document.story import (
    Board,
    Conditioning,
    GuidanceSettings,
    KeyframeChoice,
    RememberedScene,
    Scene,
    ScenePicture,
    Seam,
    Story,
    Take,
    Value,
    WordRef,
    cache_key,
    canonical,
    new_id,
    parse,
)

IDS = st.text("abcdef0123456789", min_size=1, max_size=32)
DIGESTS = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())
TEXTS = st.text(max_size=40)
SPANS = st.tuples(st.integers(0, 99), st.integers(0, 99))
WEIGHTS = st.floats(0, 30)
SHARES = st.floats(0, 1)


def tuples(items: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(items, max_size=3).map(tuple)


GUIDANCE = st.builds(
    lambda text, history, window, schedule: GuidanceSettings(
        text=text, history=history, start=min(window), end=max(window), schedule=schedule
    ),
    WEIGHTS,
    WEIGHTS,
    st.tuples(SHARES, SHARES),
    st.sampled_from(["constant", "cosine"]),
)
WORDS = st.builds(WordRef, scene=IDS, text=st.text(min_size=1, max_size=9), occurrence=st.integers(0, 9))
CHOICES = st.builds(KeyframeChoice, take=IDS, index=st.integers(0, 80), keyframe=DIGESTS)
SEAMS = st.builds(Seam, kind=st.sampled_from(["cut", "cross-fade", "dip to black"]), seconds=st.floats(0.01, 5))
SCENES = st.builds(
    Scene,
    id=IDS,
    prompt=TEXTS,
    negative_prompt=TEXTS,
    guidance=GUIDANCE,
    seed=st.integers(0, 2**53 - 1),
    new_seed=st.booleans(),
    steps=st.integers(1, 1000),
    num_frames=st.integers(1, 81),
    threshold=st.none() | SHARES,
    pins=tuples(WORDS),
    mutes=tuples(WORDS),
    muted_scenes=tuples(IDS),
    locked=st.booleans(),
    chosen=st.none() | IDS,
    removed=tuples(IDS),
    keyframes=tuples(CHOICES),
    seam=SEAMS,
)
STORIES = st.builds(
    Story,
    id=IDS,
    title=TEXTS,
    model=st.text(min_size=1, max_size=9),
    width=st.integers(16, 4096),
    height=st.integers(16, 4096),
    captions=st.booleans(),
    scenes=st.lists(SCENES, max_size=4, unique_by=lambda scene: scene.id).map(tuple),
)
MEMORIES = st.builds(RememberedScene, scene=IDS, prompt=TEXTS, kept=tuples(SPANS), keyframe=st.none() | DIGESTS)
CONDITIONINGS = st.builds(
    Conditioning,
    model=TEXTS,
    prompt=TEXTS,
    negative_prompt=TEXTS,
    guidance=GUIDANCE,
    width=st.integers(16, 999),
    height=st.integers(16, 999),
    num_frames=st.integers(1, 81),
    rows=tuples(SPANS),
    memories=tuples(MEMORIES),
)
TAKES = st.builds(
    Take,
    id=IDS,
    scene=IDS,
    source=st.sampled_from(["generated", "imported"]),
    clip=DIGESTS,
    preview=DIGESTS,
    keyframe=DIGESTS,
    keyframe_index=st.integers(0, 80),
    num_frames=st.integers(1, 81),
    width=st.integers(1, 999),
    height=st.integers(1, 999),
    frames_per_second=st.floats(1, 60),
    seed=st.none() | st.integers(0, 99),
    steps=st.none() | st.integers(1, 99),
    conditioning=st.none() | CONDITIONINGS,
    trace=st.none() | DIGESTS,
    note=TEXTS,
    render_seconds=st.floats(0, 1e6),
    created=st.floats(0, 1e10),
)

DIGEST = hashlib.sha256(b"").hexdigest()
OTHER_DIGEST = hashlib.sha256(b"other").hexdigest()
RED = Conditioning(
    model="m",
    prompt="red",
    negative_prompt="",
    guidance=GuidanceSettings(text=4.0, history=2.0),
    width=144,
    height=96,
    num_frames=17,
    rows=((0, 3),),
    memories=(RememberedScene(scene="a", prompt="red coat", kept=((0, 8),), keyframe=DIGEST),),
)


def take(take_id: str, scene: str, **fields) -> Take:
    required = {
        "clip": DIGEST,
        "preview": DIGEST,
        "keyframe": DIGEST,
        "keyframe_index": 8,
        "num_frames": 17,
        "width": 144,
        "height": 96,
        "frames_per_second": 8.0,
    }
    return Take(id=take_id, scene=scene, **required | fields)


def error_of(kind: type[Value], content: object) -> str:
    with pytest.raises(ThroughlineError) as caught:
        parse(kind, content)
    return str(caught.value)


@given(st.one_of(GUIDANCE, WORDS, CHOICES, SEAMS, SCENES, STORIES, MEMORIES, CONDITIONINGS, TAKES))
def test_json_and_back(value):
    content = json.loads(value.model_dump_json())
    assert parse(type(value), content) == value
    assert canonical(parse(type(value), content).model_dump(mode="json")) == canonical(value.model_dump(mode="json"))


@given(st.one_of(GUIDANCE, WORDS, CHOICES, SEAMS, SCENES, STORIES, MEMORIES, CONDITIONINGS, TAKES))
def test_unknown_fields_are_refused(value):
    assert error_of(type(value), value.model_dump() | {"colour": 3}) == "colour is 3: extra inputs are not permitted"


def test_values_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Scene(id="a").prompt = "other"


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (Scene, {"id": "A b"}, "id is 'A b': expected 1 to 32 small letters and digits"),
        (CastEntry, {"id": "a", "name": "  x"}, "name is '  x': expected one line without spaces at its ends"),
        (
            CastEntry,
            {"id": "a", "name": "M", "colour": "red"},
            "colour is 'red': expected a colour such as '#e29614', or ''",
        ),
        (ScenePicture, {"file": "x"}, "file is 'x': expected 64 hexadecimal digits"),
        (Scene, {}, "id is {}: field required"),
        (Scene, {"id": "a", "steps": 0}, "steps is 0: input should be greater than or equal to 1"),
        (Scene, {"id": "a", "seed": 2**53}, f"seed is {2**53}: input should be less than {2**53}"),
        (Scene, {"id": "a", "guidance": {"text": math.nan}}, "guidance.text is nan: input should be a finite number"),
        (Story, None, "story is None: input should be a valid dictionary or instance of Story"),
        (Story, {"id": "a", "scenes": [{"id": "b", "x": 5}]}, "scenes.0.x is 5: extra inputs are not permitted"),
        (Seam, {"kind": "wipe"}, "kind is 'wipe': input should be 'cut', 'continue', 'cross-fade' or 'dip to black'"),
        (WordRef, {"scene": "a", "text": ""}, "text is '': string should have at least 1 character"),
    ],
)
def test_what_is_wrong_comes_in_one_line(kind, content, message):
    assert error_of(kind, content) == message


def test_what_does_not_go_together_is_refused():
    window = {"start": 0.8, "end": 0.2}
    assert (
        error_of(GuidanceSettings, window) == f"guidance is {window}: expected a start before its end, not 0.8 to 0.2"
    )
    twice = {"id": "a", "scenes": [{"id": "b"}, {"id": "b"}]}
    assert error_of(Story, twice) == f"story is {twice}: scene 'b' is there twice, expected an id each"


@pytest.mark.parametrize("what", [{"scenes": [{"id": "castingabc"}]}, {"cast": [{"id": "castingabc", "name": "Mia"}]}])
def test_nothing_is_called_as_castings_are(what):
    assert "id 'castingabc' is that of a casting, expected another" in error_of(Story, {"id": "a", **what})


def test_long_values_are_told_in_short():
    message = error_of(Scene, {"id": "a", "prompt": "x" * 3000})
    assert message == f"prompt is '{'x' * 56}...: string should have at most 2000 characters"


def test_half_of_a_surrogate_pair_is_refused():
    assert "unicode" in error_of(Scene, {"id": "a", "prompt": "\ud800"})


def test_scenes_are_found_by_id():
    story = Story(id="s", scenes=(Scene(id="a"), Scene(id="b")))
    assert story.index("b") == 1 and story.scene("b").id == "b"
    with pytest.raises(ThroughlineError, match="scene 'c' does not exist in story 's'"):
        story.scene("c")


@given(CONDITIONINGS, CONDITIONINGS)
def test_digests_tell_conditionings_apart(one, other):
    assert one.digest() == parse(Conditioning, one.model_dump()).digest()
    uncounted = {"guidance": {"history"}, "memories": {"__all__": {"scene"}}}
    if one.model_dump(exclude=uncounted) != other.model_dump(exclude=uncounted):
        assert one.digest() != other.digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "n"},
        {"prompt": "red "},
        {"negative_prompt": "blue"},
        {"guidance": GuidanceSettings(history=3)},
        {"guidance": GuidanceSettings(end=0.5)},
        {"width": 168},
        {"height": 72},
        {"num_frames": 21},
        {"rows": ()},
        {"memories": ()},
        {"memories": (RED.memories[0].model_copy(update={"kept": ((0, 3),)}),)},
        {"memories": (RED.memories[0].model_copy(update={"keyframe": OTHER_DIGEST}),)},
        {"memories": (RED.memories[0].model_copy(update={"prompt": "red coat."}),)},
        {"memories": RED.memories * 2},
    ],
)
def test_a_digest_counts(changes):
    assert RED.model_copy(update=changes).digest() != RED.digest()


def test_a_digest_does_not_count_where_a_memory_is_kept():
    moved = RED.memories[0].model_copy(update={"scene": "b"})
    assert RED.model_copy(update={"memories": (moved,)}).digest() == RED.digest()


def test_the_history_weight_counts_only_where_something_is_remembered():
    bare = RED.model_copy(update={"memories": (), "rows": ()})
    heavier = bare.model_copy(update={"guidance": GuidanceSettings(text=4.0, history=9)})
    assert heavier.digest() == bare.digest()


def test_digests_stay_what_they_are():
    """Stories on disk hold conditionings: another digest would make all their takes stale."""
    assert RED.digest() == "25cf41b3ed817731848bf25ceb67d91c6bd2651c65438bd462238d42d8b17646"
    assert take("t", "a", conditioning=RED, seed=3, steps=24).key() == cache_key(RED, 3, 24)
    assert len({cache_key(RED, seed, steps) for seed in (3, 4) for steps in (24, 25)}) == 4
    assert cache_key(RED, 3, 24, "fast") == take("t", "a", conditioning=RED, seed=3, steps=24, speed="fast").key()
    assert cache_key(RED, 3, 24, "fast") != cache_key(RED, 3, 24) == cache_key(RED, 3, 24, "exact")
    assert take("t", "a", source="imported").key() == ""


@given(st.lists(st.tuples(IDS, st.sampled_from("abc")), max_size=9), st.sets(IDS))
def test_the_shelf_gives_each_scene_its_takes(made, removed):
    shelf = {take_id: take(take_id, scene) for take_id, scene in made}
    story = Story(id="s", scenes=tuple(Scene(id=scene, removed=tuple(removed)) for scene in "abc"))
    board = Board(story, shelf)
    for scene in "abc":
        expected = [t.id for t in shelf.values() if t.scene == scene and t.id not in removed]
        assert [t.id for t in board.takes_of(scene)] == expected


def test_a_scene_is_remembered_by_its_chosen_take_and_frame():
    shelf = {"t": take("t", "a"), "u": take("u", "a", keyframe=OTHER_DIGEST)}
    own = KeyframeChoice(take="t", index=3, keyframe="f" * 64)

    def keyframe(**fields):
        scene = Scene(id="a", **fields)
        return Board(Story(id="s", scenes=(scene,)), shelf).keyframe(scene)

    assert keyframe() is None
    assert keyframe(chosen="gone") is None
    assert keyframe(chosen="t") == DIGEST
    assert keyframe(chosen="t", keyframes=(own,)) == own.keyframe
    assert keyframe(chosen="u", keyframes=(own,)) == OTHER_DIGEST


def test_ids_differ_and_are_valid():
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(parse(Scene, {"id": scene_id}).id == scene_id for scene_id in ids)
