"""What the studio does about teaching: an entry of the cast is taught in the line in which scenes are rendered."""

from __future__ import annotations

from collections.abc import Iterator

from ..rendering import teaching
from .arguments import EntryId, Json, Owner, StoryId
from .film import FilmOperations
from .registry import for_page


class TeachingOperations(FilmOperations):
    """A part of `Studio`."""

    @for_page()
    def cast_teach(self, owner: Owner, story: StoryId, entry: EntryId) -> Json:
        """Teaches the model an entry of the cast by its pictures, three or more, each with a caption that names it. A
        teaching that was cancelled goes on where it stopped."""
        now = self._head(owner, story).board.story
        teaching.submit(self.renderer, owner, now, now.entry(entry))
        return self.cast_teaching(owner, story, entry)

    @for_page(often=True)
    def cast_teaching(self, owner: Owner, story: StoryId, entry: EntryId) -> Json:
        """How the teaching of an entry goes: its step, the last sample, and what went wrong."""
        self._head(owner, story).board.story.entry(entry)
        job = teaching.job_of(self.renderer, owner, story, entry)
        if job is None:
            return {"teaching": None}
        told = {name: getattr(job, name) for name in ("state", "step", "total", "preview", "error")}
        return {"teaching": {**told, "position": self.renderer.queue.positions().get(job.id, 0)}}

    @for_page()
    def cast_teach_cancel(self, owner: Owner, story: StoryId, entry: EntryId) -> Json:
        """Stops the teaching of an entry; asked for again, it goes on where it stopped."""
        self._head(owner, story)
        self.renderer.queue.cancel(owner, story, [entry], kind=teaching.KIND)
        return self.cast_teaching(owner, story, entry)

    def teach_steps(self, owner: str, story: str, entry: str) -> Iterator[Json]:
        """`cast_teach`, and then how it goes at every change until it is over. Never waits: {} where a caller may."""
        now = self.cast_teach(owner, story, entry)
        yield now
        while now["teaching"]["state"] in ("queued", "running") and not self.renderer.queue.closed:
            yield {}
            before, now = now, self.cast_teaching(owner, story, entry)
            if now != before:
                yield now
