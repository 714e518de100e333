"""The continuity meter of a studio: measures chosen takes when somebody asks, once, and keeps what it measured.

A reading is kept in memory and as a file named by what it depends on: the clip, the prompt and the encoders. All
measuring runs in one thread of its own, a scene at a time, so that rendering never waits for it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ThroughlineError

from ..document.cast.entries import CastEntry
from ..document.story import Board, Scene, Take, canonical
from ..store.blobs import BlobStore
from ..store.clips import read_frames, read_kept_picture
from ..store.files import whole_file
from .mentions import mentions_of, spans_of

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.continuity.measurement import Calibration, Gauge, Measurement, Region
    from pipeline.history import HistoryScene
    from pipeline.story_pipeline import StoryPipeline
    from pipeline.text_filter import FilterResult

    from ..document.conditioning import Filter
    from ..document.decisions import Decision
    from .entries import EntryReport, Sighting
    from .report import ContinuityReport

log = logging.getLogger(__name__)

FORMAT = 2  # of readings and scales on disk
CALIBRATION_STORIES = 40  # drawn once a model
MOST_READINGS = 2000  # in memory, a few kB each
KEPT_SECONDS = 30 * 24 * 3600.0  # files that nobody has read
ENCODER = "THROUGHLINE_METER"  # own, dinov2, clip, a hub id or a folder


@dataclass(frozen=True)
class Scores:
    """What a trial shows. prompt: how much it shows of its prompt, 0 to 1. consistency: how alike what it remembers
    looks then and now, 0 to 1; None without memory. motion: mean change from frame to frame, of 255."""

    prompt: float | None
    consistency: float | None
    motion: float


@dataclass(frozen=True)
class Shown:
    """Something to measure. file: digest of the clip or picture. frames: reads it, uint8 (F, H, W, 3). spans: for each
    mention of the prompt the characters of its words."""

    file: str
    prompt: str
    spans: Sequence[Any]
    frames: Callable[[], np.ndarray]


class Meter:
    """load: gives the pipeline whose encoders measure. folder: for what was measured. Safe for threads.

    encoder: None for what the environment variable THROUGHLINE_METER says; one that is not there is replaced by the
    model's own, with a note.
    """

    def __init__(
        self, load: Callable[[], StoryPipeline], media: BlobStore, folder: Path, encoder: str | None = None
    ) -> None:
        self.folder, self._load, self._media = folder, load, media
        self._encoder = encoder or os.environ.get(ENCODER) or "own"
        self._note, self._gauge = "", None
        self._scaled: tuple[Gauge, Calibration, str] | None = None
        self._loading, self._sharing = threading.Lock(), threading.Lock()
        self._readings: OrderedDict[str, Future[Measurement]] = OrderedDict()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="meter")

    def close(self) -> None:
        """Stops after the present scene."""
        self._worker.shutdown(cancel_futures=True)

    def warm_up(self) -> None:
        """Makes the scales in the background, so that nobody waits for them later, a render least of all."""
        self._worker.submit(self._prepared)

    def tidy(self) -> None:
        """Deletes readings that were not needed for a month."""
        until = time.time() - KEPT_SECONDS
        for path in self.folder.glob("*.json"):
            if path.stat().st_mtime < until:
                path.unlink(missing_ok=True)

    # --- a story ---------------------------------------------------------------------------------------------------

    def report(self, board: Board, filter: Filter[Decision], patience: float | None = None) -> ContinuityReport:
        """What is measured of a story within `patience` seconds, None for all of it; the rest is measured meanwhile.
        Raises ThroughlineError if the model can't be loaded."""
        from . import report

        shown = {
            scene.id: (scene, take)
            for scene in board.story.scenes
            if scene.prompt.strip() and (take := board.chosen(scene))
        }
        if not shown:
            return report.ContinuityReport(encoder=self._encoder)
        until = None if patience is None else time.monotonic() + patience
        preparing = self._worker.submit(self._prepared)
        if not _done([preparing], until):
            return report.ContinuityReport(pending=len(shown), encoder=self._encoder)
        gauge, scale, known_by = preparing.result()
        asked = ((scene, self._reading(gauge, known_by, self._of_take(*pair))) for scene, pair in shown.items())
        waited = {scene: reading for scene, reading in asked if reading}
        _done(list(waited.values()), until)
        readings, notes = _collected(board, waited)
        links = report.links_of(board.story, filter)
        pending = sum(not future.done() for future in waited.values())
        notes = [*([self._note] if self._note else []), *notes]
        return report.report(
            board.story, links, readings, scale, pending=pending, notes=tuple(notes), encoder=gauge.name
        )

    def entry_report(
        self, board: Board, entry: CastEntry, patience: float | None = None, measure: bool = True
    ) -> EntryReport:
        """How an entry of the cast holds over the story, as far as it is measured within `patience` seconds, None for
        all of it. measure: False for what is known already; then nothing is loaded or measured. Raises ThroughlineError
        if the model can't be loaded."""
        from . import entries

        seen = entries.sightings(board, entry)
        until = None if patience is None else time.monotonic() + patience
        if seen and measure:
            preparing = self._worker.submit(self._prepared)
            if _done([preparing], until):
                preparing.result()
        if not seen or self._scaled is None:
            return entries.report(entry, seen, {}, None)
        gauge, scale, known_by = self._scaled
        asked = {one.scene.id: (self._of_take(one.scene, one.take), self._of_picture(one)) for one in seen}
        pairs = {
            scene: [known for shown in both if (known := self._reading(gauge, known_by, shown, measure))]
            for scene, both in asked.items()
        }
        _done([future for pair in pairs.values() for future in pair], until)
        takes, notes = _collected(board, {scene: pair[0] for scene, pair in pairs.items() if len(pair) == 2})
        pictures, unread = _collected(board, {scene: pairs[scene][1] for scene in takes})
        readings = {scene: (takes[scene], picture) for scene, picture in pictures.items()}
        return entries.report(entry, seen, readings, scale, (*notes, *unread))

    def _of_take(self, scene: Scene, take: Take) -> Shown:
        spans = [spans for _, spans in spans_of(scene.prompt)]
        return Shown(take.clip, scene.prompt, spans, lambda: read_frames(self._media, take))

    def _of_picture(self, seen: Sighting) -> Shown:
        file = seen.anchor.picture.file
        return Shown(file, seen.anchor.prompt, [seen.spans], lambda: read_kept_picture(self._media, file)[None])

    def _reading(self, gauge: Gauge, known_by: str, shown: Shown, measure: bool = True) -> Future[Measurement] | None:
        """None if it is not known and not to be measured."""
        key = hashlib.sha256(canonical([FORMAT, known_by, shown.file, shown.prompt, shown.spans])).hexdigest()
        with self._sharing:
            known = self._readings.get(key)
            if measure and (known is None or (known.done() and known.exception())):  # what failed is tried again
                known = self._readings[key] = self._worker.submit(self._measure, gauge, key, shown)
            elif known is None and (kept := self._kept(key)):
                known = self._readings[key] = Future()
                known.set_result(kept)
            if known:
                self._readings.move_to_end(key)
            while len(self._readings) > MOST_READINGS:
                self._readings.popitem(last=False)
        return known

    def _kept(self, key: str) -> Measurement | None:
        kept = _read_json(self.folder / f"{key}.json")
        return _unpacked(kept) if kept else None

    def _measure(self, gauge: Gauge, key: str, shown: Shown) -> Measurement:
        kept = self._kept(key)
        if kept is None:
            kept = gauge.read(shown.frames(), shown.prompt, shown.spans)
            _write_json(self.folder / f"{key}.json", _packed(kept))
        return kept

    # --- the encoders and the scales -------------------------------------------------------------------------------

    def _prepared(self) -> tuple[Gauge, Calibration, str]:
        """The gauge, its scales and its fingerprint: made at first use, which takes some seconds once a model."""
        with self._loading:
            if self._scaled is None:
                gauge = self._new_gauge()
                known_by = gauge.fingerprint()
                self._scaled = gauge, self._scale(gauge, known_by), known_by
            return self._scaled

    def _new_gauge(self) -> Gauge:
        from pipeline.continuity.measurement import Gauge
        from pipeline.encoders import vision_models

        pipeline = self._load()
        if self._encoder == "own":
            return Gauge(pipeline)
        try:
            return Gauge(pipeline, vision_models.load(self._encoder, pipeline.image_encoder.device))
        except ThroughlineError as error:
            self._note = f"Measured with the model's own image encoder: {error}."
            return Gauge(pipeline)

    def _scale(self, gauge: Gauge, known_by: str) -> Calibration:
        from pipeline.continuity.calibration import calibrate
        from pipeline.continuity.measurement import Calibration

        path = self.folder / f"scale-{known_by}.json"
        kept = _read_json(path)
        if kept is None:
            scale = calibrate(gauge, CALIBRATION_STORIES)
            _write_json(path, asdict(scale) | {"format": FORMAT, "centre": scale.centre.tolist()})
            return scale
        values = {name: value for name, value in kept.items() if name not in ("format", "centre", "gate")}
        return Calibration(np.array(kept["centre"], np.float32), gate=tuple(kept["gate"]), **values)

    # --- a trial ---------------------------------------------------------------------------------------------------

    def scores(self, frames: np.ndarray, prompt: str, result: FilterResult, history: Sequence[HistoryScene]) -> Scores:
        """Scores of a clip, uint8 (F, H, W, 3), made from `prompt`; `result` is what the filter kept of `history`.
        The same figures as of a scene, each remembered mention against every keyframe that it is remembered by."""
        from pipeline.continuity.measurement import PRESENT, presence, prompt_score, similarity

        gauge, scale, _ = self._prepared()
        named = mentions_of(prompt)
        now = gauge.read(frames, prompt, [mention.spans for mention in named])
        shown: dict[int | None, Region] = {m.index: region for m, region in zip(named, now.regions, strict=True)}
        alike = list[float]()
        for past, scene in zip(history, result.scenes, strict=True):
            looks = {mention.index for mention in mentions_of(past.prompt)}
            kept = [(m, shown[m.target]) for m in scene.kept_mentions if m.index in looks and m.target in shown]
            spans = [[(word.start, word.end) for word in mention.words] for mention, _ in kept]
            before = gauge.read(past.keyframe[None], past.prompt, spans)
            for (_, own), region in zip(kept, before.regions, strict=True):
                alike.append(similarity(scale, region, own) if presence(scale, own) >= PRESENT else 0.0)
        return Scores(prompt_score(scale, now), float(np.mean(alike)) if alike else None, now.motion)


