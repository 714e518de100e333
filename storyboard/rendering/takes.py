"""How a scene becomes a take: from the board, through the pipeline, to files.

Does not cover: the queue (`storyboard.rendering.queue`), what to render (`storyboard.document.plan`).
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import ThroughlineError
from pipeline.stages.continuation import ending

from ..document.cast.anchoring import Anchor
from ..document.conditioning import Past, find_word
from ..document.region_edit import RegionEdit, RegionWords
from ..document.story import Beginning, Board, Conditioning, Scene, Story, Take, WordRef, new_id, parse
from ..media.images import read_picture
from ..store.blobs import BlobStore
from ..store.clips import keep_frames, read_end, read_frames
from ..store.encodings import Encodings
from .hosting import gpu_seconds, gpu_seconds_of_edit, on_gpu
from .jobs.alone import Alone
from .jobs.decided import Decided, Trial
from .jobs.job import Made
from .traces import trace_content
from .workers.making import (
    Known,
    Noise,
    WornFile,
    generate,
    keep_known,
    lasting,
    made_of,
    material,
    threads,
    told,
    wearing,
)
from .workers.order import Order, Remembered, WornAdapter

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.editing.editor import Change, Edited
    from pipeline.editing.region import Region
    from pipeline.guidance import Guidance
    from pipeline.history import HistoryScene
    from pipeline.story_pipeline import Clip, Step, StoryPipeline
    from pipeline.text_filter import FilterResult

    from ..continuity.meter import Scores

TRACE_VERSION = 1  # of the file of a take
KEPT_ENCODINGS = 512  # in memory, about 80 KB each


@dataclass(frozen=True)
class EditOrder:
    """An edit of a take that is in line. take: its id."""

    take: str
    edit: RegionEdit

    @classmethod
    def of(cls, saved: Any) -> Any:
        """From what `saved_order` gave; other orders as they are."""
        return cls(saved["take"], parse(RegionEdit, saved["edit"])) if isinstance(saved, dict) else saved


def saved_order(order: Any) -> Any:
    """As JSON holds it."""
    if isinstance(order, EditOrder):
        return {"take": order.take, "edit": order.edit.model_dump(mode="json")}
    return order


def work_of(scene: Scene, story: Story) -> float:
    """What the time of a render is proportional to."""
    return scene.steps * scene.num_frames * story.width * story.height / 1e6


class TakeMaker:
    """Renders scenes with one pipeline. Past scenes are encoded once: all are in files, the last ones in memory."""

    def __init__(self, pipeline: StoryPipeline, media: BlobStore, encodings: Encodings) -> None:
        self.pipeline, self.media, self.encodings = pipeline, media, encodings
        self._generate = on_gpu(self._generate_here, gpu_seconds)
        self._edit = on_gpu(self._edit_here, gpu_seconds_of_edit)
        self._encoded: OrderedDict[tuple[str, str], HistoryScene] = OrderedDict()
        self.alone = Alone()
        self.away: Callable[[Order], Generator[Made, None, Clip]] | None = None  # has an order made by a worker
        self.threads: int | None = None  # of the processor, for an order; None for as many as there are

    @property
    def frames_per_second(self) -> float:
        return self.pipeline.frames_per_second

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Width and height of the clips that are offered, what suits the model first."""
        backbone = self.pipeline.backbone
        return backbone.limits.sizes(backbone.native)

    @property
    def device(self) -> str:
        """Where it renders: "cpu", "cuda:0"."""
        return str(self.pipeline.transformer.device)

    @property
    def speed(self) -> Any:
        return getattr(self.pipeline, "speed", "exact")

    def can_stream(self, num_frames: int) -> bool:
        """Whether a scene of that length can be made window after window."""
        return self.pipeline.backbone.limits.streams(num_frames)

    def streams(self, scene: Scene) -> bool:
        """Whether it is made window after window."""
        return scene.streamed and self.can_stream(scene.num_frames)

    def check_model(self, conditioning: Conditioning) -> None:
        """Raises ThroughlineError if what is to be made is another model's."""
        if self.encodings.model != conditioning.model:
            raise ThroughlineError("another model was chosen just now: render the scene again")

    def render(
        self, board: Board, scene: Scene, decided: Decided, seed: int, trial: Trial | None = None
    ) -> Generator[Made, None, Clip]:
        """Yields the steps and returns the clip. `decided` says what of the past enters."""
        order = self.order(board, scene, decided, seed, trial or Trial())
        return (yield from self.away(order) if self.away else self.make(order))

    def make(self, order: Order) -> Generator[Made, None, Clip]:
        """Yields the steps of an order and returns its clip, made by this process, which makes one thing at a time."""
        return (yield from self.alone(self._made(order)))

    def _made(self, order: Order) -> Generator[Made, None, Clip]:
        from pipeline.story_pipeline import Clip

        with threads(order.threads):
            made_from = material(order, self.media, self._encode)
            rate = self.pipeline.frames_per_second
            return (yield from told(self._generate(*made_from), rate, Clip, lasting(order, rate)))

    def order(self, board: Board, scene: Scene, decided: Decided, seed: int, trial: Trial) -> Order:
        """What `render` makes a clip from."""
        from pipeline.guidance import Guidance

        keep_castings(self.media, Past.of(board, scene.id).drawn)
        first, last = self._known(board, decided.conditioning)
        return Order(
            decided.conditioning.model,
            self.speed,
            Guidance(**scene.guidance.model_dump() | trial.weights()),
            decided.about_keyframes(),
            settings_of(board, scene, trial) | {"seed": seed} | ({"way": "streamed"} if self.streams(scene) else {}),
            tuple(Remembered(m.prompt, m.keyframe) for _, m in decided.keyframes if m.keyframe),
            keep_known(self.media, first),
            keep_known(self.media, last),
            tuple(WornAdapter(one.file, one.strength) for one in decided.conditioning.adapters),
            self.threads,
        )

    def _known(self, board: Board, made_from: Conditioning) -> Known:
        """With which frames, uint8 (1 or 5, H, W, 3), a scene begins and ends."""
        ends = (made_from.first_picture, made_from.last_picture)
        first, last = (read_end(self.media, picture, board.story) for picture in ends)
        return (first if made_from.beginning is None else self._end_of(board, made_from.beginning)), last

    def _end_of(self, board: Board, wanted: Beginning) -> np.ndarray | None:
        """The last frames of the take that a scene continues, at the model's rate; None if there is no take."""
        take = board.chosen(board.story.scene(wanted.scene))
        if take is None:
            return None
        if (take.width, take.height) != (board.story.width, board.story.height):
            raise ThroughlineError(
                f"the clip to be continued has {take.width} x {take.height} pixels: "
                f"expected the story's {board.story.width} x {board.story.height}"
            )
        return ending(read_frames(self.media, take), take.frames_per_second / self.frames_per_second)

    def _generate_here(
        self,
        past: Sequence[HistoryScene],
        guidance: Guidance,
        decision: FilterResult,
        known: Known,
        settings: dict[str, Any],
        taught: Sequence[WornFile],
    ) -> Iterator[Step | Clip]:
        """In a forked process on a ZeroGPU Space: everything that goes in and comes out can be pickled."""
        yield from generate(self.pipeline, past, guidance, decision, known, settings, taught)

    def _taught(self, conditioning: Conditioning) -> list[WornFile]:
        """The adapters that a take is made with."""
        return [(self.media.path(one.file, "safetensors"), one.strength) for one in conditioning.adapters]

    def past(self, decided: Decided) -> tuple[HistoryScene, ...]:
        return tuple(self._encode(m.prompt, m.keyframe) for _, m in decided.keyframes if m.keyframe)

    def _encode(self, prompt: str, keyframe: str) -> HistoryScene:
        key = (prompt, keyframe)
        found = self._encoded.pop(key, None)  # several jobs may be at it at once
        if found is None:
            picture = read_picture(self.media.path(keyframe, "png"))
            found = self.encodings.read(prompt, keyframe, picture) or self._encode_anew(prompt, keyframe, picture)
        self._encoded[key] = found
        while len(self._encoded) > KEPT_ENCODINGS:
            self._encoded.popitem(last=False)
        return found

    def _encode_anew(self, prompt: str, keyframe: str, picture: np.ndarray) -> HistoryScene:
        scene = self.pipeline.encode_scene(prompt, picture[None])
        self.encodings.keep(scene, keyframe)
        return scene

    def tried(self, decided: Decided, clip: Clip, score: Callable[..., Scores]) -> dict[str, Any]:
        """What a trial shows: its files and, by `Meter.scores`, its scores. decided: what the scene would remember,
        whatever the trial remembered; the consistency is with all of that."""
        decision = decided.about_keyframes()
        scores = score(clip.frames, decision.prompt, decision, self.past(decided))
        files = keep_frames(self.media, clip.frames, self.pipeline.frames_per_second)
        return {"scores": scores, **files}

    # --- edits -----------------------------------------------------------------------------------------------------

    def edited(self, take: Take, edit: RegionEdit) -> Generator[Made, None, Take]:
        """Yields the steps of an edit of a take and returns the take that came of it."""
        from pipeline.editing.editor import Edited

        assert take.conditioning is not None, "it was asked before whether the take was generated"
        memories = [m for m in take.conditioning.memories if m.keyframe and self.media.holds((m.keyframe, "png"))]
        past = tuple(self._encode(m.prompt, m.keyframe) for m in memories if m.keyframe)
        began, taught = time.perf_counter(), self._taught(take.conditioning)
        noise = made_of(take, self.pipeline.native.num_frames)
        items = self._edit(read_frames(self.media, take), prompt_of(take.conditioning), edit, past, taught, noise)
        made: Edited = yield from self.alone(told(items, self.pipeline.frames_per_second, Edited))
        return self._keep_edited(take, made, edit, time.perf_counter() - began)

    def _edit_here(
        self,
        frames: np.ndarray,
        prompt: str,
        edit: RegionEdit,
        past: Sequence[HistoryScene],
        taught: Sequence[WornFile],
        noise: Noise | None,
    ) -> Iterator[Step | Edited]:
        from pipeline.editing.editor import EditSettings, Making
        from pipeline.editing.editor import edit as run

        with wearing(self.pipeline, taught):
            changes = changes_of(self.pipeline, frames, prompt, edit.regions)
            making = Making(*noise) if noise and not edit.seed else None  # other seeds ask for other noise
            settings = EditSettings.for_model(self.pipeline.backbone.name, edit.seed, making)
            yield from run(self.pipeline, frames, prompt, changes, settings, past)

    def _keep_edited(self, take: Take, edited: Edited, edit: RegionEdit, seconds: float) -> Take:
        """Writes the files of an edited take. What it remembered and looked at is what the take before it did."""
        assert take.conditioning is not None
        files = keep_frames(self.media, edited.frames, take.frames_per_second)
        now = take.conditioning.model_copy(update={"edits": (*take.conditioning.edits, edit)})
        made = {"render_seconds": round(seconds, 3), "created": time.time(), "note": edit.words[:200]}
        return take.model_copy(update={"id": new_id(), **files, "conditioning": now, **made})

    # --- takes -----------------------------------------------------------------------------------------------------

    def keep(self, scene: Scene, clip: Clip, decided: Decided, seed: int, seconds: float) -> Take:
        """Writes the files of a clip."""
        conditioning, ids = decided.conditioning, [memory.scene for _, memory in decided.keyframes]
        trace = self.media.put(
            json.dumps({"version": TRACE_VERSION, **trace_content(clip.trace, ids)}).encode(), "json"
        )
        files = keep_frames(self.media, clip.frames, self.pipeline.frames_per_second)
        made_from: dict[str, Any] = {"seed": seed, "steps": scene.steps, "streamed": self.streams(scene)}
        made_from |= {"conditioning": conditioning, "trace": trace}
        made = {"speed": self.speed, "render_seconds": round(seconds, 3), "created": time.time()}
        return Take(id=new_id(), scene=scene.id, **files, **made_from, **made)


