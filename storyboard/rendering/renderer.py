"""What stands behind the queue: the models, how scenes stand, and how a job is done."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipeline.backbones import checkpoints
from pipeline.backbones.counting import TokenCounter
from pipeline.defaults import PERIOD
from pipeline.encoders.limit import CountsTokens
from pipeline.errors import ThroughlineError

from ..continuity.meter import Meter
from ..document import edits, lengths, plan
from ..document.filter_cache import FilterCache
from ..document.plan import Assessed, Plan, Standing
from ..document.region_edit import RegionEdit
from ..document.story import Scene, Story, Take
from ..store.blobs import BlobStore
from ..store.encodings import Encodings
from ..store.job_store import job_of
from ..store.library import Library
from ..store.memory import Memory
from ..store.pairs import PairStore
from ..store.schema import Head
from .callers import caller_address
from .finishing import job as finishing
from .finishing.finisher import Finisher
from .jobs import trial
from .jobs.decided import Decided, Trial
from .jobs.graph import together
from .jobs.job import ASKED, STALE, Job, Made, Making, kind_of, render_order
from .jobs.kept import in_its_place, is_wanted, same_take
from .kept_pairs import KeptPairs
from .limits import LIMITS, QueueLimits
from .queue import CLOSING_SECONDS, Queue
from .resources import check_room, give_back_memory
from .story_locks import StoryLocks
from .takes import EditOrder, TakeMaker, keep_castings, saved_order, work_of
from .teaching import job as teaching

if TYPE_CHECKING:
    from pipeline.story_pipeline import StoryPipeline
    from pipeline.text_filter import TextFilter

    from .workers.crew import Crew

MOST_ASSESSED = 8  # stories at once, for pages that wait
MOST_STANDING_BYTES = 32 << 20  # of how the scenes of stories stand; those of the one in use stay
PATIENCE = 1.0  # seconds that a page waits for how scenes stand before it asks again
OTHERS: dict[str, Making] = {"trial": trial.make, teaching.KIND: teaching.make, finishing.KIND: finishing.make}
MOST_ATTEMPTS = 3  # at a scene during which the process ended each time


class Renderer:
    """Renders scenes of all stories, one after the other. model: digest of the weights that `load` loads.

    encoder: counts a prompt as that model's text encoder does; None for the embedded one's. continuation: digest of its
    weights for known frames, where they count.
    resume: whether to start what processes had in line that live no more, after a crash or a restart.
    """

    def __init__(
        self,
        library: Library,
        media: BlobStore,
        load: Callable[[], StoryPipeline],
        model: str,
        resume: bool = True,
        limits: QueueLimits = LIMITS,
        encoder: CountsTokens | None = None,
        *,
        period: Callable[[], int] = lambda: PERIOD,
        continues: Callable[[], bool] = lambda: False,
        continuation: str | None = None,
    ) -> None:
        self.library, self.media, self._load = library, media, load
        self.model, self.continuation = model, continuation
        self.encoder = encoder or TokenCounter.of(checkpoints.find())
        self.period = period  # frames that a latent of the model's clips stands for
        self.continues = continues  # whether its clips can begin with the end of others
        self._maker: TakeMaker | None = None
        self.finisher = Finisher()
        self.crew: Crew | None = None  # workers
        self._filter: TextFilter | None = None
        self._pairs = PairStore(self.media.folder.parent / "pairs.sqlite3")
        self._tried = False  # to load it, at the start
        self.filter_cache, self.meter = self._new_cache(), self._new_meter()
        self._loading, self._choosing, self._submitting = threading.Lock(), threading.Lock(), threading.Lock()
        self._standings: Memory[str, tuple[int, Assessed]] = Memory(MOST_STANDING_BYTES)  # by story, of a revision
        self._assessing = StoryLocks()
        self._soon = ThreadPoolExecutor(MOST_ASSESSED, thread_name_prefix="standings")
        self._coming: dict[str, Future[Mapping[str, Standing]]] = {}  # by story
        self.queue = Queue(self._work, self._ended, limits, give_back_memory)
        if resume:
            self._resume()

    def _resume(self) -> None:
        """Puts in line what was cut short; a scene that ended the process again and again is not begun once more."""
        for cut in self.library.job_store.adopt():
            order = EditOrder.of(cut.content["why"])
            job = Job(cut.owner, cut.story, cut.scene, kind_of(order), order, saved=cut.id)
            if cut.attempts < MOST_ATTEMPTS:
                self.queue.submit([job], checked=False)
            else:
                times = f"{cut.attempts} times while this scene was rendered"
                self.queue.refuse(job, f"The program ended {times}: it is not begun again unless you ask for it.")

    def _ended(self, job: Job) -> None:
        if job.saved:
            self.library.job_store.end([job.saved])

    def close(self, patience: float = CLOSING_SECONDS) -> None:
        """Stops rendering after the present step, or leaves it behind after so many seconds. What was in line is
        begun again by the next process that resumes."""
        for job in self.queue.close(patience):
            if job.saved:
                self.library.job_store.put_back(job.saved)
        if self.crew:
            self.crew.close()
        self._soon.shutdown(wait=False, cancel_futures=True)
        self._pairs.close()
        self.meter.close()

    # --- the models ------------------------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Loads the models in the background, first the filter; at last the scales of the meter."""

        def load() -> None:
            try:
                _ = self.filter
            finally:
                self._tried = True
            _ = self.maker
            self.meter.warm_up()

        threading.Thread(target=load, name="loader", daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether the filter is loaded, so that `standings` can answer soon, or say why it can't be loaded."""
        return self._filter is not None or self._tried

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """As `TakeMaker.sizes`; none while the model is not loaded."""
        return self._maker.sizes if self._maker else ()

    def streams(self, num_frames: int) -> bool:
        """Whether a scene of that length can be made window after window; False while the model is not loaded."""
        return self._maker is not None and self._maker.can_stream(num_frames)

    @property
    def filter(self) -> TextFilter:
        """Loaded when first asked for."""
        if self._filter is None:
            from pipeline.text_filter import TextFilter

            with self._loading:
                self._filter = self._filter or TextFilter.from_backbone().within(self.encoder)
        return self._filter

    def _new_cache(self) -> FilterCache:
        return FilterCache(
            lambda past_prompts, prompt, **settings: self.filter(past_prompts, prompt, **settings),
            KeptPairs(lambda: self.filter, self._pairs),
        )

    @property
    def maker(self) -> TakeMaker:
        """Loaded when first asked for."""
        if self._maker is None:
            with self._loading:
                self._maker = self._maker or self._new_maker(self._load(), self.model)
        return self._maker

    def _new_maker(self, pipeline: StoryPipeline, model: str) -> TakeMaker:
        maker = TakeMaker(pipeline, self.media, Encodings(self.library, self.media, model))
        return self.crew.served(maker) if self.crew else maker

    def employ(self, crew: Crew) -> None:
        """Has scenes made by workers from the next one on, as many at once as there are."""
        with self._loading:
            self.crew = crew
            self._maker = self._maker and crew.served(self._maker)
        crew.tell_places(self.queue.widen)

    @property
    def loaded(self) -> bool:
        """Whether there is a model to render with."""
        return self._maker is not None

    def switch(
        self,
        load: Callable[[], StoryPipeline],
        digests: tuple[str, str | None],
        encoder: CountsTokens,
        period: int = PERIOD,
        continues: Callable[[], bool] = lambda: False,
    ) -> None:
        """Loads another model and goes on with that; a render that is under way ends with the one it began with.
        digests: as `model` and `continuation` are.

        A former one that fills a GPU makes room first, and is loaded again when it is next needed. Whatever `load`
        raises leaves the former one in its place.
        """
        with self._loading:
            if self._maker and self.device.startswith("cuda"):
                self._maker = None
                give_back_memory()
            maker = self._new_maker(load(), digests[0])
            with self._choosing:
                self._maker, self._load, self.encoder = maker, load, encoder
                self.model, self.continuation = digests
                self.period, self.continues = lambda: period, continues
                self._filter = self._filter and self._filter.within(encoder)
                self.filter_cache = self._new_cache()  # what is too long to be remembered is another question now
                self._standings.clear()
            self.meter.close()
            self.meter = self._new_meter()

    def _new_meter(self) -> Meter:
        return Meter(lambda: self.maker.pipeline, self.media, self.media.folder.parent / "meter")

    @property
    def device(self) -> str:
        """Where scenes are rendered; "cpu" as long as no model is loaded."""
        return self._maker.device if self._maker else "cpu"

    @property
    def frames_per_second(self) -> float:
        """Of the clips that are rendered. Loads the model."""
        return self.maker.frames_per_second

    # --- what there is to do ---------------------------------------------------------------------------------------

    def standings(self, head: Head) -> Mapping[str, Standing]:
        """How every scene stands, worked out once a revision. Only callers with the same story wait for each other."""
        story = head.board.story.id
        with self._assessing.of(story):
            known = self.known(head)
            return known if known is not None else self._assessed(head)

    def _assessed(self, head: Head) -> Mapping[str, Standing]:
        with self._choosing:
            model, continuation, cache = self.model, self.continuation, self.filter_cache
            check = partial(lengths.check_scene, self.encoder)
            _, before = self._standings.get(head.board.story.id) or (-1, None)
        found = plan.standings(head.board, cache, model, check, before, continuation)
        keep_castings(self.media, (anchor for standing in found.values() for anchor in standing.cast))
        with self._choosing:
            if cache is self.filter_cache:  # else another model was chosen meanwhile
                now = Assessed(head.board, model, found)
                self._standings.keep(head.board.story.id, (head.rev, now), now.bytes())
        return found

    def standings_soon(self, head: Head, patience: float = PATIENCE) -> Mapping[str, Standing] | None:
        """`standings` if they are there within so many seconds, else None: they are worked out meanwhile, ask again.
        A long story that is opened for the first time takes some seconds, in which callers must not pile up."""
        until = time.monotonic() + patience
        try:
            for _ in range(2):  # the second time if an earlier revision was on its way
                if self.known(head) is None:
                    self._come(head).result(max(0.0, until - time.monotonic()))
        except TimeoutError:
            return None
        return self.known(head)

    def _come(self, head: Head) -> Future[Mapping[str, Standing]]:
        """One piece of work for a story at a time, so that one that is edited all the while leaves room for others."""
        story = head.board.story.id
        with self._choosing:
            coming = self._coming.get(story)
            if coming is None or coming.done():
                self._coming = {key: other for key, other in self._coming.items() if not other.done()}
                coming = self._coming[story] = self._soon.submit(self.standings, head)
        return coming

    def known(self, head: Head) -> Mapping[str, Standing] | None:
        """How scenes stand if that is worked out already."""
        rev, known = self._standings.get(head.board.story.id) or (-1, None)
        return known.standings if known and rev == head.rev else None

    def plan(self, head: Head, scenes: Collection[str] | None = None) -> Plan:
        """`plan.make_plan` with estimates. Raises ThroughlineError for scenes that do not exist."""
        for scene in scenes or ():
            head.board.story.scene(scene)
        found = self.standings(head)
        return together(plan.make_plan(head.board, found, scenes, self._estimate), found, self.queue.places)

    def _estimate(self, scene: Scene, story: Story, remembers: bool) -> float | None:
        """Seconds, by the median of the last renders on this device."""
        rates = sorted(s / work for work, s in self.library.job_store.timings(self.model, self.device, remembers))
        return rates[len(rates) // 2] * work_of(scene, story) if rates else None

    def submit(self, owner: str, head: Head, scenes: Collection[str] | None, again: bool, variants: int = 1) -> Plan:
        """Puts scenes in line. Of all that are stale (`scenes` is None) those are left out that come out fresh before
        their turn. A scene that was asked for is rendered if there is no take like it yet (else that take is chosen),
        or, with `again`, with a new seed; with `variants` as so many takes with new seeds."""
        if variants > 1 and not scenes:
            raise ThroughlineError(f"{variants} variants of no scene: expected scenes to be named")
        todo, story, place = self.plan(head, scenes), head.board.story.id, caller_address()
        why = {step.scene: render_order(step.scene, scenes, again, variants) for step in todo.steps}
        needs = {scene: standing.needs for scene, standing in self.standings(head).items()}
        orders = [Job(owner, story, s, order=order, address=place, needs=needs[s]) for s, order in why.items()]
        with self._submitting:  # so that nobody else puts the same in line meanwhile
            self._put_in_line(self.queue.missing(orders))
        return todo

    def _put_in_line(self, jobs: Sequence[Job]) -> None:
        """Jobs of one owner about one story, noted so that a crash does not lose them."""
        self.queue.check_room(jobs)
        saved = [job_of(job.owner, job.story, job.scene, {"why": saved_order(job.order)}) for job in jobs]
        self.library.job_store.add(saved)
        self.queue.clear(jobs)
        self.queue.submit([replace(job, saved=noted.id) for job, noted in zip(jobs, saved, strict=True)], False)

    def submit_edit(self, owner: str, story: str, take: Take, edit: RegionEdit) -> None:
        """Puts an edit of a take in line."""
        self.put_in_line([Job(owner, story, take.scene, order=EditOrder(take.id, edit), address=caller_address())])

    def put_in_line(self, jobs: Sequence[Job]) -> None:
        """As `submit` does, for other jobs of one owner about one story."""
        with self._submitting:
            self._put_in_line(jobs)

    def attempt(self, owner: str, story: str, scene: str, trials: Collection[Trial]) -> list[Job]:
        """Puts trials of a scene in line: every cell of a sheet has a place of its own."""
        place = caller_address()
        return self.queue.submit([Job(owner, story, scene, "trial", t, address=place) for t in trials])

    # --- how it is done --------------------------------------------------------------------------------------------

    def _work(self, job: Job) -> Generator[Made, None, None]:
        if job.kind in OTHERS:
            return OTHERS[job.kind](self, job)
        return self._make_edit(job) if isinstance(job.order, EditOrder) else self._make_takes(job)

    def _make_edit(self, job: Job) -> Generator[Made, None, None]:
        self.library.job_store.begin(job.saved)
        board = self.library.head(job.owner, job.story).board
        take = board.takes.get(job.order.take)
        if take is None or take.conditioning is None or all(s.id != take.scene for s in board.story.scenes):
            return
        scene = board.story.scene(take.scene)
        maker = self.ready_for(scene, board.story)
        maker.check_model(take.conditioning)
        made = yield from maker.edited(take, job.order.edit)
        self.library.add_take(job.owner, job.story, made, False, job.saved)
        self.library.edit(job.owner, job.story, partial(in_its_place, scene, made), "region edit")

    def _make_takes(self, job: Job) -> Generator[Made, None, None]:
        self.library.job_store.begin(job.saved)
        count = job.order if isinstance(job.order, int) else 1
        for number in range(count):
            with closing(self._make_take(job, job.saved if number == count - 1 else "")) as making:
                for made in making:
                    yield replace(made, step=made.step + number * made.total, total=made.total * count)

    def _make_take(self, job: Job, ends: str) -> Generator[Made, None, None]:
        """ends: the saved job that is over with this take."""
        if self.queue.places > 1 and (now := self.standings(self.library.head(job.owner, job.story)).get(job.scene)):
            yield Made(needs=now.needs)  # they may have changed since it was put in line
        head = self.library.head(job.owner, job.story)  # anew: what it needs may have ended meanwhile
        if not any(scene.id == job.scene for scene in head.board.story.scenes):
            return
        scene, standing = head.board.story.scene(job.scene), self.standings(head)[job.scene]
        if standing.conditioning is None or scene.locked or (standing.state == "fresh" and job.order == STALE):
            return  # an identical keyframe of a scene before it stopped the cascade
        seed = secrets.randbelow(2**31) if scene.new_seed or job.order not in (STALE, ASKED) else scene.seed
        how = self.maker.speed, self.maker.streams(scene)
        if same := same_take(head.board, self.media, scene, standing.conditioning, seed, *how):
            self.library.amend(job.owner, job.story, lambda story: edits.choose_take(story, job.scene, same.id))
            return
        maker = self.ready_for(scene, head.board.story)
        maker.check_model(standing.conditioning)
        began = time.perf_counter()
        decided = Decided.of(head.board, scene.id, self.filter, standing.conditioning)
        clip = yield from maker.render(head.board, scene, decided, seed)
        seconds = time.perf_counter() - began
        take = maker.keep(scene, clip, decided, seed, seconds)
        self.library.add_take(job.owner, job.story, take, lambda now: is_wanted(scene, now), ends)
        work, remembers = work_of(scene, head.board.story), bool(standing.conditioning.memories)
        with suppress(ThroughlineError):  # the disk filled up just now; the take is kept
            self.library.job_store.add_timing(standing.conditioning.model, self.device, remembers, work, seconds)

    def ready_for(self, scene: Scene, story: Story) -> TakeMaker:
        """The models, once there is room for what they are to make. Raises ThroughlineError if there is none."""
        maker = self.maker
        check_room(self.media.folder, self.device, scene.num_frames * story.width * story.height)
        return maker
