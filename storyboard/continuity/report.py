"""What the continuity meter says about a story: which mentions recur, how alike they look, and what to look at again.

Which mentions of two scenes speak of the same thing is what the text filter says about them, the user's pins and mutes
included; actions are left out, for they have no looks of their own. Nothing is measured here: see `meter`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pipeline.continuity.facts import differences, shows, word_for
from pipeline.continuity.measurement import (
    CHANGED,
    PRESENT,
    Calibration,
    Measurement,
    held,
    motion_score,
    presence,
    prompt_score,
    similarity,
)
from pipeline.continuity.photometry import OutOfLine, out_of_line
from pipeline.errors import TooLongError
from pipeline.language.matching import mention_text
from pipeline.language.mentions import analyse
from pipeline.picturebook.said import looks_said

from ..document.conditioning import Filter, past_of, remembers
from ..document.decisions import Decision
from ..document.former import Former
from ..document.story import Board, Scene, Story
from .mentions import mentions_of

# When a warning is given; docs/continuity.md has how often that is a false alarm.
ABSENT, LITTLE_PROMPT, STILL = 0.1, 0.5, 0.34
LIGHT_WORDS = {  # measure -> in words: too low, too high
    "contrast": ("looks washed out", "is harsh"),
    "saturation": ("has pale colours", "has glaring colours"),
    "sharpness": ("is blurred", "is sharper or noisier"),
}


@dataclass(frozen=True)
class Seen:
    """How alike a mention looks to an earlier scene."""

    scene: str
    number: int  # from 1
    similarity: float  # 0 to 1


@dataclass(frozen=True)
class ChangedFact:
    """A fact of a mention that is another one than the first time it was seen. what: in a word, as "hat". of: what else
    had the present one before, with the number of its scene; None if nothing had."""

    what: str
    before: str
    now: str
    of: tuple[str, int] | None = None


@dataclass(frozen=True)
class MentionScore:
    """A mention that recurs, in one scene. first, last: the first and the last time it was seen before; None where it
    was not, or where it is not there. changed: against the first time, what the prompt does not say."""

    text: str
    thread: int  # which of the story's threads it belongs to
    presence: float  # probability that it is there
    present: bool
    first: Seen | None = None
    last: Seen | None = None
    changed: tuple[ChangedFact, ...] = ()


@dataclass(frozen=True)
class SceneScore:
    """held: what the scene keeps up of the past, at most its weakest figure; None if nothing recurs in it before."""

    scene: str
    number: int
    prompt: float | None  # 0 to 1
    motion: float  # mean change from frame to frame, of 255
    moves: float  # 0 for a still, 1 for what moves
    contrast: float
    saturation: float
    sharpness: float
    held: float | None = None
    mentions: tuple[MentionScore, ...] = ()


@dataclass(frozen=True)
class Warned:
    """Something to look at again; words between asterisks are the user's."""

    scene: str
    number: int
    kind: str  # "absent", "changed", "prompt", "still", "contrast", "saturation", "sharpness"
    text: str


@dataclass(frozen=True)
class Thread:
    """A mention through the story, by the words of its first scene."""

    text: str
    scenes: tuple[str, ...]


@dataclass(frozen=True)
class ContinuityReport:
    """scenes: those that are measured, in order. pending: how many are not measured yet."""

    scenes: tuple[SceneScore, ...] = ()
    threads: tuple[Thread, ...] = ()
    warnings: tuple[Warned, ...] = ()
    pending: int = 0
    notes: tuple[str, ...] = ()  # for the user, such as a scene that can't be measured
    encoder: str = "own"


# What recurs

Node = tuple[str, int]  # a scene and the index of a mention of its prompt


@dataclass
class Links:
    """Which mentions of earlier scenes a scene's mentions match, and the threads that they form."""

    past: dict[Node, list[Node]] = field(default_factory=dict)  # in the order of the story
    threads: list[list[Node]] = field(default_factory=list)

    def thread_of(self, node: Node) -> int | None:
        return next((i for i, thread in enumerate(self.threads) if node in thread), None)

    def thread(self, node: Node) -> list[Node]:
        """All that is the same as the node, itself at least."""
        found = self.thread_of(node)
        return [node] if found is None else self.threads[found]


