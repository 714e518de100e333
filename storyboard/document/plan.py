"""What depends on what: which scenes are stale and why, and what a render would do.

A scene depends on an earlier one exactly if it keeps something of it (docs/method.md: exactness), so all of this
follows from what the text filter says about the prompts.

Imports neither torch nor gradio: the filter is given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from pipeline.errors import ThroughlineError

from . import edits
from .cast.anchoring import Anchor, changed_adapters
from .cast.castings import is_casting
from .conditioning import (
    Filter,
    Past,
    beginning_of,
    changed_beginning,
    changed_own,
    changed_pictures,
    conditioned,
    decide,
    marked,
)
from .decisions import Decision
from .story import Board, Conditioning, RememberedScene, Scene, Story

State = Literal["blank", "new", "fresh", "stale", "waiting"]


@dataclass(frozen=True)
class Standing:
    """How a scene stands. blank: no prompt yet, or one that can't be rendered, with the reason; new: no take yet;
    fresh: its take is what a render would give, but for chance; stale: it is not; waiting: a scene that it needs is
    new, stale or waiting."""

    state: State
    reasons: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # ids of the scenes of which it keeps something, in order
    waits_for: tuple[str, ...] = ()  # those of them that are not fresh
    conditioning: Conditioning | None = None  # None while blank, and for a clip of the user's own
    cast: tuple[Anchor, ...] = ()  # the entries that it remembers, each by one of its pictures


@dataclass(frozen=True)
class PlanStep:
    scene: str
    number: int  # from 1
    reasons: tuple[str, ...]
    seconds: float | None  # an estimate


@dataclass(frozen=True)
class Plan:
    """Scenes to render, in order."""

    steps: tuple[PlanStep, ...] = ()
    blocked: tuple[str, ...] = ()  # in words: what was asked for and can't be done

    @property
    def seconds(self) -> float | None:
        """The estimate for all of it, None as long as nothing is known."""
        known = [step.seconds for step in self.steps if step.seconds is not None]
        return sum(known) if len(known) == len(self.steps) else None


# --- how scenes stand ------------------------------------------------------------------------------------------------


SCENE_BYTES, MEMORY_BYTES = 8000, 8  # of how a scene stands, with what it was made of; of a memory that others share
Check = Callable[[Scene], None]  # raises ThroughlineError for a scene that the model can't take


@dataclass(frozen=True)
class Assessed:
    """How the scenes of a board stood, as far as an edit leaves it as it was."""

    board: Board
    model: str
    standings: Mapping[str, Standing]

    def bytes(self) -> int:
        """About how much memory it takes."""
        memories = sum(len(now.conditioning.memories) for now in self.standings.values() if now.conditioning)
        return len(self.standings) * SCENE_BYTES + memories * MEMORY_BYTES

    def same_until(self, board: Board, model: str) -> int:
        """How many scenes from the first on are made from what they were made from then."""
        then, now = self.board.story, board.story
        if (self.model, then.width, then.height) != (model, now.width, now.height):
            return 0
        if (then.cast, then.cast_choices, then.casting) != (now.cast, now.cast_choices, now.casting):
            return 0
        pairs = enumerate(zip(then.scenes, now.scenes, strict=False))
        least = min(len(then.scenes), len(now.scenes))
        return next((k for k, (a, b) in pairs if a != b or self.board.chosen(a) is not board.chosen(b)), least)


def standings(
    board: Board,
    filter: Filter[Decision],
    model: str,
    check: Check = lambda scene: None,
    before: Assessed | None = None,
    continuation: str | None = None,
) -> dict[str, Standing]:
    """How every scene stands, by id, in order. One that fails the check stops itself alone.

    before: what the same filter and check said of an earlier state of the board, where that is known: the scenes before
    the first that changed since are not gone through again. continuation: see `conditioning_of`.
    """
    walk, found = _Walk(board, filter, model, continuation), dict[str, Standing]()
    same = before.same_until(board, model) if before else 0
    for number, scene in enumerate(board.story.scenes):
        known = before.standings[scene.id] if before and number < same else None
        if known is None or known.state == "stale":  # the reasons may name scenes that come later
            reason = _why_unfit(scene, check)
            stopped = Standing("fresh" if _is_imported(board, scene) else "blank", (reason,))
            known = stopped if reason else walk.standing(scene)
        found[scene.id] = known
        walk.pass_by(scene, known)
    return found


def _why_unfit(scene: Scene, check: Check) -> str:
    """In words, such as that the prompt is too long; "" for a scene that the model can take."""
    try:
        check(scene)
    except ThroughlineError as error:
        return str(error)
    return ""


def _is_imported(board: Board, scene: Scene) -> bool:
    take = board.chosen(scene)
    return take is not None and take.source == "imported"


class _Walk:
    """Through the scenes of a board, from the first on."""

    def __init__(self, board: Board, filter: Filter[Decision], model: str, continuation: str | None) -> None:
        self.board, self.filter, self.model, self.continuation = board, filter, model, continuation
        self.past, self.changing = Past(), set[str]()  # the scenes before; those that may get another keyframe
        self.numbers = {scene.id: number for number, scene in enumerate(board.story.scenes, 1)}

    def pass_by(self, scene: Scene, standing: Standing) -> None:
        if _will_change(scene, standing):
            self.changing.add(scene.id)
        self.past.add(self.board, scene)

    def standing(self, scene: Scene) -> Standing:
        """How the next scene stands."""
        if _is_imported(self.board, scene):
            return Standing("fresh")
        if not scene.prompt.strip():
            return Standing("blank")
        unseen = self.past.unseen(self.board.story, scene)
        past = self.past.and_more(unseen)
        try:
            decision = decide(scene, past.scenes, self.filter, past.prompts)
        except ThroughlineError as error:  # such as a prompt that is too long: earlier scenes stand as they do
            return Standing("blank", (self._unread() or str(error),))
        beginning = beginning_of(self.board, scene)
        now = conditioned(self.board.story, scene, past, decision, self.model, beginning, self.continuation)
        remembered = {memory.scene for memory in now.memories}
        shown = tuple(one for one in unseen if isinstance(one, Anchor) and one.id in remembered)
        needs = _needs(now, {scene.id, *(anchor.id for anchor in shown)})
        waits_for = tuple(filter(self.changing.__contains__, needs))
        return self._compared(scene, now, Standing("fresh", (), needs, waits_for, now, shown))

    def _compared(self, scene: Scene, now: Conditioning, standing: Standing) -> Standing:
        """standing: that of a scene whose take is what its words make."""
        take = self.board.chosen(scene)
        if take is None or take.conditioning is None:
            return replace(standing, state="new", reasons=("not rendered yet",))
        made_from = take.conditioning.unedited
        if made_from.digest() != now.digest():
            return replace(standing, state="stale", reasons=why_stale(self.board.story, made_from, now, scene.id))
        if standing.waits_for:
            numbers = ", ".join(str(self.numbers[other]) for other in standing.waits_for)
            return replace(standing, state="waiting", reasons=(f"waits for scene {numbers}",))
        return standing

    def _unread(self) -> str | None:
        """In words: the first past scene that the filter can't read, if there is one."""
        for past in self.past.scenes:
            try:
                self.filter([], past.prompt, threshold=None, pins=[], mutes=[], muted_scenes=[])
            except ThroughlineError:
                return f"the prompt of scene {self.numbers[past.id]} can't be read"
        return None


