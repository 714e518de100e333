"""The service behind the page, the shell and the API: the same verbs for all of them.

A story belongs to an owner, a secret that the owner's browser keeps. Every verb gives plain JSON or raises
ThroughlineError. Safe to use from any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from pipeline.defaults import PERIOD
from pipeline.encoders.limit import CountsTokens
from pipeline.errors import ThroughlineError

from .document import edits, lengths, plan
from .document.cast import edits as cast_edits
from .document.conditioning import remembers
from .document.plan import Standing
from .document.story import Board, Story
from .export import archive, archive_import
from .export.samples import SampleStories
from .finding.finder import Finder
from .media.fit import Fit
from .operations import arguments as args
from .operations import following, inputs, views
from .operations.arguments import Json, Owner, SceneId, StoryId, TakeId
from .operations.cast import CastOperations, shelf_id
from .operations.cast_views import proposed_view
from .operations.edits import brought_take, take_of
from .operations.finding import FindOperations
from .operations.inputs import checked_owner
from .operations.live.sketching import SketchOperations
from .operations.region_edits import RegionEditOperations
from .operations.registry import for_page, read_edit
from .operations.waiting import waiting
from .rendering.jobs.decided import Trial
from .rendering.model_choice import Choice
from .rendering.model_picker import ModelPicker
from .rendering.renderer import Renderer
from .screenplays import reading
from .store.blobs import BlobStore
from .store.clips import imported_take, keep_picture, read_frames
from .store.library import Library
from .store.maintenance import Maintenance
from .store.schema import Head

if TYPE_CHECKING:
    from pipeline.story_pipeline import StoryPipeline


def home() -> Path:
    """Where stories are kept: THROUGHLINE_HOME, or the platform's folder for a user's data."""
    given = os.environ.get("THROUGHLINE_HOME")
    return Path(given).expanduser() if given else Path(platformdirs.user_data_dir("throughline", appauthor=False))


class Studio(CastOperations, RegionEditOperations, FindOperations, SketchOperations):
    """Stories of all owners in `folder`, rendered by one pipeline that `load` makes when it is first needed.

    model: digest of its weights, which takes are conditioned on. samples: folder of story archives. vocabulary: the
    words that the model was trained on. encoder: counts the tokens of a prompt as it does; None for the embedded one.
    period: gives how many frames a latent of it stands for, 4 for the embedded one; asked when a length is edited.
    continues: whether its clips can begin with the end of others; asked when a seam is. continuation: digest of its
    weights for known frames, where they count.
    resume: whether to start renders that a crash or a restart cut short; of several studios over one folder, in several
    processes, one should. choice: the model, if others may be chosen.
    """

    def __init__(
        self, load: Callable[[], StoryPipeline], folder: Path, model: str, samples: Path | None = None,
        vocabulary: frozenset[str] = frozenset(), resume: bool = True, choice: Choice | None = None,
        encoder: CountsTokens | None = None, *, period: Callable[[], int] = lambda: PERIOD,
        continues: Callable[[], bool] = lambda: False, continuation: str | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.vocabulary = folder, vocabulary
        self.library, self.media = Library(folder), BlobStore(folder / "media")
        self._samples, self.finder = SampleStories(samples, self.media), Finder(self.media)
        answers: dict[str, Any] = {"period": period, "continues": continues, "continuation": continuation}
        renderer = self.renderer = Renderer(self.library, self.media, load, model, resume, encoder=encoder, **answers)
        digests, tidy = ((lambda: renderer.model), (lambda: renderer.finisher.digest)), lambda: renderer.meter.tidy()
        self.maintenance = Maintenance(self.library, self.media, *digests, tidy)
        learn = partial(setattr, self, "vocabulary")
        self.model_picker = ModelPicker(renderer, choice, folder, learn) if choice else None

    @for_page(often=True)
    def notices(self, owner: Owner) -> Json:
        """What was repaired or set aside since the start, in words."""
        return {"notices": self.maintenance.notices(checked_owner(owner))}

    def close(self) -> None:
        """Stops rendering after the present step and closes the store."""
        self.renderer.close()
        self.library.close()

    # --- models ----------------------------------------------------------------------------------------------------

    @for_page(slow=True)
    def models(self, owner: Owner) -> Json:
        """The models to choose from, what each needs and what this machine has."""
        checked_owner(owner)
        return self._models.listing()

    @for_page(slow=True)
    def choose_model(self, owner: Owner, story: StoryId, name: args.ModelName) -> Json:
        """Begins to load another model. Once it is there, the story is fitted to it, and shows its takes."""
        board = self._head(owner, story).board

        def fit(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
            def change(now: Story) -> Story:
                fitted = cast_edits.fitted(edits.fit(now, before, after), bool(self.vocabulary))
                return self._settle(replace(board, story=fitted)).story

            self.library.edit(owner, story, change, "model")

        self._models.choose(name, fit)
        return {"model": self._models.brief()}

    @property
    def _models(self) -> ModelPicker:
        if self.model_picker is None:
            raise ThroughlineError("the model of this app is chosen by whoever runs it")
        return self.model_picker

    # --- stories ---------------------------------------------------------------------------------------------------

    @for_page(often=True)
    def stories(self, owner: Owner) -> Json:
        """The owner's stories, the last changed first."""
        found, cast = self.library.stories(checked_owner(owner)), shelf_id(owner)
        return {"stories": [views.entry_view(entry) for entry in found if entry.id != cast]}

    @for_page()
    def new_story(self, owner: Owner, title: args.NewTitle = "Untitled", prompts: args.FirstPrompts = (),
                  casting: args.Casts = True) -> Json:  # fmt: skip
        """A story with a scene for every prompt."""
        made = edits.new_story(title, prompts)
        made = cast_edits.cast_by_model(made) if casting and self.vocabulary else made
        lengths.check_new(self.renderer.encoder, made)
        return self._shown(self.library.create(checked_owner(owner), made))

    @for_page(slow=True)
    def duplicate_story(self, owner: Owner, story: StoryId) -> Json:
        """A copy of a story with all its takes."""
        copy = archive.renewed(self._head(owner, story).board)
        named = edits.edit_story(copy.story, title=f"{copy.story.title[:190]} (copy)")
        return self._shown(self.library.create(owner, named, copy.takes.values()))

    @for_page()
    def delete_story(self, owner: Owner, story: StoryId) -> Json:
        """Hides a story, with what is in line for it; restore_story brings it back."""
        self.library.delete(checked_owner(owner), story)
        self.renderer.queue.cancel(owner, story, kind=None)
        return {}

    @for_page()
    def restore_story(self, owner: Owner, story: StoryId) -> Json:
        """Brings a deleted story back as it was."""
        self.library.restore(checked_owner(owner), story)
        return self.get_story(owner, story)

    @for_page(slow=True)
    def samples(self, owner: Owner) -> Json:
        """The examples that ship with the app."""
        return {"samples": self._samples.samples()}

    @for_page(slow=True)
    def open_sample(self, owner: Owner, name: args.SampleName) -> Json:
        """An example as a new story."""
        return self.import_file(owner, self._samples.path(name))

    @for_page()
    def get_story(self, owner: Owner, story: StoryId) -> Json:
        """A story with its scenes and their takes."""
        return self._shown(self._head(owner, story))

    # --- edits -----------------------------------------------------------------------------------------------------

    @for_page()
    def edit(
        self, owner: Owner, story: StoryId, op: args.EditOp, base: args.Base = None, group: args.Group = ""
    ) -> Json:
        """Does an edit. It says so if someone else changed the same since the editor saw revision `base`."""
        wanted, given = read_edit(op)
        board = self._head(owner, story).board

        def change(now: Story) -> Story:
            changed = wanted.apply(replace(board, story=now), given)  # also checks what it is given
            lengths.check_edit(self.renderer.encoder, now, changed)
            lengths.check_frames(self.renderer.period, now, changed)
            lengths.check_seams(self.renderer.continues, now, changed)
            return changed

        others = self.library.edited(owner, story, base) if base is not None else set()
        clash = bool(wanted.writes(given) & others)
        head = self.library.edit(owner, story, change, wanted.label(given), group, apart=clash)
        brought = brought_take(board, head.board.story, wanted.name, given)
        head = self.library.add_take(owner, story, brought) if brought else head
        self._spread(owner, board.story, head.board.story)
        note = "Someone else changed this too, in another window: undo brings their version back."
        return self._shown(head, note=note if clash else "")

    @for_page(often=True)
    def lengths(self, owner: Owner, texts: args.Texts) -> Json:
        """How long texts are for the model, in words: to show while they are typed."""
        checked_owner(owner)
        return views.lengths_view(self.renderer.encoder, texts)

    @for_page()
    def undo(self, owner: Owner, story: StoryId) -> Json:
        """Takes the last edit back. Takes made since stay."""
        return self._gone_back(self.library.undo, owner, story)

    @for_page()
    def redo(self, owner: Owner, story: StoryId) -> Json:
        """Does again what undo took back."""
        return self._gone_back(self.library.redo, owner, story)

    def _gone_back(self, step: Callable[..., Head], owner: str, story: str) -> Json:
        before = self._head(owner, story).board.story
        head = step(owner, story, self._settle)
        self._spread(owner, before, head.board.story)
        return self._shown(head)

    def _settle(self, board: Board) -> Board:
        return plan.settle(board, self.renderer.filter_cache, self.renderer.model, self.renderer.continuation)

    @for_page(slow=True)
    def keyframe(self, owner: Owner, story: StoryId, scene: SceneId, take: TakeId, index: args.FrameIndex) -> Json:
        """The frame of a take, from 0, by which later scenes remember it."""
        found = take_of(self._head(owner, story).board, scene, take)
        if not 0 <= index < found.num_frames:
            raise ThroughlineError(f"frame {index} is not in the clip: expected 0 to {found.num_frames - 1}")
        same = index == found.keyframe_index
        digest = found.keyframe if same else keep_picture(self.media, read_frames(self.media, found)[index])
        change = partial(edits.choose_keyframe, scene_id=scene, take_id=take, index=index, keyframe=digest)
        return self._shown(self.library.edit(owner, story, change, "keyframe", f"keyframe:{take}"))

    @for_page(slow=True)
    def import_clip(
        self, owner: Owner, story: StoryId, scene: SceneId, data: args.Upload, name: args.FileName = "clip.mp4",
        fit: args.FitInto = "fit", across: args.Across = 0.5, down: args.Down = 0.5,
    ) -> Json:  # fmt: skip
        """A clip or a picture of the user's own, base64, as a scene."""
        now, how = self._head(owner, story).board.story, Fit(fit, across, down)
        with inputs.uploaded(data, name) as path:
            take = imported_take(self.media, now, scene, path, self.renderer.frames_per_second, how)
        return self._shown(self.library.add_take(owner, story, take))

    # --- what depends on what --------------------------------------------------------------------------------------

    def standings(self, owner: str, story: str) -> Mapping[str, Standing]:
        """How every scene stands at present."""
        return self.renderer.standings(self._head(owner, story))

    @for_page()
    def plan(self, owner: Owner, story: StoryId, scenes: args.SomeScenes = None) -> Json:
        """What a render would do: of these scenes, or of all that are stale."""
        head = self._head(owner, story)
        return {"plan": views.plan_view(self.renderer.plan(head, scenes))}

    @for_page(often=True)
    def poll(self, owner: Owner, story: StoryId, rev: args.Revision = -1, seen: args.Seen = -1) -> Json:
        """What is new since revision `rev` of the story and `seen` of its standing, which may be late; jobs always."""
        head = self._head(owner, story)
        news: Json = {"jobs": self._jobs(owner, story), "seen": seen}
        news |= {"model": self.model_picker.brief()} if self.model_picker else {}
        found = self.renderer.standings_soon(head) if head.rev != seen and self.renderer.ready else None
        if found is not None:
            told = views.about_words(head, self.vocabulary)
            news["standing"] = views.standing_view(head, found, self.renderer.plan(head), told)
            news["seen"] = head.rev
        if head.rev != rev or (news["seen"] != seen and self.renderer.known(head)):
            news["story"] = views.story_view(head, self.renderer.known(head))
        return news

    def _jobs(self, owner: str, story: str) -> Json:
        return views.jobs_view(self.renderer.queue.jobs(owner, story), self.renderer.queue.positions())

    @for_page()
    def remembers(self, owner: Owner, story: StoryId, scene: SceneId, threshold: args.Threshold = None) -> Json:
        """What the filter keeps for a scene and why, word by word; with another threshold, to try."""
        head = self._head(owner, story)
        if not head.board.story.scene(scene).prompt.strip():
            return {"threshold": threshold, "prompt_pieces": [], "past": []}
        result = remembers(head.board, scene, self.renderer.filter, threshold)
        return views.remembers_view(head.board, scene, result)

    @for_page()
    def maps(self, owner: Owner, story: StoryId, scene: SceneId) -> Json:
        """Where the chosen take looked at the words that it kept."""
        board = self._head(owner, story).board
        take = board.chosen(board.story.scene(scene))
        return {"maps": views.maps_view(board, take, self.media) if take and take.trace else []}

    @for_page(often=True)
    def meter(self, owner: Owner, story: StoryId, patience: args.Patience = 2.0) -> Json:
        """What the continuity meter says about the chosen takes: as much as is measured within `patience` seconds, all
        of it for None."""
        head = self._head(owner, story)
        told = self.renderer.meter.report(head.board, self.renderer.filter_cache, patience)
        return {"rev": head.rev, "meter": asdict(told)}

    # --- rendering -------------------------------------------------------------------------------------------------

    @for_page()
    def render(
        self, owner: Owner, story: StoryId, scenes: args.SomeScenes = None, again: args.Again = False,
        variants: args.Variants = 1,
    ) -> Json:  # fmt: skip
        """Puts scenes in line: these, or all that are stale. again: with a new seed, even where they are fresh."""
        steps = self.renderer.submit(owner, self._head(owner, story), scenes, again, variants)
        return {"plan": views.plan_view(steps), "jobs": self._jobs(owner, story)}

    @for_page()
    def cancel(self, owner: Owner, story: StoryId, scenes: args.CancelScenes = None) -> Json:
        """Cancels scenes that are in line or being rendered."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, scenes)
        return {"jobs": self._jobs(owner, story)}

    def follow(self, owner: str, story: str, pause: float = 0.1) -> Iterator[Json]:
        """The jobs of a story at every change, until none is active. Looks every `pause` seconds."""
        return waiting(self.follow_steps(owner, story), pause)

    def follow_steps(self, owner: str, story: str) -> Iterator[Json]:
        """The same for callers that have no thread to wait in: {} where nothing is new."""
        self._head(owner, story)
        yield from following.steps(self.renderer.queue, owner, story)

    # --- trials ----------------------------------------------------------------------------------------------------

    @for_page()
    def what_if(self, owner: Owner, story: StoryId, scene: SceneId, without: args.LeftOut) -> Json:
        """Renders the chosen take's seed again without history, or without one word of an earlier scene."""
        trial = inputs.comparison(self._head(owner, story).board, scene, without)
        return self._try(owner, story, scene, [trial])

    @for_page()
    def sheet(
        self,
        owner: Owner,
        story: StoryId,
        scene: SceneId,
        w1: args.Weights,
        w2: args.Weights,
        steps: args.SheetSteps = 12,
    ) -> Json:
        """A short render for every pair of weights."""
        self._head(owner, story).board.story.scene(scene)
        trials = inputs.sheet_trials(w1, w2, steps)
        return self._try(owner, story, scene, trials)

    def _try(self, owner: str, story: str, scene: str, trials: list[Trial]) -> Json:
        return {"trials": [job.id for job in self.renderer.attempt(owner, story, scene, trials)]}

    @for_page(often=True)
    def trials(self, owner: Owner, ids: args.TrialIds) -> Json:
        """How trials are doing, in the order of their ids."""
        checked_owner(owner)
        return {"trials": [views.trial_view(self.renderer.queue.job(owner, job_id)) for job_id in ids]}

    @for_page()
    def trials_of(self, owner: Owner, story: StoryId, scene: SceneId) -> Json:
        """The trials of a scene since the app was started, oldest first."""
        self._head(owner, story)
        jobs = [job for job in self.renderer.queue.jobs(owner, story) if job.kind == "trial" and job.scene == scene]
        return {"trials": [views.trial_view(job) for job in jobs]}

    @for_page()
    def cancel_trials(self, owner: Owner, story: StoryId, ids: args.SomeTrials = None) -> Json:
        """Cancels these trials of a story, or all."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, kind="trial", ids=ids)
        return {}

    # --- files -----------------------------------------------------------------------------------------------------

    @for_page(slow=True)
    def import_story(self, owner: Owner, data: args.Upload, name: args.FileName = "story.zip") -> Json:
        """A story archive, or a script by the ending of its name, base64, as a new story."""
        checked_owner(owner)
        with inputs.uploaded(data, name) as path:
            return self.import_file(owner, path)

    def import_file(self, owner: str, path: Path) -> Json:
        """A story archive or a script as a new story. Not for callers from outside: it reads files of this machine."""
        if path.suffix.lower() in reading.SUFFIXES:
            made, told = reading.script_story(path, self.renderer.encoder)
            made = cast_edits.cast_by_model(made) if self.vocabulary else made
            told["proposed"] = proposed_view(made)
            return self._shown(self.library.create(checked_owner(owner), made), **told)
        head, note = archive_import.bring(self.library, self.media, owner, path, self.renderer.model)
        return self._shown(head, note=note)