def links_of(story: Story, filter: Filter[Decision]) -> Links:
    """Scenes whose prompts are too long speak of nothing; what the cast outranks is linked too. Raises ThroughlineError
    as the filter does."""
    links, story = Links(), story.model_copy(update={"cast": (), "casting": None})
    for scene in story.scenes:
        if scene.prompt.strip():
            named = {mention.text: (scene.id, mention.index) for mention in reversed(mentions_of(scene.prompt))}
            with suppress(TooLongError):
                for earlier, node in _matches(story, scene, filter, named):
                    links.past.setdefault(node, []).append(earlier)
    for node, before in links.past.items():
        joined = [thread for thread in links.threads if not {node, *before}.isdisjoint(thread)]
        links.threads = [thread for thread in links.threads if thread not in joined]
        links.threads.append(list({*(other for thread in joined for other in thread), *before, node}))
    order = {scene.id: i for i, scene in enumerate(story.scenes)}
    for thread in links.threads:
        thread.sort(key=lambda node: (order[node[0]], node[1]))
    links.threads.sort(key=lambda thread: (order[thread[0][0]], thread[0][1]))
    return links


def _matches(
    story: Story, scene: Scene, filter: Filter[Decision], named: Mapping[str, Node]
) -> Iterator[tuple[Node, Node]]:
    board = Board(story)
    past, result = past_of(board, scene.id), remembers(board, scene.id, filter)
    for before, kept in zip(past, result.scenes, strict=True):
        if isinstance(before, Former):
            continue  # it is no other scene
        looks = {mention.index for mention in mentions_of(before.prompt)}
        pairs = dict.fromkeys((word.mention, word.matched) for word in kept.words if word.kept)
        found = ((m, text) for m, text in pairs if m is not None and m in looks and text is not None and text in named)
        yield from (((before.id, m), named[text]) for m, text in found)


# How it went on


def report(
    story: Story,
    links: Links,
    readings: Mapping[str, Measurement],
    scale: Calibration,
    pending: int = 0,
    notes: tuple[str, ...] = (),
    encoder: str = "own",
) -> ContinuityReport:
    """readings: of the scenes that are measured, by id, a region for every one of `mentions_of` their prompt."""
    numbers = {scene.id: number for number, scene in enumerate(story.scenes, 1)}
    regions = {
        (scene.id, named.index): region
        for scene in story.scenes
        if scene.id in readings
        for named, region in zip(mentions_of(scene.prompt), readings[scene.id].regions, strict=True)
    }
    texts = {(scene.id, named.index): named.text for scene in story.scenes for named in mentions_of(scene.prompt)}
    there = {node: presence(scale, region) for node, region in regions.items()}

    def seen(node: Node, earlier: Node) -> Seen:
        return Seen(earlier[0], numbers[earlier[0]], similarity(scale, regions[earlier], regions[node]))

    def changes(node: Node, earlier: Node, text: str, prompt: str) -> Iterator[ChangedFact]:
        own, said = set(links.thread(node)), looks_said(prompt)
        others = [n for n in regions if numbers[n[0]] < numbers[node[0]] and n not in own and there[n] >= PRESENT]
        for told in differences(regions[earlier].facts, regions[node].facts, text):
            if told.slot not in said:
                had = (n for n in others if shows(regions[n].facts, texts[n], told.slot, told.now))
                of = next(((texts[n], numbers[n[0]]) for n in had), None)
                yield ChangedFact(word_for(told.slot, text), told.before, told.now, of)

    def score(node: Node, text: str, thread: int, prompt: str) -> MentionScore:
        before = [other for other in links.past.get(node, ()) if there.get(other, 0) >= PRESENT]
        present = there[node] >= PRESENT
        if not (before and present):
            return MentionScore(text, thread, there[node], present)
        first, last = (seen(node, before[at]) for at in (0, -1))
        changed = tuple(changes(node, before[0], text, prompt))
        return MentionScore(text, thread, there[node], present, first, last, changed)

    def scene_score(scene: Scene) -> SceneScore:
        reading, scores = readings[scene.id], list[MentionScore]()
        for named in mentions_of(scene.prompt):
            thread = links.thread_of((scene.id, named.index))
            if thread is not None:
                scores.append(score((scene.id, named.index), named.text, thread, scene.prompt))
        return _scored(scene.id, numbers[scene.id], reading, scale, scores, links)

    scenes = tuple(scene_score(scene) for scene in story.scenes if scene.id in readings)
    threads = tuple(_thread(story, nodes) for nodes in links.threads)
    return ContinuityReport(scenes, threads, tuple(_warnings(scenes, readings)), pending, notes, encoder)