def _needs(now: Conditioning, others: Collection[str]) -> tuple[str, ...]:
    """The scenes that one is made from, in order: the one that it continues is the last of all that are before it.
    others: by id, what it remembers besides them."""
    remembered = [memory.scene for memory in now.memories if memory.scene not in others]
    continued = [now.beginning.scene] if now.beginning else []
    return tuple(dict.fromkeys(remembered + continued))


def _will_change(scene: Scene, standing: Standing) -> bool:
    """Whether rendering what is stale may give a scene another keyframe."""
    return standing.state in ("new", "stale", "waiting") and not scene.locked


SETTINGS = {
    "model": "model",
    "negative_prompt": "negative prompt",
    "num_frames": "length",
    "width": "width",
    "height": "height",
}
WEIGHTS = {
    "text": "text guidance",
    "history": "history guidance",
    "start": "guidance start",
    "end": "guidance end",
    "schedule": "guidance schedule",
}


def why_stale(story: Story, old: Conditioning, new: Conditioning, scene: str = "") -> tuple[str, ...]:
    """What is different now, in words, at least one reason. Words of prompts stand between asterisks. scene: its id."""
    before, now = ([memory for memory in made.memories if memory.scene != scene] for made in (old, new))
    begun = changed_beginning(old, new, partial(_named, story))
    reasons = [*_changed_settings(old, new), *begun, *changed_own(old, new, scene)]
    reasons += [*_changed_memories(story, before, now), *changed_adapters(story, old, new), *changed_pictures(old, new)]
    return tuple(reasons) or ("the words by which it remembers changed",)


