"""What is looked after in the background: files that a disk has spoiled, files that nothing refers to, and what
users are told of it.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import NoReturn

from pipeline.errors import ThroughlineError

from ..media.temporary import clear_temporary
from .blobs import DAMAGED, BlobStore
from .library import Library

KEPT_SECONDS = 7 * 24 * 3600.0  # files that nothing refers to
TIDY_SECONDS = 24 * 3600.0  # between two times of clearing up

_log = logging.getLogger(__name__)


class Maintenance:
    """Safe to use from any thread.

    model, finisher: give the digests of those in use, whose encodings and finished clips are kept. tidy_readings:
    deletes what the continuity meter measured long ago.
    """

    def __init__(
        self,
        library: Library,
        media: BlobStore,
        model: Callable[[], str],
        finisher: Callable[[], str],
        tidy_readings: Callable[[], None],
    ) -> None:
        self._library, self._media, self._tidy_readings = library, media, tidy_readings
        self._model, self._finisher = model, finisher
        self._spoiled: tuple[str, ...] = ()  # files that were set aside

    def run(self, wait: Callable[[float], object] = time.sleep) -> NoReturn:
        """`look_after` now, and `tidy` every day, for a thread of its own. Never returns; ends if `wait` raises."""
        self.look_after()
        while True:
            wait(TIDY_SECONDS)
            self._try(self.tidy)

    def look_after(self) -> None:
        """All there is to do at a start: reads every file, half of the time."""
        self._try(clear_temporary)
        self._try(self.check)
        self._try(self.tidy)

    def _try(self, task: Callable[[], object]) -> None:
        try:
            task()
        except (ThroughlineError, OSError):  # a full or failing disk; the next time tries again
            _log.exception("the library could not be looked after")

    def check(self) -> list[str]:
        """Sets files aside that are not what their names say; gives their names, and tells the log and their owners."""
        found = self._media.check(rest=time.sleep)
        if found:
            self._spoiled = tuple(found)
            _log.warning(f"{len(found)} files were damaged and are set aside in {DAMAGED}: {', '.join(found[:10])}")
        return found

    def tidy(self) -> int:
        """Deletes files that no revision, take or job refers to: exports, trials and imports that came to nothing, and
        encodings and finished clips by another model or of such files, once they are a week old. Gives how many
        bytes."""
        self._tidy_readings()
        self._media.clear_parts()
        referred = self._library.referred()
        kept = referred | self._library.keep_encodings(self._model(), referred)
        kept |= self._library.finished.keep(self._finisher(), referred)
        return self._media.collect(kept, KEPT_SECONDS)

    def notices(self, owner: str) -> list[str]:
        """What was repaired or set aside since the start and concerns an owner: nothing of anybody else's."""
        return self._library.notices(owner) + (self._about(owner, self._spoiled) if self._spoiled else [])

    def _about(self, owner: str, spoiled: Collection[str]) -> list[str]:
        names = {name.partition(".")[0]: name for name in spoiled}
        found = self._library.users_of(owner, names)
        told = []
        for title, count in Counter(title for title, _ in found).items():
            first = next(names[digest] for where, digest in found if where == title)
            files = f"File {first[:12]}… of story {title!r} was damaged and is set aside"
            more = f", and {count - 1} more" if count > 1 else ""
            told.append(f"{files}{more}. Rendering the scene again brings the clip back.")
        return told
