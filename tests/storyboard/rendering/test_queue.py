"""The queue: one job after the other, each of which can be cancelled, fail or be cut short without the others."""

import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import pytest

from pipeline.errors import ThroughlineError
from storyboard.operations import following
from storyboard.rendering import queue
from storyboard.rendering.limits import LIMITS, QueueLimits
from storyboard.rendering.queue import Job, Made, Queue

SECONDS = 30.0  # until a test gives up


@dataclass
class Bench:
    """A queue whose work goes on one step whenever a test lets it; scene names say what happens in them."""

    limits: QueueLimits = LIMITS
    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.steps = threading.Semaphore(0)
        self.changed = threading.Condition()
        self.queue = Queue(self.work, self.end, self.limits)

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


@pytest.fixture
def short() -> Iterator[Bench]:
    """A queue whose limits are reached soon."""
    bench = Bench(QueueLimits(waiting=3, own_waiting=2, job_seconds=0.0, step_seconds=30.0))
    yield bench
    bench.go(1000)
    bench.queue.close()


def test_the_line_has_an_end_for_each_and_for_all(short: Bench) -> None:
    short.submit("a")
    short.wait(lambda: short.began == ["a"])
    short.submit("b", "c")
    with pytest.raises(ThroughlineError, match="2 of your scenes are waiting"):
        short.submit("d")
    short.submit("d", owner="you")
    with pytest.raises(ThroughlineError, match=r"^3 scenes are waiting"):
        short.submit("e", owner="they")
    assert short.states() == {"a": "running", "b": "queued", "c": "queued"}
    assert LIMITS.own_waiting < LIMITS.waiting < queue.KEPT_JOBS


def test_a_job_that_takes_too_long_is_stopped(short: Bench) -> None:
    short.submit("a")
    short.go(1)
    short.wait(lambda: short.ended == ["a"])
    (job,) = short.queue.jobs("me", "story")
    assert (job.state, job.error) == ("failed", "the render took longer than 0 s: it was stopped")
    assert short.closed == ["a"]


def test_owners_take_turns(bench: Bench) -> None:
    bench.submit("a", "b", "c")
    bench.wait(lambda: bench.began == ["a"])
    last = bench.submit("x", "y", owner="you") + bench.submit("z", owner="they")
    assert [bench.queue.positions()[job.id] for job in last] == [1, 4, 2]
    bench.go(18)
    bench.wait(lambda: len(bench.ended) == 6)
    assert bench.began == ["a", "x", "z", "b", "y", "c"]


def test_who_comes_back_does_not_jump_the_line(bench: Bench) -> None:
    bench.submit("a", "b")
    bench.submit("x", owner="you")
    bench.go(6)
    bench.wait(lambda: bench.ended == ["a", "x"] and bench.began[-1] == "b")
    bench.submit("c")
    bench.submit("y", owner="you")
    bench.go(9)
    bench.wait(lambda: len(bench.ended) == 5)
    assert bench.began == ["a", "x", "b", "y", "c"]


def test_a_stuck_job_is_given_up_and_the_line_goes_on() -> None:
    bench = Bench(QueueLimits(step_seconds=0.05, left_behind=1))
    (stuck,) = bench.submit("stuck")
    bench.wait(lambda: bench.ended == ["stuck"])
    job = bench.queue.job("me", stuck.id)
    assert (job.state, job.error) == ("failed", "The render was stuck for 0.05 s: it was given up")
    assert bench.queue.state() == {"waiting": 0, "running": 0, "stuck": 1, "working": False}, "it needs a restart"
    bench.queue.limits = QueueLimits()
    bench.submit("b")
    bench.wait(lambda: bench.began == ["stuck", "b"])
    bench.go(1000)
    bench.wait(lambda: bench.ended == ["stuck", "b"] and bench.closed[0:1] and "stuck" in bench.closed)
    assert bench.queue.job("me", stuck.id).state == "failed", "what comes back late changes nothing"
    bench.queue.close()


def test_a_queue_closes_in_time_whatever_its_job_does() -> None:
    bench = Bench()
    (job,) = bench.submit("a")
    bench.wait(lambda: bench.began == ["a"])
    assert [cut.scene for cut in bench.queue.close(patience=0.01)] == ["a"]
    assert bench.ended == [] and bench.queue.job("me", job.id).active
    bench.go(1000)


def test_what_can_not_be_made_is_shown_as_failed(bench: Bench) -> None:
    bench.queue.refuse(Job("me", "story", "a"), "three times")
    (job,) = bench.queue.jobs("me", "story")
    assert (job.state, job.error) == ("failed", "three times") and bench.ended == ["a"] and bench.began == []


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory. Tried"), RuntimeError("can't allocate memory: you")]
)
def test_no_memory_is_told_and_what_was_held_is_given_back(error: Exception) -> None:
    freed: list[int] = []

    def work(job: Job) -> Generator[Made, None, None]:
        yield Made(1, 2)
        raise error

    over = threading.Event()
    queue = Queue(work, lambda job: over.set(), tidy_up=lambda: freed.append(1))
    (job,) = queue.submit([Job("me", "story", "a")])
    assert over.wait(SECONDS) and freed == [1]
    assert queue.job("me", job.id).error == "There was not enough memory: try fewer frames or a smaller picture."
    queue.close()


def test_old_jobs_are_forgotten_but_never_those_in_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "KEPT_JOBS", 3)
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
    bench.queue.clear([Job("me", "story", "b", "finish"), Job("me", "other", "b")])
    assert bench.states() == {"a": "running", "b": "cancelled"}
    bench.queue.clear([Job("me", "story", "a"), Job("me", "story", "b")])
    assert bench.states() == {"a": "running"}


@pytest.mark.parametrize("where", ["render", "end", "tidy"])
def test_whatever_happens_in_a_job_the_next_is_made(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that is gone would leave all others waiting for ever."""

    def work(job: Job) -> Generator[Made, None, None]:
        yield Made(1, 2)
        if job.scene == "first" and where == "render":
            raise SystemExit(3)  # a library that wants to end the program
        if job.scene == "first":
            raise ThroughlineError("no")

    def fail(*_: object) -> None:
        if not over.is_set():
            raise RuntimeError("the device is lost")

    over = threading.Event()
    ended, tidied = (fail if where == "end" else lambda job: None), (fail if where == "tidy" else lambda: None)
    line = Queue(work, ended, tidy_up=tidied)
    first, second = line.submit([Job("me", "story", "first"), Job("me", "story", "second")])
    for _ in range(int(SECONDS / 0.01)):
        if line.job("me", second.id).state == "done":
            break
        threading.Event().wait(0.01)
    over.set()
    assert line.job("me", first.id).state == "failed" and line.job("me", second.id).state == "done"
    assert line.state()["working"]
    line.close()


def test_who_follows_a_queue_that_is_closed_is_told_so(bench: Bench) -> None:
    bench.submit("a", "b")
    bench.wait(lambda: bench.began == ["a"])
    news = following.steps(bench.queue, "me", "story")
    assert next(news)["jobs"] and next(news) == {}
    bench.queue.close(patience=0.01)
    with pytest.raises(ThroughlineError, match="being stopped"):
        for _ in range(10):
            next(news)
