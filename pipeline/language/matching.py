"""Whether a mention of a past prompt speaks of the same thing as one of the current prompt.

P, C = words of the past and of the current prompt        d = width of the encoder
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..encoders.text import TextEncoder, TextEncoding
from . import lexicon
from .canonical import canonical
from .mentions import Analysis, MentionParts, analyse
from .phrases import Phrase
from .words import Segment, attribute_classes, domains, is_descriptive, same_kind

# F1 on all labelled cases is flat from 0.475 to 0.65 (docs/filter.md). The lower end, because
# synonyms that no list knows start at about 0.5.
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Prompt:
    """A prompt as the filter sees it. Rows are its words; only its written form can match a word whose row is zeros."""

    analysis: Analysis
    context: np.ndarray  # (P, d) unit vectors of the words in their sentence: mean of their tokens, last layer
    alone: np.ndarray  # (P, d) unit vectors of the content words encoded by themselves


class PromptReader:
    """Prompts and their word vectors, cached."""

    def __init__(self, encoder: TextEncoder, cache_size: int = 4096) -> None:
        self.encoder = encoder
        self.cache_size = cache_size  # prompts, and as many single words
        self._prompts: OrderedDict[str, Prompt] = OrderedDict()
        self._alone: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.RLock()

    def read(self, text: str) -> Prompt:
        """Raises ThroughlineError if `text` has more tokens than the encoder takes."""
        with self._lock:
            if text in self._prompts:
                self._prompts.move_to_end(text)
                return self._prompts[text]
            prompt = self._prompts[text] = self._read(text)
            _trim(self._prompts, self.cache_size)
            return prompt

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
        if form not in self._alone:
            self._alone[form] = word_vector(self.encoder.encode(form), 0, len(form))
            _trim(self._alone, self.cache_size)
        return self._alone[form]


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


# Similarity of words


def similarities(past: Prompt, current: Prompt) -> np.ndarray:
    """(P, C) cosine similarities: the mean of in-sentence and alone; equal written forms without vectors give 1.

    In a sentence, words that go together become alike (hunter and deer: 0.57, alone 0.41); alone, words lose
    their sense.
    """
    cosine = (past.context @ current.context.T + past.alone @ current.alone.T) / 2
    columns: dict[str, list[int]] = {}
    for j, b in enumerate(current.analysis.segments):
        columns.setdefault(b.lemma, []).append(j)
    for i, a in enumerate(past.analysis.segments):
        for j in columns.get(a.lemma, ()):
            if not past.context[i, 0] or not current.context[j, 0]:
                cosine[i, j] = 1.0
    return np.clip(cosine, -1.0, 1.0)


def strength(a: Segment, b: Segment, cosine: float, languages: set[str]) -> float:
    """How surely two words mean the same sort of thing: 1 for the same word, the cosine where no list knows better."""
    if a.lemma == b.lemma or a.form == b.form:
        return 1.0
    if "name" in (a.tag, b.tag) or "number" in (a.tag, b.tag):
        return 0.0
    if not a.form.isascii() or not b.form.isascii():
        return _written_strength(a, b)
    if _one_is_agent(a.form, b.form):
        return 0.0
    kind = same_kind(a.lemma, b.lemma)
    if kind is not None:
        return max(cosine, SAME_KIND) if kind else 0.0
    left, right = domains(a.lemma), domains(b.lemma)
    if left and right and not left & right:
        cosine -= OTHER_SORT_PENALTY
    return cosine if languages <= {"en"} else max(_prefix_strength(a.form, b.form), cosine - FOREIGN_PENALTY)


SAME_KIND = 0.65  # what two words of one group of the lists count at least: puppy and dog are 0.5 to 0.7
OTHER_SORT_PENALTY = 0.15  # a verb and a noun, a person and a place: "teacher" and "classroom" are 0.64
FOREIGN_PENALTY = 0.2  # the encoder knows English: words of other languages are alike in it without meaning the same


@lru_cache(maxsize=65536)
def _one_is_agent(a: str, b: str) -> bool:
    """Whether one is the person and the other the thing or the deed: violinist and violin, painter and painting."""
    agents = [form.rstrip("s").endswith(("er", "or", "ist", "man", "men")) for form in (a, b)]
    return agents[0] != agents[1] and a[:4] == b[:4] and len(a) > 3


def _written_strength(a: Segment, b: Segment) -> float:
    """Words of a script that the encoder does not read: equal, of one kind, or one with a prefix of size (小猫, 猫)."""
    left, right = a.form.lstrip("小大老"), b.form.lstrip("小大老")
    if left == right and left:
        return 1.0
    if same_kind(a.form, b.form):
        return SAME_KIND
    alphabet = a.form[0].upper() != a.form[0] and b.form[0].upper() != b.form[0]
    return _prefix_strength(a.form, b.form) if alphabet else 0.0


@lru_cache(maxsize=65536)
def _prefix_strength(a: str, b: str) -> float:
    """Share of the longer word that the two have in common from the left: perro and perros, corre and correr."""
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    share = common / max(len(a), len(b))
    return share if common >= 4 and share >= 0.7 else 0.0


# Matching of mentions


@dataclass(frozen=True)
class Verdict:
    """The decision about one past mention."""

    kept: bool
    reason: str
    target: int | None  # the mention of the current prompt that it matched
    nearest: int | None  # the one that comes nearest, matched or not: where a pinned mention goes


@dataclass(frozen=True)
class Match:
    scores: np.ndarray  # (P,) best cosine of each past word
    verdicts: tuple[Verdict, ...]  # one per past mention


def match(past: Prompt, current: Prompt, threshold: float) -> Match:
    """The verdict on every mention of `past`; a function of the three arguments alone."""
    cosines = similarities(past, current)
    content = [j for j, mention in enumerate(current.analysis.mention_of) if mention is not None]
    scores = cosines[:, content].max(1) if content else np.zeros(len(past.analysis.segments), np.float32)
    pair = _Pair(past.analysis, current.analysis, cosines, threshold)
    return Match(scores, tuple(pair.verdict(mention) for mention in past.analysis.mentions))


@dataclass(frozen=True)
class _Pair:
    past: Analysis
    current: Analysis
    cosines: np.ndarray
    threshold: float

    def verdict(self, mention: MentionParts) -> Verdict:
        """Kept for the best target without a conflict; else the reason of the strongest candidate."""
        found = [(*self.compare(mention, k), k) for k in range(len(self.current.mentions))]
        if not found:
            return Verdict(False, "the prompt has no content words", None, None)
        free = [(value, label, k) for value, label, conflict, k in found if not conflict]
        best = max(free, key=lambda item: (item[0], -item[2]), default=None)
        nearest = max(found, key=lambda item: (item[0], -item[3]))
        if best and best[0] >= self.threshold:
            return Verdict(True, best[1], best[2], nearest[3])
        if nearest[0] >= self.threshold:
            return Verdict(False, nearest[2], None, nearest[3])
        return Verdict(False, f"below the threshold ({nearest[0]:.2f} < {self.threshold:.2f})", None, nearest[3])

    @cached_property
    def languages(self) -> set[str]:
        return {self.past.language, self.current.language}

    def compare(self, a: MentionParts, k: int) -> tuple[float, str, str]:
        """Strength of the two as one thing, the reason if it holds, and what speaks against it ('' if nothing)."""
        b = self.current.mentions[k]
        values = [(self.heads(p, q), p, q) for p, q in _comparable(a, b, self.current)]
        value, p, q = max(values, key=lambda item: item[0])
        if value < self.threshold:
            return value, "", ""
        label = f"matches '{self.current.segments[q].text}' ({self.cosines[p, q]:.2f})"
        return value, "same word" if value == 1.0 else label, self.conflict(a, b)

    def heads(self, p: int, q: int) -> float:
        """Strength of two words."""
        value = strength(self.past.segments[p], self.current.segments[q], float(self.cosines[p, q]), self.languages)
        if value < 1.0 and (p in self.past.verbs) != (q in self.current.verbs):
            value -= OTHER_SORT_PENALTY
        return value

    def conflict(self, a: MentionParts, b: MentionParts) -> str:
        """Why two mentions with matching heads are not the same; '' if they may be."""
        return (
            _number_conflict(a, b, self.past.segments, self.current.segments)
            or _name_conflict(a, b, self.past.segments, self.current.segments)
            or self.attribute_conflict(a, b)
        )

    def attribute_conflict(self, a: MentionParts, b: MentionParts) -> str:
        """Red coat against blue coat, sand castle against stone castle."""
        p, q = a.phrases[0], b.phrases[0]
        if self.contradict(p, q, (_looks(a), _looks(b))):
            return f"contradicts '{phrase_text(self.current, q)}'"
        for p in a.phrases[1:]:
            alike = [q for q in b.phrases if self.heads(p.head, q.head) >= self.threshold]
            if alike and all(self.contradict(p, q) for q in alike):  # one who wears two hats contradicts neither
                return f"contradicts '{phrase_text(self.current, alike[0])}'"
        return ""

    def contradict(self, p: Phrase, q: Phrase, extra: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())) -> bool:
        """Whether the modifiers of two phrases exclude each other; `extra` words count as modifiers of each."""
        left = [self.past.segments[i].lemma for i in (*p.modifiers, *extra[0])]
        right = [self.current.segments[i].lemma for i in (*q.modifiers, *extra[1])]
        heads = self.past.segments[p.head].lemma, self.current.segments[q.head].lemma
        if _classes_exclude(left, right) or _makes_other(left, heads[0]) != _makes_other(right, heads[1]):
            return True
        kinds = [[m for m in side if not attribute_classes(m) and not is_descriptive(m)] for side in (left, right)]
        return bool(kinds[0] and kinds[1]) and not set(kinds[0]) & set(kinds[1])


def _comparable(a: MentionParts, b: MentionParts, current: Analysis) -> list[tuple[int, int]]:
    """Pairs of words that may stand for the two mentions: heads, names, and an owner for Tom in "Tom's kite"."""
    left = [a.phrases[0].head, *_named(a)]
    right = [b.phrases[0].head, *_named(b)]
    right += [i for i in b.phrases[0].owners if current.segments[i].tag == "name" and _named(a)]
    return [(p, q) for p in left for q in right]


def _looks(mention: MentionParts) -> tuple[int, ...]:
    return tuple(i for phrase in mention.phrases if phrase.predicate for i in phrase.words)


def _named(mention: MentionParts) -> list[int]:
    return [i for phrase in mention.phrases for i in phrase.names]


def _classes_exclude(left: list[str], right: list[str]) -> bool:
    """Whether both sides say something of one class (colour, size, ...) and share nothing of it."""
    for name in {name for word in left for name in attribute_classes(word)}:
        sides = [
            {attribute_classes(word)[name] for word in side if name in attribute_classes(word)}
            for side in (left, right)
        ]
        if sides[1] and not sides[0] & sides[1]:
            return True
    return False


def _makes_other(modifiers: list[str], head: str) -> frozenset[str]:
    """Modifiers that make another thing of a head: a toy car, a hot dog."""
    return frozenset(m for m in modifiers if m in lexicon.PRIVATIVES or (m, head) in lexicon.FIXED_COMPOUNDS)


def _number_conflict(a: MentionParts, b: MentionParts, past: tuple[Segment, ...], current: tuple[Segment, ...]) -> str:
    left, right = a.phrases[0], b.phrases[0]
    for name, p, q in (("number", left.number, right.number), ("count", left.quantity, right.quantity)):
        one_sided = (p is None) != (q is None)
        if name == "count" and one_sided:
            continue
        if one_sided or (p is not None and q is not None and past[p].lemma != current[q].lemma):
            sides = ("none" if p is None else past[p].text, "none" if q is None else current[q].text)
            return f"{name} differs: {sides[0]} / {sides[1]}"
    return ""


def _name_conflict(a: MentionParts, b: MentionParts, past: tuple[Segment, ...], current: tuple[Segment, ...]) -> str:
    left = {past[i].lemma for i in _named(a)}
    right = {current[i].lemma for i in _named(b)}
    heads = {past[a.phrases[0].head].lemma}, {current[b.phrases[0].head].lemma}
    left, right = left | (heads[0] & right - lexicon.NAMES), right | (heads[1] & left - lexicon.NAMES)
    owners = [{s[i].lemma for i in m.phrases[0].owners} for m, s in ((a, past), (b, current))]
    if left and owners[1] & left:
        return ""
    if (left or right) and (not left & right or (left - right and right - left)):
        return "name differs"
    if owners[0] and owners[1] and not owners[0] & owners[1]:
        return "owner differs"
    return ""


# Text


def phrase_text(analysis: Analysis, phrase: Phrase) -> str:
    """The user's text from the first word of a phrase to its last."""
    return analysis.text[analysis.segments[phrase.words[0]].start : analysis.segments[phrase.words[-1]].end]


def mention_text(analysis: Analysis, index: int) -> str:
    """The user's text from the first word of a mention to its last."""
    words = analysis.mentions[index].words
    return analysis.text[analysis.segments[words[0]].start : analysis.segments[words[-1]].end]
