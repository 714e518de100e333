"""The service behind the page, the shell and the API: the same verbs for all of them.

A story belongs to an owner, a secret that the owner's browser keeps. Every verb gives plain JSON or raises
ThroughlineError. Safe to use from any thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from pipeline.errors import ThroughlineError

from .document import edits, plan
from .document.conditioning import remembers
from .document.plan import Standing
from .document.story import Board, Story, new_id, parse
from .export import archive, archive_import, film
from .export.samples import SampleStories
from .interfaces import inputs, views
from .interfaces.inputs import Key, Line, Op, Pause, Share, Weight, Without, checked, checked_owner, take_of
from .media.fit import Fit, FitMode
from .rendering.model_choice import Choice
from .rendering.model_picker import ModelPicker
from .rendering.renderer import Renderer
from .rendering.takes import Trial
from .store.blobs import BlobStore, media_url
from .store.clips import imported_take, keep_picture, read_frames
from .store.library import Library
from .store.maintenance import Maintenance
from .store.schema import Head

if TYPE_CHECKING:
    from pipeline.story_pipeline import StoryPipeline

PROMPT = {"scene_id", "prompt"}  # the arguments of an edit of a prompt alone


def home() -> Path:
    """Where stories are kept: THROUGHLINE_HOME, or the platform's folder for a user's data."""
    return Path(os.environ.get("THROUGHLINE_HOME") or platformdirs.user_data_dir("throughline", appauthor=False))


class Studio:
    """Stories of all owners in `folder`, rendered by one pipeline that `load` makes when it is first needed.

    model: digest of its weights, which takes are conditioned on. samples: folder of story archives. vocabulary: the
    words that the model was trained on. resume: whether to start renders that a crash or a restart cut short; of
    several studios over one folder, in several processes, one should. choice: the model, if others may be chosen.
    """

    def __init__(
        self, load: Callable[[], StoryPipeline], folder: Path, model: str, samples: Path | None = None,
        vocabulary: frozenset[str] = frozenset(), resume: bool = True, choice: Choice | None = None,
    ) -> None:  # fmt: skip
        self.folder, self._vocabulary = folder, vocabulary
        self.library, self.media = Library(folder), BlobStore(folder / "media")
        self._samples = SampleStories(samples, self.media)
        renderer = self.renderer = Renderer(self.library, self.media, load, model, resume)
        self.maintenance = Maintenance(self.library, self.media, lambda: renderer.model, lambda: renderer.meter.tidy())
        self.model_picker = ModelPicker(self.renderer, choice, folder, self._learn) if choice else None

    @checked
    def notices(self, owner: Line) -> dict[str, Any]:
        """What was repaired or set aside since the start, in words."""
        return {"notices": self.maintenance.notices(checked_owner(owner))}

    def close(self) -> None:
        """Stops rendering after the present step and closes the store."""
        self.renderer.close()
        self.library.close()

    # --- models ----------------------------------------------------------------------------------------------------

    def _learn(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary

    @checked
    def models(self, owner: Line) -> dict[str, Any]:
        """The models to choose from, what each needs and what this machine has."""
        checked_owner(owner)
        return self._models.listing()

    @checked
    def choose_model(self, owner: Line, story: Key, name: Line) -> dict[str, Any]:
        """Begins to load another model. Once it is there, the story is fitted to it, and shows its takes."""
        board = self._head(owner, story).board

        def fit(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
            def change(now: Story) -> Story:
                return self._settle(replace(board, story=edits.fit(now, before, after))).story

            self.library.edit(owner, story, change, "model")

        self._models.choose(name, fit)
        return {"model": self._models.brief()}

    @property
    def _models(self) -> ModelPicker:
        if self.model_picker is None:
            raise ThroughlineError("the model of this app is chosen by whoever runs it")
        return self.model_picker

    # --- stories ---------------------------------------------------------------------------------------------------

    @checked
    def stories(self, owner: Line) -> dict[str, Any]:
        return {"stories": [views.entry_view(entry) for entry in self.library.stories(checked_owner(owner))]}

    @checked
    def new_story(self, owner: Line, title: str = "Untitled", prompts: Sequence[str] = ()) -> dict[str, Any]:
        return self._shown(self.library.create(checked_owner(owner), edits.new_story(title, prompts)))

    @checked
    def duplicate_story(self, owner: Line, story: Key) -> dict[str, Any]:
        board = self._head(owner, story).board
        title = f"{board.story.title[:190]} (copy)"
        return self._put(owner, archive.renewed(board), title)

    @checked
    def delete_story(self, owner: Line, story: Key) -> dict[str, Any]:
        self.library.delete(checked_owner(owner), story)
        self.renderer.queue.cancel(owner, story)
        self.renderer.queue.cancel(owner, story, kind="trial")
        return {}

    @checked
    def restore_story(self, owner: Line, story: Key) -> dict[str, Any]:
        self.library.restore(checked_owner(owner), story)
        return self.get_story(owner, story)

    @checked
    def samples(self, owner: Line) -> dict[str, Any]:
        return {"samples": self._samples.samples()}

    @checked
    def open_sample(self, owner: Line, name: Line) -> dict[str, Any]:
        return self.import_file(owner, self._samples.path(name))

    @checked
    def get_story(self, owner: Line, story: Key) -> dict[str, Any]:
        return self._shown(self._head(owner, story))

    def _head(self, owner: Line, story: Key) -> Head:
        return self.library.head(checked_owner(owner), story)

    def _shown(self, head: Head, **more: Any) -> dict[str, Any]:
        return {"story": views.story_view(head, self.renderer.known(head)), **more}

    def _put(self, owner: Line, board: Board, title: str | None = None) -> dict[str, Any]:
        """Stores a board as a new story."""
        story = edits.edit_story(board.story, title=title) if title else board.story
        return self._shown(self.library.create(checked_owner(owner), story, board.takes.values()))

    # --- edits -----------------------------------------------------------------------------------------------------

    @checked
    def edit(
        self, owner: Line, story: Key, op: Mapping[str, Any], base: int | None = None, group: Line = ""
    ) -> dict[str, Any]:
        """Does one of OPS: `op` is {"do": its name, and its arguments}. base: the revision that the editor saw, so that
        it can be told if another one changed the same meanwhile."""
        wanted = inputs.read_op(op)
        change, label = self._change(self._head(owner, story).board, wanted)
        others = self.library.edited(owner, story, base) if base is not None else set()
        clash = bool(inputs.touched(wanted) & others)
        head = self.library.edit(owner, story, change, label, "" if clash else group)  # a step of undo of its own
        note = "Someone else changed this too, in another window: undo brings their version back."
        return self._shown(head, note=note if clash else "")

    def _change(self, board: Board, op: Op) -> tuple[Callable[[Story], Story], str]:
        function, label = inputs.OPS[op.do]
        arguments = op.arguments(board)

        def change(story: Story) -> Story:
            changed = function(story, **arguments)  # also checks what it is given
            self._check_words(arguments.get("prompt"))
            return changed

        return change, "prompt" if set(arguments) == PROMPT else label

    def _check_words(self, prompt: str | None) -> None:
        """Raises ThroughlineError for a prompt that the text encoder can't take: it would be cut silently."""
        if prompt and prompt.strip():
            self.renderer.filter([], prompt)

    @checked
    def undo(self, owner: Line, story: Key) -> dict[str, Any]:
        return self._shown(self.library.undo(checked_owner(owner), story, self._settle))

    @checked
    def redo(self, owner: Line, story: Key) -> dict[str, Any]:
        return self._shown(self.library.redo(checked_owner(owner), story, self._settle))

    def _settle(self, board: Board) -> Board:
        return plan.settle(board, self.renderer.filter_cache, self.renderer.model)

    @checked
    def keyframe(self, owner: Line, story: Key, scene: Key, take: Key, index: int) -> dict[str, Any]:
        """The frame of a take, from 0, by which later scenes remember it."""
        found = take_of(self._head(owner, story).board, scene, take)
        if not 0 <= index < found.num_frames:
            raise ThroughlineError(f"frame {index} is not in the clip: expected 0 to {found.num_frames - 1}")
        same = index == found.keyframe_index
        digest = found.keyframe if same else keep_picture(self.media, read_frames(self.media, found)[index])

        def change(story: Story) -> Story:
            return edits.choose_keyframe(story, scene, take, index, digest)

        return self._shown(self.library.edit(owner, story, change, "keyframe", f"keyframe:{take}"))

    @checked
    def import_clip(
        self, owner: Line, story: Key, scene: Key, data: str, name: Line = "clip.mp4", fit: FitMode = "fit",
        across: Share = 0.5, down: Share = 0.5,
    ) -> dict[str, Any]:  # fmt: skip
        """A clip or a picture of the user's own, base64, as a scene. fit, across, down: see `media.fit.Fit`."""
        now, how = self._head(owner, story).board.story, Fit(fit, across, down)
        with inputs.uploaded(data, name) as path:
            take = imported_take(self.media, now, scene, path, self.renderer.frames_per_second, how)
        return self._shown(self.library.add_take(owner, story, take))

    # --- what depends on what --------------------------------------------------------------------------------------

    def standings(self, owner: Line, story: Key) -> dict[str, Standing]:
        """How every scene stands at present."""
        return self.renderer.standings(self._head(owner, story))

    @checked
    def plan(self, owner: Line, story: Key, scenes: Sequence[Key] | None = None) -> dict[str, Any]:
        """What a render would do: of these scenes, or of all that are stale."""
        head = self._head(owner, story)
        return {"plan": views.plan_view(self.renderer.plan(head, scenes))}

    @checked
    def poll(self, owner: Line, story: Key, rev: int = -1, seen: int = -1) -> dict[str, Any]:
        """What is new since revision `rev` of the story and `seen` of its standing; jobs always. The standing of a long
        story may come with a later poll."""
        head = self._head(owner, story)
        news: dict[str, Any] = {"jobs": self._jobs(owner, story), "seen": seen}
        news |= {"model": self.model_picker.brief()} if self.model_picker else {}
        found = self.renderer.standings_soon(head) if head.rev != seen and self.renderer.ready else None
        if found is not None:
            news["standing"] = views.standing_view(head, found, self.renderer.plan(head), self._unfamiliar(head))
            news["seen"] = head.rev
        if head.rev != rev or (news["seen"] != seen and self.renderer.known(head)):
            news["story"] = views.story_view(head, self.renderer.known(head))
        return news

    def _jobs(self, owner: Line, story: Key) -> dict[str, Any]:
        return views.jobs_view(self.renderer.queue.jobs(owner, story), self.renderer.queue.positions())

    def _unfamiliar(self, head: Head) -> dict[str, list[str]]:
        """The words of each scene that the model has never seen."""
        from pipeline.language.vocabulary import unfamiliar

        found = {scene.id: unfamiliar(scene.prompt, self._vocabulary) for scene in head.board.story.scenes}
        return {scene: words for scene, words in found.items() if words}

    @checked
    def remembers(self, owner: Line, story: Key, scene: Key, threshold: float | None = None) -> dict[str, Any]:
        """What the filter keeps for a scene and why, word by word; with another threshold, to try."""
        head = self._head(owner, story)
        if not head.board.story.scene(scene).prompt.strip():
            return {"threshold": threshold, "prompt_pieces": [], "past": []}
        result = remembers(head.board.story, scene, self.renderer.filter, threshold)
        return views.remembers_view(head.board, scene, result)

    @checked
    def maps(self, owner: Line, story: Key, scene: Key) -> dict[str, Any]:
        """Where the chosen take looked at the words that it kept."""
        board = self._head(owner, story).board
        take = board.chosen(board.story.scene(scene))
        return {"maps": views.maps_view(board, take, self.media) if take and take.trace else []}

    @checked
    def meter(self, owner: Line, story: Key, patience: Pause | None = 2.0) -> dict[str, Any]:
        """What the continuity meter says about the chosen takes: as much as is measured within `patience` seconds, all
        of it for None."""
        head = self._head(owner, story)
        return {
            "rev": head.rev,
            "meter": asdict(self.renderer.meter.report(head.board, self.renderer.filter_cache, patience)),
        }

    # --- rendering -------------------------------------------------------------------------------------------------

    @checked
    def render(
        self, owner: Line, story: Key, scenes: Sequence[Key] | None = None, again: bool = False
    ) -> dict[str, Any]:
        """Puts scenes in line: these, or all that are stale. again: another take with a new seed even where the present
        one is fresh."""
        head = self._head(owner, story)
        steps = self.renderer.submit(owner, head, scenes, again)
        return {"plan": views.plan_view(steps), "jobs": self._jobs(owner, story)}

    @checked
    def cancel(self, owner: Line, story: Key, scenes: Sequence[Key] | None = None) -> dict[str, Any]:
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, scenes)
        return {"jobs": self._jobs(owner, story)}

    def follow(self, owner: Line, story: Key, pause: float = 0.1) -> Iterator[dict[str, Any]]:
        """The jobs of a story at every change, until none is active."""
        self._head(owner, story)
        wait, version = threading.Event(), -1
        while True:
            active = any(job.active for job in self.renderer.queue.jobs(owner, story))
            if self.renderer.queue.version != version:
                version = self.renderer.queue.version
                yield {"jobs": self._jobs(owner, story)}
            if not active:
                return
            wait.wait(pause)

    # --- trials ----------------------------------------------------------------------------------------------------

    @checked
    def what_if(self, owner: Line, story: Key, scene: Key, without: Mapping[str, Any]) -> dict[str, Any]:
        """Renders the chosen take's seed again without history, or without one word of an earlier scene."""
        board = self._head(owner, story).board
        take = board.chosen(board.story.scene(scene))
        if take is None:
            raise ThroughlineError("there is no take to compare with: render the scene first")
        word = parse(Without, dict(without)).ref(board)
        trial = Trial(without=word, against=take.id) if word else Trial(history=False, against=take.id)
        return self._try(owner, story, scene, [trial])

    @checked
    def sheet(
        self, owner: Line, story: Key, scene: Key, w1: Sequence[Weight], w2: Sequence[Weight], steps: int = 12
    ) -> dict[str, Any]:
        """A short render for every pair of weights."""
        self._head(owner, story).board.story.scene(scene)
        if not 1 <= len(w1) * len(w2) <= 36:
            raise ThroughlineError(f"a sheet of {len(w1)} x {len(w2)}: expected 1 to 36 cells")
        same: dict[str, Any] = {"steps": min(max(int(steps), 4), 50), "sheet": new_id()}
        trials = [Trial(text_weight=float(a), history_weight=float(b), **same) for b in w2 for a in w1]
        return self._try(owner, story, scene, trials)

    def _try(self, owner: Line, story: Key, scene: Key, trials: list[Trial]) -> dict[str, Any]:
        return {"trials": [job.id for job in self.renderer.attempt(owner, story, scene, trials)]}

    @checked
    def trials(self, owner: Line, ids: Sequence[Key]) -> dict[str, Any]:
        """How trials are doing, in the order of their ids."""
        checked_owner(owner)
        return {"trials": [views.trial_view(self.renderer.queue.job(owner, job_id)) for job_id in ids]}

    @checked
    def trials_of(self, owner: Line, story: Key, scene: Key) -> dict[str, Any]:
        """The trials of a scene since the app was started, oldest first."""
        self._head(owner, story)
        jobs = [job for job in self.renderer.queue.jobs(owner, story) if job.kind == "trial" and job.scene == scene]
        return {"trials": [views.trial_view(job) for job in jobs]}

    @checked
    def cancel_trials(self, owner: Line, story: Key, ids: Sequence[Key] | None = None) -> dict[str, Any]:
        """Cancels these trials of a story, or all."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, kind="trial", ids=ids)
        return {}

    # --- files -----------------------------------------------------------------------------------------------------

    @checked
    def film(self, owner: Line, story: Key, format: Line = "mp4") -> dict[str, Any]:
        """Writes an export of a story, one of `film.FORMATS`, and gives where it is served and its name."""
        board = self._head(owner, story).board
        whole = partial(archive_import.whole, self.library, owner, story, self.renderer.model)
        try:
            digest, suffix = film.export(board, self.media, format, whole)
        except OSError as error:
            raise ThroughlineError(f"{format} of {board.story.title!r} can't be written: {error}") from error
        name = film.export_name(board.story.title, format)
        return {"url": media_url(digest, suffix, name), "name": name}

    @checked
    def export_story(self, owner: Line, story: Key) -> dict[str, Any]:
        return self.film(owner, story, "story.zip")

    @checked
    def import_story(self, owner: Line, data: str, name: Line = "story.zip") -> dict[str, Any]:
        """A story archive, base64, as a new story."""
        checked_owner(owner)
        with inputs.uploaded(data, name) as path:
            return self.import_file(owner, path)

    def import_file(self, owner: Line, path: Path) -> dict[str, Any]:
        """A story archive as a new story. Not for callers from outside: it reads files of this machine."""
        head, note = archive_import.bring(self.library, self.media, owner, path, self.renderer.model)
        return self._shown(head, note=note)
