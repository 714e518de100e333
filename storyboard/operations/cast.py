"""What the studio does about casts: the owner's own, which all stories may use, and pictures from takes and files.

The owner's cast is kept as a story without scenes, so that it has versions, undo and archives as stories have. A story
holds the entries that it uses. What changes in the owner's cast changes in every story that has the entry as it was
there; a story that made it its own keeps that until it is shared or used anew. Other edits are in `cast_edits`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.errors import ThroughlineError

from ..document.cast import edits as cast_edits
from ..document.cast.castings import casting_named, castings_of
from ..document.cast.entries import CastEntry, CastPicture
from ..document.occurrences import named_in
from ..document.story import Board, Story, Take, new_id, parse
from ..media.fit import Fit, FitMode
from ..media.images import read_still
from ..rendering.takes import keep_castings, prompt_of
from ..rendering.teaching import job as teaching
from ..store.clips import keep_picture, read_frames
from ..store.room import check_disk
from ..store.schema import Head
from . import arguments as args
from . import cast_edits as registered  # noqa: F401  so that a studio has them
from . import inputs
from .arguments import Json, Owner, SceneId, StoryId
from .cast_views import cast_view
from .cutouts import box_mask, cut_out, figure_at
from .film import FilmOperations
from .inputs import checked_owner
from .registry import for_page

Change = Callable[[Story], Story]
AS_IT_WAS = "as the cast has it"  # label of a change that comes from the owner's cast


def shelf_id(owner: str) -> str:
    """Of the story that holds an owner's cast; no other story has such an id."""
    return f"cast{hashlib.sha256(f'cast of {owner}'.encode()).hexdigest()[:28]}"


