"""Words of a prompt: where they stand in the user's text, their written form, what kind of word each is.

White space and punctuation separate words; runs of Chinese and Japanese characters go through
`pipeline.language.eastern`. An emoji is a word. Not covered: segmentation of Thai and other scripts without spaces (a
run of them is one word).
"""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from . import eastern, languages, lexicon
from .canonical import EMOJI, canonical
from .shots import shot_terms

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MARKS = "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e4e\u200d"
_LETTER = rf"(?:[^\W_{_HAN}]|[{_MARKS}])"
_EMOJI = f"[{EMOJI}]"
_PICTURE = re.compile(_EMOJI)
_FLAG = "[\U0001f1e6-\U0001f1ff]{2}"
_WORD = re.compile(
    rf"(?P<japanese>[{eastern.JAPANESE}]*[\u3041-\u30ff][{eastern.JAPANESE}]*)"
    rf"|(?P<han>[{_HAN}]+)"
    rf"|(?P<emoji>{_FLAG}|{_EMOJI}[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]*(?:\u200d{_EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]*)*)"
    rf"|(?P<word>{_LETTER}+(?:['\-]{_LETTER}+)*)"
)
_SENTENCE_END = re.compile(r"[.!?;:。！？；：\n]")
_ELIDED = re.compile(r"(?i)(?:l|d|s|c|n|j|m|qu|un|dell|nell|all|sull)'(?=\w)")
_CLAUSE_BREAK = re.compile(r"[^\s\"'*_#№「」『』()\[\]{}<>【】〈〉《》]")
_KEPT_MARKS = re.compile("[\u3099\u309a]|(?<=и)\u0306")  # が is not か, й is a letter


@dataclass(frozen=True)
class Segment:
    """One word of a text."""

    text: str
    start: int  # characters of the text
    end: int
    form: str  # written form: case-folded, without accents
    lemma: str  # singular noun, base form of a verb: equal for "dogs" and "dog", "jumps" and "jumping"
    tag: str  # "function", "number", "name", "content"; for Chinese also "verb"
    gap: str  # what stands between the word before and this one: "" (nothing, space), "," or "."
    shot: bool = False  # whether it says how the scene is filmed: then its tag is "function"

    @property
    def picture(self) -> bool:
        """Whether it is an emoji."""
        return bool(_PICTURE.match(self.text))

    @property
    def owner(self) -> bool:
        """Whether it is a possessive: "Tom's"."""
        return self.form.endswith("'s")


