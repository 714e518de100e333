"""The elements of a script to scenes: a heading and what happens under it is a scene with its place, cast and captions.

A heading of its own is no scene. A scene whose action is longer than a prompt may be goes on in further ones, cut
between paragraphs or sentences, each with what is said meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..document.script import MOST_CAST, MOST_HEADING, MOST_LINES, MOST_NAME, DialogueLine
from ..document.values import MOST_CHARACTERS
from .elements import Element, Screenplay, one_line
from .names import Names, cue_name, people
from .places import with_place

Fits = Callable[[str], bool]  # whether a text is short enough for a prompt
SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")
SEAMS = {"DISSOLVE": "cross-fade", "FADE": "dip to black", "CUT": "cut"}  # by a word of the transition


@dataclass
class SceneDraft:
    """A scene as it is read, in the words of `document.story.Scene`."""

    heading: str = ""
    prompt: str = ""
    cast: tuple[str, ...] = ()
    dialogue: tuple[DialogueLine, ...] = ()
    caption: str = ""
    notes: str = ""
    seam: dict[str, object] = field(default_factory=dict)
    seconds: float | None = None  # how long it should be, if that is said


@dataclass(frozen=True)
class Adaptation:
    title: str
    scenes: tuple[SceneDraft, ...]
    unused: tuple[str, ...]  # what of the file is in no scene, in words


@dataclass
class Passage:
    """What stands under one heading."""

    heading: Element | None = None
    seam: dict[str, object] = field(default_factory=dict)
    elements: list[Element] = field(default_factory=list)


def adapted(script: Screenplay, fits: Fits) -> Adaptation:
    """A script as scenes. fits: whether a text may be a prompt."""
    names = Names.of(script.elements)
    unused, scenes = list(script.unused), list[SceneDraft]()
    for passage in passages(script.elements, unused):
        scenes += _Reading(passage, names, fits, unused).scenes()
    return Adaptation(script.title, tuple(scenes), tuple(unused))


def told(element: Element, what: str = "") -> str:
    return f"line {element.line}: {what}{one_line(element.text)[:200]}"


def passages(elements: Iterable[Element], unused: list[str]) -> Iterator[Passage]:
    """What stands under each heading. A transition says how the scene of the next heading follows; notes before the
    first heading belong to it."""
    now, seam = Passage(), dict[str, object]()
    for element in elements:
        if element.kind == "heading":
            waits = now.heading is None and all(other.kind in ("note", "synopsis") for other in now.elements)
            if not waits:
                yield now
            now, seam = Passage(element, seam, now.elements if waits else []), {}
        elif element.kind == "transition":
            kind = next((kind for word, kind in SEAMS.items() if word in element.text.upper()), None)
            seam = {"kind": kind} if kind else seam
            unused += [] if kind else [told(element, "transition: ")]
        elif element.kind == "other":
            unused.append(told(element))
        else:
            now.elements.append(element)
    yield now


def captioned(lines: Iterable[DialogueLine]) -> str:
    """What is said in a scene as its caption, which may be somewhat shorter."""
    said = " ".join(f"{line.speaker}: {line.text}" if line.speaker else line.text for line in lines)
    return said if len(said) <= MOST_CHARACTERS else said[: MOST_CHARACTERS - 1] + "…"


class _Reading:
    """One passage to scenes."""

    def __init__(self, passage: Passage, names: Names, fits: Fits, unused: list[str]) -> None:
        self.passage, self.names, self.unused = passage, names, unused
        self.heading = one_line(passage.heading.text)[:MOST_HEADING] if passage.heading else ""
        self.may_be_prompt = fits
        self.found, self.draft = list[SceneDraft](), SceneDraft(self.heading, seam=passage.seam)
        self.speaker, self.manner, self.goes_on = "", "", False  # of what is said next; whether it belongs to the last

    def scenes(self) -> list[SceneDraft]:
        for element in self.passage.elements:
            self._read(element)
        self._close()
        self._leave()
        return self.found

    def fits(self, text: str) -> bool:
        """Whether a prompt may say this and where it is."""
        return self.may_be_prompt(with_place(text, self.heading, self.names))

    def _read(self, element: Element) -> None:
        if element.kind == "action":
            self.speaker, self.manner, self.goes_on = "", "", False
            for piece in self._pieces(self.names.shown(one_line(element.text))):
                self._act(piece)
        elif element.kind == "cue":
            self.speaker, self.manner, self.goes_on = cue_name(element.text)[:MOST_NAME], "", False
        elif element.kind == "manner":
            self.manner, self.goes_on = one_line(element.text.strip().strip("()"))[:MOST_NAME], False
        elif element.kind in ("dialogue", "lyric"):
            self._say(element)
        else:
            self._note(element)

    def _act(self, piece: str) -> None:
        longer = f"{self.draft.prompt} {piece}".strip()
        if self.draft.prompt and not self.fits(longer):
            self._close()
            longer = piece
        self.draft.prompt = longer

    def _pieces(self, text: str) -> Iterator[str]:
        """A paragraph; its sentences if it is too long; of a sentence that is too long, as many words as fit."""
        if self.fits(text):
            yield text
            return
        for sentence in filter(None, SENTENCE.split(text)):
            yield from [sentence] if self.fits(sentence) else self._as_many_as_fit(sentence)

    def _as_many_as_fit(self, sentence: str) -> Iterator[str]:
        words, glue = sentence.split(), " "
        if len(words) == 1:
            words, glue = list(sentence), ""  # no spaces: letters
        piece = ""
        for word in words:
            if piece and not self.fits(f"{piece}{glue}{word}"):
                yield piece
                piece = ""
            piece = f"{piece}{glue}{word}" if piece else word
        yield piece

    def _say(self, element: Element) -> None:
        said, text = self.draft.dialogue, one_line(element.text)
        manner = self.manner or ("singing" if element.kind == "lyric" else "")
        line = DialogueLine(speaker=self.speaker, text=text[:MOST_CHARACTERS], manner=manner)
        if said and self.goes_on and said[-1].manner == manner and len(said[-1].text) + len(text) < MOST_CHARACTERS:
            line = said[-1].model_copy(update={"text": f"{said[-1].text} {text}"})
            said = said[:-1]
        if len(said) < MOST_LINES:
            self.draft.dialogue, self.goes_on = (*said, line), True
        else:
            self.unused.append(told(element, f"more than {MOST_LINES} lines of dialogue: "))

    def _note(self, element: Element) -> None:
        notes = f"{self.draft.notes}\n{one_line(element.text)}".strip()
        if len(notes) <= MOST_CHARACTERS:
            self.draft.notes = notes
        else:
            self.unused.append(told(element, f"{element.kind}: "))

    def _close(self) -> None:
        """Ends a scene in which something happens. Notes without one wait for the next."""
        draft = self.draft
        if not draft.prompt and not draft.dialogue:
            return
        speakers = dict.fromkeys(name for line in draft.dialogue for name in people(line.speaker))
        draft.prompt = with_place(draft.prompt or _talk(list(speakers)), self.heading, self.names)[:MOST_CHARACTERS]
        named = [name[:MOST_NAME] for name in (*speakers, *self.names.within(draft.prompt))]
        draft.cast = tuple(dict.fromkeys(named))[:MOST_CAST]
        draft.caption = captioned(draft.dialogue)
        self.found.append(draft)
        self.draft, self.goes_on = SceneDraft(self.heading), False

    def _leave(self) -> None:
        """What was in no scene: notes after the last one go to it."""
        last, notes = self.found[-1] if self.found else None, self.draft.notes
        if last and len(last.notes) + len(notes) < MOST_CHARACTERS:
            last.notes = f"{last.notes}\n{notes}".strip()
        elif notes:
            self.unused.append(f"note: {one_line(notes)[:200]}")
        if self.passage.heading and not self.found:
            self.unused.append(told(self.passage.heading, "heading without action or dialogue: "))


def _talk(speakers: list[str]) -> str:
    """A prompt for a scene in which people do nothing but speak."""
    if len(speakers) < 2:
        return f"{speakers[0] if speakers else 'Somebody'} is talking."
    return f"{', '.join(speakers[:-1])} and {speakers[-1]} are talking."
