"""The studio: jobs in line, progress, cancelling, and failures that stay where they happen."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.render import FilmOrder
from storyboard.studio import Job, Studio, home

PROMPTS = ("A cat is running on the beach.", "A dog is skiing on the snow.", "The cat is jumping on the beach.")
SMALL = {"height": 48, "width": 72, "num_frames": 5, "steps": 2}
SHORT, LONG = FilmOrder(PROMPTS, settings=SMALL), FilmOrder(PROMPTS, settings=SMALL | {"steps": 1000})


@pytest.fixture
def studio(pipeline, tmp_path: Path) -> Iterator[Studio]:
    studio = Studio(lambda: pipeline, tmp_path)
    yield studio
    studio.close()


def wait(studio: Studio, holds: Callable[[Job], bool], owner: str = "me") -> Job:
    """The owner's job as soon as `holds` says so."""
    deadline = time.monotonic() + 60
    while not holds(job := studio.job(owner)):  # type: ignore[arg-type]
        assert time.monotonic() < deadline, f"the job is {job}"
        time.sleep(0.005)
    return job  # type: ignore[return-value]


def over(job: Job) -> bool:
    return not job.active


def under_way(job: Job) -> bool:
    return job.scenes[0].step > 0


def test_a_film_is_made_and_kept(studio: Studio, tmp_path: Path) -> None:
    studio.submit("me", SHORT)
    job = wait(studio, over)
    assert (job.state, job.error) == ("done", "")
    assert [scene.state for scene in job.scenes] == ["done"] * 3
    assert all(scene.preview.startswith("data:image/webp;base64,") and scene.still for scene in job.scenes)
    assert job.scenes[2].trace is not None and job.scenes[2].trace.filter.contributing == (0,)
    assert job.film is not None and job.film.is_relative_to(tmp_path / "films") and job.film.stat().st_size
    assert (job.film.parent / "film_scenes" / "trace.json").is_file()
    assert job.aspect == 1.5


def test_cancelling_while_it_is_made(studio: Studio, tmp_path: Path) -> None:
    studio.submit("me", LONG)
    wait(studio, under_way)
    studio.cancel("me")
    job = wait(studio, over)
    assert job.state == "cancelled" and job.film is None and job.scenes[2].state == "stopped"
    assert not list(tmp_path.rglob("*.mp4"))
    studio.submit("me", SHORT)
    assert wait(studio, over).state == "done"


def test_jobs_wait_in_line_and_can_be_cancelled_there(studio: Studio) -> None:
    studio.submit("me", LONG)
    wait(studio, under_way)
    studio.submit("you", SHORT)
    studio.submit("they", SHORT)
    assert (studio.position("me"), studio.position("you"), studio.position("they")) == (0, 1, 2)
    studio.cancel("you")
    assert studio.job("you").state == "cancelled"  # type: ignore[union-attr]
    studio.cancel("me")
    assert wait(studio, over, "they").state == "done"


def test_one_job_an_owner(studio: Studio) -> None:
    studio.submit("me", LONG)
    with pytest.raises(ThroughlineError, match="still being made"):
        studio.submit("me", SHORT)
    studio.cancel("me")


def test_bad_input_leaves_the_last_film_in_place(studio: Studio) -> None:
    studio.submit("me", SHORT)
    made = wait(studio, over)
    studio.submit("me", FilmOrder(("A cat.", "word " * 500), settings=SMALL))
    job = wait(studio, lambda job: over(job) and bool(job.error))
    assert job.error.startswith("scene 2: ") and "\n" not in job.error
    assert (job.film, job.scenes) == (made.film, made.scenes)


def test_a_failure_is_told_and_the_next_job_is_made(pipeline, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fails = iter([True, False])

    def load():
        if next(fails):
            raise RuntimeError("no memory\nand more")
        return pipeline

    studio = Studio(load, tmp_path)
    studio.submit("me", SHORT)
    job = wait(studio, over)
    assert job.state == "failed" and job.error == "The film failed: RuntimeError: no memory"
    studio.submit("me", SHORT)
    assert wait(studio, over).state == "done"
    assert "a film failed" in caplog.text, "what the user is not told stands in the log"
    studio.close()


def test_unknown_owners_have_nothing(studio: Studio) -> None:
    studio.cancel("nobody")
    assert studio.job("nobody") is None and studio.position("nobody") == 0


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_HOME", "somewhere")
    assert home() == Path("somewhere")
    monkeypatch.delenv("THROUGHLINE_HOME")
    assert home().name == "throughline"