def written_form(text: str) -> str:
    """`text` case-folded, compatibility forms unified, accents and other combining marks removed."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = {found.start() for found in _KEPT_MARKS.finditer(decomposed)}
    plain = "".join(
        c for i, c in enumerate(decomposed) if i in kept or (not unicodedata.combining(c) and c not in "\ufe0f\u200b")
    )
    return unicodedata.normalize("NFKC", plain).replace("’", "'").replace("‐", "-")


# Lemmas


@lru_cache(maxsize=16384)
def verb_base(form: str) -> str | None:
    """The base form of a verb that the lexicon knows in any inflection; None for anything else."""
    if form in lexicon.IRREGULAR:
        return lexicon.IRREGULAR[form]
    stems = [form]
    if form.endswith("ies") or form.endswith("ied"):
        stems.append(form[:-3] + "y")
    for ending in ("s", "es", "ing", "ed", "d"):
        if form.endswith(ending) and len(form) > len(ending) + 1:
            stem = form[: -len(ending)]
            stems += [stem, stem + "e"] + ([stem[:-1]] if len(stem) > 2 and stem[-1] == stem[-2] else [])
    return next((stem for stem in stems if stem in lexicon.VERBS), None)


@lru_cache(maxsize=16384)
def lemma_of(form: str) -> str:
    """The form under which inflections of one word are equal."""
    form = form.removesuffix("'s").removesuffix("'")
    if form in lexicon.IRREGULAR_PLURALS:
        return lexicon.IRREGULAR_PLURALS[form]
    if re.search(r"(wo|[^aeiou\W])men$", form):
        return form[:-2] + "an"  # policewomen
    if form in _KINDS or form in lexicon.ING_NOUNS or form in lexicon.WEARABLES:
        return form
    base = verb_base(form)
    if base:
        return base
    if form.endswith("ies") and len(form) > 4:
        return form[:-3] + "y"
    if re.search(r"(sh|ch|x|ss|z|o)es$", form):
        return form[:-2]
    return form[:-1] if len(form) > 3 and form.endswith("s") and form[-2] not in "sui" else form


# Kinds: what is the same, what excludes what


def _table(lists: dict[str, str]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for category, groups in lists.items():
        for index, group in enumerate(groups.split(";")):
            for word in group.split():
                table.setdefault(word, {}).setdefault(category, index)
    return table


_KINDS = _table(lexicon.KINDS)
_ATTRIBUTES = _table(lexicon.ATTRIBUTES)
_ATTRIBUTES |= {
    written_form(languages.stem(word, language)): {"colour": _ATTRIBUTES[colour]["colour"]}
    for language, words in languages.COLOURS.items()
    for colour, group in zip(languages.COLOUR_GROUPS.split(), words.split(), strict=True)
    for word in group.split("|")
    if written_form(languages.stem(word, language)) not in _ATTRIBUTES
}


def attribute_classes(word: str) -> dict[str, int]:
    """The classes of adjectives ("colour", "size", ...) that `word` is in, each with its group; {} if none."""
    return _ATTRIBUTES.get(word, {})


@lru_cache(maxsize=65536)
def same_kind(a: str, b: str) -> bool | None:
    """True if two lemmas name the same sort of thing, False if they exclude each other, None if no list says."""
    verdict: bool | None = None
    for table in (_KINDS, _ATTRIBUTES):
        left, right = table.get(a, {}), table.get(b, {})
        for category in left.keys() & right.keys():
            if left[category] != right[category]:
                return False
            verdict = True
    return verdict


@lru_cache(maxsize=16384)
def domains(lemma: str) -> frozenset[str]:
    """What `lemma` may be: "person", "animal", "place", ...; empty if no list knows it."""
    return frozenset(lexicon.DOMAINS.get(category, category) for category in _KINDS.get(lemma, {}))


def is_adjective(form: str) -> bool:
    """Whether the lists know `form` as an adjective."""
    return form in lexicon.ADJECTIVES or form in _ATTRIBUTES


def is_descriptive(form: str) -> bool:
    """Whether a word in front of a noun only describes it ("rusty", "smiling") and does not name another sort of it."""
    if form in _KINDS and form not in _ATTRIBUTES:
        return False
    return is_adjective(form) or bool(re.search(r"(y|ed|ing|ful|ous|ish|less|ive|al|ic|est|ier)$", form)) or "-" in form


# Segmentation


def _placed(words: list[tuple[str, str]], start: int) -> list[tuple[str, int, str]]:
    placed = []
    for word, tag in words:
        placed.append((word, start, tag))
        start += len(word)
    return placed


def language_of(text: str, words: list[str]) -> str:
    """The language whose letters or, in Latin ones, whose function words are the most; English if nothing tells.

    `words` are the written forms of the words of `text` that are neither Chinese nor Japanese.
    """
    han = len(_CHINESE.findall(text))
    if han and han >= len(words):
        return "ja" if _KANA.search(text) else "zh"
    scripts = Counter(languages.script_language(word) for word in words)
    most = scripts.most_common(1)[0][0] if scripts else None
    if most:
        return most
    votes = {name: sum(form in _VOTING[name] for form in words) for name in _VOTING}
    for name, letters in languages.LETTERS.items():
        votes[name] += len(re.findall(f"[{letters}]", text.casefold()))
    return max(votes, key=lambda name: votes[name])


ENGLISH_FUNCTION = (
    lexicon.DETERMINERS | lexicon.BE_FORMS | lexicon.MODALS | lexicon.PRONOUNS | lexicon.CONJUNCTIONS
    | lexicon.PREPOSITIONS | lexicon.ADVERBS | lexicon.ATTRIBUTE_LINKS
)  # fmt: skip
_FUNCTION = {"en": ENGLISH_FUNCTION, "de": lexicon.GERMAN, "romance": lexicon.ROMANCE} | {
    name: frozenset(map(written_form, languages.function_words(name))) for name in languages.FUNCTION
}
_ENGLISH = ENGLISH_FUNCTION | lexicon.VERBS | lexicon.IRREGULAR_PLURALS.keys() | _KINDS.keys() | _ATTRIBUTES.keys()
_ENGLISH |= lexicon.ADJECTIVES | lexicon.NAMES | lexicon.TITLES | set("abcdefghijlmnpqrtxy")
_VOTING = {name: _FUNCTION[name] for name in ("en", "de", "romance")}
_VOTING |= {name: _FUNCTION[name] - _ENGLISH for name in languages.LATIN}
_CHINESE = re.compile(f"[{_HAN}\u3041-\u30ff]")
_KANA = re.compile("[\u3041-\u30ff]")


def _is_function(form: str, language: str) -> bool:
    if form in _FUNCTION.get(language, ENGLISH_FUNCTION):
        return True
    if language == "romance" and form.endswith("'"):
        return True
    adverb = language == "en" and form.endswith("ly") and len(form) > 4 and form not in lexicon.LY_NOUNS
    return adverb and form not in lexicon.ADJECTIVES


def has_capitals_everywhere(words: tuple[str, ...]) -> bool:
    """Whether this is Title Case or ALL CAPITALS, where a capital tells nothing."""
    longer = [word for word in words if len(word) > 3 and word[0].isalpha()]
    capitals = sum(word[0].isupper() for word in longer)
    return capitals > 2 and capitals > 0.6 * len(longer)


def _gap(text: str) -> str:
    if _SENTENCE_END.search(text):
        return "."
    return "," if _CLAUSE_BREAK.search(text) else ""


def _tag(form: str, text: str, before: list[Segment], language: str, gap: str, titled: bool) -> str:
    """The tag of a word that is not Chinese, names left out."""
    identifies = before and not gap and before[-1].tag == "content"
    if form[0].isdigit() or form in lexicon.NUMBERS:
        return "number"
    if identifies and len(text) == 1 and text.isupper() and (text not in "AI" or not titled):
        return "number"  # Actor A, Robot X
    if form in lexicon.ALSO_NOUNS and language == "en" and before and before[-1].form in lexicon.DETERMINERS:
        return "content"  # a well, the can
    return "function" if _is_function(form, language) else "content"


def segment(text: str) -> tuple[tuple[Segment, ...], str]:
    """The words of `text` in order, and its language: "en", "de", "romance", "zh", "ja" or one of `FUNCTION`.

    Words are found in the canonical form of `text`; their places are those in `text`.
    """
    written = canonical(text)
    matches = list(_WORD.finditer(written.text))
    language = language_of(written.text, [written_form(m.group()) for m in matches if m.lastgroup == "word"])
    terms = shot_terms(written.text)
    said = [m.group() for m in matches if not any(first <= m.start() < until for first, until in terms)]
    titled = has_capitals_everywhere(tuple(said))
    found: list[Segment] = []
    last = 0
    for match in matches:
        for piece, at, tag in _pieces(match, language):
            gap = _gap(written.text[last:at]) if found else "."
            form = written_form(piece) or piece
            last = at + len(piece)
            start, end = written.outer(at, last)
            shot = any(first <= at and last <= until for first, until in terms)
            tag = "function" if shot else tag or _tag(form, piece, found, language, gap, titled)
            found.append(Segment(text[start:end], start, end, form, _lemma(piece, form, tag, language), tag, gap, shot))
    return tuple(found), language


def _pieces(match: re.Match[str], language: str) -> list[tuple[str, int, str]]:
    """(word, start, tag) of what one match holds; the tag is "" where the words around it decide."""
    text, kind = match.group(), match.lastgroup
    if kind == "emoji":
        return [(text, match.start(), "content")]
    if kind == "word":
        return [(piece, start, "") for piece, start in _elided(match, language)]
    if language not in ("zh", "ja"):
        return [(text, match.start(), "content")]  # 上海 in an English sentence
    cut = eastern.cut_japanese if language == "ja" else eastern.cut_chinese
    return _placed(cut(text), match.start())


def _elided(match: re.Match[str], language: str) -> list[tuple[str, int]]:
    """French l'arbre and Italian l'albero are two words."""
    text = match.group()
    split = _ELIDED.match(text)
    if not split or language != "romance":
        return [(text, match.start())]
    return [(split.group(), match.start()), (text[split.end() :], match.start() + split.end())]


def _lemma(text: str, form: str, tag: str, language: str) -> str:
    if tag == "number":
        return lexicon.NUMBERS.get(form) or "".join(str(unicodedata.decimal(c, c)) for c in form)
    if language in languages.FUNCTION:
        return written_form(languages.stem(unicodedata.normalize("NFC", text.casefold()), language)) or form
    return lemma_of(form)
