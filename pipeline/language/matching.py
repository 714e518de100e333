"""Whether a mention of a past prompt speaks of the same thing as one of the current prompt.

P, C = words of the past and of the current prompt        d = width of the encoder
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import NamedTuple

import numpy as np

from . import lexicon
from .mentions import Analysis, MentionParts
from .phrases import Phrase
from .reading import Prompt, Spelling, names_of
from .words import Segment, attribute_classes, domains, is_descriptive, same_kind

# F1 on all labelled cases is flat from 0.475 to 0.65 (docs/filter.md). The lower end, because
# synonyms that no list knows start at about 0.5.
DEFAULT_THRESHOLD = 0.5


# Similarity of words


def similarities(past: Prompt, current: Prompt) -> np.ndarray:
    """(P, C) cosine similarities: the mean of in-sentence and alone; equal written forms without vectors give 1.

    In a sentence, words that go together become alike (hunter and deer: 0.57, alone 0.41); alone, words lose
    their sense.
    """
    cosine = (past.context @ current.context.T + past.alone @ current.alone.T) / 2
    for lemma in past.places.keys() & current.places.keys():
        for i in past.places[lemma]:
            for j in current.places[lemma]:
                if i in past.unread or j in current.unread:
                    cosine[i, j] = 1.0
    return np.clip(cosine, -1.0, 1.0)


class Rule(NamedTuple):
    """How surely two words mean the same sort of thing, as a function of their cosine: at least so much, or what
    the penalties leave of the cosine."""

    least: float
    penalty: float = 0.0
    foreign: float = 0.0


def _always(value: float) -> Rule:
    return Rule(value, inf)


def rule_of(a: Spelling, b: Spelling, english: bool) -> Rule:
    """1 for the same word, the cosine where no list knows better. english: whether both prompts are."""
    if a.lemma == b.lemma or a.form == b.form:
        return _always(1.0)
    if "name" in (a.tag, b.tag) or "number" in (a.tag, b.tag):
        return _always(0.0)
    if not a.form.isascii() or not b.form.isascii():
        return _always(_written_strength(a, b))
    if _one_is_agent(a.form, b.form):
        return _always(0.0)
    kind = same_kind(a.lemma, b.lemma)
    if kind is not None:
        return Rule(SAME_KIND) if kind else _always(0.0)
    left, right = domains(a.lemma), domains(b.lemma)
    penalty = OTHER_SORT_PENALTY if left and right and not left & right else 0.0
    return Rule(-inf, penalty) if english else Rule(_prefix_strength(a.form, b.form), penalty, FOREIGN_PENALTY)


def rule_between(a: Spelling, b: Spelling, english: bool) -> Rule:
    """`rule_of`, remembered."""
    rules = _rules_with(b, english)
    rule = rules.get(a)
    if rule is None:
        if len(rules) >= MOST_RULES:
            rules.clear()
        rule = rules[a] = rule_of(a, b, english)
    return rule


@lru_cache(maxsize=512)
def _rules_with(b: Spelling, english: bool) -> dict[Spelling, Rule]:
    """What is known already of other words beside `b`."""
    return {}


MOST_RULES = 512  # beside each of 512 words: users may write any number


SAME_KIND = 0.65  # what two words of one group of the lists count at least: puppy and dog are 0.5 to 0.7
OTHER_SORT_PENALTY = 0.15  # a verb and a noun, a person and a place: "teacher" and "classroom" are 0.64
FOREIGN_PENALTY = 0.2  # the encoder knows English: words of other languages are alike in it without meaning the same


@lru_cache(maxsize=65536)
def _one_is_agent(a: str, b: str) -> bool:
    """Whether one is the person and the other the thing or the deed: violinist and violin, painter and painting."""
    agents = [form.rstrip("s").endswith(("er", "or", "ist", "man", "men")) for form in (a, b)]
    return agents[0] != agents[1] and a[:4] == b[:4] and len(a) > 3


def _written_strength(a: Spelling, b: Spelling) -> float:
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

    def pinned(self) -> "Verdict":
        target = self.target if self.target is not None else self.nearest
        return replace(self, kept=True, reason="pinned", target=target)

    def dropped(self, why: str) -> "Verdict":
        return replace(self, kept=False, reason=why)


@dataclass(frozen=True)
class Match:
    scores: np.ndarray  # (P,) best cosine of each past word
    verdicts: tuple[Verdict, ...]  # one per past mention


def match(past: Prompt, current: Prompt, threshold: float) -> Match:
    """The verdict on every mention of `past`; a function of the three arguments alone."""
    pair = Pair(past, current, threshold)
    content = [j for j, mention in enumerate(current.analysis.mention_of) if mention is not None]
    scores = pair.cosines[:, content].max(1) if content else np.zeros(len(past.analysis.segments), np.float32)
    return Match(scores, tuple(pair.verdict(m) for m in range(len(past.analysis.mentions))))


Targets = tuple[tuple[int, int], ...]  # mentions of a past prompt that are kept, each with its target


def targets(past: Prompt, current: Prompt, threshold: float) -> Targets:
    """What `match` decides, without the reasons. For many past prompts at once: `rows.Row`."""
    pair = Pair(past, current, threshold)
    found = ((m, pair.target(m)) for m in range(len(past.analysis.mentions)))
    return tuple((m, k) for m, k in found if k is not None)


class Pair:
    def __init__(self, past: Prompt, current: Prompt, threshold: float) -> None:
        self.prompts, self.threshold = (past, current), threshold
        self.past, self.current = past.analysis, current.analysis
        self.cosines = similarities(past, current)
        self.english = self.past.language == self.current.language == "en"
        self.conflict = Conflicts(past, current, lambda p, q: self.heads(p, q) >= threshold).between
        self._columns: dict[int, dict[int, float]] = {}

    def target(self, m: int) -> int | None:
        """The strongest mention that nothing speaks against."""
        found = [self.strongest(m, k)[0] for k in range(len(self.current.mentions))]
        likely = [k for k, value in enumerate(found) if value >= self.threshold]
        free = (k for k in sorted(likely, key=lambda k: (-found[k], k)) if not self.conflict(m, k))
        return next(free, None)

    def verdict(self, m: int) -> Verdict:
        """Kept for the best target without a conflict; else the reason of the strongest candidate."""
        found = [(*self.compare(m, k), k) for k in range(len(self.current.mentions))]
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

    def compare(self, m: int, k: int) -> tuple[float, str, str]:
        """Strength of the two as one thing, the reason if it holds, and what speaks against it ('' if nothing)."""
        value, p, q = self.strongest(m, k)
        if value < self.threshold:
            return value, "", ""
        label = f"matches '{self.current.segments[q].text}' ({self.cosines[p, q]:.2f})"
        return value, "same word" if value == 1.0 else label, self.conflict(m, k)

    def strongest(self, m: int, k: int) -> tuple[float, int, int]:
        """Of the words that may stand for the two mentions, the first pair that is most alike: how much, and which."""
        left, (right, owners) = self.prompts[0].naming[m][0], self.prompts[1].naming[k]
        if owners and len(left) > 1:
            right += owners
        best = (-inf, -1, -1)
        for p in left:
            for q in right:
                value = self.heads(p, q)
                if value > best[0]:
                    best = (value, p, q)
        return best

    def heads(self, p: int, q: int) -> float:
        """Strength of two words that phrases are about, or that are names."""
        return self.column(q)[p]

    def column(self, q: int) -> dict[int, float]:
        """`heads` of all such words of the past with one of the current prompt."""
        if q not in self._columns:
            self._columns[q] = dict(self._strengths(q))
        return self._columns[q]

    def _strengths(self, q: int) -> Iterator[tuple[int, float]]:
        spelling, verb, cosines = self.prompts[1].spellings[q], q in self.current.verbs, self.cosines[:, q].tolist()
        for p, other, is_verb in self.prompts[0].telling:
            least, penalty, foreign = rule_between(other, spelling, self.english)
            value = cosines[p] - penalty - foreign
            value = least if value < least else value
            yield p, value - OTHER_SORT_PENALTY if value < 1.0 and is_verb != verb else value


class Conflicts:
    """Why mentions with matching heads are not the same. alike: whether two words, of the past and of the current
    prompt, that phrases are about mean the same sort of thing."""

    def __init__(self, past: Prompt, current: Prompt, alike: Callable[[int, int], bool]) -> None:
        self.prompts, self.alike = (past, current), alike
        self.past, self.current = past.analysis, current.analysis

    def between(self, m: int, k: int) -> str:
        """What speaks against it; '' if they may be the same."""
        if m in self.prompts[0].plain and k in self.prompts[1].plain:
            return ""
        a, b = self.past.mentions[m], self.current.mentions[k]
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
            alike = [q for q in b.phrases if self.alike(p.head, q.head)]
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


def _looks(mention: MentionParts) -> tuple[int, ...]:
    return tuple(i for phrase in mention.phrases if phrase.predicate for i in phrase.words)


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
    left = {past[i].lemma for i in names_of(a)}
    right = {current[i].lemma for i in names_of(b)}
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