def keep_castings(media: BlobStore, found: Iterable[Anchor]) -> None:
    """Writes the pictures of castings, which are worked out and lie in no file before somebody is to see them."""
    for anchor in found:
        if anchor.drawn and not media.holds((anchor.keyframe, "png")):
            media.put(anchor.drawn.png, "png")


def changes_of(
    pipeline: StoryPipeline, frames: np.ndarray, prompt: str, regions: Sequence[RegionWords]
) -> list[Change]:
    """What an edit changes of a clip, uint8 (F, H, W, 3). Raises ThroughlineError for a word that its prompt does not
    have."""
    from pipeline.editing.editor import Change
    from pipeline.editing.region import Region

    places = [_place(prompt, asked) for asked in regions]
    pairs = list(zip(regions, places, strict=True))
    found = [None if asked.rest else _region(pipeline, frames, prompt, asked, place) for asked, place in pairs]
    own = [region for region in found if region]
    rest = _rest(pipeline, frames, own) if len(own) < len(found) else None
    changes = []
    for region, (asked, place) in zip(found, pairs, strict=True):
        shown = region or rest
        assert shown is not None, "the rest was worked out"
        changes.append(Change(shown, asked.words, place, asked.strength))
    kept = Region.everything(rest.mask.shape).without([rest]) if rest else None
    return changes if kept is None or kept.is_empty else [*changes, Change(kept, "")]