def _scored(
    scene: str, number: int, reading: Measurement, scale: Calibration, scores: Sequence[MentionScore], links: Links
) -> SceneScore:
    prompt, moves, light = prompt_score(scale, reading), motion_score(reading), reading.light
    again = [s for s in scores if any(node[0] == scene for node in links.threads[s.thread][1:])]
    counted = [s.first.similarity if s.first else 0.0 for s in again if s.first or not s.present]
    return SceneScore(
        scene=scene,
        number=number,
        prompt=prompt,
        motion=reading.motion,
        moves=moves,
        contrast=light.contrast,
        saturation=light.saturation,
        sharpness=light.sharpness,
        held=held(counted, prompt, moves),
        mentions=tuple(scores),
    )


def _thread(story: Story, nodes: Sequence[Node]) -> Thread:
    scene, index = nodes[0]
    text = mention_text(analyse(story.scene(scene).prompt), index)
    return Thread(text, tuple(dict.fromkeys(scene for scene, _ in nodes)))


# What to look at again


def _warnings(scenes: Sequence[SceneScore], readings: Mapping[str, Measurement]) -> Iterator[Warned]:
    light = list(out_of_line([readings[scene.scene].light for scene in scenes]))
    for place, scene in enumerate(scenes):
        told = [*_of_mentions(scene), *_of_clip(scene)]
        told += [(each.measure, _in_words(each, scenes)) for each in light if each.scene == place]
        yield from (Warned(scene.scene, scene.number, kind, text) for kind, text in told)


def _of_mentions(scene: SceneScore) -> Iterator[tuple[str, str]]:
    for mention in scene.mentions:
        if mention.presence < ABSENT:
            yield "absent", f"*{mention.text}* is not to be seen"
        elif mention.first and (mention.changed or mention.first.similarity < CHANGED):
            told = f"*{mention.text}* looks other than in scene {mention.first.number}"
            yield "changed", told + (f": {changes_in_words(mention)}" if mention.changed else "")


def changes_in_words(mention: MentionScore) -> str:
    """ "hat green, was yellow (as *the robot* in scene 2)"; "" if nothing is known to have changed."""
    told = []
    for each in mention.changed:
        told.append(
            f"{each.what} {each.now}, was {each.before}"
            + (f" (as *{each.of[0]}* in scene {each.of[1]})" if each.of else "")
        )
    return "; ".join(told)


def _of_clip(scene: SceneScore) -> Iterator[tuple[str, str]]:
    if scene.moves < STILL:
        yield "still", "nothing moves"
    if scene.prompt is not None and scene.prompt < LITTLE_PROMPT:
        yield "prompt", "shows little of its prompt"


def _in_words(told: OutOfLine, scenes: Sequence[SceneScore]) -> str:
    if told.drift:
        way = "falls" if told.ratio < 1 else "rises"
        return f"{told.measure} {way} along the story, to {told.ratio:.0%} of what it was in scene {scenes[0].number}"
    low, high = LIGHT_WORDS[told.measure]
    return f"{low if told.ratio < 1 else high}: {told.measure} is {told.ratio:.0%} of the usual"