def _changed_settings(old: Conditioning, new: Conditioning) -> Iterator[str]:
    if old.prompt != new.prompt:
        yield f"its prompt changed: {changed_words(old.prompt, new.prompt)}"
    for name, words in SETTINGS.items():
        if getattr(old, name) != getattr(new, name):
            told = name in ("num_frames", "width", "height")
            yield f"{words} {getattr(old, name)} → {getattr(new, name)}" if told else f"{words} changed"
    for name, words in WEIGHTS.items():
        before, now = getattr(old.guidance, name), getattr(new.guidance, name)
        matters = new.memories or (old.memories and not now)  # whether anything remembers by the history weight
        if before != now and (name != "history" or matters):
            yield f"{words} {before} → {now}"


def _changed_memories(story: Story, old: Sequence[RememberedScene], new: Sequence[RememberedScene]) -> Iterator[str]:
    before, now = ({memory.scene: memory for memory in memories} for memories in (old, new))
    for scene, memory in now.items():
        was = before.get(scene)
        fresh = [word for word in memory.words if was is None or word not in was.words]
        if fresh:
            yield f"now also remembers {marked(fresh)} of {_named(story, scene)}"
        kept = [word for word in memory.words if was is not None and word in was.words]
        if was and kept and (was.keyframe != memory.keyframe or was.prompt != memory.prompt):
            yield _changed_memory(story, was, memory, kept)
    for scene, memory in before.items():
        left = now[scene].words if scene in now else ()
        gone = [word for word in memory.words if word not in left]
        if gone:
            yield f"no longer remembers {marked(gone)} of {_named(story, scene)}"
    both = before.keys() & now.keys()
    if [scene for scene in before if scene in both] != [scene for scene in now if scene in both]:
        yield "what it remembers comes in another order"


def _changed_memory(story: Story, was: RememberedScene, memory: RememberedScene, kept: Sequence[str]) -> str:
    if is_casting(memory.scene):
        return f"{marked(kept)} was cast anew"
    if not story.has_entry(memory.scene):
        return f"{marked(kept)} of {_named(story, memory.scene)} changed"
    name = story.entry(memory.scene).name
    return (
        f"the cast picture of *{name}* changed"
        if was.keyframe != memory.keyframe
        else f"what the cast says of *{name}* changed"
    )


def _named(story: Story, scene_id: str) -> str:
    """A scene or, by the id of an entry, the cast."""
    if is_casting(scene_id):
        return "the model's cast"
    if story.has_entry(scene_id):
        return "the cast"
    found = [number for number, scene in enumerate(story.scenes, 1) if scene.id == scene_id]
    return f"scene {found[0]}" if found else "a scene that was deleted"