class CastOperations(FilmOperations):
    """A part of `Studio`, which has these."""

    @for_page()
    def cast(self, owner: Owner, story: args.CastStory = "") -> Json:
        """The cast of a story, where each of it appears, and who of its script is not in it yet; or your own cast."""
        shelf = self._shelf(owner)
        head = self._head(owner, story) if story else shelf
        found = self.renderer.known(head) or {}
        keep_castings(self.media, (anchor for _, anchor in castings_of(head.board)))
        told = cast_view(head.board, shelf.board.story, found, bool(self.vocabulary))
        undo = {name: getattr(head, name) for name in ("rev", "can_undo", "can_redo", "undo_label", "redo_label")}
        return {"cast": {**told, **undo}}

    @for_page()
    def cast_use(self, owner: Owner, story: StoryId, entry: args.EntryId) -> Json:
        """Takes an entry of your own cast into a story, as it is there now."""
        shared = self._shelf(owner).board.story.entry(entry)
        change = partial(cast_edits.put_entry, entry=shared)
        return self._shown(self.library.edit(owner, story, change, "use from the cast"))

    @for_page()
    def cast_share(self, owner: Owner, story: StoryId, entry: args.EntryId) -> Json:
        """Puts an entry, as a story has it, into your own cast, and so into all stories that use it."""
        head = self._head(owner, story)
        change = partial(cast_edits.put_entry, entry=head.board.story.entry(entry))
        before = self._shelf(owner).board.story
        after = self.library.edit(owner, before.id, change, "share")
        self._spread(owner, before, after.board.story)
        return self._shown(self._head(owner, story))

    @for_page(slow=True)
    def cast_keep(
        self,
        owner: Owner,
        story: StoryId,
        scene: SceneId,
        entry: args.EntryOrName,
        region: args.KeepRegion = "whole",
        frame: args.KeepFrame = -1,
        word: args.KeepWord = "",
    ) -> Json:
        """Keeps what the chosen take of a scene shows as a picture of an entry, or of a new one of that name."""
        board = self._head(owner, story).board
        take = board.chosen(board.story.scene(scene))
        if take is None:
            raise ThroughlineError(f"scene {scene!r} has no take to keep a picture of: render it first")
        picture = self._frame_of(board, take, frame)
        if region != "whole":
            picture = cut_out(picture, _region(picture, region))
        said = prompt_of(take.conditioning) if take.conditioning else board.story.scene(scene).prompt
        source = f"scene {board.story.index(scene) + 1} of {board.story.title}"[:200]
        about = {"caption": _said_of(said, word, _name_of(board.story, entry)), "source": source}
        return self._kept(owner, story, entry, picture, about)

    @for_page()
    def cast_adopt(self, owner: Owner, story: StoryId, name: args.CastName) -> Json:
        """Makes somebody whom the model cast an entry of the cast, with that picture: by name, or by the id of the
        casting where two have one. Scenes go on as before, with that picture and earlier scenes."""
        anchor, _ = casting_named(self._head(owner, story).board, name)
        keep_castings(self.media, [anchor])
        picture = anchor.picture.model_copy(update={"id": new_id(), "source": "drawn by the model"})
        return self._put(owner, story, anchor.entry.name, picture, look="both")

    @for_page(slow=True)
    def cast_picture(
        self, owner: Owner, story: StoryId, entry: args.EntryOrName, data: args.Upload,
        name: args.FileName = "picture.png", caption: args.PictureSays = "", state: args.PictureState = "",
        fit: args.FitInto = "fill",
    ) -> Json:  # fmt: skip
        """A picture of your own, base64, a photograph too, for an entry, or for a new one of that name."""
        now = self._head(owner, story).board.story
        with inputs.uploaded(data, name) as path:
            return self.cast_picture_file(owner, now.id, entry, path, caption, state, fit)

    def cast_picture_file(
        self, owner: str, story: str, entry: str, path: Path, caption: str, state: str, fit: FitMode
    ) -> Json:
        """A file of this machine as a picture. Not for callers from outside."""
        now = self._head(owner, story).board.story
        picture = read_still(path, now.height, now.width, Fit(fit))
        about = {"caption": caption, "state": state, "source": path.name[:200]}
        return self._kept(owner, story, entry, picture, about)

    @for_page()
    def cast_teach(self, owner: Owner, story: StoryId, entry: args.EntryId) -> Json:
        """Teaches the model an entry of the cast by its pictures, three or more, each with a caption that names it. A
        teaching that was cancelled goes on where it stopped."""
        now = self._head(owner, story).board.story
        teaching.submit(self.renderer, owner, now, now.entry(entry))
        return self.cast_teaching(owner, story, entry)

    @for_page(often=True)
    def cast_teaching(self, owner: Owner, story: StoryId, entry: args.EntryId) -> Json:
        """How the teaching of an entry goes: its step, the last sample, and what went wrong; refused: why it can't be
        taught by its pictures."""
        refused = teaching.refusal(self._head(owner, story).board.story.entry(entry))
        job = teaching.job_of(self.renderer, owner, story, entry)
        if job is None:
            return {"teaching": None, "refused": refused}
        told = {name: getattr(job, name) for name in ("state", "step", "total", "seconds", "lasts", "preview", "error")}
        place = self.renderer.queue.positions().get(job.id, 0)
        return {"teaching": {**told, "position": place}, "refused": refused}

    @for_page()
    def cast_teach_cancel(self, owner: Owner, story: StoryId, entry: args.EntryId) -> Json:
        """Stops the teaching of an entry; asked for again, it goes on where it stopped."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, [entry], kind=teaching.KIND)
        return self.cast_teaching(owner, story, entry)

    @for_page(slow=True)
    def cast_meter(
        self, owner: Owner, story: StoryId, entry: args.EntryId, measure: args.Measure = True,
        patience: args.Patience = 2.0,
    ) -> Json:  # fmt: skip
        """How an entry of the cast holds over a story: what each rendered scene that names it shows, held against the
        picture that the scene looks at. As much as is measured within `patience` seconds, all of it for None."""
        board = self._head(owner, story).board
        told = self.renderer.meter.entry_report(board, board.story.entry(entry), patience, measure)
        return {"meter": asdict(told)}

    def teach_steps(self, owner: str, story: str, entry: str) -> Iterator[Json]:
        """`cast_teach`, and then how it goes at every change until it is over. Never waits: {} where a caller may."""
        now = self.cast_teach(owner, story, entry)
        yield now
        while now["teaching"]["state"] in ("queued", "running") and not self.renderer.queue.closed:
            yield {}
            before, now = now, self.cast_teaching(owner, story, entry)
            if now != before:
                yield now

    # --- parts -----------------------------------------------------------------------------------------------------

    def _shelf(self, owner: str) -> Head:
        """The owner's cast, made if need be, and brought back if it was deleted."""
        name = shelf_id(checked_owner(owner))
        try:
            return self.library.head(owner, name)
        except ThroughlineError:
            pass
        try:
            return self.library.create(owner, parse(Story, {"id": name, "title": "Cast"}))
        except ThroughlineError:
            return self.library.restore(owner, name)

    def _spread(self, owner: str, before: Story, after: Story) -> None:
        """What changed in the owner's cast, in every story that has it as it was: a step of undo in each."""
        if after.id != shelf_id(owner):
            return
        was = {entry.id: entry for entry in before.cast}
        changed = [entry for entry in after.cast if entry != was.get(entry.id, entry)]
        for listed in self.library.stories(owner) if changed else ():
            for entry in changed:
                change = partial(_followed, before=was[entry.id], after=entry)
                if listed.id != after.id:
                    self.library.edit(owner, listed.id, change, AS_IT_WAS)

    def _kept(self, owner: str, story: str, entry: str, picture: np.ndarray, about: Json) -> Json:
        check_disk(self.media.folder)
        height, width, _ = picture.shape
        made = parse(CastPicture, {"id": new_id(), "file": keep_picture(self.media, picture), "width": width,
                                   "height": height, **about})  # fmt: skip
        return self._put(owner, story, entry, made)

    def _put(self, owner: str, story: str, entry: str, made: CastPicture, **choice: str) -> Json:
        """A picture into an entry, or a new one of that name, and what the story makes of that."""
        fresh = new_id()  # of an entry that is new

        def change(now: Story) -> Story:
            known = now.has_entry(entry)
            known_as = next((one.id for one in now.cast if entry in one.names), None)
            own = entry if known else known_as or fresh
            now = now if known or known_as else cast_edits.add_entry(now, entry, fresh)
            kept = cast_edits.add_picture(now, own, made)
            return cast_edits.choose_look(kept, own, **choice) if choice else kept

        before = self._head(owner, story).board.story
        head = self.library.edit(owner, story, change, "keep a picture")
        self._spread(owner, before, head.board.story)
        return self._shown(head, picture=made.id)

    def _frame_of(self, board: Board, take: Take, index: int) -> np.ndarray:
        """uint8 (H, W, 3)."""
        frames = read_frames(self.media, take)
        scene = board.story.scene(take.scene)
        own = next((choice.index for choice in scene.keyframes if choice.take == take.id), take.keyframe_index)
        index = own if index == -1 else index
        if not 0 <= index < len(frames):
            raise ThroughlineError(f"frame {index} is not in the clip: expected 0 to {len(frames) - 1}, or -1")
        return frames[index]  # type: ignore[no-any-return]


