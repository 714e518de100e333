"""Words that say how a scene is filmed, not what is in it: "Close-up of Mia", "The camera pans over", "Cut to:".

They are never remembered: two close-ups have nothing in common but their distance. Covered are the usual terms of shot
lists in English, and the sizes of shots in eight other languages. Most of these words name things and deeds elsewhere
("the cowboy shot Tom", "al primo piano"), so they count only where a description of a shot has them: at the beginning
of a sentence, before *of* or a colon, or between commas.
"""

import re
from functools import lru_cache

_BEGINS = r"""(?:^|[.!?:;…\n。！？(\[“"–—]|(?<=\s)[-*_])[\s"“*_(\[-]{0,6}(?:\d+[.)]?\s+)?"""
_OF = r"of\b(?!\s+(?:whiske?y|vodka|rum|gin|tequila|espresso|coffee|an?\s+(?:gun|cannon))\b)"
_INTRODUCES = rf"(?=\s*(?::|{_OF}))"
_ENDS = rf"(?=[\s*_]*(?:$|[.,:;!?)\]\n–—]|-\s|{_OF}|on\b|from\b))"
_SIZE = (
    r"(?:(?:extreme|extra|ultra|super|very|big|tight|medium|mid|wide|long|full|close|american|cowboy|master|establishing|"
    r"static)[\s-]+)"
)
_KIND = (
    r"(?:wide|mid|head|two|three|four|group|single|crane|dolly|drone|aerial|reaction|reverse|insert|cutaway|macro|"
    r"profile|overhead|hand-?held|steadicam|gimbal|tracking|travell?ing|panning|pan|tilting|tilt|zoom|pov|"
    r"point[\s-]of[\s-]view|over[\s-](?:the[\s-])?shoulder|full[\s-](?:body|length)|waist|fixed|top[\s-]down|"
    r"eye[\s-]level|(?:low|high|dutch|wide)[\s-]angle)"
)
_SHOT = rf"(?:{_SIZE}{{1,3}}|{_SIZE}{{0,3}}{_KIND}[\s-]*)shots?"
_CLOSE_UP = rf"{_SIZE}{{0,3}}close\s?ups?(?:[\s-]+shots?)?"
_ARTICLE = r"(?:(?:in|as|to|from)\s+)?(?:(?:an?|the|another)\s+)?"
_CAMERA = (
    r"(?:pans|tilts|zooms|tracks|pulls|pushes|orbits|circles|rises|moves|follows|stays|holds|lingers|cuts|focuses|"
    r"glides|flies|swoops|arcs|starts|(?:is\s+)?(?:slowly\s+|gently\s+|quickly\s+)?(?:panning|tilting|zooming|tracking|"
    r"pulling|pushing|orbiting|circling|rising|moving|following|gliding|flying))"
)
_WHERE = r"(?:\s+(?:slowly|quickly|gently|back|away|in|out|up|down|left|right|closer)\b){0,3}"
_ANYWHERE = rf"""
    {_SIZE}{{0,3}}close-ups?(?:[\s-]+shots?)?
  | (?:{_CLOSE_UP}|{_SHOT}){_INTRODUCES}
  | (?:bird|worm|god)['’]?s?[\s-]eye[\s-](?:view|shot)
"""
_FIRST = rf"""
    {_ARTICLE}(?:{_SHOT}|{_CLOSE_UP}){_ENDS}
  | {_ARTICLE}(?:aerial|top[\s-]down|(?:low|high)[\s-]angle|overhead|pov|point[\s-]of[\s-]view)(?:\s+view)?{_ENDS}
  | {_ARTICLE}shot(?=\s+{_OF})
  | (?:shot|scene|take)\s+\d+[a-z]?(?=\s*[:.])
  | (?:insert|montage|wide|close|tight|medium|slow\s+motion|freeze\s+frame|split\s+screen|rack\s+focus|long\s+take)
    (?=\s*:)
  | (?:angle|close|tight|wide|rack\s+focus)\s+on(?=[\s:])
  | (?-i:ECU|BCU|MCU|CU|OTS|EWS|MWS|WS|ELS|MLS|LS|MS|POV)(?=\s*(?:[:,.–—-]|of\b|on\b|$))
  | (?:int\.?\s*/\s*ext|int|ext|i/e)(?=[.\s])
  | (?:(?:the|an?|our)\s+)?camera(?:\s+(?:slowly|quickly|then|gently)){{0,2}}\s+{_CAMERA}\b{_WHERE}
  | (?:slow(?:ly)?\s+|whip\s+|we\s+){{0,2}}(?:
        (?:pan|tilt|track|crane|panning|tilting|tracking)\s+(?:left|right|across|over|to|back|along|from|up|down)
      | (?:zoom|dolly|zooming)\s+(?:in|out|back|into|on)(?:\s+(?:on|to))?
      | (?:push|pull)\s+(?:in|out|back)(?=\s*(?:[:,.]|on\b|to\b|from\b)))
  | whip\s+pan | dutch\s+tilt
  | (?:smash\s+|match\s+|jump\s+)?cut\s+to\b(?!\s+(?:pieces|shreds|the\s+chase|size|ribbons)\b)(?:\s+black\b)?
  | (?:fade|dissolve|iris)\s+(?:in|out|to)\b(?=\s*(?:$|[:.])|\s+(?:to|on|from|black|white)\b)(?:\s+(?:black|white)\b)?
"""
_OTHERS_ANYWHERE = (
    r"(?:nah|gro(?:ss|ß)|detail)aufnahmen?|halbtotale|"  # German
    r"(?:tr[eè]s\s+)?gros\s+plans?(?!\s+d'eau)(?=\s*(?:sur|de|du|des|d'|:))|"  # French
    r"primer[íi]simo\s+primer\s+plano|primer\s+plano(?=\s*(?:de|:))|"  # Spanish
    r"primissimo\s+piano"  # Italian
)
_OTHERS_FIRST = (
    r"(?:(?:in\s+)?(?:der|eine[rn]?)\s+)?(?:totale|halbnahe?|amerikanische)(?:\s+aufnahme)?"
    r"(?=\s*(?:$|[:.,]|von\b|de[rs]\b|auf\b))|"  # German
    r"(?:en\s+|un\s+)?plan\s+(?:large|moyen|am[eé]ricain|d'ensemble|rapproch[eé]|serr[eé]|g[eé]n[eé]ral)|"  # French
    r"(?:en\s+)?(?:primer\s+plano|(?:gran\s+)?plano\s+(?:general|medio|americano|detalle|entero))|"  # Spanish
    r"(?:in\s+)?(?:primo\s+piano(?=\s*(?:di|su|:|,))|piano\s+americano|figura\s+intera|"
    r"campo\s+(?:lungo|lunghissimo|medio|totale))|"  # Italian
    r"(?:em\s+)?(?:primeir(?:o|[íi]ssimo)\s+plano|plano\s+(?:geral|m[eé]dio))|"  # Portuguese
    r"(?:общ|крупн|средн|дальн)\w{2,3}\s+план\w{0,2}"  # Russian
)
_EASTERN = (
    r"大?(?:特写|特寫|远景|遠景|全景|中景|近景)(?:(?:镜头|鏡頭)|(?=\s*[：:，,。]|$))|"
    r"クローズアップ|ロングショット|ミディアムショット"
)
_TERM = re.compile(
    rf"(?ix) {_BEGINS}(?P<first>{_FIRST}|{_OTHERS_FIRST})(?![^\W_])"
    rf"| (?<![^\W_])(?P<anywhere>{_ANYWHERE}|{_OTHERS_ANYWHERE})(?![^\W_]) | (?P<eastern>{_EASTERN})"
    rf"| ,\s*(?P<aside>{_ARTICLE}(?:{_SHOT}|{_CLOSE_UP}))(?=\s*(?:[,.]|$))"
    rf"| (?<!\w)(?:in|as)\s+an?\s+(?P<inside>{_SHOT}|{_CLOSE_UP})(?=\s*(?:[,.]|$))"
)
HEADINGS = frozenset(("int", "ext"))  # say where a scene is, not how it is filmed


@lru_cache(maxsize=8192)
def shot_terms(text: str) -> tuple[tuple[int, int], ...]:
    """Characters, start to end, of each such term of `text`, in order."""
    return tuple(found.span(found.lastgroup or 0) for found in _TERM.finditer(text))