def _place(prompt: str, asked: RegionWords) -> tuple[int, int] | None:
    """Where the word of a region stands in a prompt; None for a region without one."""
    if not asked.word:
        return None
    found = find_word(prompt, WordRef(scene="any", text=asked.word, occurrence=asked.occurrence))
    if found is None:
        raise ThroughlineError(f"word {asked.word!r} is not in {prompt[:80]!r}: expected one that the take shows")
    return found


def check_words(conditioning: Conditioning, edit: RegionEdit) -> None:
    """Raises ThroughlineError for an edit without new words, or of a word that the take does not show."""
    prompt = prompt_of(conditioning)
    for region in edit.regions:
        _place(prompt, region)
    if not any(region.words.strip() for region in edit.regions):
        raise ThroughlineError("no region has new words: expected at least one")


def prompt_of(conditioning: Conditioning) -> str:
    """What a take shows in words: its prompt with the words of its edits. Raises ThroughlineError."""
    if not conditioning.edits:
        return conditioning.prompt
    from pipeline.editing.wording import rewrite  # it loads torch

    prompt = conditioning.prompt
    for edit in conditioning.edits:
        changed = [region for region in edit.regions if region.words]
        prompt = rewrite(prompt, [_place(prompt, r) for r in changed], [r.words for r in changed]).text
    return prompt


