"""Finishing takes: as jobs with progress, kept by their drafts, cancelled, begun again, and what a finished film is."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import ThroughlineError
from storyboard.interfaces import verbs  # noqa: F401  defines the verbs
from storyboard.interfaces.commands import _with_paths
from storyboard.media.header import read_header
from storyboard.media.video import read_clip
from storyboard.operations.registry import VERBS
from storyboard.rendering.finishing import finisher
from storyboard.studio import Studio
from tests.pipeline.stages.small_upscalers import diffusion, swin2sr
from tests.storyboard.rendering.test_tidy import aged
from tests.storyboard.studios import ME, SECONDS, TEN, Desk, open_studio, wait_for


class Nearest:
    """An upscaler that counts frames, and waits before each while it is held."""

    scale, tile = 2, 512

    def __init__(self) -> None:
        self.prompts = list[str]()
        self.open, self.begun = threading.Event(), threading.Semaphore(0)
        self.open.set()
        self.fails_at = ""

    def picture(self, x: torch.Tensor, prompt: str, corner: tuple[int, int]) -> torch.Tensor:
        self.prompts.append(prompt)
        self.begun.release()
        assert self.open.wait(SECONDS)
        if prompt == self.fails_at:
            raise ThroughlineError("the upscaler broke")
        return F.interpolate(x[:, 3:6], scale_factor=2)


class ByNearest(finisher.Finisher):
    def __init__(self, upscaler: Nearest, digest: str = "e" * 64) -> None:
        super().__init__()
        self._upscaler, self.digest = upscaler, digest


@pytest.fixture
def upscaler(monkeypatch: pytest.MonkeyPatch) -> Nearest:
    from pipeline.stages.upscaling import enlarging

    monkeypatch.setattr(enlarging, "PIXELS_AT_ONCE", 1)  # frame by frame
    return Nearest()


@pytest.fixture
def studio(pipeline, tmp_path: Path, upscaler: Nearest) -> Iterator[Studio]:
    studio = opened(pipeline, tmp_path, upscaler)
    yield studio
    upscaler.open.set()
    studio.close()


def opened(pipeline, folder: Path, upscaler: Nearest) -> Studio:
    studio = open_studio(pipeline, folder)
    studio.renderer.finisher = ByNearest(upscaler)
    return studio


def rendered(studio: Studio, *prompts: str) -> Desk:
    desk = Desk.new(studio, *(prompts or TEN[:2]))
    desk.render()
    return desk


def states(desk: Desk) -> list[str]:
    return [scene["state"] for scene in desk.ask("finishing")["finishing"]["scenes"]]


def over(desk: Desk) -> None:
    wait_for(lambda: not desk.ask("finishing")["finishing"]["active"])
    wait_for(lambda: not desk.saved_jobs())


def test_clips_are_finished_once_and_hang_on_their_drafts(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    board, standings = desk.board, desk.standings()
    assert states(desk) == ["draft", "draft"]
    told = desk.ask("finish")["finishing"]
    assert told["active"] and told["left"] == 2
    over(desk)
    assert states(desk) == ["finished", "finished"] and upscaler.prompts == [TEN[0]] * 5 + [TEN[1]] * 5
    told = desk.ask("finish")["finishing"]
    assert not told["active"] and told["left"] == 0 and told["seconds"] == 0 and len(upscaler.prompts) == 10
    for scene, take in zip(told["scenes"], desk.shown, strict=True):
        assert (scene["width"], scene["height"], scene["frames_per_second"]) == (144, 96, take.frames_per_second)
        path = studio.media.path(scene["clip"].removeprefix("media/").partition(".")[0], "mp4")
        assert len(read_clip(path, 96, 144, take.frames_per_second)) == take.num_frames == 5
    assert desk.board == board and desk.standings() == standings, "scenes remember drafts"


def test_one_scene_may_be_finished_alone(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    (told,) = desk.ask("finish", [desk.ids[1]])["finishing"]["scenes"]
    over(desk)
    assert told["number"] == 2 and states(desk) == ["draft", "finished"] and set(upscaler.prompts) == {TEN[1]}
    desk.edit(0, prompt="")
    with pytest.raises(ThroughlineError, match=r"scene '.*' does not exist"):
        desk.ask("finish", ["nowhere"])


def test_a_scene_without_a_take_has_nothing_to_finish(studio: Studio) -> None:
    desk = Desk.new(studio, *TEN[:2])
    assert desk.ask("finish")["finishing"] == {
        "scenes": [],
        "active": False,
        "left": 0,
        "seconds": 0.0,
        "refused": "",
    }
    with pytest.raises(ThroughlineError, match="scene 2 has no take to finish: expected that it is rendered first"):
        desk.ask("finish", [desk.ids[1]])


def test_progress_is_told_frame_by_frame_and_cancelling_ends_it(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    upscaler.open.clear()
    desk.ask("finish")
    assert upscaler.begun.acquire(timeout=SECONDS)
    wait_for(lambda: states(desk) == ["running", "queued"])
    desk.ask("finish")
    assert states(desk) == ["running", "queued"], "asked for twice, it is in line once"
    desk.ask("finish_cancel")
    upscaler.open.set()
    over(desk)
    assert states(desk) == ["cancelled", "cancelled"] and len(upscaler.prompts) < 5
    assert desk.ask("poll")["jobs"] == {}, "no render was cancelled"
    desk.ask("finish")
    over(desk)
    assert states(desk) == ["finished", "finished"]


def test_steps_are_frames(studio: Studio) -> None:
    desk = rendered(studio, TEN[0])
    told = [part["finishing"]["scenes"][0] for part in VERBS["finish"](studio, ME, desk.story, [])]
    seen = [(scene["step"], scene["total"]) for scene in told if scene["state"] == "running" and scene["total"]]
    assert seen == sorted(seen) and {total for _, total in seen} <= {5} and told[-1]["state"] == "finished"


def test_one_that_fails_leaves_the_others_and_the_film_names_it(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    upscaler.fails_at = TEN[0]
    with pytest.raises(ThroughlineError, match="scene 1 is not finished: the upscaler broke"):
        desk.ask("film", "finished.mp4")
    assert states(desk) == ["failed", "finished"]
    upscaler.fails_at = ""
    desk.ask("film", "finished.mp4")
    assert states(desk) == ["finished", "finished"], "asked for again, it is tried again"


def test_a_finished_film_is_as_large_as_its_clips_and_made_of_them(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    draft, film = (desk.ask("film", name)["url"] for name in ("mp4", "finished.mp4"))

    def size(url: str) -> tuple[int, int]:
        header = read_header(studio.media.path(url.removeprefix("media/").partition(".")[0], "mp4"))
        return header.width, header.height

    assert size(draft) == (576, 384) and size(film) == (144, 96)
    count = len(upscaler.prompts)
    desk.ask("film", "finished.mp4")
    assert len(upscaler.prompts) == count == 10


def test_another_rate_is_another_clip_and_the_first_is_kept(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio, TEN[0])
    desk.ask("film", "finished.mp4")
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": 16}})
    assert states(desk) == ["draft"]
    desk.ask("film", "finished.mp4")
    assert len(upscaler.prompts) == 15 and desk.ask("finishing")["finishing"]["scenes"][0]["frames_per_second"] == 16
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": None}})
    assert states(desk) == ["finished"]


def test_what_is_finished_is_found_after_a_restart_and_made_again_if_it_is_lost(
    pipeline, tmp_path: Path, upscaler: Nearest
) -> None:
    studio = opened(pipeline, tmp_path, upscaler)
    desk = rendered(studio, TEN[0])
    desk.ask("film", "finished.mp4")
    studio.close()
    studio = opened(pipeline, tmp_path, upscaler)
    desk = Desk(studio, ME, desk.story)
    (scene,) = desk.ask("finishing")["finishing"]["scenes"]
    assert scene["state"] == "finished"
    studio.media.path(scene["clip"].removeprefix("media/").partition(".")[0], "mp4").unlink()
    assert states(desk) == ["draft"]
    desk.ask("film", "finished.mp4")
    assert len(upscaler.prompts) == 10
    studio.close()


def test_what_a_stop_cuts_short_is_begun_again(pipeline, tmp_path: Path, upscaler: Nearest) -> None:
    studio = opened(pipeline, tmp_path, upscaler)
    desk = rendered(studio, TEN[0])
    upscaler.open.clear()
    desk.ask("finish")
    take = desk.shown[0].id
    assert upscaler.begun.acquire(timeout=SECONDS)
    threading.Timer(0.2, upscaler.open.set).start()
    studio.close()
    again = open_studio(pipeline, tmp_path, resume=False)
    assert [job.content for job in again.library.job_store.jobs()] == [{"why": f"finish {take} 8"}]
    again.close()
    studio = open_studio(pipeline, tmp_path)
    desk = Desk(studio, ME, desk.story)
    over(desk)
    assert states(desk) == ["finished"]
    studio.close()


def test_what_is_cancelled_is_not_begun_again_though_its_step_outlasts_the_program(
    pipeline, tmp_path: Path, upscaler: Nearest, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = opened(pipeline, tmp_path, upscaler)
    desk = rendered(studio, TEN[0])
    upscaler.open.clear()
    desk.ask("finish")
    assert upscaler.begun.acquire(timeout=SECONDS)
    desk.ask("finish_cancel")
    studio.renderer.close(patience=0.1)
    assert desk.saved_jobs() == []
    upscaler.open.set()
    studio.library.close()


def test_looking_loads_nothing(pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = rendered(studio, TEN[0])
    monkeypatch.setattr(finisher.Finisher, "_loaded", lambda self: pytest.fail("it loads the upscaler"))
    monkeypatch.setattr(studio.media, "read", lambda *file: pytest.fail("it reads files"))
    assert states(desk) == ["draft"]
    studio.close()


def test_another_take_that_is_chosen_meanwhile_is_the_one_that_is_finished(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio, TEN[0])
    desk.render(0, again=True)
    other = next(take for take in desk.takes(0) if take.id != desk.shown[0].id)
    upscaler.open.clear()
    steps = studio.finish_steps(ME, desk.story)
    next(steps)
    assert upscaler.begun.acquire(timeout=SECONDS)
    desk.ask("edit", {"do": "choose_take", "scene": desk.ids[0], "take": other.id})
    assert states(desk) == ["draft"], "what is made is another take"
    upscaler.open.set()
    last = [part for part in steps if part][-1]["finishing"]["scenes"][0]
    assert (last["take"], last["state"]) == (other.id, "finished")


def test_another_rate_meanwhile_is_the_one_of_the_film(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio, TEN[0])
    upscaler.open.clear()
    steps = studio.finish_steps(ME, desk.story)
    next(steps)
    assert upscaler.begun.acquire(timeout=SECONDS)
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": 16}})
    upscaler.open.set()
    last = [part for part in steps if part][-1]["finishing"]["scenes"][0]
    assert (last["frames_per_second"], last["state"]) == (16, "finished")


def test_other_words_are_another_clip_where_the_upscaler_hears_them(
    studio: Studio, upscaler: Nearest, clip_file: Path
) -> None:
    desk = Desk.new(studio, TEN[0])
    with clip_file.open("rb") as file:
        data = base64.b64encode(file.read()).decode()
    desk.ask("import_clip", desk.ids[0], data, clip_file.name)
    desk.ask("film", "finished.mp4")
    desk.prompt(0, TEN[1])
    assert states(desk) == ["finished"]
    studio.renderer.finisher.heard = lambda prompt: prompt
    assert states(desk) == ["draft"]
    desk.ask("film", "finished.mp4")
    assert states(desk) == ["finished"] and {TEN[0], TEN[1]} == set(upscaler.prompts)
    desk.prompt(0, TEN[2])
    assert states(desk) == ["draft"]


def test_what_is_left_falls_while_it_is_made(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    desk.ask("film", "finished.mp4")
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": 4}})  # never less than a take's own
    desk.render(0, again=True)
    whole = desk.ask("finishing")["finishing"]["seconds"]
    upscaler.open.clear()
    desk.ask("finish")
    for _ in range(3):
        assert upscaler.begun.acquire(timeout=SECONDS)
        upscaler.open.set()
    wait_for(lambda: desk.ask("finishing")["finishing"]["seconds"] < whole)
    over(desk)


def test_a_shell_is_told_where_finished_clips_lie(studio: Studio) -> None:
    desk = rendered(studio, TEN[0])
    *_, last = (_with_paths(studio, part) for part in VERBS["finish"](studio, ME, desk.story, []))
    (scene,) = last["finishing"]["scenes"]
    assert Path(scene["path"]).is_file() and "url" not in scene and "clip" not in scene


def test_files_of_another_finisher_and_of_nothing_go_after_a_week(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio, TEN[0])
    desk.ask("film", "finished.mp4")
    (scene,) = desk.ask("finishing")["finishing"]["scenes"]
    path = aged(studio.media.path(scene["clip"].removeprefix("media/").partition(".")[0], "mp4"))
    studio.maintenance.tidy()
    assert path.exists() and states(desk) == ["finished"]
    studio.renderer.finisher = ByNearest(upscaler, "d" * 64)
    studio.maintenance.tidy()
    assert not path.exists() and states(desk) == ["draft"]


def test_how_long_it_takes_is_known_after_the_first(studio: Studio) -> None:
    desk = rendered(studio, TEN[0])
    assert desk.ask("finishing")["finishing"]["seconds"] is None
    desk.ask("film", "finished.mp4")
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": 16}})
    first = desk.ask("finishing")["finishing"]["seconds"]
    desk.ask("edit", {"do": "edit_film", "changes": {"rate": 32}})
    assert 0 < first < desk.ask("finishing")["finishing"]["seconds"] < 60


def test_renders_are_not_waited_for_and_a_deleted_story_is_not_finished(studio: Studio, upscaler: Nearest) -> None:
    desk = rendered(studio)
    upscaler.open.clear()
    desk.ask("finish")
    assert upscaler.begun.acquire(timeout=SECONDS)
    assert list(studio.follow(ME, desk.story)) == [{"jobs": {}}], "who follows renders is told of renders"
    desk.ask("delete_story")
    upscaler.open.set()
    jobs = studio.renderer.queue.jobs
    wait_for(lambda: [one.state for one in jobs(ME, desk.story) if one.kind == "finish"] == ["cancelled"] * 2)


def test_the_one_that_ships_refuses_what_it_does_not_know(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = rendered(studio)
    monkeypatch.setattr(finisher, "MOST_WIDTH", 71)
    expected = "the clip is 72 pixels wide: expected at most 71 for the upscaler that ships, or one of your own"
    with pytest.raises(ThroughlineError, match=expected):
        desk.ask("film", "finished.mp4")
    assert states(desk) == ["draft", "draft"] and not desk.saved_jobs()
    assert desk.ask("finishing")["finishing"]["refused"].startswith(expected)


def test_the_one_that_ships_makes_it_four_times_as_large(pipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = rendered(studio, TEN[0])
    desk.ask("film", "finished.mp4")
    (scene,) = desk.ask("finishing")["finishing"]["scenes"]
    assert (scene["width"], scene["height"]) == (288, 192) and len(studio.renderer.finisher.digest) == 64
    studio.close()


def test_an_upscaler_from_a_folder_finishes_clips_of_any_size(
    pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finisher, "MOST_WIDTH", 71)
    swin2sr(tmp_path / "swin2sr", upscale=3)
    studio = open_studio(pipeline, tmp_path / "home")
    studio.renderer.finisher = finisher.Finisher(str(tmp_path / "swin2sr"), "cpu")
    desk = rendered(studio, TEN[0])
    assert desk.ask("finishing")["finishing"]["refused"] == ""
    desk.ask("film", "finished.mp4")
    (scene,) = desk.ask("finishing")["finishing"]["scenes"]
    assert (scene["width"], scene["height"]) == (216, 144)
    studio.close()


def test_the_prompt_counts_for_an_upscaler_that_is_told_of_it(tmp_path: Path) -> None:
    swin2sr(tmp_path / "swin2sr")
    diffusion(tmp_path / "diffusion")
    found = [finisher.Finisher(own) for own in (None, str(tmp_path / "swin2sr"), str(tmp_path / "diffusion"))]
    assert [one.heard("A dog.") for one in found] == ["", "", "A dog."]
    assert len({one.digest for one in found}) == 3
