"""What a scene is made from: its past, what the filter decides about that, and the values that its digest covers.

Imports neither torch nor gradio: the filter is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol, TypeVar

from pipeline.defaults import FOLLOWED
from pipeline.language.mentions import is_content

from .cast.anchoring import Anchor, anchors, outranked, strays, taught_in
from .cast.castings import Castings, casts
from .cast.entries import WornAdapter
from .decisions import Decision, KeptWord, Remembered, WordPlace
from .former import Former
from .occurrences import occurrences
from .story import Beginning, Board, Conditioning, RememberedScene, Scene, Story, WordRef

PastScene = Scene | Former | Anchor
_ALL_FIELDS = set(RememberedScene.model_fields)


class Part:
    """What is kept of a past prompt, for all scenes that keep as much of it. It holds on to the last value that was
    made of it, so that an edit makes none again but its own."""

    __slots__ = ("__weakref__", "_memory", "spans")

    def __init__(self, spans: tuple[tuple[int, int], ...]) -> None:
        self.spans = spans
        self._memory: RememberedScene | None = None

    def memory(self, scene: PastScene, keyframe: str | None) -> RememberedScene:
        """scene: with the prompt that this is a part of."""
        made = self._memory
        if made is None or made.scene != scene.id or made.keyframe != keyframe:
            made = RememberedScene.model_construct(  # of values that were checked: it copies none of them
                _ALL_FIELDS,
                scene=scene.id,
                prompt=scene.prompt,
                kept=self.spans,
                keyframe=keyframe,
            )
            self._memory = made
        return made


class Kept:
    """A `Remembered` of kept words alone, and the words of the present prompt that they match."""

    __slots__ = ("current", "kept", "part", "words")

    def __init__(self, words: Sequence[KeptWord], current: Sequence[KeptWord], part: Part | None = None) -> None:
        """part: that of these words, if it is there already."""
        self.words, self.current, self.kept = words, current, bool(words)
        self.part = part or Part(spans_of(words))

    def without(self, mentions: Collection[int]) -> Kept:
        """Some mentions fewer; the words of the present prompt stay."""
        return Kept(tuple(word for word in self.words if word.mention not in mentions), self.current)


D = TypeVar("D", bound=Decision, covariant=True)


class Filter(Protocol[D]):
    """`pipeline.text_filter.TextFilter`, or something that decides the same."""

    def __call__(
        self,
        past_prompts: Sequence[str],
        prompt: str,
        *,
        threshold: float | None,
        pins: Sequence[WordPlace],
        mutes: Sequence[WordPlace],
        muted_scenes: Sequence[int],
        former: int | None = None,
    ) -> D: ...


@dataclass
class Past:
    """The scenes before one that have words, in order, and the pictures by which they are remembered."""

    scenes: list[PastScene] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    keyframes: list[str | None] = field(default_factory=list)
    castings: Castings = field(default_factory=Castings)

    def unseen(self, story: Story, scene: Scene) -> list[Former | Anchor]:
        """What the film does not show of the past of the next scene: its former take, castings, the cast."""
        return [*formers(story, scene), *self.castings.of(story, scene), *anchors(story, scene)]

    def and_more(self, found: Sequence[Former | Anchor]) -> Past:
        """With what the film does not show at the end."""
        if not found:
            return self
        prompts, keyframes = [other.prompt for other in found], [other.keyframe for other in found]
        return Past([*self.scenes, *found], [*self.prompts, *prompts], [*self.keyframes, *keyframes])

    @property
    def drawn(self) -> list[Anchor]:
        """The castings among them."""
        return [other for other in self.scenes if isinstance(other, Anchor) and other.drawn]

    def add(self, board: Board, scene: Scene) -> None:
        """The next scene of the story."""
        if scene.prompt.strip():
            self.scenes.append(scene)
            self.prompts.append(scene.prompt)
            self.keyframes.append(board.keyframe(scene))
            self.castings.pass_by(board, scene)

    @classmethod
    def of(cls, board: Board, scene_id: str) -> Past:
        """That of one scene, with what the film does not show."""
        past = cls()
        for scene in board.story.scenes[: board.story.index(scene_id)]:
            past.add(board, scene)
        return past.and_more(past.unseen(board.story, board.story.scene(scene_id)))


def formers(story: Story, scene: Scene) -> list[Former]:
    """Its former take, if the scene keeps the rest of it; else the picture with which it begins, where castings would
    be remembered: what a first frame alone shows is lost over a clip (docs/cast.md#a-picture-of-your-own)."""
    keep, first = scene.keep, scene.first_picture
    if not scene.prompt.strip():
        return []
    if keep and keep.kept_for(scene.prompt):
        return [Former(scene.id, keep.prompt, keep.keyframe)]
    continues = scene.seam.kind == "continue" and story.index(scene.id) > 0
    begins = first is not None and not continues and casts(story)
    return [Former(scene.id, scene.prompt, first.file, True)] if begins and first else []


def past_of(board: Board, scene_id: str) -> list[PastScene]:
    """The scenes before one that have words, in order, then its former take, castings and its cast."""
    return Past.of(board, scene_id).scenes


def remembers(board: Board, scene_id: str, filter: Filter[D], threshold: float | None = None) -> D:
    """What the filter says about a scene's past, a FilterResult over `past_of`. `threshold` instead of the scene's."""
    scene = board.story.scene(scene_id)
    changed = scene if threshold is None else scene.model_copy(update={"threshold": threshold})
    return decide(changed, past_of(board, scene_id), filter)


def decide(scene: Scene, past: Sequence[PastScene], filter: Filter[D], prompts: Sequence[str] | None = None) -> D:
    """What the filter says about a scene. prompts: those of the past scenes, if they are at hand. Entries of the cast
    that it keeps outrank earlier scenes, see `anchoring`."""
    pins, mutes, muted_scenes = list[WordPlace](), list[WordPlace](), list[int]()
    if scene.pins or scene.mutes or scene.muted_scenes:
        index = {other.id: place for place, other in enumerate(past)}
        pins, mutes = (list(_places(words, past, index)) for words in (scene.pins, scene.mutes))
        muted_scenes = [index[other] for other in scene.muted_scenes if other in index]
    asked = [other.prompt for other in past] if prompts is None else prompts
    has_own = scene.keep or scene.first_picture
    own = [place for place, other in enumerate(past) if isinstance(other, Former)] if has_own else []
    former = {"former": own[0]} if own else {}

    def ask(muted: Sequence[WordPlace]) -> D:
        settings: dict[str, Any] = {"threshold": scene.threshold, "muted_scenes": muted_scenes, **former}
        return filter(asked, scene.prompt, pins=pins, mutes=muted, **settings)

    found = [other for other in past if isinstance(other, Anchor) and not other.drawn]
    decision = ask(mutes)
    if not found:
        return decision
    others = [WordPlace(*place) for place in strays(found, decision, len(past) - len(found))]
    if others:
        decision = ask([*mutes, *others])
    dropped = outranked(past, found, decision, pins)
    return decision.without(dropped) if dropped else decision


def places(words: Sequence[WordRef], past: Sequence[PastScene]) -> Iterator[WordPlace]:
    """Where the words are now; those that are nowhere any more, or that nothing is remembered of, are left out."""
    return _places(words, past, {scene.id: place for place, scene in enumerate(past)})


def _places(words: Sequence[WordRef], past: Sequence[PastScene], index: Mapping[str, int]) -> Iterator[WordPlace]:
    for word in words:
        if word.scene in index:
            prompt = past[index[word.scene]].prompt
            place = find_word(prompt, word)
            if place and is_content(prompt, *place):
                yield WordPlace(index[word.scene], *place)


def find_word(prompt: str, word: WordRef) -> tuple[int, int] | None:
    """Characters of a prompt where a word stands, or None. The *cat* of a caterpillar is none."""
    start = next(islice(occurrences(prompt, word.text), word.occurrence, None), None)
    return None if start is None else (start, start + len(word.text))


def word_ref(scene: PastScene, start: int, end: int) -> WordRef:
    """The reference to characters `start` to `end` of a scene's prompt: to whole words."""
    text = scene.prompt[start:end]
    before = [place for place in occurrences(scene.prompt, text) if place < start]
    return WordRef(scene=scene.id, text=text, occurrence=len(before))


def beginning_of(board: Board, scene: Scene) -> Beginning | None:
    """The end of which clip a scene begins with; None for one that does not continue the scene before it."""
    if scene.seam.kind != "continue" or not (index := board.story.index(scene.id)):
        return None
    before = board.story.scenes[index - 1]
    take = board.chosen(before)
    return Beginning(scene=before.id, clip=take.clip if take else None)


def conditioning_of(
    board: Board, scene_id: str, decision: Decision, model: str, continuation: str | None = None
) -> Conditioning:
    """What decides a scene's picture at present. decision: what it `remembers`; model: digest of the weights;
    continuation: of those for known frames (`checkpoints.continuation_digest`)."""
    scene, past = board.story.scene(scene_id), Past.of(board, scene_id)
    return conditioned(board.story, scene, past, decision, model, beginning_of(board, scene), continuation)


def conditioned(
    story: Story,
    scene: Scene,
    past: Past,
    decision: Decision,
    model: str,
    beginning: Beginning | None,
    continuation: str | None = None,
) -> Conditioning:
    """The same, with the scene's past at hand, of which a scene whose history guidance is 0 is made from nothing."""
    first = scene.first_picture.file if scene.first_picture and beginning is None else None
    last = scene.last_picture.file if scene.last_picture else None
    memories = tuple(
        _memory(other, found, keyframe)
        for other, found, keyframe in zip(past.scenes, decision.scenes, past.keyframes, strict=True)
        if found.kept and scene.guidance.history
    )
    return Conditioning(
        model=model,
        prompt=scene.prompt,
        negative_prompt=scene.negative_prompt,
        guidance=scene.guidance,
        width=story.width,
        height=story.height,
        num_frames=scene.num_frames,
        rows=spans_of(decision.current) if memories else (),
        memories=memories,
        beginning=beginning,
        adapters=tuple(_worn(story, scene, model)),
        first_picture=first,
        last_picture=last,
        continuation=continuation if beginning or first or last else None,
    )


def changed_beginning(old: Conditioning, new: Conditioning, named: Callable[[str], str]) -> Iterator[str]:
    """What is different about the take with whose end a scene begins, and about how clips go on, in words. named: a
    scene, by its id."""
    was, now = old.beginning, new.beginning
    if now is None and was is not None:
        yield f"no longer continues {named(was.scene)}"
    elif now is not None and (was is None or was.scene != now.scene):
        yield f"now continues {named(now.scene)}"
    elif now is not None and was is not None and was.clip != now.clip:
        yield f"continues {named(now.scene)}, which changed"
    if (now or new.pictures) and (was or old.pictures) and old.continuation != new.continuation:
        yield "the model for clips that go on changed"


def changed_own(old: Conditioning, new: Conditioning, scene: str) -> Iterator[str]:
    """What is different about what a scene, by its id, remembers of itself, in words: of a former take, or of the
    picture with which it begins."""
    was, now = (next((one for one in made.memories if one.scene == scene), None) for made in (old, new))
    begun, begins = (is_first_picture(one, made) for one, made in ((was, old), (now, new)))
    if not begun and not begins:
        yield from _changed_keep(was, now)
    elif was and now and begun and begins:
        if was.words != now.words and old.prompt == new.prompt:
            yield f"remembers {marked(now.words)} of its first picture"
    else:
        yield from _changed_keep(None if begun else was, None if begins else now)
        if old.first_picture == new.first_picture:
            yield "now remembers its first picture" if begins else "no longer remembers its first picture"


def is_first_picture(memory: RememberedScene | None, made: Conditioning) -> bool:
    """Whether what a take remembers of its own scene is the picture with which it begins, and no former take."""
    return memory is not None and memory.keyframe == made.first_picture and memory.prompt == made.prompt


def _changed_keep(was: RememberedScene | None, now: RememberedScene | None) -> Iterator[str]:
    if now is None or was is None:
        if was is not now:
            yield "no longer keeps the rest of its former take" if now is None else "keeps the rest of its former take"
    elif (was.keyframe, was.prompt) != (now.keyframe, now.prompt):
        yield "keeps the rest of another take"
    elif was.words != now.words:
        yield f"keeps {marked(now.words)} of its former take"


def marked(words: Sequence[str]) -> str:
    """Words of a prompt in a sentence."""
    return ", ".join(f"*{word}*" for word in words)


def changed_pictures(old: Conditioning, new: Conditioning) -> Iterator[str]:
    """What is different about the pictures with which a scene begins and ends, in words."""
    for name, verb in (("first", "begins"), ("last", "ends")):
        was, now = (getattr(made, f"{name}_picture") for made in (old, new))
        if was and now and was != now:
            yield f"its {name} picture changed"
        elif was != now:
            yield f"{'now' if now else 'no longer'} {verb} with a picture"


def _worn(story: Story, scene: Scene, model: str) -> Iterator[WornAdapter]:
    for entry, taught in taught_in(story, scene, model):
        yield WornAdapter(entry=entry.id, file=taught.file, strength=taught.strength, followed=FOLLOWED)


def _memory(past: PastScene, found: Remembered, keyframe: str | None) -> RememberedScene:
    if isinstance(found, Kept):
        return found.part.memory(past, keyframe)
    return RememberedScene(scene=past.id, prompt=past.prompt, kept=spans_of(found.words), keyframe=keyframe)


def spans_of(words: Sequence[KeptWord]) -> tuple[tuple[int, int], ...]:
    """Kept words of one mention as one span each."""
    spans: dict[int | None, tuple[int, int]] = {}
    for word in words:
        if word.kept:
            start, _ = spans.get(word.mention, (word.start, word.end))
            spans[word.mention] = (start, word.end)
    return tuple(map(_same, spans.values()))


@lru_cache(maxsize=1 << 14)
def _same(span: tuple[int, int]) -> tuple[int, int]:
    """Equal ones are one object: a long story has millions."""
    return span
