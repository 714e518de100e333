"""The queue: one job after the other, each of which can be cancelled, fail or be cut short without the others."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import pytest

from pipeline.errors import ThroughlineError
from storyboard import jobs
from storyboard.jobs import Job, Made, Queue

SECONDS = 30.0  # until a test gives up


@dataclass
class Bench:
    """A queue whose work goes on one step whenever a test lets it; scene names say what happens in them."""

    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.changed = threading.Condition()
        self.queue = Queue(self.work, self.end)

    def work(self, job: Job) -> Generator[Made, None, None]:
        self.note(self.began, job.scene)
        try:
            for step in (1, 2, 3):
                assert self.steps.acquire(timeout=SECONDS)
                if job.scene == "refused":
                    raise ThroughlineError("the prompt is too long")
                if job.scene == "broken":
                    raise RuntimeError("no memory\nand more")
                yield Made(step, 3, f"picture {step}")
            if job.kind == "trial":
                yield Made(result={"clip": "abc"})
        finally:
            self.note(self.closed, job.scene)

    def end(self, job: Job) -> None:
        self.note(self.ended, job.scene)

    def note(self, where: list[str], scene: str) -> None:
        with self.changed:
            where.append(scene)
            self.changed.notify_all()

    def wait(self, holds: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(holds, SECONDS), f"began {self.began}, ended {self.ended}"

    def go(self, steps: int = 1) -> None:
        self.steps.release(steps)

    def submit(self, *scenes: str, owner: str = "me", **fields: object) -> list[Job]:
        return self.queue.submit([Job(owner, "story", scene, **fields) for scene in scenes])  # type: ignore[arg-type]

    def states(self) -> dict[str, str]:
        return {job.scene: job.state for job in self.queue.jobs("me", "story")}


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.go(1000)
    bench.queue.close()


def test_jobs_are_made_in_order_and_know_their_places(bench: Bench) -> None:
    made = bench.submit("a", "b", "c")
    bench.wait(lambda: bench.began == ["a"])
    assert bench.queue.positions() == {made[1].id: 1, made[2].id: 2}
    assert bench.states() == {"a": "running", "b": "queued", "c": "queued"}
    bench.go(9)
    bench.wait(lambda: bench.ended == ["a", "b", "c"])
    assert bench.began == ["a", "b", "c"] and set(bench.states().values()) == {"done"}
    assert bench.queue.positions() == {}


def test_progress_is_shown_and_every_change_counts(bench: Bench) -> None:
    (job,) = bench.submit("a", kind="trial")
    before = bench.queue.version
    bench.go(2)
    bench.wait(lambda: bench.queue.job("me", job.id).step == 2 or bench.changed.wait(0.01))
    now = bench.queue.job("me", job.id)
    assert (now.total, now.state) == (3, "running") and bench.queue.version > before
    bench.go()
    bench.wait(lambda: bench.ended == ["a"])
    now = bench.queue.job("me", job.id)
    assert (now.state, now.preview, now.result) == ("done", "", {"clip": "abc"})


def test_a_job_that_waits_is_cancelled_at_once(bench: Bench) -> None:
    bench.submit("a", "b", "c")
    bench.wait(lambda: bench.began == ["a"])
    bench.queue.cancel("me", "story", ["b"])
    assert bench.states()["b"] == "cancelled" and bench.ended == ["b"]
    bench.go(6)
    bench.wait(lambda: bench.ended == ["b", "a", "c"])
    assert bench.began == ["a", "c"]


def test_the_job_that_runs_is_cancelled_after_its_step(bench: Bench) -> None:
    bench.submit("a", "b")
    bench.wait(lambda: bench.began == ["a"])
    bench.queue.cancel("me", "story", ["a"])
    assert bench.states()["a"] == "running"
    bench.go()
    bench.wait(lambda: bench.ended == ["a"] and bench.began == ["a", "b"])
    assert bench.states()["a"] == "cancelled" and bench.closed == ["a"], "its generator was closed"


def test_others_and_other_stories_and_kinds_are_left(bench: Bench) -> None:
    bench.submit("a", "b")
    trial = bench.submit("b", kind="trial")[0]
    bench.queue.cancel("you", "story")
    bench.queue.cancel("me", "another story")
    bench.queue.cancel("me", "story", kind="trial")
    assert bench.queue.job("me", trial.id).state == "cancelled"
    bench.go(6)
    bench.wait(lambda: bench.ended == ["b", "a", "b"])


@pytest.mark.parametrize(
    ("scene", "error"),
    [("refused", "the prompt is too long"), ("broken", "The render failed: RuntimeError: no memory")],
)
def test_a_failure_leaves_the_next(bench: Bench, scene: str, error: str, caplog: pytest.LogCaptureFixture) -> None:
    (job, _) = bench.submit(scene, "a")
    bench.go(4)
    bench.wait(lambda: bench.ended == [scene, "a"])
    failed = bench.queue.job("me", job.id)
    assert (failed.state, failed.error, failed.preview) == ("failed", error, "")
    assert bench.states()["a"] == "done"
    assert ("and more" in caplog.text) is (scene == "broken"), "what the user is not told stands in the log"


def test_an_end_that_cant_be_noted_does_not_stop_the_line(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def full(job: Job) -> None:
        bench.note(bench.ended, job.scene)
        raise ThroughlineError("the disk is full")

    bench.queue._ended = full
    bench.submit("a", "b")
    bench.go(6)
    bench.wait(lambda: bench.ended == ["a", "b"])
    assert "the disk is full" in caplog.text


def test_closing_cuts_short_without_an_end() -> None:
    bench = Bench()
    bench.submit("a", "b")
    bench.wait(lambda: bench.began == ["a"])
    closing = threading.Thread(target=bench.queue.close)
    closing.start()
    while not bench.queue._closed:
        threading.Event().wait(0.001)
    bench.go(3)
    closing.join(SECONDS)
    assert not closing.is_alive() and bench.ended == [] and bench.began == ["a"] and bench.closed == ["a"]


def test_what_was_cancelled_is_over_even_if_the_queue_closes_then() -> None:
    bench = Bench()
    bench.submit("a")
    bench.wait(lambda: bench.began == ["a"])
    bench.queue.cancel("me", "story")
    closing = threading.Thread(target=bench.queue.close)
    closing.start()
    while not bench.queue._closed:
        threading.Event().wait(0.001)
    bench.go(3)
    closing.join(SECONDS)
    assert bench.ended == ["a"]


def test_the_line_has_an_end(bench: Bench) -> None:
    bench.submit("a")
    bench.wait(lambda: bench.began == ["a"])
    bench.queue.submit([Job("me", "story", "b"), Job("me", "story", "c")], most=2)
    with pytest.raises(ThroughlineError, match="2 scenes are waiting"):
        bench.queue.submit([Job("me", "story", "d")], most=2)
    assert "d" not in bench.states() and jobs.WAITING_JOBS < jobs.KEPT_JOBS


def test_old_jobs_are_forgotten_but_never_those_in_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT_JOBS", 3)
    bench.submit(*"abcdef")
    bench.queue.cancel("me", "story", list("cdef"))
    assert len(bench.queue.jobs("me", "story")) == 3
    bench.go(6)
    bench.wait(lambda: {"a", "b"} <= set(bench.ended))


def test_a_scene_in_line_is_missing_no_more(bench: Bench) -> None:
    bench.submit("a", "b", order="stale")
    bench.wait(lambda: bench.began == ["a"])
    asked = [
        Job("me", "story", scene, order=order) for scene, order in (("a", "stale"), ("b", "stale"), ("b", "again"))
    ]
    assert bench.queue.missing(asked) == [asked[0], asked[2]], "what runs may be asked for again; so may another take"


def test_jobs_of_others_do_not_exist(bench: Bench) -> None:
    (job,) = bench.submit("a")
    with pytest.raises(ThroughlineError) as theirs:
        bench.queue.job("you", job.id)
    with pytest.raises(ThroughlineError) as none:
        bench.queue.job("me", "nothing")
    assert str(theirs.value).replace(job.id, "ID") == str(none.value).replace("nothing", "ID")


def test_clearing_forgets_how_jobs_ended(bench: Bench) -> None:
    bench.submit("a", "b")
    bench.wait(lambda: bench.began == ["a"])
    bench.queue.cancel("me", "story", ["b"])
    bench.queue.clear("me", "story", "a")
    bench.queue.clear("me", "story", "b")
    assert bench.states() == {"a": "running"}
