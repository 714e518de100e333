"""The quick forms of `make soak`, and what a process does when it is killed, told to stop, or not alone."""

import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storyboard.rendering import hosting, renderer
from tests.paths import ROOT
from tests.soak import busy, crowd, faults, imports, powercut, prompts, stateful, together
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, wait_for

FOR_EVER = 10**6  # steps


@pytest.mark.slow
def test_twenty_kills_lose_nothing() -> None:
    program = [sys.executable, "-m", "tests.soak.kills", "--kills", "20"]
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0 and "0 corrupt, 0 lost" in result.stdout, result.stdout + result.stderr


@pytest.mark.slow
def test_whatever_the_disk_fails_at_nothing_is_lost(tmp_path: Path) -> None:
    failed = faults.run(tmp_path)
    assert {"full write", "error write", "torn write", "error sync", "late sync", "error rename"} <= failed.keys()
    assert sum(failed.values()) > 500


def test_whenever_the_power_fails_nothing_is_lost(tmp_path: Path) -> None:
    assert powercut.run(tmp_path, seed=random.randrange(2**32), times=1) > 200


def test_of_those_who_share_a_commit_each_is_told_the_truth(tmp_path: Path) -> None:
    assert together.faults(tmp_path / "faults") > 30
    assert together.power_cuts(tmp_path / "cuts", seed=random.randrange(2**32), times=1, rounds=2) > 20


@pytest.mark.slow
def test_any_sequence_is_as_a_list_would_be() -> None:
    stateful.run(100, steps=10)


@pytest.mark.slow
def test_a_crowd_loses_no_job(tmp_path: Path) -> None:
    counts = crowd.run(clients=100, seconds=5, folder=tmp_path)
    assert counts.asked and not counts.lost and not counts.refused and len(counts.edits) >= 100


@pytest.mark.slow
def test_what_a_busy_crowd_was_told_is_there_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "SHARE", 0.3)
    seen = busy.run(people=20, seconds=6, folder=tmp_path)
    assert seen.edits and seen.asked and seen.uploads
    assert not seen.lost and not seen.missing and not seen.refused