def _region(
    pipeline: StoryPipeline, frames: np.ndarray, prompt: str, asked: RegionWords, place: tuple[int, int] | None
) -> Region:
    from pipeline.editing.finding import word_region
    from pipeline.editing.region import Region

    shape = (len(frames), frames.shape[1], frames.shape[2])
    if asked.box:
        found = Region.box(shape, asked.box)
    elif asked.brush:
        found = Region.brush(shape, [(point.x, point.y, point.radius) for point in asked.brush])
    else:
        assert place is not None, "a region without box and brush has a word"
        found = word_region(pipeline, frames, prompt, place)
    return found.upper(asked.upper) if asked.upper < 1 else found


def _rest(pipeline: StoryPipeline, frames: np.ndarray, others: Sequence[Region]) -> Region:
    from pipeline.editing.finding import people
    from pipeline.editing.region import Region

    return Region.everything((len(frames), *frames.shape[1:3])).without([*people(pipeline, frames), *others])


def settings_of(board: Board, scene: Scene, trial: Trial) -> dict[str, Any]:
    """What `StoryPipeline.generate` is given, but for the seed."""
    return {
        "height": board.story.height,
        "width": board.story.width,
        "num_frames": scene.num_frames,
        "steps": trial.steps or scene.steps,
        "negative_prompt": scene.negative_prompt,
    }
