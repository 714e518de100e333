"""The document: a story, its scenes and their takes, as immutable values.

A `Story` is what a user edits, and what undo goes back over. Takes, which rendering adds, are not part of it: they lie
in a collection beside it that only ever grows, so that no undo loses a clip. `Board` is the two together.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from pipeline.defaults import HEIGHT, HISTORY, NUM_FRAMES, STEPS, TEXT, WIDTH
from pipeline.errors import ThroughlineError

from .cast.entries import Cast, CastEntry, Choices, Seeds, WornAdapter, first_twice
from .film import FilmSettings, Seam, Shot, Sound
from .former import FormerTake
from .region_edit import RegionEdit
from .script import Script
from .values import (
    CASTING,
    MOST_CHARACTERS,
    MOST_SEEDS,
    Digest,
    Flag,
    Id,
    Many,
    Number,
    Seed,
    Text,
    Value,
    Whole,
    canonical,
    left_out,
    new_id,
    parse,
)

__all__ = [  # also what others take from here: the document is one thing to them
    "MOST_CHARACTERS", "MOST_SCENES", "MOST_SEEDS", "Board", "Conditioning", "Digest", "FilmSettings",
    "GuidanceSettings", "KeyframeChoice", "RememberedScene", "Scene", "ScenePicture", "Script", "Seam", "Shot", "Story",
    "Take", "Value", "WordRef", "cache_key", "canonical", "new_id", "parse",
]  # fmt: skip

MOST_FRAMES = 161  # of a scene: 20 seconds at 8 a second
MOST_SCENES = 500
MOST_OF_A_SCENE = {  # by edits and in archives
    "pins": 500,
    "mutes": 500,
    "muted_scenes": MOST_SCENES,
    "keyframes": 500,
    "removed": 5000,
}
TOLD = {"muted_scenes": "muted scenes", "removed": "deleted takes"}  # what errors call them


class GuidanceSettings(Value):
    """`pipeline.guidance.Guidance`, as a scene keeps it."""

    told_as = "guidance"

    text: Number = Field(default=TEXT, ge=0, le=30)  # w1
    history: Number = Field(default=HISTORY, ge=0, le=30)  # w2
    start: Number = Field(default=0.0, ge=0, le=1)  # shares of the steps between which it guides
    end: Number = Field(default=1.0, ge=0, le=1)
    schedule: Literal["constant", "cosine"] = "constant"

    @model_validator(mode="after")
    def _window(self) -> Self:
        if self.start > self.end:
            window = {"start": self.start, "end": self.end}
            raise PydanticCustomError("window", "expected a start before its end, not {start} to {end}", window)
        return self


class WordRef(Value):
    """A word of an earlier scene, wherever that scene moves and whatever else of its prompt changes."""

    scene: Id
    text: str = Field(min_length=1, max_length=200)
    occurrence: Whole = Field(default=0, ge=0, lt=MOST_CHARACTERS)  # 0 for the first one in its prompt


class KeyframeChoice(Value):
    """The frame that stands for a take, where it is not the one that the take came with."""

    take: Id
    index: Whole = Field(ge=0)
    keyframe: Digest


class ScenePicture(Value):
    """A picture with which a scene begins or ends."""

    told_as = "picture"

    file: Digest  # a PNG
    source: str = Field(default="", max_length=200)  # where it is from, in words


class Scene(Value):
    id: Id
    prompt: Text = ""
    negative_prompt: Text = ""
    guidance: GuidanceSettings = GuidanceSettings()
    seed: Seed = 0
    new_seed: Flag = False  # draw another seed for each render
    steps: Whole = Field(default=STEPS, ge=1, le=1000)
    num_frames: Whole = Field(default=NUM_FRAMES, ge=1, le=MOST_FRAMES)  # 4 k + 1
    threshold: Number | None = Field(default=None, ge=0, le=1)  # of the text filter; None for its default
    pins: Many[WordRef] = ()
    mutes: Many[WordRef] = ()
    muted_scenes: Many[Id] = ()
    locked: Flag = False  # never rendered again
    chosen: Id | None = None  # the take that is shown and remembered
    removed: Many[Id] = ()  # takes that were deleted
    keyframes: Many[KeyframeChoice] = ()
    seam: Seam = Seam()
    shot: Shot = Shot()
    script: Script = Script()
    cast_choices: Choices = ()
    keep: FormerTake | None = None  # what it showed before its words were edited
    first_picture: ScenePicture | None = None  # with which it begins; unused while it continues the scene before it
    last_picture: ScenePicture | None = None
    streamed: Flag = False  # a long scene: made window after window, to be watched meanwhile

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As scenes were written before films could be edited, scripts imported and casts and former takes kept, unless
        this one was."""
        content = left_out(plain(self), "shot", self.shot == Shot())
        for name in ("keep", "first_picture", "last_picture"):
            content = left_out(content, name, getattr(self, name) is None)
        content = left_out(content, "streamed", not self.streamed)
        content = left_out(content, "cast_choices", not self.cast_choices)
        return left_out(content, "script", self.script == Script())


