"""The service behind the page, the shell and the API: the same verbs for all of them.

A story belongs to an owner, a secret that the owner's browser keeps. Every verb gives plain JSON or raises
ThroughlineError. Safe to use from any thread.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from pipeline.errors import ThroughlineError

from . import archive, edits, exports, plan, view
from .jobs import Job, Made, Queue
from .library import Library
from .making import Maker, Trial, imported_take, keep_picture, read_frames
from .media import Media
from .plan import Plan, Standing
from .rows import Head
from .story import Board, Scene, Story, Take, WordRef, parse

if TYPE_CHECKING:
    from pipeline.story_pipeline import StoryPipeline
    from pipeline.text_filter import TextFilter

OWNER = re.compile(r"^[0-9A-Za-z_-]{16,64}$")
MOST_BYTES = 20 * 2**20  # of an upload
OPS: dict[str, tuple[Callable[..., Story], str]] = {  # what `edit` can do, and what undo calls it
    "edit_story": (edits.edit_story, "story settings"),
    "add_scene": (edits.add_scene, "new scene"),
    "duplicate_scene": (edits.duplicate_scene, "duplicate"),
    "remove_scene": (edits.remove_scene, "delete"),
    "move_scene": (edits.move_scene, "move"),
    "edit_scene": (edits.edit_scene, "scene settings"),
    "pin_word": (edits.pin_word, "pin"),
    "mute_word": (edits.mute_word, "mute"),
    "release_word": (edits.release_word, "leave to the filter"),
    "mute_scene": (edits.mute_scene, "mute scene"),
    "choose_take": (edits.choose_take, "choose take"),
    "remove_take": (edits.remove_take, "delete take"),
}


def home() -> Path:
    """Where stories are kept: THROUGHLINE_HOME, or the platform's folder for a user's data."""
    return Path(os.environ.get("THROUGHLINE_HOME") or platformdirs.user_data_dir("throughline", appauthor=False))


class Studio:
    """Stories of all owners in `folder`, rendered by one pipeline that `load` makes when it is first needed.

    model: digest of its weights, which takes are conditioned on.
    """

    def __init__(
        self, load: Callable[[], StoryPipeline], folder: Path, model: str, samples: Path | None = None
    ) -> None:
        self._load, self.folder, self.model, self._samples = load, folder, model, samples
        self.library, self.media = Library(folder), Media(folder / "media")
        self._maker: Maker | None = None
        self._filter: TextFilter | None = None
        self._loading, self._assessing = threading.Lock(), threading.Lock()
        self._standings: dict[str, tuple[int, dict[str, Standing]]] = {}  # by story, of a revision
        self.queue = Queue(self._work)

    def warm_up(self) -> None:
        """Loads the models in the background."""
        threading.Thread(target=lambda: (self.filter, self.maker), name="loader", daemon=True).start()

    def close(self) -> None:
        """Stops rendering after the present step and closes the store."""
        self.queue.close()
        self.library.close()

    @property
    def filter(self) -> TextFilter:
        from pipeline.text_filter import TextFilter

        with self._loading:
            self._filter = self._filter or TextFilter.from_backbone()
            return self._filter

    @property
    def maker(self) -> Maker:
        with self._loading:
            self._maker = self._maker or Maker(self._load(), self.media)
            return self._maker

    # --- stories ---------------------------------------------------------------------------------------------------

    def stories(self, owner: str) -> dict[str, Any]:
        return {"stories": [view.entry_view(entry) for entry in self.library.stories(_checked(owner))]}

    def new_story(self, owner: str, title: str = "Untitled", prompts: Collection[str] = ()) -> dict[str, Any]:
        return self._shown(self.library.create(_checked(owner), edits.new_story(title, prompts)))

    def duplicate_story(self, owner: str, story: str) -> dict[str, Any]:
        board = self._head(owner, story).board
        title = f"{board.story.title[:190]} (copy)"
        return self._put(owner, archive.renewed(board), title)

    def delete_story(self, owner: str, story: str) -> dict[str, Any]:
        self.library.delete(_checked(owner), story)
        self.queue.cancel(owner, story)
        return {}

    def restore_story(self, owner: str, story: str) -> dict[str, Any]:
        self.library.restore(_checked(owner), story)
        return self.get_story(owner, story)

    def samples(self, owner: str) -> dict[str, Any]:
        return {"samples": [path.stem for path in sorted(self._samples.glob("*.zip"))] if self._samples else []}

    def open_sample(self, owner: str, name: str) -> dict[str, Any]:
        if name not in self.samples(owner)["samples"] or self._samples is None:
            raise ThroughlineError(f"sample {name!r} does not exist")
        return self._import(owner, self._samples / f"{name}.zip")

    def get_story(self, owner: str, story: str) -> dict[str, Any]:
        return self._shown(self._head(owner, story))

    def _head(self, owner: str, story: str) -> Head:
        return self.library.head(_checked(owner), story)

    def _shown(self, head: Head, **more: Any) -> dict[str, Any]:
        return {"story": view.story_view(head, self._known(head)), **more}

    def _put(self, owner: str, board: Board, title: str | None = None) -> dict[str, Any]:
        """Stores a board as a new story."""
        story = edits.edit_story(board.story, title=title) if title else board.story
        head = self.library.create(_checked(owner), story)
        for take in board.shelf.values():
            head = self.library.add_take(owner, story.id, take, choose=False)
        return self._shown(head)

    # --- edits -----------------------------------------------------------------------------------------------------

    def edit(
        self, owner: str, story: str, op: Mapping[str, Any], base: int | None = None, group: str = ""
    ) -> dict[str, Any]:
        """Does one of OPS: `op` is {"do": its name, and its arguments}. base: the revision that the editor saw, so that
        it can be told if another one changed the same meanwhile."""
        change, label = self._change(self._head(owner, story).board, dict(op))
        others = self.library.edited(owner, story, base) if base is not None else set()
        head = self.library.edit(owner, story, change, label, group)
        touched = {(op.get("scene"), name) for name in op.get("changes", {"": None})}
        note = "Someone else changed this too, in another window: undo brings their version back."
        return self._shown(head, note=note if touched & others else "")

    def _change(self, board: Board, op: dict[str, Any]) -> tuple[Callable[[Story], Story], str]:
        name = op.pop("do", None)
        if name not in OPS:
            raise ThroughlineError(f"edit {name!r} does not exist: expected one of {', '.join(OPS)}")
        function, label = OPS[name]
        arguments = _arguments(board, name, op)

        def change(story: Story) -> Story:
            try:
                return function(story, **arguments)
            except TypeError as error:
                raise ThroughlineError(f"edit {name!r} can't be done: {error}") from None

        return change, "prompt" if set(op.get("changes", ())) == {"prompt"} else label

    def undo(self, owner: str, story: str) -> dict[str, Any]:
        return self._shown(self.library.undo(_checked(owner), story, self._settle))

    def redo(self, owner: str, story: str) -> dict[str, Any]:
        return self._shown(self.library.redo(_checked(owner), story, self._settle))

    def _settle(self, board: Board) -> Board:
        return plan.settle(board, self.filter, self.model)

    def keyframe(self, owner: str, story: str, scene: str, take: str, index: int) -> dict[str, Any]:
        """The frame of a take, from 0, by which later scenes remember it."""
        found = _take(self._head(owner, story).board, scene, take)
        if not 0 <= index < found.num_frames:
            raise ThroughlineError(f"frame {index} is not in the clip: expected 0 to {found.num_frames - 1}")
        same = index == found.keyframe_index
        digest = found.keyframe if same else keep_picture(self.media, read_frames(self.media, found)[index])

        def change(story: Story) -> Story:
            return edits.choose_keyframe(story, scene, take, index, digest)

        return self._shown(self.library.edit(owner, story, change, "keyframe", f"keyframe:{take}"))

    def import_clip(self, owner: str, story: str, scene: str, data: str, name: str = "clip.mp4") -> dict[str, Any]:
        """A clip of the user's own, base64, as a scene."""
        board = self._head(owner, story).board
        with _uploaded(data, name) as path:
            rate = self.maker.pipeline.frames_per_second
            take = imported_take(
                self.media, board.story.scene(scene), path, board.story.width, board.story.height, rate
            )
        return self._shown(self.library.add_take(owner, story, take))

    # --- what depends on what --------------------------------------------------------------------------------------

    def standings(self, owner: str, story: str) -> dict[str, Standing]:
        """How every scene stands at present."""
        return self._assessed(self._head(owner, story))

    def _assessed(self, head: Head) -> dict[str, Standing]:
        story = head.board.story.id
        with self._assessing:
            known = self._standings.get(story)
            if known is None or known[0] != head.rev:
                known = self._standings[story] = (head.rev, plan.standings(head.board, self.filter, self.model))
            return known[1]

    def _known(self, head: Head) -> Mapping[str, Standing] | None:
        """How scenes stand if that is known already."""
        rev, found = self._standings.get(head.board.story.id, (-1, None))
        return found if rev == head.rev else None

    def plan(self, owner: str, story: str, scenes: Collection[str] | None = None) -> dict[str, Any]:
        """What a render would do: of these scenes, or of all that are stale."""
        head = self._head(owner, story)
        return {"plan": view.plan_view(self._plan(head, scenes))}

    def _plan(self, head: Head, scenes: Collection[str] | None = None) -> Plan:
        for scene in scenes or ():
            head.board.story.scene(scene)
        return plan.make_plan(head.board, self._assessed(head), scenes, self._estimate)

    def _estimate(self, scene: Scene, story: Story, remembers: bool) -> float | None:
        """Seconds, by the median of the last renders on this device."""
        known = self.library.timings(self.model, self._device, remembers)
        rates = sorted(seconds / work for work, seconds in known)
        return rates[len(rates) // 2] * _work_of(scene, story) if rates else None

    @property
    def _device(self) -> str:
        return str(self._maker.pipeline.transformer.device) if self._maker else "cpu"

    def poll(self, owner: str, story: str, rev: int = -1, seen: int = -1) -> dict[str, Any]:
        """What is new since revision `rev` of the story and `seen` of its standing; jobs always."""
        head = self._head(owner, story)
        news: dict[str, Any] = {"jobs": self._jobs(owner, story), "seen": seen}
        if head.rev != seen and self._filter is not None:
            news["standing"] = view.standing_view(head, self._assessed(head), self._plan(head), self._unknown(head))
            news["seen"] = head.rev
        if head.rev != rev or (news["seen"] != seen and self._known(head)):
            news["story"] = view.story_view(head, self._known(head))
        return news

    def _jobs(self, owner: str, story: str) -> dict[str, Any]:
        return view.jobs_view(self.queue.jobs(owner, story), self.queue.positions())

    def _unknown(self, head: Head) -> dict[str, list[str]]:
        return {}

    def remembers(self, owner: str, story: str, scene: str, threshold: float | None = None) -> dict[str, Any]:
        """What the filter keeps for a scene and why, word by word; with another threshold, to try."""
        head = self._head(owner, story)
        if not head.board.story.scene(scene).prompt.strip():
            return {"threshold": threshold, "prompt_pieces": [], "past": []}
        result = plan.remembers(head.board.story, scene, self.filter, threshold)
        return view.remembers_view(head.board, scene, result)

    def maps(self, owner: str, story: str, scene: str) -> dict[str, Any]:
        """Where the chosen take looked at the words that it kept."""
        board = self._head(owner, story).board
        take = board.chosen(board.story.scene(scene))
        return {"maps": view.maps_view(board, take, self.media) if take and take.trace else []}

    # --- rendering -------------------------------------------------------------------------------------------------

    def render(
        self, owner: str, story: str, scenes: Collection[str] | None = None, again: bool = False
    ) -> dict[str, Any]:
        """Puts scenes in line: these, or all that are stale. again: another take with a new seed even where the present
        one is fresh."""
        head = self._head(owner, story)
        steps = self._plan(head, scenes)
        orders = [Job(owner, story, step.scene, order=again and step.scene in (scenes or ())) for step in steps.steps]
        for order in orders:
            self.queue.clear(owner, story, order.scene)
        self.queue.submit(orders)
        return {"plan": view.plan_view(steps), "jobs": self._jobs(owner, story)}

    def cancel(self, owner: str, story: str, scenes: Collection[str] | None = None) -> dict[str, Any]:
        self.queue.cancel(_checked(owner), story, scenes)
        return {"jobs": self._jobs(owner, story)}

    def follow(self, owner: str, story: str, pause: float = 0.1) -> Iterator[dict[str, Any]]:
        """The jobs of a story at every change, until none is active."""
        wait, version = threading.Event(), -1
        while True:
            active = any(job.active for job in self.queue.jobs(_checked(owner), story))
            if self.queue.version != version:
                version = self.queue.version
                yield {"jobs": self._jobs(owner, story)}
            if not active:
                return
            wait.wait(pause)

    def _work(self, job: Job) -> Generator[Made, None, None]:
        return self._make_take(job) if job.kind == "scene" else self._make_trial(job)

    def _make_take(self, job: Job) -> Generator[Made, None, None]:
        head = self.library.head(job.owner, job.story)
        if not any(scene.id == job.scene for scene in head.board.story.scenes):
            return
        scene, standing = head.board.story.scene(job.scene), self._assessed(head)[job.scene]
        if standing.conditioning is None or scene.locked or (standing.state == "fresh" and not job.order):
            return  # an identical keyframe of a scene before it stopped the cascade
        seed = secrets.randbelow(2**31) if scene.new_seed or job.order else scene.seed
        maker, began = self.maker, time.perf_counter()
        clip = yield from maker.render(head.board, scene, standing.conditioning, seed)
        seconds = time.perf_counter() - began
        take = maker.keep(scene, clip, standing.conditioning, seed, seconds)
        self.library.add_take(job.owner, job.story, take)
        work = _work_of(scene, head.board.story)
        self.library.add_timing(self.model, self._device, bool(standing.conditioning.memories), work, seconds)

    # --- trials ----------------------------------------------------------------------------------------------------

    def what_if(self, owner: str, story: str, scene: str, without: Mapping[str, Any]) -> dict[str, Any]:
        """Renders the chosen take's seed again without history, or without one word of an earlier scene."""
        board = self._head(owner, story).board
        if board.chosen(board.story.scene(scene)) is None:
            raise ThroughlineError("there is no take to compare with: render the scene first")
        word = without.get("word")
        if word is None:
            return self._try(owner, story, scene, [Trial(history=False)])
        place = (int(word["start"]), int(word["end"]))
        return self._try(owner, story, scene, [Trial(without=plan.word_ref(board.story.scene(word["scene"]), *place))])

    def sheet(
        self, owner: str, story: str, scene: str, w1: Collection[float], w2: Collection[float], steps: int = 12
    ) -> dict[str, Any]:
        """A short render for every pair of weights."""
        if not 1 <= len(w1) * len(w2) <= 36:
            raise ThroughlineError(f"a sheet of {len(w1)} x {len(w2)}: expected 1 to 36 cells")
        trials = [
            Trial(text_weight=float(a), history_weight=float(b), steps=min(max(int(steps), 4), 50))
            for b in w2
            for a in w1
        ]
        return self._try(owner, story, scene, trials)

    def _try(self, owner: str, story: str, scene: str, trials: list[Trial]) -> dict[str, Any]:
        jobs = [Job(owner, story, scene, "trial", trial) for trial in trials]
        return {"trials": [job.id for job in self.queue.submit(jobs)]}

    def trials(self, owner: str, ids: Collection[str]) -> dict[str, Any]:
        """How trials are doing, in the order of their ids."""
        return {"trials": [view.trial_view(self.queue.job(_checked(owner), job_id)) for job_id in ids]}

    def cancel_trials(self, owner: str, story: str) -> dict[str, Any]:
        self.queue.cancel(_checked(owner), story, kind="trial")
        return {}

    def _make_trial(self, job: Job) -> Generator[Made, None, None]:
        head = self.library.head(job.owner, job.story)
        scene, maker = head.board.story.scene(job.scene), self.maker
        conditioning = self._assessed(head)[job.scene].conditioning
        if conditioning is None:
            raise ThroughlineError("the scene has no prompt: write one first")
        take = head.board.chosen(scene)
        seed = take.seed if take and take.seed is not None else scene.seed
        trial: Trial = job.order
        clip = yield from maker.render(head.board, scene, conditioning, seed, trial)
        yield Made(result=maker.tried(head.board, scene, conditioning, clip))

    # --- files -----------------------------------------------------------------------------------------------------

    def film(self, owner: str, story: str, format: str = "mp4") -> dict[str, Any]:
        """Writes an export of a story and gives where it is served: "mp4", "gif", "sheet.png", "sheet.pdf",
        "clips.zip" or "story.zip"."""
        board = self._head(owner, story).board
        digest, suffix = exports.export(board, self.media, format)
        name = re.sub(r"[^\w-]+", "-", board.story.title).strip("-") or "story"
        return {
            "url": view.media_url(digest, suffix, f"{name}.{format.rpartition('.')[2]}"),
            "name": f"{name}.{suffix}",
        }

    def export_story(self, owner: str, story: str) -> dict[str, Any]:
        return self.film(owner, story, "story.zip")

    def import_story(self, owner: str, data: str, name: str = "story.zip") -> dict[str, Any]:
        """A story archive, base64, as a new story."""
        with _uploaded(data, name) as path:
            return self._import(owner, path)

    def _import(self, owner: str, path: Path) -> dict[str, Any]:
        board, files = archive.read_archive(path)
        for (_, suffix), content in files.items():
            self.media.put(content, suffix)
        return self._put(owner, archive.renewed(board))


# --- checking what comes in ------------------------------------------------------------------------------------------


def _checked(owner: str) -> str:
    if not isinstance(owner, str) or not OWNER.match(owner):
        raise ThroughlineError("owner is no secret of 16 to 64 letters and digits")
    return owner


def _arguments(board: Board, name: str, op: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an edit, from JSON."""
    arguments = {key: value for key, value in op.items() if key not in ("changes", "fields", "scene", "do")}
    if "scene" in op:
        arguments["scene_id"] = op["scene"]
    arguments |= _mapping(op.get("changes", {})) | _mapping(op.get("fields", {}))
    if "word" in op:
        arguments["word"] = parse(WordRef, op["word"])
    if name in ("choose_take", "remove_take"):
        taken = _take(board, op.get("scene", ""), arguments.pop("take", ""))
        arguments["take_id"] = taken.id
        if name == "remove_take":
            rest = [take.id for take in board.takes(taken.scene) if take.id != taken.id]
            arguments["instead"] = rest[-1] if rest else None
    return arguments


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ThroughlineError(f"changes are {value!r}: expected names with values")
    return value


def _take(board: Board, scene: str, take: str) -> Take:
    found = board.shelf.get(take)
    if found is None or found.scene != scene:
        raise ThroughlineError(f"take {take!r} does not exist in scene {scene!r}")
    return found


@contextmanager
def _uploaded(data: str, name: str) -> Iterator[Path]:
    """An upload, base64, as a temporary file with the name's ending."""
    if len(data) > MOST_BYTES * 4 / 3 + 4:
        raise ThroughlineError(f"{name!r} is too large: expected at most {MOST_BYTES // 2**20} MB")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise ThroughlineError(f"{name!r} did not arrive whole: try again") from None
    with tempfile.TemporaryDirectory(prefix="throughline-") as folder:
        path = Path(folder) / (re.sub(r"[^\w.-]", "_", Path(name).name)[-100:].lstrip(".") or "upload")
        path.write_bytes(content)
        yield path


def _work_of(scene: Scene, story: Story) -> float:
    """What the time of a render is proportional to."""
    return scene.steps * scene.num_frames * story.width * story.height / 1e6