@pytest.mark.slow
def test_prompts_that_nobody_would_write(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    assert prompts.through_page(500, seed, tmp_path) > 250, seed
    assert prompts.through_film(500, seed, tmp_path) > 250, seed


@pytest.mark.slow
def test_the_filter_reads_or_refuses_any_prompt() -> None:
    seed = random.randrange(2**32)
    assert prompts.through_filter(200, seed) > 50, seed


# --- processes -------------------------------------------------------------------------------------------------------

DEADLY = """
import os, sys
from pathlib import Path
from tests.soak.fakes import open_fake
from tests.storyboard.studios import wait_for

def deadly(scene, step):
    if "deadly" in scene.prompt:
        os.kill(os.getpid(), 9)

def prepare(studio):
    studio.renderer.maker.on_step = deadly

studio = open_fake(Path(sys.argv[1]), prepare)
wait_for(lambda: not studio.library.job_store.jobs())
"""


def test_a_scene_that_ends_the_process_is_not_begun_for_ever(tmp_path: Path) -> None:
    studio = open_fake(tmp_path, step_seconds=30)
    story = studio.new_story(ME, "Film", ["The deadly scene.", "Mia runs."])["story"]
    studio.render(ME, story["id"])
    wait_for(lambda: studio.library.job_store.jobs()[0].attempts == 1)
    studio.close()  # asked to stop: that is no fault of the scene
    ends = [subprocess.run([sys.executable, "-c", DEADLY, str(tmp_path)], cwd=ROOT).returncode for _ in range(4)]
    assert ends == [-signal.SIGKILL] * renderer.MOST_ATTEMPTS + [0]
    again = open_fake(tmp_path)
    takes = [scene["takes"] for scene in again.get_story(ME, story["id"])["story"]["scenes"]]
    assert not takes[0] and len(takes[1]) == 1 and again.library.job_store.jobs() == []
    again.close()


def test_who_gives_up_a_scene_says_so(tmp_path: Path) -> None:
    studio = open_fake(tmp_path)
    story = studio.new_story(ME, "Film", ["Mia runs."])["story"]
    studio.renderer.queue.close()
    studio.render(ME, story["id"])
    (job,) = studio.library.job_store.jobs()
    for _ in range(renderer.MOST_ATTEMPTS):
        studio.library.job_store.begin(job.id)
    studio.close()
    again = open_fake(tmp_path)
    (shown,) = again.poll(ME, story["id"])["jobs"].values()
    assert shown["state"] == "failed" and "ended 3 times while this scene was rendered" in shown["error"]
    again.render(ME, story["id"])
    wait_for(lambda: again.get_story(ME, story["id"])["story"]["scenes"][0]["takes"])
    again.close()


def test_of_two_processes_each_has_a_line_of_its_own(tmp_path: Path) -> None:
    first = open_fake(tmp_path, steps=FOR_EVER)
    story = first.new_story(ME, "Film", ["Mia runs."])["story"]
    first.render(ME, story["id"])
    second = open_fake(tmp_path)
    assert second.library.job_store.adopt() == [] and second.renderer.queue.jobs(ME, story["id"]) == []
    first.close()
    third = open_fake(tmp_path, steps=FOR_EVER)
    assert [job.story for job in third.library.job_store.jobs()] == [story["id"]]
    assert len(third.renderer.queue.jobs(ME, story["id"])) == 1, "what the first one held"
    assert second.library.job_store.adopt() == []
    second.close()
    third.close()


SERVING = """
import sys
from pathlib import Path
import app
from storyboard.rendering.hosting import wait_for_signal
from tests.soak.fakes import open_fake

def serve(choice, port, workers):
    studio = open_fake(Path(sys.argv[1]), steps=10**6, step_seconds=float(sys.argv[2]))
    try:
        print("serving", flush=True)
        wait_for_signal()
    finally:
        studio.close()

app.serve = serve
sys.exit(app.main([]))
"""


@pytest.mark.parametrize("step_seconds", [0.01, 60])
def test_told_to_stop_a_process_saves_and_goes(step_seconds: float, tmp_path: Path) -> None:
    studio = open_fake(tmp_path, steps=FOR_EVER)
    story = studio.new_story(ME, "Film", ["Mia runs.", "Mia sleeps."])["story"]
    studio.render(ME, story["id"])
    studio.close()
    program = [sys.executable, "-c", SERVING, str(tmp_path), str(step_seconds)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "serving\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()  # or a process that does not go would keep this one waiting for ever
    assert hosting.STOPPING_SECONDS < 5, "after which it goes, whatever it waits for; a busy disk may keep it longer"
    after = open_fake(tmp_path, prepare=lambda studio: studio.renderer.queue.close(0) and None)
    jobs = after.library.job_store.jobs()
    assert len(jobs) == 2 and all(job.attempts == 0 for job in jobs), "in line again, and none of it counts"
    after.close()


@pytest.mark.slow
def test_sixty_damaged_media_are_read_or_refused() -> None:
    """In a process of its own: memory is counted over all children that a process ever had."""
    program = [sys.executable, "-m", "tests.soak.media_fuzz", "--count", "60", "--seed", "1"]
    result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (read|refused)", result.stdout)}
    assert counts["read"] + counts["refused"] == 60 and counts["refused"] > 10


def test_the_largest_archive_is_at_the_limits_and_comes_in(tmp_path: Path) -> None:
    imports.write_largest(tmp_path / "a.zip", most_bytes=12 << 20, most_story=8 << 20)
    assert 9 << 20 < (tmp_path / "a.zip").stat().st_size <= 12 << 20
    assert imports.run(tmp_path / "a.zip", tmp_path / "home", times=2) < imports.MOST_GROWTH
