"""The text filter (docs/method.md, step 1): which words of past prompts matter for the current one.

Every content word of a past prompt is compared with every content word of the current prompt; mentions
(`pipeline.language.mentions`) are kept or dropped whole. A mention is kept if its head matches the head of a mention
of the current prompt and nothing in the two excludes that they are the same: numbers and names must be equal,
attributes must not contradict (`pipeline.language.matching`).

What is kept of a past prompt depends on that prompt, the current prompt and the settings only, never on other past
prompts.
"""

import hashlib
import json
import platform
import reprlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from .encoders.limit import CountsTokens, text_length
from .encoders.minilm import MINILM_SHA256
from .encoders.text import TextEncoder, TextEncoding
from .errors import ThroughlineError, TooLongError
from .language import matching
from .language.kept import KeptWord, current_words, in_order, kept_words, unchanged
from .language.matching import DEFAULT_THRESHOLD
from .language.mentions import Analysis, analyse
from .language.reading import Prompt, PromptReader
from .language.rows import Row
from .language.words import Segment

AT_ONCE = 64  # past prompts that are compared together: some milliseconds
MOST_ROWS = 512  # prompts with what is known of the words that stood beside theirs, about 40 kB each
DECIDING_PACKAGES = ("numpy", "torch", "transformers", "tokenizers", "jieba", "snowballstemmer", "stopwordsiso")
MOST_TOKENS = 512  # that all-MiniLM-L6-v2 has positions for; the model that generates may take fewer