class Story(Value):
    id: Id
    title: str = Field(default="Untitled", max_length=200)
    model: str = Field(default="picturebook", min_length=1, max_length=400)
    width: Whole = Field(default=WIDTH, ge=16, le=4096)  # pixels
    height: Whole = Field(default=HEIGHT, ge=16, le=4096)
    captions: Flag = False  # whether the film has captions: prompts, or lines of a scene's own
    film: FilmSettings = FilmSettings()
    scenes: Annotated[tuple[Scene, ...], Field(max_length=MOST_SCENES)] = ()
    cast: Cast = ()
    cast_choices: Choices = ()  # of all scenes that say nothing else
    casting: Seeds | None = None  # None: whom nobody describes is nobody in particular

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = left_out(plain(self), "film", self.film == FilmSettings())
        content = left_out(content, "cast", not self.cast)
        content = left_out(content, "casting", self.casting is None)
        return left_out(content, "cast_choices", not self.cast_choices)

    @model_validator(mode="after")
    def _one_scene_an_id(self) -> Self:
        ids = [scene.id for scene in self.scenes]
        if len(set(ids)) < len(ids):
            twice = next(scene_id for scene_id in ids if ids.count(scene_id) > 1)
            raise PydanticCustomError("ids", "scene '{twice}' is there twice, expected an id each", {"twice": twice})
        return self

    @model_validator(mode="after")
    def _nothing_called_as_castings_are(self) -> Self:
        ids = [*(scene.id for scene in self.scenes), *(entry.id for entry in self.cast)]
        if wrong := next((own for own in ids if own.startswith(CASTING)), None):
            raise PydanticCustomError("ids", "id '{wrong}' is that of a casting, expected another", {"wrong": wrong})
        return self

    @model_validator(mode="after")
    def _one_entry_a_name(self) -> Self:
        twice = first_twice(self.cast)
        if twice is not None:
            told = "two entries of the cast are called '{twice}', expected a name each"
            raise PydanticCustomError("names", told, {"twice": twice})
        return self

    @property
    def sounds(self) -> list[Sound]:
        """Music and voices."""
        found = [self.film.music, *(scene.shot.voice for scene in self.scenes)]
        return [sound for sound in found if sound]

    def scene(self, scene_id: str) -> Scene:
        """Raises ThroughlineError if there is none of that id."""
        return self.scenes[self.index(scene_id)]

    def entry(self, entry_id: str) -> CastEntry:
        """Raises ThroughlineError if the cast has none of that id."""
        found = next((entry for entry in self.cast if entry.id == entry_id), None)
        if found is None:
            raise ThroughlineError(f"cast entry {entry_id!r} does not exist in story {self.id!r}")
        return found

    def has_entry(self, entry_id: str) -> bool:
        return any(entry.id == entry_id for entry in self.cast)

    def index(self, scene_id: str) -> int:
        """The place of a scene, from 0. Raises ThroughlineError if there is none of that id."""
        for index, scene in enumerate(self.scenes):
            if scene.id == scene_id:
                return index
        raise ThroughlineError(f"scene {scene_id!r} does not exist in story {self.id!r}")


class RememberedScene(Value):
    """What a take remembered of one past scene."""

    told_as = "memory"

    scene: Id
    prompt: str
    kept: Many[tuple[int, int]]  # characters of the prompt: its kept mentions, in order
    keyframe: Digest | None  # None: that scene has no take yet

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.prompt[start:end] for start, end in self.kept)


class Beginning(Value):
    """The end of another take, with which one begins."""

    scene: Id
    clip: Digest | None  # None: that scene has no take yet


