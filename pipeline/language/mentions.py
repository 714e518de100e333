"""Mentions: the content words of a prompt, grouped into what they speak of.

"Tom, a boy with a blue hat, is running on the red playground." -> [Tom ... boy ... blue hat] [running] [red playground]

Phrases (`pipeline.language.phrases`) that say more about one thing are bound together. Not covered: coreference
("she", "the other one").
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from . import eastern, languages, lexicon
from .canonical import canonical
from .phrases import Phrase, chinese_phrases, phrases_of, plain_phrases
from .words import (
    Segment,
    attribute_classes,
    has_capitals_everywhere,
    is_adjective,
    is_descriptive,
    segment,
    verb_base,
)


@dataclass(frozen=True)
class MentionParts:
    """A mention: its main phrase, and the phrases that are bound to it ("in a green hat", ", a boy,", "named Tom")."""

    phrases: tuple[Phrase, ...]

    @property
    def words(self) -> tuple[int, ...]:
        return tuple(sorted(i for phrase in self.phrases for i in phrase.words))


@dataclass(frozen=True)
class Analysis:
    """What is known of one prompt without looking at any other."""

    text: str
    language: str
    segments: tuple[Segment, ...]
    mentions: tuple[MentionParts, ...]
    mention_of: tuple[int | None, ...] = field(repr=False)  # per segment; None for function words
    verbs: frozenset[int] = field(repr=False)  # segments that are verbs


@lru_cache(maxsize=8192)
def analyse(text: str) -> Analysis:
    """The words and mentions of `text`. A pure function of it."""
    segments, language = segment(text)
    said, places = _without_pictures(segments)
    said = _mark_names(said, language)
    segments = _put_back(segments, said, places)
    mentions = _mentions(said, places, segments, language)
    mention_of: list[int | None] = [None] * len(segments)
    for index, mention in enumerate(mentions):
        for word in mention.words:
            mention_of[word] = index
    verbs = frozenset(i for m in mentions if m.phrases[0].verb for i in m.words)
    return Analysis(text, language, segments, mentions, tuple(mention_of), verbs)


def _mentions(
    said: tuple[Segment, ...], places: tuple[int, ...], segments: tuple[Segment, ...], language: str
) -> tuple[MentionParts, ...]:
    """The mentions of the words at `places`, and one for each picture beside them, in order."""
    phrases = [part for phrase in _phrases(said, language) for part in _owned(phrase, said)]
    found = [_at(mention, places) for mention in _bind(phrases, said)]
    found += [MentionParts((Phrase(words=(i,), head=i),)) for i in sorted(set(range(len(segments))).difference(places))]
    return tuple(sorted(found, key=lambda mention: mention.words))


def _owned(phrase: Phrase, segments: tuple[Segment, ...]) -> Iterator[Phrase]:
    """ "Mia's red coat" speaks of Mia and of what she wears, as "Mia in a red coat" does; "Mia's kite" of the kite."""
    worn = not phrase.verb and _is_attribute(phrase, segments) and phrase.head not in phrase.owners
    if not worn or not phrase.owners or any(segments[i].tag != "name" for i in phrase.owners):
        yield phrase
        return
    rest = tuple(i for i in phrase.words if i not in phrase.owners)
    yield Phrase(words=phrase.owners, head=phrase.owners[-1], names=phrase.owners)
    yield replace(phrase, words=rest, owners=())


# Emoji: a picture that stands beside a word cuts nothing off; one that stands for a word is one


def _without_pictures(segments: tuple[Segment, ...]) -> tuple[tuple[Segment, ...], tuple[int, ...]]:
    """The words without the emoji that only accompany them, and the place of each among all."""
    said: list[Segment] = []
    places: list[int] = []
    gap = ""
    for i, word in enumerate(segments):
        gap = max(gap, word.gap, key=_GAPS.index)
        if word.picture and not _stands_for_a_word(segments, i):
            continue
        said.append(replace(word, gap=gap))
        places.append(i)
        gap = ""
    return tuple(said), tuple(places)


_GAPS = ("", ",", ".")


def _stands_for_a_word(segments: tuple[Segment, ...], i: int) -> bool:
    """Whether a picture stands between an article or a number and a noun: "a 🇫🇷 flag", "in a 🔴 coat"."""
    if i == 0 or i + 1 == len(segments) or segments[i].gap or segments[i + 1].gap:
        return False
    before, after = segments[i - 1], segments[i + 1]
    return (before.form in lexicon.DETERMINERS or before.tag == "number") and after.tag == "content"


def _put_back(segments: tuple[Segment, ...], said: tuple[Segment, ...], places: tuple[int, ...]) -> tuple[Segment, ...]:
    marked = dict(zip(places, said, strict=True))
    return tuple(marked.get(i, word) for i, word in enumerate(segments))


def is_content(prompt: str, start: int, end: int) -> bool:
    """Whether any of the characters `start` to `end` of a prompt can be remembered: function words never are."""
    found = analyse(prompt)
    words = zip(found.segments, found.mention_of, strict=True)
    return any(mention is not None and word.start < end and word.end > start for word, mention in words)


def _at(mention: MentionParts, places: tuple[int, ...]) -> MentionParts:
    return MentionParts(tuple(phrase.at(places) for phrase in mention.phrases))


def _phrases(segments: tuple[Segment, ...], language: str) -> Iterator[Phrase]:
    if language in ("zh", "ja"):
        return chinese_phrases(segments, ("的",) if language == "zh" else eastern.JOINS)
    return plain_phrases(segments, language) if language in languages.FUNCTION else phrases_of(segments, language)


# Names


def _mark_names(segments: tuple[Segment, ...], language: str) -> tuple[Segment, ...]:
    said = tuple(canonical(s.text).text for s in segments if not s.shot)
    telling = language != "de" and not has_capitals_everywhere(said)
    return tuple(
        replace(s, tag="name") if s.tag == "content" and _is_name(segments, i, telling, language) else s
        for i, s in enumerate(segments)
    )


def _is_name(segments: tuple[Segment, ...], i: int, telling: bool, language: str) -> bool:
    word = segments[i]
    form = word.form.removesuffix("'s")
    following = segments[i + 1] if i + 1 < len(segments) else None
    if following and following.tag == "number" and not following.gap:
        return False  # Actor 1: the number tells who it is
    if not word.text[0].isupper() or form in lexicon.WEARABLES:
        return False
    if word.text.isupper() and len(form) > 1 and _common(word, form):
        return False  # a SMALL dog
    if form in lexicon.NAMES:
        return True
    if any(c.isdigit() for c in form):
        return True
    if not telling:
        return False
    return word.gap != "." or (language not in languages.FUNCTION and _opens_as_name(word, form))


def _opens_as_name(word: Segment, form: str) -> bool:
    """Whether the first word of a sentence is a name though its capital says nothing: nothing else is known of it."""
    plural = form.endswith("s") and not word.owner
    return not _common(word, form) and not plural and form not in lexicon.WEARABLES


def _common(word: Segment, form: str) -> bool:
    """Whether the lists know a word as something else than a name."""
    known = form in lexicon.MASS_NOUNS or verb_base(form) or is_descriptive(form) or attribute_classes(word.lemma)
    return bool(known) or word.lemma in _KNOWN


_KNOWN = frozenset(word for groups in lexicon.KINDS.values() for word in groups.replace(";", " ").split())


# Binding: what is said of one thing in several phrases


def _bind(phrases: list[Phrase], segments: tuple[Segment, ...]) -> Iterator[MentionParts]:
    k = 0
    while k < len(phrases):
        group = [phrases[k]]
        while k + 1 < len(phrases) and _belongs(group, phrases[k + 1], phrases[k + 2 : k + 3], segments):
            k += 1
            group.append(replace(phrases[k], predicate=_only_describes(phrases[k], segments)))
        yield MentionParts(tuple(group))
        k += 1


def _belongs(group: list[Phrase], new: Phrase, after: list[Phrase], segments: tuple[Segment, ...]) -> bool:
    """Whether `new` says more about what `group` names."""
    if new.verb or group[0].verb:
        return False
    between = segments[group[-1].words[-1] + 1 : new.words[0]]
    if not between and segments[group[-1].head].owner and group[-1].names and not segments[new.words[0]].gap:
        return True  # Mia's | red coat
    links = [w.form for w in between if w.form not in lexicon.DETERMINERS]
    gaps = [w.gap for w in (*between, segments[new.words[0]]) if w.gap]
    if gaps:
        return gaps == [","] and (
            _apposition(group, new, segments, links, bool(between))
            or _adjectives(group, segments, links)
            or (not between and _only_describes(new, segments) and not _only_describes(group[0], segments))
        )
    if _says_how(group, new, segments, [w.form for w in between]):
        return True
    if links and links[-1] in ("named", "called"):
        return bool(new.names)
    if _wears(links):
        return segments[new.words[0] - 1].form != "the" and _is_attribute(new, segments)
    if links and all(w in ("in", "with", "wearing", "dressed", "clad", "and", "sporting") for w in links):
        return (_is_attribute(new, segments) and (links != ["and"] or len(group) > 1)) or (
            links == ["and"] and _adjectives(group, segments, [])
        )  # fmt: skip
    return False


def _says_how(group: list[Phrase], new: Phrase, segments: tuple[Segment, ...], links: list[str]) -> bool:
    """ "The basket is green", 篮子是绿色的; and what goes on from there: "is green and old"."""
    if not links or not _only_describes(new, segments):
        return False
    if links == ["and"]:
        return group[-1].predicate
    be, *rest = links
    return be in _BE and not group[-1].predicate and all(word in lexicon.ADVERBS for word in rest)


_BE = frozenset(("is", "are", "was", "were", "是"))
_LASTING = {"colour", "size", "height", "length", "age", "width", "hair", "hair colour", "pattern", "material"}


def _only_describes(phrase: Phrase, segments: tuple[Segment, ...]) -> bool:
    """Whether a phrase is nothing but lasting looks: "green", "old and rusty"; not moods, not what is open or wet."""
    words = [segments[i] for i in phrase.words]
    looks = [_LASTING & (attribute_classes(w.form) or attribute_classes(w.lemma)).keys() for w in words]
    return any(looks) and all(
        look or is_adjective(word.form) or word.form == "的" for look, word in zip(looks, words, strict=True)
    )


def _wears(links: list[str]) -> bool:
    """Whether the words between a noun and a garment say that the one wears the other."""
    worn = links and links[-1] in ("wears", "wear", "wore", "wearing", "has", "had", "穿", "戴", "穿着", "戴着")
    return bool(worn) and not any(w in lexicon.PRONOUNS - {"who", "that", "which"} or w == "and" for w in links)


def _is_attribute(phrase: Phrase, segments: tuple[Segment, ...]) -> bool:
    """Something that one wears or has: "green hat", "long hair", or a colour alone: "in red"."""
    head = segments[phrase.head]
    return head.form in lexicon.WEARABLES or head.lemma in lexicon.WEARABLES or "colour" in attribute_classes(head.form)


def _apposition(
    group: list[Phrase], new: Phrase, segments: tuple[Segment, ...], links: list[str], determined: bool
) -> bool:
    """ "Tom, a boy ...": a name, a comma, then a noun with an article; not the list "Tom, a dog and a cat"."""
    if not group[-1].names or links or not determined or new.names:
        return False
    at = new.words[-1] + 1
    return at < len(segments) and (segments[at].gap == "," or segments[at].form in ("in", "with", "wearing")) and not (
        segments[at].gap == "," and segments[at].form in ("and", "a", "an", "the")
    )  # fmt: skip


def _adjectives(group: list[Phrase], segments: tuple[Segment, ...], links: list[str]) -> bool:
    """ "a big, red ball", "a red and white scarf": adjectives without a noun of their own."""
    known = all(attribute_classes(segments[i].form) for i in group[0].words)
    return known and not links and len(group) == 1