def _done(futures: Sequence[Future[Any]], until: float | None) -> bool:
    """Whether all are done by then."""
    left = None if until is None else max(0.0, until - time.monotonic())
    return not wait(futures, left).not_done


def _collected(board: Board, waited: Mapping[str, Future[Measurement]]) -> tuple[dict[str, Measurement], list[str]]:
    """The readings that are there, and what is to be said about those that failed."""
    readings: dict[str, Measurement] = {}
    notes = list[str]()
    for scene, future in waited.items():
        error = future.exception() if future.done() else None
        if isinstance(error, ThroughlineError):
            notes.append(f"Scene {board.story.index(scene) + 1} can't be measured: {error}.")
        elif error:
            raise error
        elif future.done():
            readings[scene] = future.result()
    return readings, notes


# --- readings as files -----------------------------------------------------------------------------------------------


def _packed(reading: Measurement) -> dict[str, Any]:
    content = asdict(replace(reading, regions=())) | {"format": FORMAT}
    regions = [
        {"look": r.look.round(4).tolist(), "evidence": list(r.evidence)}
        | {"facts": {slot: chances.round(4).tolist() for slot, chances in r.facts.items()}}
        for r in reading.regions
    ]
    return content | {"regions": regions}


def _unpacked(content: Mapping[str, Any]) -> Measurement:
    from pipeline.continuity.measurement import Measurement, Region
    from pipeline.continuity.photometry import Light

    regions = tuple(
        Region(
            np.array(region["look"], np.float32),
            tuple(region["evidence"]),
            {slot: np.array(chances) for slot, chances in region["facts"].items()},
        )
        for region in content["regions"]
    )
    return Measurement(regions, content["prompt"], content["motion"], Light(**content["light"]))


def _read_json(path: Path) -> dict[str, Any] | None:
    """What a file of ours holds; None if there is none, or one that is torn or of another format."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        os.utime(path)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    """A full disk only means that it is measured again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write_text(json.dumps(content), encoding="utf-8")
    except OSError as error:
        log.warning("the meter can't write %s: %s", path, error)
