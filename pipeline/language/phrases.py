"""Phrases: the words of a prompt cut into nouns with what stands before them, and verbs.

There is no tagger behind this: a clause is read from left to right with word lists, endings and position. It is made
for captions (subject, verb, object, place). Not covered: free word order, long relative clauses, verbs that no rule
shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import lexicon
from .words import Segment, attribute_classes, is_adjective, is_descriptive, verb_base


@dataclass(frozen=True)
class Phrase:
    """A noun with what stands before it ("Tom's red kite", "Actor 1"), or a verb. Indices point to segments."""

    words: tuple[int, ...]
    head: int
    verb: bool = False
    modifiers: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()  # Tom's
    names: tuple[int, ...] = ()
    number: int | None = None  # the 1 of "Actor 1"
    quantity: int | None = None  # the 3 of "3 dogs"
    predicate: bool = False  # only says how the phrase before it is: "the basket is green", "a car, yellow and old,"

    def at(self, places: Sequence[int]) -> "Phrase":
        """The same phrase where its word i is word places[i]."""
        if places and places[-1] == len(places) - 1:
            return self
        words, modifiers, owners, names = (
            tuple(places[i] for i in indices) for indices in (self.words, self.modifiers, self.owners, self.names)
        )
        number, quantity = (None if i is None else places[i] for i in (self.number, self.quantity))
        head = places[self.head]
        return Phrase(words, head, self.verb, modifiers, owners, names, number, quantity, self.predicate)


@dataclass
class _Clause:
    """What has been read of the present clause."""

    subject: bool = False
    verb: bool = False


def _runs(segments: tuple[Segment, ...]) -> Iterator[list[int]]:
    """Stretches of content words with nothing between them; a possessive stays with what it owns."""
    run: list[int] = []
    for i, word in enumerate(segments):
        if run and (word.gap or word.tag == "function"):
            yield run
            run = []
        if word.tag != "function":
            run.append(i)
    if run:
        yield run


def phrases_of(segments: tuple[Segment, ...], language: str) -> Iterator[Phrase]:
    """The phrases of a text that is not Chinese, in order."""
    clause = _Clause()
    last = -1
    for run in _runs(segments):
        for between in segments[last + 1 : run[0] + 1]:
            if between.gap == "." or between.form in _CLAUSE_OPENERS:
                clause.verb = False
            if between.form in lexicon.PRONOUNS:
                clause.subject = True
        last = run[-1]
        for words, verb in _split_verbs(segments, run, clause, language):
            clause.verb |= verb and not _participle(segments, words[0])
            clause.subject |= not verb
            yield from [_verb_phrase(words)] if verb else _noun_phrases(segments, words, language)


def _participle(segments: tuple[Segment, ...], at: int) -> bool:
    """Whether an -ing form stands without a form of "be": "Jogging by the river, Ana sings", "a dog chasing a cat"."""
    if not segments[at].form.endswith("ing"):
        return False
    while (
        at > 0
        and not segments[at].gap
        and (segments[at - 1].form in lexicon.ADVERBS or segments[at - 1].form[-2:] == "ly")
    ):
        at -= 1
    return at == 0 or segments[at - 1].form not in lexicon.BE_FORMS


_CLAUSE_OPENERS = lexicon.CONJUNCTIONS | {"who", "that", "which", "und", "et", "y", "e"}


def _verb_phrase(words: list[int]) -> Phrase:
    return Phrase(words=tuple(words), head=words[-1], verb=True)


def _split_verbs(
    segments: tuple[Segment, ...], run: list[int], clause: _Clause, language: str
) -> Iterator[tuple[list[int], bool]]:
    """The run cut before and after each verb: (words, whether they are a verb)."""
    nouns: list[int] = []
    had_verb = clause.verb
    for k, i in enumerate(run):
        rule = _RULES[language]
        if rule(segments, run, k, nouns, clause.subject or bool(nouns), had_verb):
            if nouns:
                yield nouns, False
            yield [i], True
            nouns, had_verb = [], True
        else:
            nouns.append(i)
    if nouns:
        yield nouns, False


def _english_verb(
    segments: tuple[Segment, ...], run: list[int], k: int, nouns: list[int], subject: bool, had_verb: bool
) -> bool:
    word = segments[run[k]]
    before = segments[run[k] - 1] if run[k] else None
    noun = word.form in lexicon.ING_NOUNS and not (before and before.form in lexicon.BE_FORMS)  # "is painting"
    counted = k == 1 and before is not None and before.tag == "number"  # Three bears
    if word.tag != "content" or noun or word.owner or counted:
        return False
    if k == 0:
        return _opens_with_verb(segments, run, before, subject)
    if word.form.endswith("ing"):
        return (bool(nouns) and not _only_describes(segments, nouns)) or not nouns
    if not nouns or had_verb or _only_describes(segments, nouns):
        return False
    return _finite(segments, run, k)


def _only_describes(segments: tuple[Segment, ...], nouns: list[int]) -> bool:
    return all(segments[i].tag in ("content", "number") and is_adjective(segments[i].form) for i in nouns)


def _opens_with_verb(segments: tuple[Segment, ...], run: list[int], before: Segment | None, subject: bool) -> bool:
    """Whether the first word of a run is a verb, from the function word before it."""
    word = segments[run[0]]
    form = word.form
    shaped = form.endswith(("ing", "ed", "s")) or form in lexicon.IRREGULAR
    known = verb_base(form) is not None
    if before is None or word.gap:
        return (form.endswith("ing") and known) or bool(subject and known and shaped)
    if before.form in lexicon.DETERMINERS:
        return False
    at = run[0] - 1
    while at > 0 and (segments[at].form in lexicon.ADVERBS or segments[at].form.endswith("ly")):
        at -= 1
    lead = segments[at].form
    if lead in lexicon.BE_FORMS or segments[at].owner:
        return form.endswith("ing") or (known and shaped)
    if lead in lexicon.MODALS:
        return known
    if lead in lexicon.PRONOUNS or lead in lexicon.CONJUNCTIONS:
        return known and (shaped or lead in lexicon.PRONOUNS)
    if segments[at].tag != "function":  # an adverb between subject and verb: "slowly climbs"
        return known
    return form.endswith("ing") and known


def _finite(segments: tuple[Segment, ...], run: list[int], k: int) -> bool:
    """Whether a word after a noun is the verb of the clause: "Cars wait", "the waiter pours tea", "Vorple gorbs"."""
    word, before = segments[run[k]], segments[run[k] - 1]
    known = verb_base(word.form) is not None
    lead = _lead(segments, run)
    if lead in lexicon.MODALS:
        return known and word.lemma == word.form  # What does the magician hide?
    if known and (word.form.endswith(("s", "ed")) or word.form in lexicon.IRREGULAR):
        return True
    mass = before.form in lexicon.MASS_NOUNS and lead not in ("a", "an")  # but a steam train
    plural = before.lemma != before.form or mass or _coordinated(segments, run[0])
    identified = before.tag == "name" or (before.tag == "number" and k > 1)
    after_plural = before.tag == "content" and before.lemma != before.form and not before.owner
    if (known and (plural or identified)) or (after_plural and word.lemma == word.form):
        return True
    if not word.form.endswith("s") or word.form.endswith(("ss", "us", "is")):
        return False
    return identified or _unknown_verb(segments, run, k)


def _lead(segments: tuple[Segment, ...], run: list[int]) -> str:
    """The function word before a run: its article, or what stands before "the" after "does", "can", ..."""
    at = run[0] - 1
    if at < 0 or segments[run[0]].gap:
        return ""
    article = segments[at].form in lexicon.DETERMINERS
    if article and at and not segments[at].gap and segments[at - 1].form in lexicon.MODALS:
        return segments[at - 1].form
    return segments[at].form


def _unknown_verb(segments: tuple[Segment, ...], run: list[int], k: int) -> bool:
    """Whether a word in -s that no list knows must be a verb from what stands around it."""
    lead = _lead(segments, run)
    following = segments[run[k] + 1] if run[k] + 1 < len(segments) else None
    if lead in ("a", "an", "every", "each"):
        return True
    if following and not following.gap and following.form in lexicon.DETERMINERS:
        return True
    return not _verb_follows(segments[run[k] + 1 :])


def _verb_follows(segments: tuple[Segment, ...]) -> bool:
    """Whether the rest of the sentence has a word that may be its verb."""
    for k, word in enumerate(segments):
        if word.gap == ".":
            return False
        known = verb_base(word.form) and not (k and segments[k - 1].form in lexicon.DETERMINERS)  # not "the lights"
        if word.form in lexicon.BE_FORMS | lexicon.MODALS or (known and (word.form[-1] in "sdg" or k == 0)):
            return True
    return False


def _coordinated(segments: tuple[Segment, ...], first: int) -> bool:
    at = first - 1
    if at > 0 and segments[at].form in lexicon.DETERMINERS:
        at -= 1
    return at > 0 and segments[at].form == "and"


def _german_verb(
    segments: tuple[Segment, ...], run: list[int], k: int, nouns: list[int], subject: bool, had_verb: bool
) -> bool:
    """German nouns have capitals: a small word after one is a verb."""
    small = segments[run[k]].tag == "content" and segments[run[k]].text[0].islower()
    return small and bool(nouns) and segments[run[k] - 1].text[0].isupper()


def _romance_verb(
    segments: tuple[Segment, ...], run: list[int], k: int, nouns: list[int], subject: bool, had_verb: bool
) -> bool:
    """The word after a subject, unless it is an adjective that the lists know: "le chat noir dort"."""
    word = segments[run[k]]
    plain = word.tag == "content" and not attribute_classes(word.form)
    return plain and bool(nouns) and not had_verb and not _only_describes(segments, nouns)


_RULES = {"en": _english_verb, "de": _german_verb, "romance": _romance_verb}


def _noun_phrases(segments: tuple[Segment, ...], words: list[int], language: str) -> Iterator[Phrase]:
    """One phrase, or more where a number that tells who it is ends the first: "Actor 1 | close-up"."""
    for k, i in enumerate(words):
        if segments[i].tag == "number" and k and k + 1 < len(words):
            yield _noun_phrase(segments, words[: k + 1], language)
            yield from _noun_phrases(segments, words[k + 1 :], language)
            return
    yield _noun_phrase(segments, words, language)


def _noun_phrase(segments: tuple[Segment, ...], words: list[int], language: str) -> Phrase:
    numbers = [i for i in words if segments[i].tag == "number"]
    owned = max((k for k, i in enumerate(words[:-1]) if segments[i].owner), default=-1) + 1
    rest = [i for i in words[owned:] if i not in numbers] or words
    head = rest[0] if language == "romance" and not is_descriptive(segments[rest[0]].form) else rest[-1]
    number = words[-1] if len(words) > 1 and words[-1] in numbers else None
    return Phrase(
        words=tuple(words),
        head=head,
        modifiers=tuple(i for i in rest if i != head and segments[i].tag != "name"),
        owners=tuple(words[:owned]),
        names=tuple(i for i in rest if segments[i].tag == "name"),
        number=number,
        quantity=next((i for i in numbers if i != number), None),
    )


# Languages without a grammar here


def chinese_phrases(segments: tuple[Segment, ...], joins: tuple[str, ...] = ("的",)) -> Iterator[Phrase]:
    """Verbs alone; nouns with the adjectives, owners and numbers beside them, across `joins`. Japanese too."""
    words: list[int] = []
    for i, word in enumerate(segments):
        joined = word.form in joins and words and i + 1 < len(segments) and not segments[i + 1].gap
        if words and (word.gap or (word.tag in ("function", "verb") and not joined)):
            yield _noun_phrase(segments, words, "zh")
            words = []
        if word.tag == "verb":
            yield _verb_phrase([i])
        elif word.tag not in ("function", "verb"):
            words.append(i)
    if words:
        yield _noun_phrase(segments, words, "zh")


def plain_phrases(segments: tuple[Segment, ...], language: str) -> Iterator[Phrase]:
    """Every word alone but for colours, numbers and names, which stay with the noun beside them."""
    order = "romance" if language in _ADJECTIVE_AFTER else language
    for run in _runs(segments):
        words = run[:1]
        for i in run[1:]:
            if not _stays(segments, words, i, order):
                yield _noun_phrase(segments, words, order)
                words = []
            words.append(i)
        yield _noun_phrase(segments, words, order)


_ADJECTIVE_AFTER = ("ar", "he", "ro", "id")


def _stays(segments: tuple[Segment, ...], words: list[int], i: int, order: str) -> bool:
    """Whether a word belongs to the words before it: "красный | трактор", "Актёр | 1", "Анна | Каренина"."""
    word, before = segments[i], segments[words[-1]]
    if word.tag == "number":
        return before.tag != "number"
    if order == "romance" and attribute_classes(word.lemma):
        return before.tag != "number"
    leads = all(segments[k].tag == "number" or (order != "romance" and _colour(segments[k])) for k in words)
    return leads or (word.text[0].isupper() and before.text[0].isupper())


def _colour(word: Segment) -> bool:
    return "colour" in attribute_classes(word.lemma)
