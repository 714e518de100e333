"""The studio over the real text filter and a tiny pipeline: what is rendered, what is kept, and what is left alone."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.store.job_store import job_of
from storyboard.studio import Studio, home
from tests.storyboard.studios import ME, TEN, YOU, Desk, Watched, open_studio, wait_for

BLUE = "Mia in a blue coat is walking in the desert."


@pytest.fixture
def watched(pipeline) -> Watched:
    return Watched(pipeline)


@pytest.fixture
def studio(watched: Watched, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(watched, tmp_path)
    yield studio
    watched.go()
    studio.close()


@pytest.fixture
def desk(studio: Studio) -> Desk:
    """Three scenes; the second remembers Mia and her coat of the first, the third remembers nothing."""
    return Desk.new(studio, TEN[0], TEN[3], TEN[1])


# --- rendering what is stale -----------------------------------------------------------------------------------------


def test_a_story_is_rendered_and_remembers(desk: Desk, watched: Watched) -> None:
    assert desk.states == ["new"] * 3 and desk.planned() == [0, 1, 2]
    news = desk.render()
    assert desk.states == ["fresh"] * 3 and desk.planned() == []
    assert [take.seed for take in desk.shown] == [0, 1, 2] == watched.seeds
    (memory,) = desk.shown[1].conditioning.memories
    assert (memory.scene, memory.words) == (desk.ids[0], ("Mia in a red coat",))
    assert memory.keyframe == desk.shown[0].keyframe
    steps = [job["step"] for part in news for job in part["jobs"].values()]
    assert max(steps) >= 1 and news[-1] == {"jobs": {}}
    for take in desk.shown:
        files = {take.clip: "mp4", take.preview: "webp", take.keyframe: "png", take.trace: "json"}
        assert all(desk.studio.media.path(digest, suffix).stat().st_size for digest, suffix in files.items())


def test_one_word_changed_renders_exactly_what_depends_on_it(studio: Studio, watched: Watched) -> None:
    desk = Desk.new(studio, *TEN)
    desk.render()
    before, count = desk.shown, len(watched.prompts)
    assert count == 10 and desk.states == ["fresh"] * 10
    desk.prompt(0, BLUE)
    assert desk.planned() == [0, 3, 6]
    assert "*red* → *blue*" in desk.standings()[0].reasons[0]
    desk.render()
    assert watched.prompts[count:] == [BLUE, TEN[3], TEN[6]] and desk.states == ["fresh"] * 10
    assert [place for place in range(10) if desk.shown[place] != before[place]] == [0, 3, 6]


def test_an_identical_keyframe_stops_the_cascade(desk: Desk, watched: Watched) -> None:
    desk.render()
    desk.edit(1, seed=50)  # makes nothing stale, but another clip if it is rendered
    desk.edit(0, guidance={"end": 0.99})  # of two steps none is later: the very same clip
    assert desk.states == ["stale", "waiting", "fresh"] and desk.planned() == [0, 1]
    before, count = desk.shown, len(watched.prompts)
    desk.render()
    assert watched.prompts[count:] == [TEN[0]], "the second scene came out fresh before its turn"
    assert desk.states == ["fresh"] * 3
    assert desk.shown[0].id != before[0].id and desk.shown[0].keyframe == before[0].keyframe
    assert desk.shown[1:] == before[1:]


def test_undo_brings_the_old_take_back_as_fresh(desk: Desk, watched: Watched) -> None:
    desk.render()
    before = desk.shown
    desk.prompt(0, BLUE)
    desk.render()
    count = len(watched.prompts)
    view = desk.ask("undo")["story"]
    assert desk.shown == before and desk.states == ["fresh"] * 3
    assert view["scenes"][0]["prompt"] == TEN[0]
    assert len(desk.takes(0)) == 2, "nothing is lost"
    desk.ask("redo")
    assert desk.scenes[0].prompt == BLUE and desk.states == ["fresh"] * 3 and desk.shown != before
    desk.render()
    assert len(watched.prompts) == count


def test_finished_scenes_are_not_rendered_twice(desk: Desk, watched: Watched) -> None:
    desk.render()
    desk.render()
    desk.render(0, 1, 2)
    assert len(watched.prompts) == 3 and [len(desk.takes(place)) for place in range(3)] == [1, 1, 1]


def test_encodings_are_made_once(desk: Desk, watched: Watched) -> None:
    desk.render()
    assert watched.encoded == [TEN[0]]
    desk.render(1, again=True)
    desk.render(1, again=True)
    assert watched.encoded == [TEN[0]]


def test_the_same_seed_gives_the_same_clip_after_a_cancelled_run(desk: Desk, watched: Watched) -> None:
    desk.render()
    first = desk.shown[1]
    desk.prompt(1, TEN[8])
    watched.hold()
    desk.ask("render")
    for _ in range(4):
        watched.begun()
    desk.ask("cancel")
    watched.go()
    desk.follow()
    assert desk.shown[1] == first, "nothing came of the cancelled run"
    other = Desk.new(desk.studio, TEN[0], TEN[3])
    other.render()
    assert (other.shown[1].clip, other.shown[1].keyframe) == (first.clip, first.keyframe)


# --- seeds and takes -------------------------------------------------------------------------------------------------


def test_again_draws_another_seed(desk: Desk, watched: Watched) -> None:
    desk.render()
    desk.render(2, again=True)
    assert watched.seeds[3] != 2 and [take.seed for take in desk.takes(2)] == [2, watched.seeds[3]]
    assert desk.shown[2] == desk.takes(2)[1] and desk.takes(2)[0].clip != desk.takes(2)[1].clip


def test_variants_are_takes_with_different_seeds(desk: Desk, watched: Watched) -> None:
    desk.ask("render", scenes=[desk.ids[0]], variants=4)
    states = list(desk.follow())
    takes = desk.takes(0)
    assert len({take.seed for take in takes}) == 4 == len({take.clip for take in takes})
    assert desk.shown[0] in takes and desk.states[0] == "fresh"
    steps = [job["step"] for state in states for job in state["jobs"].values() if job["total"]]
    assert steps == sorted(steps), "one line of progress for all of them"
    with pytest.raises(ThroughlineError, match="4 variants of no scene"):
        desk.ask("render", variants=4)
    with pytest.raises(ThroughlineError, match="variants is 9"):
        desk.ask("render", scenes=[desk.ids[0]], variants=9)


def test_a_duplicate_brings_its_take_and_renders_nothing(desk: Desk, watched: Watched) -> None:
    desk.render()
    count, first = len(watched.prompts), desk.shown[0]
    copy = desk.ask("edit", {"do": "duplicate_scene", "scene": desk.ids[0]})["story"]["scenes"][1]["id"]
    brought = desk.takes(1)[0]
    assert desk.shown[1] == brought == first.model_copy(update={"id": copy, "scene": copy})
    assert desk.states[:2] == ["fresh", "stale"], "the copy now remembers the scene that it is a copy of"
    desk.ask("undo")
    assert len(desk.scenes) == 3
    desk.ask("redo")
    assert desk.shown[1] == brought and len(watched.prompts) == count


def test_a_known_seed_chooses_its_take(desk: Desk, watched: Watched) -> None:
    desk.render()
    desk.render(2, again=True)
    count = len(watched.prompts)
    desk.render(2)  # asked for with its own seed, 2
    assert len(watched.prompts) == count and desk.shown[2] == desk.takes(2)[0]
    desk.edit(2, seed=77)
    assert desk.states[2] == "fresh", "a seed makes nothing stale"
    desk.render(2)
    assert watched.seeds[count:] == [77] and desk.shown[2].seed == 77


def test_a_scene_may_draw_a_new_seed_each_time(desk: Desk, watched: Watched) -> None:
    desk.edit(2, new_seed=True)
    desk.render(2)
    desk.render(2)
    assert len(set(watched.seeds)) == 2 == len(desk.takes(2))


def test_takes_are_chosen_removed_and_brought_back(desk: Desk) -> None:
    desk.render()
    desk.render(0, again=True)
    old, new = desk.takes(0)
    scene = desk.ids[0]
    assert desk.states == ["fresh", "stale", "fresh"], "the second scene remembers the old keyframe"
    desk.ask("edit", {"do": "choose_take", "scene": scene, "take": old.id})
    assert desk.shown[0] == old and desk.states == ["fresh"] * 3
    desk.ask("edit", {"do": "remove_take", "scene": scene, "take": old.id})
    assert desk.takes(0) == (new,) and desk.shown[0] == new
    desk.ask("edit", {"do": "remove_take", "scene": scene, "take": new.id})
    assert desk.takes(0) == () and desk.shown[0] is None and desk.states[0] == "new"
    desk.ask("undo")
    desk.ask("undo")
    assert desk.takes(0) == (old, new) and desk.shown[0] == old
    with pytest.raises(ThroughlineError, match="does not exist in scene"):
        desk.ask("edit", {"do": "choose_take", "scene": desk.ids[1], "take": old.id})


def test_another_keyframe_makes_those_stale_that_remember_it(desk: Desk) -> None:
    desk.render()
    take = desk.shown[0]
    view = desk.ask("keyframe", desk.ids[0], take.id, 0)["story"]
    assert desk.states == ["fresh", "stale", "fresh"] and "scene 1 changed" in desk.standings()[1].reasons[0]
    assert view["scenes"][0]["takes"][0]["keyframe_index"] == 0
    assert view["scenes"][0]["keyframe"] != f"media/{take.keyframe}.png"
    desk.ask("keyframe", desk.ids[0], take.id, take.keyframe_index)
    assert desk.states == ["fresh"] * 3
    with pytest.raises(ThroughlineError, match="frame 5 is not in the clip: expected 0 to 4"):
        desk.ask("keyframe", desk.ids[0], take.id, 5)


# --- while a scene is rendered ---------------------------------------------------------------------------------------


def begin(desk: Desk, watched: Watched, place: int) -> None:
    """A render of one scene that waits for `watched.go`."""
    watched.hold()
    desk.ask("render", [desk.ids[place]], True)
    watched.begun()


def test_a_take_that_comes_in_while_the_user_edits(desk: Desk, watched: Watched) -> None:
    begin(desk, watched, 2)
    desk.prompt(2, "A dog is sleeping on the snow.")
    desk.prompt(1, "Mia is sleeping on the beach.")
    watched.go()
    desk.follow()
    assert desk.shown[2].conditioning.prompt == TEN[1] and desk.states[2] == "stale"
    assert [scene.prompt for scene in desk.scenes][1:] == [
        "Mia is sleeping on the beach.",
        "A dog is sleeping on the snow.",
    ]
    desk.ask("undo")
    desk.ask("undo")
    assert desk.states[2] == "fresh", "what came in was no step of undo"


def test_a_take_that_comes_in_does_not_overrule_the_user(desk: Desk, watched: Watched) -> None:
    desk.render()
    watched.begun(), watched.begun(), watched.begun()
    desk.render(2, again=True)
    watched.begun()
    first, second = desk.takes(2)
    begin(desk, watched, 2)
    desk.ask("edit", {"do": "choose_take", "scene": desk.ids[2], "take": first.id})
    watched.go()
    desk.follow()
    assert desk.shown[2] == first and len(desk.takes(2)) == 3
    begin(desk, watched, 2)
    desk.edit(2, locked=True)
    watched.go()
    desk.follow()
    assert desk.shown[2] == first and len(desk.takes(2)) == 4 and second in desk.takes(2)


def test_a_scene_that_was_deleted_meanwhile_keeps_its_take(desk: Desk, watched: Watched) -> None:
    begin(desk, watched, 2)
    scene = desk.ids[2]
    desk.ask("edit", {"do": "remove_scene", "scene": scene})
    watched.go()
    desk.follow()
    assert scene not in desk.ids
    desk.ask("undo")
    assert desk.takes(2)[0].scene == scene and desk.states[2] == "fresh"


def test_a_locked_scene_is_never_rendered(desk: Desk, watched: Watched) -> None:
    desk.render()
    before = desk.shown[1]
    desk.edit(1, locked=True)
    desk.prompt(0, BLUE)
    assert desk.planned() == [0]
    assert desk.ask("plan", [desk.ids[1]])["plan"]["blocked"] == ("scene 2 is locked",)
    desk.render()
    desk.render(1, again=True)
    assert len(watched.prompts) == 4 and desk.shown[1] == before


def test_a_clip_of_ones_own_becomes_history(desk: Desk, watched: Watched, clip_file: Path) -> None:
    data = base64.b64encode(clip_file.read_bytes()).decode()
    view = desk.ask("import_clip", desk.ids[0], data, "mine.mp4")["story"]
    own = desk.shown[0]
    assert (own.source, own.note, own.width, own.height, own.num_frames) == ("imported", "mine.mp4", 72, 48, 16)
    assert view["scenes"][0]["takes"][0]["fresh"] is True
    assert desk.planned() == [1, 2]
    desk.render()
    desk.render(0, again=True)
    assert watched.prompts == [TEN[3], TEN[1]], "the user's clip is never rendered"
    assert desk.shown[1].conditioning.memories[0].keyframe == own.keyframe and watched.encoded == [TEN[0]]
    assert desk.ask("maps", desk.ids[1])["maps"]
    with pytest.raises(ThroughlineError, match="is not a video"):
        desk.ask("import_clip", desk.ids[1], base64.b64encode(b"no video").decode(), "../../x.mp4")


# --- trials ----------------------------------------------------------------------------------------------------------


def test_trials_leave_the_story_as_it_was(desk: Desk, watched: Watched) -> None:
    desk.render()
    rev, board, before = desk.rev, desk.board, len(watched.prompts)
    mia = {"scene": desk.ids[0], "start": 0, "end": 3}
    asked = [
        desk.ask("what_if", desk.ids[1], {"history": True}),
        desk.ask("what_if", desk.ids[1], {"word": mia}),
        desk.ask("sheet", desk.ids[1], [2, 4.5], [0, 1]),
    ]
    ids = [job for answer in asked for job in answer["trials"]]
    desk.follow()
    found = desk.studio.trials(ME, ids)["trials"]
    assert [trial["state"] for trial in found] == ["done"] * 6
    assert [(trial["w1"], trial["w2"]) for trial in found[2:]] == [(2, 0), (4.5, 0), (2, 1), (4.5, 1)]
    assert watched.seeds[before:] == [1] * 6, "the seed of the take that they are compared with"
    assert len({trial["clip"] for trial in found}) > 3 and all(trial["motion"] > 0 for trial in found)
    assert desk.rev == rev and desk.board is board and desk.saved_jobs() == []
    assert desk.ask("poll", rev, rev)["jobs"] == {}, "the bars of scenes show no trials"


def test_trials_can_be_cancelled_and_belong_to_their_owner(desk: Desk, watched: Watched) -> None:
    desk.render()
    watched.hold()
    ids = desk.ask("sheet", desk.ids[1], [2, 4], [1])["trials"]
    desk.ask("cancel_trials")
    watched.go()
    desk.follow()
    assert {trial["state"] for trial in desk.studio.trials(ME, ids)["trials"]} == {"cancelled"}
    with pytest.raises(ThroughlineError, match="does not exist"):
        desk.studio.trials(YOU, ids)


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("what_if", ({"word": {"scene": "SCENE", "start": 5, "end": 900}},), "are no word"),
        ("what_if", ({"word": {"scene": "SCENE", "start": "0", "end": 3}},), "word.start is '0'"),
        ("what_if", ({"word": {"scene": "nowhere", "start": 0, "end": 3}},), "'nowhere' does not exist"),
        ("sheet", ([], [1]), "expected 1 to 36 cells"),
        ("sheet", ([1] * 7, [1] * 6), "expected 1 to 36 cells"),
        ("sheet", ([float("nan")], [1]), "w1.0 is nan"),
        ("sheet", ([31], [1]), "w1.0 is 31"),
    ],
)
def test_trials_that_cant_be(desk: Desk, verb: str, arguments: tuple, message: str) -> None:
    desk.render(0)
    if verb == "what_if" and "word" in arguments[0] and arguments[0]["word"]["scene"] == "SCENE":
        arguments = ({"word": {**arguments[0]["word"], "scene": desk.ids[0]}},)
    with pytest.raises(ThroughlineError, match=message):
        desk.ask(verb, desk.ids[0], *arguments)


def test_there_is_nothing_to_compare_with_before_a_render(desk: Desk) -> None:
    with pytest.raises(ThroughlineError, match="no take to compare with"):
        desk.ask("what_if", desk.ids[0], {"history": True})


# --- restarts --------------------------------------------------------------------------------------------------------


def test_what_a_restart_cut_short_is_in_line_again(pipeline, tmp_path: Path) -> None:
    first = Watched(pipeline)
    desk = Desk.new(open_studio(first, tmp_path), TEN[0], TEN[3], TEN[1])
    desk.render(0)
    first.begun()
    first.hold()
    desk.ask("render")
    first.begun()
    assert [job.scene for job in desk.saved_jobs()] == desk.ids[1:]
    ids, closing = desk.ids, desk.studio.renderer.queue
    closing._closed = True  # as if the process ended here
    first.go()
    desk.studio.close()
    second = Watched(pipeline)
    again = Desk(open_studio(second, tmp_path), ME, desk.story)
    again.follow()
    assert second.prompts == [TEN[3], TEN[1]] and again.states == ["fresh"] * 3, "scene 1 is not rendered twice"
    assert again.ids == ids and again.saved_jobs() == []
    again.studio.close()


def test_a_studio_that_does_not_resume_leaves_jobs_to_another(pipeline, tmp_path: Path) -> None:
    first = open_studio(pipeline, tmp_path)
    desk = Desk.new(first, TEN[0])
    first.library.job_store.add([job_of(ME, desk.story, desk.ids[0], {"why": "stale"})])
    first.close()
    watched = Watched(pipeline)
    shell = open_studio(watched, tmp_path, resume=False)
    assert shell.renderer.queue.positions() == {} and len(shell.library.job_store.jobs()) == 1
    shell.close()
    assert watched.prompts == []


def test_what_was_cancelled_stays_cancelled(desk: Desk, watched: Watched) -> None:
    watched.hold()
    desk.ask("render")
    watched.begun()
    desk.ask("cancel", [desk.ids[1]])
    assert [job.scene for job in desk.saved_jobs()] == [desk.ids[0], desk.ids[2]]
    desk.ask("cancel")
    watched.go()
    desk.follow()
    assert desk.saved_jobs() == [] and desk.states == ["new"] * 3
    assert {job["state"] for job in desk.ask("poll")["jobs"].values()} == {"cancelled"}
    desk.render()
    assert desk.states == ["fresh"] * 3


def test_a_deleted_story_is_not_rendered_on(desk: Desk, watched: Watched) -> None:
    watched.hold()
    desk.ask("render")
    watched.begun()
    desk.ask("delete_story")
    watched.go()
    wait_for(lambda: not desk.studio.renderer.queue.positions())
    desk.ask("restore_story")
    desk.follow()
    assert len(watched.prompts) == 1 and desk.saved_jobs() == []


def test_a_model_that_cant_be_loaded_fails_the_scene_alone(pipeline, tmp_path: Path, caplog) -> None:
    fails = iter([True, False])

    def load():
        if next(fails):
            raise RuntimeError("no memory\nand more")
        return pipeline

    studio = Studio(load, tmp_path, "f" * 64)
    desk = Desk.new(studio, TEN[0], TEN[1])
    news = desk.render()
    job = news[-1]["jobs"][desk.ids[0]]
    assert (job["state"], job["error"]) == ("failed", "The render failed: RuntimeError: no memory")
    assert desk.states == ["new", "fresh"] and "a render failed" in caplog.text
    desk.render()
    assert desk.states == ["fresh", "fresh"] and desk.ask("poll")["jobs"] == {}
    studio.close()


def test_estimates_come_from_past_renders(desk: Desk) -> None:
    assert desk.ask("plan")["plan"]["seconds"] is None
    desk.render(0)
    steps = desk.ask("plan", [desk.ids[2]])["plan"]["steps"]
    assert 0 < steps[0]["seconds"] < 60


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_HOME", "somewhere")
    assert home() == Path("somewhere")
    monkeypatch.delenv("THROUGHLINE_HOME")
    assert home().name == "throughline"
