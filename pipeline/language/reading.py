"""Prompts as the filter sees them: their words, mentions and word vectors.

P = words of a prompt        d = width of the encoder
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np

from ..encoders.text import TextEncoder, TextEncoding
from .canonical import canonical
from .mentions import Analysis, MentionParts, analyse
from .phrases import Phrase

T = TypeVar("T")


class Spelling(NamedTuple):
    """As much of a word as decides, with its vector, what it means."""

    form: str
    lemma: str
    tag: str


class Told(NamedTuple):
    """The telling words of a prompt, T, and the M mentions that they may stand for, as arrays."""

    places: np.ndarray  # (T,) among the words of the prompt
    verbs: np.ndarray  # (T,) whether it is one
    row: dict[int, int]  # place among the words -> place among the telling ones
    heads: np.ndarray  # rows that may stand for the first mention, for the second, ...
    lengths: np.ndarray  # (M,) how many for each


@dataclass(frozen=True)
class Prompt:
    """A prompt as the filter sees it. Rows are its words; only its written form can match a word whose row is zeros."""

    analysis: Analysis
    context: np.ndarray  # (P, d) unit vectors of the words in their sentence: mean of their tokens, last layer
    alone: np.ndarray  # (P, d) unit vectors of the content words encoded by themselves

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where each lemma stands."""
        found: dict[str, list[int]] = {}
        for i, word in enumerate(self.analysis.segments):
            found.setdefault(word.lemma, []).append(i)
        return found

    @cached_property
    def spellings(self) -> tuple[Spelling, ...]:
        return tuple(Spelling(word.form, word.lemma, word.tag) for word in self.analysis.segments)

    @cached_property
    def naming(self) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
        """Of each mention: words that may stand for it, and owners that may where the other has a name (Tom's kite)."""
        words = self.analysis.segments
        owners = [[i for i in m.phrases[0].owners if words[i].tag == "name"] for m in self.analysis.mentions]
        heads = [(m.phrases[0].head, *names_of(m)) for m in self.analysis.mentions]
        return tuple((own, tuple(others)) for own, others in zip(heads, owners, strict=True))

    @cached_property
    def telling(self) -> tuple[tuple[int, Spelling, bool], ...]:
        """The words that phrases are about, and names: their places, and whether they are verbs."""
        heads = {i for m in self.analysis.mentions for phrase in m.phrases for i in (phrase.head, *phrase.names)}
        return tuple((i, self.spellings[i], i in self.analysis.verbs) for i in sorted(heads))

    @cached_property
    def told(self) -> Told:
        row = {place: number for number, (place, _, _) in enumerate(self.telling)}
        return Told(
            places=np.array([*row], np.intp),
            verbs=np.array([verb for _, _, verb in self.telling], bool),
            row=row,
            heads=np.array([row[place] for own, _ in self.naming for place in own], np.intp),
            lengths=np.array([len(own) for own, _ in self.naming], np.intp),
        )

    @cached_property
    def plain(self) -> frozenset[int]:
        """Mentions of which nothing more is said than what they are: between two of them, nothing can contradict."""
        return frozenset(
            m
            for m, mention in enumerate(self.analysis.mentions)
            if len(mention.phrases) == 1 and _is_plain(mention.phrases[0])
        )

    @cached_property
    def unread(self) -> frozenset[int]:
        """Words without a vector."""
        return frozenset(np.flatnonzero(self.context[:, 0] == 0).tolist()) if len(self.context) else frozenset()


class PromptReader:
    """Prompts and their word vectors, cached."""

    def __init__(self, encoder: TextEncoder, cache_size: int = 4096) -> None:
        self.encoder = encoder
        self.cache_size = cache_size  # prompts, and as many single words
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._alone: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, text: str) -> Prompt:
        """Raises ThroughlineError if `text` has more tokens than the encoder takes."""
        with self._lock:
            if text in self._prompts:
                self._prompts.move_to_end(text)
                return self._prompts[text]
        return self._keep(self._prompts, text, self._read(text))  # not behind the lock: others don't wait meanwhile

    def _keep(self, cache: OrderedDict[str, T], text: str, value: T) -> T:
        with self._lock:
            cache[text] = value
            _trim(cache, self.cache_size)
        return value

    def _read(self, text: str) -> Prompt:
        analysis, written = analyse(text), canonical(text)
        encoding = self.encoder.encode(written.text)
        width = encoding.hidden.shape[1]
        context = np.zeros((len(analysis.segments), width), np.float32)
        alone = np.zeros_like(context)
        known = _known_words(analysis)
        for i, word in enumerate(analysis.segments):
            if known[i]:
                context[i] = word_vector(encoding, *written.inner(word.start, word.end))
                if analysis.mention_of[i] is not None:
                    alone[i] = self._word_alone(word.form)
        return Prompt(analysis, context, alone)

    def _word_alone(self, form: str) -> np.ndarray:
        known = self._alone.get(form)
        if known is not None:
            return known
        return self._keep(self._alone, form, word_vector(self.encoder.encode(form), 0, len(form)))


def _trim(cache: OrderedDict, size: int) -> None:
    while len(cache) > size:
        cache.popitem(last=False)


def _known_words(analysis: Analysis) -> list[bool]:
    """Which words may be compared by vectors: not names and numbers, not other scripts than the encoder's own."""
    return [word.tag in ("content", "verb", "function") and word.form.isascii() for word in analysis.segments]


def word_vector(encoding: TextEncoding, start: int, end: int) -> np.ndarray:
    """(d,) unit mean of the tokens that overlap characters start to end; zeros if one of them is unknown ([UNK])."""
    tokens = [i for i, (a, b) in enumerate(encoding.offsets) if b > a and a < end and b > start]
    if not tokens or any(encoding.tokens[i] in ("[UNK]", "<unk>") for i in tokens):
        return np.zeros(encoding.hidden.shape[1], np.float32)
    mean = encoding.hidden[tokens].mean(0).numpy()
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def _is_plain(phrase: Phrase) -> bool:
    told = phrase.modifiers or phrase.owners or phrase.names or phrase.predicate
    return not told and phrase.number is None and phrase.quantity is None


def names_of(mention: MentionParts) -> list[int]:
    """Its words that are names."""
    return [i for phrase in mention.phrases for i in phrase.names]