def _region(picture: np.ndarray, asked: str) -> np.ndarray:
    """What of a picture, uint8 (H, W, 3), is kept, bool (H, W): a box by four numbers, a figure by two."""
    try:
        numbers = [float(part) for part in asked.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 4:
        return box_mask(picture, (numbers[0], numbers[1], numbers[2], numbers[3]))
    if len(numbers) != 2 or not all(0 <= number <= 1 for number in numbers):
        raise ThroughlineError(f"region is {asked[:60]!r}: expected whole, left,top,right,bottom or across,down")
    return figure_at(_figures(picture), *numbers)


def _figures(picture: np.ndarray) -> np.ndarray:
    """Where the localiser sees somebody of the picture book, bool (H, W)."""
    from pipeline.picturebook.localiser import load_localiser  # it loads torch

    labels, size = Image.fromarray(load_localiser().masks([picture])[0]), picture.shape[1::-1]
    return np.asarray(labels.resize(size, Image.Resampling.NEAREST)) > 0


def _followed(story: Story, before: CastEntry, after: CastEntry) -> Story:
    """A story with an entry as it is now, if it had it as it was."""
    return cast_edits.put_entry(story, after) if before in story.cast else story


def _name_of(story: Story, entry: str) -> str:
    return story.entry(entry).name if story.has_entry(entry) else entry


def _said_of(prompt: str, word: str, name: str) -> str:
    """A prompt as the caption of a picture that was kept: with the name in place of the word, or, where neither stands
    in it, nothing, which lets the entry's own words speak."""
    places = named_in(prompt, word) if word else []
    if word and not places:
        raise ThroughlineError(f"word {word[:60]!r} is not in the prompt {prompt[:60]!r}")
    if places:
        return f"{prompt[: places[0][0]]}{name}{prompt[places[0][1] :]}"
    return prompt if named_in(prompt, name) else ""