class Conditioning(Value):
    """Everything that decides what a take shows, but its seed, steps and speed settings."""

    model: str  # digest of the weights
    prompt: str
    negative_prompt: str
    guidance: GuidanceSettings
    width: int
    height: int
    num_frames: int
    rows: Many[tuple[int, int]]  # words of the prompt that something remembered matches
    memories: Many[RememberedScene]  # of contributing scenes alone, in order
    beginning: Beginning | None = None
    edits: Many[RegionEdit] = ()  # what was changed of the clip since it was made, in order
    adapters: Many[WornAdapter] = ()  # of what was taught, in the order of the cast
    first_picture: Digest | None = None  # with which the clip begins
    last_picture: Digest | None = None
    continuation: str | None = None  # digest of the weights for known frames, of a clip with some, where they count

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As it was written, and its digest made, before clips could begin with another's end or with a picture, be
        edited or show what was taught, unless this one does or was."""
        content = left_out(plain(self), "adapters", not self.adapters)
        for name in ("first_picture", "last_picture", "continuation"):
            content = left_out(content, name, content.get(name) is None)
        return left_out(left_out(content, "beginning", self.beginning is None), "edits", not self.edits)

    @property
    def pictures(self) -> tuple[Digest, ...]:
        """With which the clip begins and ends."""
        return tuple(picture for picture in (self.first_picture, self.last_picture) if picture)

    @property
    def unedited(self) -> Conditioning:
        """What the clip was made from before anything of it was edited."""
        return self.model_copy(update={"edits": ()}) if self.edits else self

    def digest(self) -> str:
        """SHA-256 over canonical JSON. Which scene a memory or a beginning, and which entry an adapter comes from does
        not count, only what it is; nor does the history weight of a scene that remembers nothing."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        """Every view of a story asks for that of every take."""
        content = self.model_dump(mode="json")
        for memory in (*content["memories"], *([content["beginning"]] if self.beginning else [])):
            del memory["scene"]
        for adapter in content.get("adapters", ()):
            del adapter["entry"]
        if not self.memories:
            del content["guidance"]["history"]
        return hashlib.sha256(canonical(content)).hexdigest()

    def __copy__(self) -> Self:
        """`model_copy` makes it another value, of another digest."""
        made = super().__copy__()
        made.__dict__.pop("_digest", None)
        return made


class Take(Value):
    """A clip of a scene and how it came about. Files are named by their digests."""

    id: Id
    scene: Id
    source: Literal["generated", "imported"] = "generated"
    clip: Digest  # H.264, plays in a browser
    preview: Digest  # moving, small
    keyframe: Digest
    keyframe_index: int = Field(ge=0)
    num_frames: int = Field(ge=1)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    frames_per_second: float = Field(gt=0)
    seed: Seed | None = None  # these are None for a clip of the user's own
    steps: int | None = None
    speed: Literal["exact", "fast"] = "exact"  # see `pipeline.blocks.block_cache`
    streamed: bool = False  # made window after window
    conditioning: Conditioning | None = None
    trace: Digest | None = None
    note: str = Field(default="", max_length=200)  # what it was a trial of
    render_seconds: float = Field(default=0.0, ge=0)
    created: float = Field(default=0.0, ge=0)  # seconds since 1970
    sound: Digest | None = None  # AAC, from the first frame to the last; None for a silent clip

    @model_serializer(mode="wrap")
    def _without_what_is_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Takes without a sound, and those made at once, are written as they were before there were others."""
        return left_out(left_out(plain(self), "sound", self.sound is None), "streamed", not self.streamed)

    @cached_property
    def own_memory(self) -> RememberedScene | None:
        """What it remembers of a former take of its own scene. Every view of a story asks for that of every take."""
        memories = self.conditioning.memories if self.conditioning else ()
        return next((memory for memory in memories if memory.scene == self.scene and memory.keyframe), None)

    def __copy__(self) -> Self:
        """`model_copy` makes it another value."""
        made = super().__copy__()
        made.__dict__.pop("own_memory", None)
        return made

    def key(self) -> str:
        """What makes the very same clip again: conditioning, seed, steps, speed, way; '' for a clip of one's own."""
        if self.conditioning is None:
            return ""
        return cache_key(self.conditioning, self.seed or 0, self.steps or 0, self.speed, self.streamed)


@dataclass(frozen=True, eq=False)
class Board:
    """A story and the takes that were ever made of its scenes, by id, oldest first.

    The takes of one board never change: another take makes another board.
    """

    story: Story
    takes: Mapping[str, Take] = field(default_factory=dict)

    @cached_property
    def _by_scene(self) -> dict[str, list[Take]]:
        found: dict[str, list[Take]] = {}
        for take in self.takes.values():
            found.setdefault(take.scene, []).append(take)
        return found

    def takes_of(self, scene_id: str) -> tuple[Take, ...]:
        """The takes of a scene that were not deleted, oldest first."""
        removed = self.story.scene(scene_id).removed
        return tuple(take for take in self._by_scene.get(scene_id, ()) if take.id not in removed)

    @cached_property
    def made_first(self) -> dict[tuple[str, str], str]:
        """By prompt and keyframe, the first take of these, deleted ones included."""
        found: dict[tuple[str, str], str] = {}
        for take in self.takes.values():
            if take.conditioning:
                found.setdefault((take.conditioning.prompt, take.keyframe), take.id)
        return found

    def chosen(self, scene: Scene) -> Take | None:
        return self.takes.get(scene.chosen) if scene.chosen else None

    def keyframe(self, scene: Scene) -> str | None:
        """Digest of the picture that later scenes remember a scene by."""
        take = self.chosen(scene)
        if take is None:
            return None
        own = next((choice for choice in scene.keyframes if choice.take == take.id), None)
        return own.keyframe if own else take.keyframe


def cache_key(c: Conditioning, seed: int, steps: int, speed: str = "exact", streamed: bool = False) -> str:
    """SHA-256 of everything that decides a clip, bit for bit on one machine."""
    unusual = [*([] if speed == "exact" else [speed]), *(["streamed"] if streamed else [])]
    return hashlib.sha256(canonical([c.digest(), seed, steps, *unusual])).hexdigest()
