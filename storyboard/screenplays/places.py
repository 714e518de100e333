"""Headings of scenes to words of a prompt: INT. KITCHEN - NIGHT is "in the kitchen at night"."""

from __future__ import annotations

import re
from typing import NamedTuple

from .names import Names

SETTING = re.compile(r"\s*(INT\.?\s*/\s*EXT|EXT\.?\s*/\s*INT|I\s*/\s*E|INT|EXT|EST)(?:\s*\.\s*|\s+)(.*)", re.IGNORECASE)
DASH = re.compile(r"\s+[-–—]+\s+|\s*[–—]\s*")
TIMES = {
    "day": "by day", "night": "at night", "morning": "in the morning", "evening": "in the evening",
    "afternoon": "in the afternoon", "noon": "at noon", "midnight": "at midnight", "dawn": "at dawn",
    "dusk": "at dusk", "sunrise": "at sunrise", "sunset": "at sunset", "twilight": "at twilight",
}  # fmt: skip
NO_TIMES = re.compile(
    r"(?:moments? |minutes |hours |days |years )?later|continuous|same(?: time)?|flashback|present"
    r"|jour|nuit|matin|soir|tag|nacht|morgen|abend|d[ií]a|noche|mañana|tarde|giorno|notte|mattina|sera"
    r"|день|ночь|утро|вечер|昼|夜|朝|夕",
    re.IGNORECASE,
)
UPON = frozenset([
    "balcony", "beach", "boat", "bridge", "deck", "hill", "hillside", "ice", "island", "mountain", "pier", "platform",
    "playground", "quay", "road", "roof", "rooftop", "sea", "shore", "square", "stage", "stairs", "street", "terrace",
    "train", "water",
])  # fmt: skip
WITHIN = frozenset([  # in these one is also without a roof
    "alley", "camp", "canyon", "cemetery", "city", "countryside", "courtyard", "desert", "field", "fields", "forest",
    "garden", "graveyard", "harbor", "harbour", "jungle", "market", "meadow", "mountains", "orchard", "park", "port",
    "rain", "sky", "snow", "swamp", "town", "valley", "village", "vineyard", "woods", "yard", "zoo",
])  # fmt: skip
ABBREVIATION = re.compile(r"(?:^|[\s(])(?:Mrs?|Ms|Dr|St|Prof|Capt|Lt|Sgt|Rev|Jr|Sr|[^\W\d_])$", re.IGNORECASE)
END = re.compile(r"[.!?…。！？]+[\"'”’)]*(?=\s|$)|$")


class Place(NamedTuple):
    outside: bool
    name: str  # "the kitchen of Mia's house"; "" for none
    time: str  # "at night"; "" for none


def place_of(heading: str, names: Names) -> Place:
    """What a heading says. One that is neither INT. nor EXT. may be anything: it names no place."""
    found = SETTING.fullmatch(heading)
    if not found:
        return Place(False, "", "")
    *parts, last = [part.strip(" .") for part in DASH.split(found.group(2)) if part.strip(" .")] or [""]
    time = TIMES.get(last.lower(), "")
    if not time and not NO_TIMES.fullmatch(last):
        parts.append(last)
    outside = found.group(1).upper() in ("EXT", "EST")
    return Place(outside, " of ".join(_with_article(_small(part, names)) for part in reversed(parts)), time)


def with_place(prompt: str, heading: str, names: Names) -> str:
    """A prompt whose first sentence says where and when it is, unless it says so already."""
    place = place_of(heading, names)
    words = {word.lower() for word in re.findall(r"\w+", prompt)}
    parts = []
    if place.name and place.name.partition(" of ")[0].split()[-1].lower() not in words:
        parts.append(_preposition(place))
    if place.time and place.time.split()[-1] not in words:
        parts.append(place.time)
    ends = (found.start() for found in END.finditer(prompt))
    at = next((end for end in ends if not ABBREVIATION.search(prompt[:end])), len(prompt))
    return " ".join([prompt[:at], *parts]) + prompt[at:]


def _preposition(place: Place) -> str:
    noun = place.name.partition(" of ")[0].split()[-1].lower()
    if noun in UPON:
        return f"on {place.name}"
    return f"outside {place.name}" if place.outside and noun not in WITHIN else f"in {place.name}"


def _with_article(name: str) -> str:
    return name if re.match(r"\S+['’]s?\s|(?:a|an|the)\s", name) else f"the {name}"


def _small(words: str, names: Names) -> str:
    """Words without capitals, but for names."""
    shown = names.shown(words.upper())
    return " ".join(word if word[:1].isupper() and not word.isupper() else word.lower() for word in shown.split())