def changed_words(old: str, new: str) -> str:
    """The words that differ between two prompts, as '*old* → *new*'."""
    a, b = old.split(), new.split()
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    if not a and not b:
        return "spaces"
    return f"*{' '.join(a) or '–'}* → *{' '.join(b) or '–'}*"


# --- what to render --------------------------------------------------------------------------------------------------

Estimate = Callable[[Scene, Story, bool], float | None]  # seconds; the flag: whether it remembers something


def make_plan(
    board: Board,
    found: Mapping[str, Standing],
    wanted: Collection[str] | None = None,
    estimate: Estimate = lambda scene, story, remembers: None,
) -> Plan:
    """The scenes that a render would go through. wanted: ids of scenes to render whatever their state, with those that
    they need and that were never rendered; None for all that are stale, new or waiting. Locked scenes never are.

    A scene that waits for others, stale or not, may come out fresh once they are rendered: it is passed over then.
    Raises ThroughlineError if a wanted scene does not exist.
    """
    chosen = _all_stale(board.story, found) if wanted is None else _with_needs(board.story, found, wanted)
    steps, blocked = [], []
    for number, scene in enumerate(board.story.scenes, 1):
        if scene.id not in chosen:
            continue
        standing = found[scene.id]
        if scene.locked or standing.conditioning is None:
            blocked.append(f"scene {number} {_why_not(scene, standing)}")
            continue
        seconds = estimate(scene, board.story, bool(standing.needs))
        steps.append(PlanStep(scene.id, number, standing.reasons or ("asked for",), seconds))
    return Plan(tuple(steps), tuple(blocked))


def _why_not(scene: Scene, standing: Standing) -> str:
    if scene.locked:
        return "is locked"
    if standing.state == "blank":
        return f"can't be rendered: {standing.reasons[0]}" if standing.reasons else "has no prompt"
    return "shows a clip of your own"


def _all_stale(story: Story, found: Mapping[str, Standing]) -> set[str]:
    """Those too that would be rendered if their words could be read, so that a plan says why they are not."""
    stuck = {scene.id for scene in story.scenes if not scene.locked and _is_unread(found[scene.id])}
    return stuck | {scene.id for scene in story.scenes if _will_change(scene, found[scene.id])}


def _is_unread(standing: Standing) -> bool:
    """Whether the scene has words that can't be rendered."""
    return standing.state == "blank" and bool(standing.reasons)


def _with_needs(story: Story, found: Mapping[str, Standing], wanted: Collection[str]) -> set[str]:
    chosen = {story.scene(scene_id).id for scene_id in wanted}
    unmade = {scene.id for scene in story.scenes if found[scene.id].state == "new" and not scene.locked}
    for scene in reversed(story.scenes):
        if scene.id in chosen:
            chosen |= unmade.intersection(found[scene.id].needs)
    return chosen


def settle(board: Board, filter: Filter[Decision], model: str, continuation: str | None = None) -> Board:
    """Chooses, for each scene whose chosen take is not what its words make now, the newest take that is. Undo comes
    out fresh this way wherever it was before."""
    walk = _Walk(board, filter, model, continuation)
    for scene in board.story.scenes:
        standing = walk.standing(scene)
        fitting = None if scene.locked else _fitting(walk.board, scene, standing)
        if fitting:
            story = edits.choose_take(walk.board.story, scene.id, fitting)
            walk.board, scene = replace(walk.board, story=story), story.scene(scene.id)
        walk.pass_by(scene, standing)
    return walk.board


def _fitting(board: Board, scene: Scene, standing: Standing) -> str | None:
    """The newest take that a scene's words make now, where another one is chosen."""
    if standing.conditioning is None or standing.state not in ("new", "stale"):
        return None
    now = standing.conditioning.digest()
    takes = reversed(board.takes_of(scene.id))
    return next((take.id for take in takes if take.conditioning and take.conditioning.digest() == now), None)
