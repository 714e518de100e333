"""Words that say how a scene is filmed, not what is in it: "Close-up of Mia", "The camera pans over", "Cut to:".

They are never remembered: two close-ups have nothing in common but their distance. Covered are the usual terms of shot
lists in English, and the sizes of shots in eight other languages. A camera that somebody holds is a thing like any.
"""

import re
from functools import lru_cache

_SIZE = (
    r"(?:extreme|very|big|tight|medium|mid|wide|long|full|american|cowboy|master|establishing|close|static|tracking)"
)
_MOVE = (
    r"(?:pans?|tilts?|zooms?|dolly|dollies|tracks?|trucks?|cranes?|push(?:es)?|pulls?|orbits?|circles?|rises?|moves?)"
)
_MOVING = (
    r"(?:panning|tilting|zooming|dollying|tracking|trucking|craning|pushing|pulling|orbiting|circling|rising|moving)"
)
_STAYS = r"(?:follow(?:s|ing)?|stays?|staying|holds?|holding|lingers?|lingering|cuts?|focus(?:es|ing)?)"
_WHERE = r"(?:\s+(?:slowly|quickly|back|away|in|out|up|down|left|right|closer))*"
_ENGLISH = rf"""
    (?:{_SIZE}[\s-]+)*close[\s-]?ups?
  | (?:{_SIZE}[\s-]+)+shots?
  | (?:crane|dolly|drone|aerial|reaction|insert|point[\s-]of[\s-]view|pov|over[\s-]the[\s-]shoulder|overhead|handheld
     |(?:low|high|dutch|wide|eye-level)[\s-]angle|zoom|pan)[\s-]+shots?
  | (?:one|two|three)[\s-]shot
  | (?:low|high|dutch|wide)[\s-]angles?
  | (?:bird|worm)['’]s[\s-]eye[\s-]view
  | pov\b(?=\s*(?::|of\b|$))
  | the\s+camera(?:\s+(?:is|slowly|quickly|then|gently))*\s+(?:{_MOVE}|{_MOVING}|{_STAYS})\b{_WHERE}
  | (?:^|(?<=[.!?:]\s))(?:
        (?:the|an?)?\s*shot(?=\s+of\b)
      | (?:slow(?:ly)?\s+)?(?:pan|tilt|zoom|dolly|push|pull)\s+(?:in|out|up|down|left|right|across|over|to|back)\b
      | (?:smash\s+|match\s+|jump\s+)?cut\s+to\b | (?:fade|dissolve|iris)\s+(?:in|out|to)\b(?=\s*(?::|\.|to\b|black\b)))
"""
_OTHERS = (
    "nahaufnahme|gro(?:ss|ß)aufnahme|(?:^|(?<=[.!?]\\s))totale|halbtotale|halbnahe?|"  # German
    "(?:très\\s+)?gros\\s+plan|plan\\s+(?:large|moyen|américain|d'ensemble)|"  # French
    "(?:primerísimo\\s+)?primer\\s+plano|plano\\s+(?:general|medio|americano|detalle)|"  # Spanish
    "prim(?:issim)?o\\s+piano|campo\\s+(?:lungo|medio|totale)|"  # Italian
    "primeiro\\s+plano|plano\\s+geral|"  # Portuguese
    "(?:общий|крупный|средний)\\s+план"  # Russian
)
_EASTERN = "(?:特写|远景|全景|中景|近景)(?:镜头)?|クローズアップ|ロングショット"
_TERM = re.compile(rf"(?ix) (?<!\w)(?:{_ENGLISH}|{_OTHERS})(?!\w) | {_EASTERN}")


@lru_cache(maxsize=8192)
def shot_terms(text: str) -> tuple[tuple[int, int], ...]:
    """Characters, start to end, of each such term of `text`, in order."""
    return tuple(found.span() for found in _TERM.finditer(text))