class PlaceInPast(Protocol):
    """A place in a past prompt: scene from 0, characters of its prompt. Any overlap with a mention selects it."""

    @property
    def scene(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


@dataclass(frozen=True)
class WordKey:
    """A `PlaceInPast`."""

    scene: int
    start: int
    end: int


@dataclass(frozen=True)
class Word:
    """One word of a prompt, and what the filter decided about it."""

    text: str
    start: int  # characters of the user's own text
    end: int
    score: float  # best cosine similarity with a content word of the current prompt, -1 to 1
    kept: bool
    reason: str  # why, in a few words for the interface
    matched: str | None  # what it matched, in the words of the current prompt
    mention: int | None  # index of its mention in the prompt; None for function words


@dataclass(frozen=True)
class Mention:
    """A group of words that is kept or dropped whole."""

    index: int
    text: str  # the user's text from its first word to its last
    start: int
    end: int
    words: tuple[Word, ...]
    target: int | None  # index of the mention of the current prompt that it matched


@dataclass(frozen=True)
class FilteredScene:
    """A past scene: its words in order."""

    index: int  # from 0
    prompt: str
    words: tuple[Word, ...]
    muted: bool
    targets: tuple[int | None, ...]  # per mention of this prompt: the mention of the current prompt that it matched

    @property
    def kept(self) -> bool:
        """Whether this scene contributes anything."""
        return any(word.kept for word in self.words)

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """All mentions in order."""
        return tuple(self._mention(index) for index in range(len(self.targets)))

    @property
    def kept_mentions(self) -> tuple[Mention, ...]:
        """The mentions that this scene contributes, in order."""
        return tuple(mention for mention in self.mentions if mention.words[0].kept)

    def _mention(self, index: int) -> Mention:
        words = tuple(word for word in self.words if word.mention == index)
        start, end = words[0].start, words[-1].end
        return Mention(index, self.prompt[start:end], start, end, words, self.targets[index])


@dataclass(frozen=True)
class FilterResult:
    """What the past gives to a prompt."""

    prompt: str
    threshold: float
    scenes: tuple[FilteredScene, ...]
    current: tuple[Word, ...]  # words of the prompt; kept if a kept past mention belongs to their mention

    @property
    def contributing(self) -> tuple[int, ...]:
        """Indices of the past scenes that the prompt depends on."""
        return tuple(scene.index for scene in self.scenes if scene.kept)

    def only(self, scenes: Sequence[int]) -> "FilterResult":
        """The same decision about some of the past scenes, counted anew: what one keeps does not depend on others."""
        chosen = tuple(replace(self.scenes[index], index=place) for place, index in enumerate(scenes))
        return replace(self, scenes=chosen, current=_current_words(analyse(self.prompt), chosen))

    def without(self, dropped: Mapping[tuple[int, int], str]) -> "FilterResult":
        """The same without some mentions, (scene, mention), and why; others that are kept mean what they mean."""
        scenes = list(self.scenes)
        for (i, mention), why in dropped.items():
            old = scenes[i]
            words = [replace(w, kept=False, reason=why, matched=None) if w.mention == mention else w for w in old.words]
            targets = tuple(None if m == mention else target for m, target in enumerate(old.targets))
            scenes[i] = replace(old, words=tuple(words), targets=targets)
        return replace(self, scenes=tuple(scenes))

    def to_dict(self) -> dict:
        """Plain values for JSON, scores rounded to 4 places: equal results give equal dictionaries."""
        return json.loads(json.dumps(asdict(self)), parse_float=lambda text: round(float(text), 4) + 0.0)


def kept_tokens(words: Iterable[Word], encoding: TextEncoding) -> tuple[int, ...]:
    """Indices of the tokens of `encoding` that overlap a kept word; special tokens never do.

    `encoding` may come from another encoder than the filter's, as long as it is of the same text.
    """
    spans = [(word.start, word.end) for word in words if word.kept]
    return tuple(
        index
        for index, (start, end) in enumerate(encoding.offsets)
        if end > start and any(start < last and end > first for first, last in spans)
    )


class TextFilter:
    """Past prompts and a prompt -> FilterResult. Deterministic; safe to share between threads.

    A past prompt that is too long to be read gives nothing; it stops only its own scene.
    weights: digest of those of the encoder, if it is known.
    """

    def __init__(self, encoder: TextEncoder, weights: str = "") -> None:
        self.reader, self._weights = PromptReader(encoder), weights
        self._rows: OrderedDict[tuple[str, float], Row] = OrderedDict()  # those used last at the end
        self.check: Callable[[str], None] = lambda text: None  # raises TooLongError: see `within`

    @classmethod
    def from_backbone(cls, name: str = "picturebook") -> "TextFilter":
        """The filter of a backbone. All of them filter with all-MiniLM-L6-v2, whatever they generate with.

        One filter per process, with its caches. Raises WeightsError if MiniLM's weights are not there.
        """
        if not name or not isinstance(name, str):
            raise ThroughlineError(f"backbone is {name!r}: expected a name such as 'picturebook'")
        return _minilm_filter()

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what it says of pairs that it can read: the weights, this code, and the packages
        that it computes with on this kind of processor; '' if the weights are not known."""
        return _digest(self._weights) if self._weights else ""

    def within(self, limit: CountsTokens) -> "TextFilter":
        """The same filter for a model whose own text encoder takes so much: what is longer can't be rendered, and not
        be looked for in a picture."""
        other = copy(self)
        other.check = lru_cache(maxsize=self.reader.cache_size)(lambda text: text_length(limit, text).check())
        return other

    def __call__(
        self,
        past_prompts: Sequence[str],
        prompt: str,
        *,
        threshold: float | None = None,  # cosine similarity, 0 to 1; None for the default
        pins: Sequence[PlaceInPast] = (),  # mentions that are kept whatever the scores say
        mutes: Sequence[PlaceInPast] = (),  # mentions that are dropped; a mute wins over a pin
        muted_scenes: Sequence[int] = (),  # past scenes that contribute nothing, counted from 0
        former: int | None = None,  # which past prompt is what this one was before: what did not change is kept
    ) -> FilterResult:
        """Raises TooLongError for a prompt that is too long, ThroughlineError for blank prompts, a threshold outside 0
        to 1, and keys that point to nothing."""
        threshold = DEFAULT_THRESHOLD if threshold is None else _checked_threshold(threshold)
        _check_prompts(past_prompts, prompt)
        _check_keys((*pins, *mutes), past_prompts, muted_scenes)
        current = self._read(prompt)
        scenes = tuple(
            self._scene(i, text, current, None if i == former else threshold, (pins, mutes), i in muted_scenes)
            for i, text in enumerate(past_prompts)
        )
        return FilterResult(prompt, threshold, scenes, _current_words(current.analysis, scenes))

    def targets(
        self, past_prompts: Sequence[str], prompt: str, threshold: float | None = None
    ) -> Iterator[matching.Targets]:
        """Of each past prompt: its mentions that are kept, and the mentions of the current one that they match, as a
        call decides if nothing is pinned or muted, in a twentieth of the time. Raises as that does, at the first."""
        threshold = DEFAULT_THRESHOLD if threshold is None else _checked_threshold(threshold)
        _check_prompts(past_prompts, prompt)
        current, key = self._read(prompt), (prompt, threshold)
        row = self._rows.pop(key, None) or Row(current, threshold)  # no other thread has it meanwhile
        for first in range(0, len(past_prompts), AT_ONCE):
            read = [self._read_past(past) for past in past_prompts[first : first + AT_ONCE]]
            found = iter(row.targets([past for past in read if past]))
            yield from (next(found) if past else () for past in read)
        self._rows[key] = row
        while len(self._rows) > MOST_ROWS:
            self._rows.popitem(last=False)

    def words(
        self, past: str, prompt: str, targets: matching.Targets
    ) -> tuple[tuple[KeptWord, ...], tuple[KeptWord, ...]]:
        """The words of a past prompt that are kept and the words of the current one that they match. targets: what
        `targets` gave."""
        current = analyse(prompt)
        words = (kept_words(past, m, matching.mention_text(current, k)) for m, k in targets)
        return in_order(words), current_words(prompt, tuple(sorted({k for _, k in targets})))

    def _read(self, text: str) -> Prompt:
        self.check(text)
        return self.reader.read(text)

    def _read_past(self, text: str) -> Prompt | None:  # None for one that gives nothing, for it is too long
        try:
            return self._read(text)
        except TooLongError:
            return None

    def _scene(
        self,
        index: int,
        text: str,
        current: Prompt,
        threshold: float | None,
        overrides: tuple[Sequence[PlaceInPast], Sequence[PlaceInPast]],
        muted: bool,
    ) -> FilteredScene:
        """threshold: None for what the prompt was before."""
        past = self._read_past(text)
        if past is None:
            return _unread(index, text)
        analysis = past.analysis
        if threshold is None:
            verdicts = list(unchanged(text, current.analysis.text))
            scores = np.array([m is not None and verdicts[m].kept for m in analysis.mention_of], np.float32)
        else:
            match = matching.match(past, current, threshold)
            verdicts, scores = list(match.verdicts), match.scores
        pins, mutes = (_selected(analysis, (key for key in keys if key.scene == index)) for keys in overrides)
        for m, verdict in enumerate(verdicts):
            verdict = verdict.pinned() if m in pins else verdict
            why = "scene muted" if muted else "muted" if m in mutes else ""
            verdicts[m] = verdict.dropped(why) if why else verdict
        words = tuple(_words(analysis, scores, verdicts, current.analysis))
        targets = tuple(verdict.target if verdict.kept else None for verdict in verdicts)
        return FilteredScene(index, text, words, muted, targets)


@lru_cache(maxsize=1)
def _minilm_filter() -> TextFilter:
    return TextFilter(TextEncoder.minilm(MOST_TOKENS), MINILM_SHA256)


@lru_cache(maxsize=4)
def _digest(weights: str) -> str:
    here, parts = Path(__file__).parent, [weights, platform.machine(), torch.backends.cpu.get_cpu_capability()]
    parts += [f"{name} {metadata.version(name)}" for name in DECIDING_PACKAGES]
    sources = [Path(__file__), *sorted(here.glob("language/*.py")), *sorted(here.glob("encoders/*.py"))]
    parts += [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


# Overrides


def _selected(analysis: Analysis, keys: Iterable[PlaceInPast]) -> set[int]:
    return {mention for key in keys for mention in _mentions_at(analysis, key)}


def _mentions_at(analysis: Analysis, key: PlaceInPast) -> set[int]:
    words = zip(analysis.segments, analysis.mention_of, strict=True)
    found = {m for word, m in words if m is not None and word.start < key.end and word.end > key.start}
    if not found:
        text = analysis.text[key.start : key.end][:40]
        raise ThroughlineError(f"{text!r} of scene {key.scene + 1} cannot be pinned or muted: expected a content word")
    return found


# Checks


def _checked_threshold(threshold: float) -> float:
    if not isinstance(threshold, (int, float)) or isinstance(threshold, bool) or not 0 <= threshold <= 1:
        raise ThroughlineError(f"filter threshold is {threshold!r}, expected a number from 0 to 1")
    return float(threshold)


def _check_prompts(past_prompts: Sequence[str], prompt: str) -> None:
    if isinstance(past_prompts, str):
        raise ThroughlineError(f"past prompts are one string, expected a list of them: {past_prompts[:40]!r}")
    for name, text in ((f"prompt of scene {i + 1}", text) for i, text in enumerate(past_prompts)):
        _check_text(name, text)
    _check_text("prompt", prompt)


def _check_text(name: str, text: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ThroughlineError(f"{name} is {reprlib.repr(text)}, expected text")


def _check_keys(keys: Sequence[PlaceInPast], past_prompts: Sequence[str], muted_scenes: Sequence[int]) -> None:
    count = len(past_prompts)
    for scene in (*(key.scene for key in keys), *muted_scenes):
        if not 0 <= scene < count:
            raise ThroughlineError(f"past scene {scene} does not exist: there are {count}, counted from 0")
    for key in keys:
        if not 0 <= key.start < key.end <= len(past_prompts[key.scene]):
            raise ThroughlineError(f"{key} is not inside its prompt of {len(past_prompts[key.scene])} characters")


# Words


def _unread(index: int, text: str) -> FilteredScene:
    """A past scene that gives nothing."""
    analysis = analyse(text)
    pairs = zip(analysis.segments, analysis.mention_of, strict=True)
    words = tuple(Word(s.text, s.start, s.end, 0.0, False, "prompt too long", None, mention) for s, mention in pairs)
    return FilteredScene(index, text, words, False, (None,) * len(analysis.mentions))


def _words(
    analysis: Analysis, scores: np.ndarray, verdicts: list[matching.Verdict], current: Analysis
) -> Iterable[Word]:
    for i, (segment, mention) in enumerate(zip(analysis.segments, analysis.mention_of, strict=True)):
        place = (segment.text, segment.start, segment.end, float(scores[i]))
        if mention is None:
            yield Word(*place, kept=False, reason=_never(segment), matched=None, mention=None)
            continue
        verdict = verdicts[mention]
        target = verdict.target if verdict.kept else None
        matched = None if target is None else matching.mention_text(current, target)
        yield Word(*place, kept=verdict.kept, reason=verdict.reason, matched=matched, mention=mention)


def _never(segment: Segment) -> str:
    """Why a word is never remembered."""
    return "says how it is filmed" if segment.shot else "function word"


def _current_words(current: Analysis, scenes: tuple[FilteredScene, ...]) -> tuple[Word, ...]:
    sources: dict[int, list[int]] = {}
    for scene in scenes:
        for target in scene.targets:
            if target is not None and scene.index + 1 not in sources.setdefault(target, []):
                sources[target].append(scene.index + 1)
    words = []
    for segment, mention in zip(current.segments, current.mention_of, strict=True):
        found = sources.get(mention) if mention is not None else None
        told = f"remembered from scene {', '.join(map(str, found))}" if found else "nothing remembered"
        reason = told if mention is not None else _never(segment)
        place = (segment.text, segment.start, segment.end, float(bool(found)))
        words.append(Word(*place, bool(found), reason, None, mention))
    return tuple(words)
