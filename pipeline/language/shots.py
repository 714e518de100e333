"""Words that say how a scene is filmed, not what is in it: "Close-up of Mia", "The camera pans over", "Cut to:".

They are never remembered: two close-ups have nothing in common but their distance. Covered are the usual terms of shot
lists in English, and the sizes of shots in eight other languages. Most of these words name things and deeds elsewhere
("the cowboy shot Tom", "al primo piano"), so they count only where a description of a shot has them: at the beginning
of a sentence, before *of* or a colon, or between commas.
"""

import re
from functools import lru_cache

_BEGINS = r"""(?:^|[.!?:;…\n。！？(\[“"–—]|(?<=\s)[-*_])[\s"“*_(\[-]{0,6}(?:\d+[.)]?\s+)?"""
_OF = (
    r"of\b(?!\s+(?:whiske?y|vodka|rum|gin|tequila|bourbon|brandy|espresso|coffee|milk|insulin|(?:an?\s+|the\s+)?"
    r"(?:gun|rifle|pistol|cannon|vaccine))\b)"
)
_INTRODUCES = rf"(?=\s*(?::|{_OF}))"
_ENDS = (
    rf"(?=[\s*_]*(?:$|[.,:;!?)\]\n–—]|-\s|{_OF}|(?:on|from|with|at|in|around|over|through|as)\b))"
    r"|\s+(?:following|follows|framing|frames|showing|shows|revealing|reveals|flying|rising|opens\s+on)\b"
)
_SIZE = (
    r"(?:(?:extreme|extra|ultra|super|very|tight|medium|mid|wide|long|full|close|american|cowboy|master|establishing|"
    r"static)[\s-]+)"
)
_KIND = (
    r"(?:wide|mid|head|two|three|four|group|single|crane|dolly|drone|aerial|reaction|reverse|insert|cutaway|macro|"
    r"profile|overhead|hand-?held|steadicam|gimbal|tracking|travell?ing|panning|pan|tilting|tilt|zoom|pov|arc|orbit|"
    r"fpv|point[\s-]of[\s-]view|over[\s-](?:the[\s-])?shoulder|full[\s-](?:body|length)|waist|fixed|locked[\s-]off|"
    r"top[\s-]down|eye[\s-]level|slow[\s-]motion|(?:low|high|dutch|wide)[\s-]angle)"
)
_SHOT = rf"(?:{_SIZE}{{1,3}}|{_SIZE}{{0,3}}(?:{_KIND}[\s-]*){{1,2}})shots?"
_CLOSE_UP = rf"(?:(?:big|macro)[\s-]+)?{_SIZE}{{0,3}}close\s?-?ups?(?:[\s-]+(?:shots?|views?))?"
_LOOKS = (
    r"(?:(?:cinematic|beautiful|slow|smooth|dramatic|detailed|stunning|epic|static|intimate|black\s+and\s+white|side|"
    r"opening|closing|final|first|last|new)\s+){0,3}"
)
_ARTICLE = rf"(?:(?:in|as|to|from|we\s+see|we\s+open\s+on)\s+)?(?:(?:an?|the|this|another)\s+)?{_LOOKS}"
_CAMERA = (
    r"(?:pans|tilts|zooms|dollies|tracks|pulls|pushes|orbits|circles|rises(?!\s+from)|moves|follows|holds|lingers|"
    r"focuses|glides|swoops|arcs|(?:(?:is|remains|stays)\s+)?(?:static|fixed|still)\b|"
    r"(?:is\s+)?(?:slowly\s+|gently\s+|quickly\s+)?(?:panning|tilting|zooming|tracking|pulling|pushing|orbiting|circling|"
    r"rising|moving|following|gliding))"
)
_WHERE = r"(?:\s+(?:slowly|quickly|gently|back|away|in|out|up|down|left|right|closer|to\s+the\s+(?:left|right))\b){0,3}"
_ANYWHERE = rf"""
    (?:{_SIZE}{{0,3}})close-ups?(?=[\s*_]*(?:$|[^\w\s*_]|(?:of|on|from|in|at|with|as)\b)|[\s-]+(?:shot|view))
      (?:[\s-]+(?:shots?|views?))?
  | (?:{_SIZE}{{1,3}}|{_SIZE}{{0,3}}close\s?up\s)shots?{_INTRODUCES}
  | (?:bird|worm|god)['’]?s?[\s-]eye[\s-](?:view|shot)
  | in\s+slow[\s-]motion
"""
_FIRST = rf"""
    {_ARTICLE}(?:{_SHOT}|{_CLOSE_UP})(?:{_ENDS})
  | {_ARTICLE}(?:aerial|top[\s-]down|(?:low|high)[\s-]angle|overhead|pov|point[\s-]of[\s-]view|first[\s-]person|drone)
    (?:[\s-]+(?:view|footage)(?=[\s*_]*(?:$|[.,:;]|{_OF}|from\b|over\b))|{_INTRODUCES})
  | {_ARTICLE}shot(?=\s+{_OF})
  | (?:shot|scene|take)\s+\d+[a-z]?(?=\s*[:.])
  | (?:insert|montage|wide|close|tight|medium|slow\s+motion|freeze\s+frame|split\s+screen|rack\s+focus|long\s+take)
    (?=\s*:)
  | (?:angle|close|tight)\s+on(?=\s*:|\s+(?-i:[A-Z]))
  | (?-i:ECU|BCU|MCU|CU|OTS|EWS|MWS|WS|ELS|MLS|LS|MS|POV)(?=\s*(?:[:,.–—-]|of\b|on\b|$))
  | (?:int\.?\s*/\s*ext|int|ext|i/e)(?=[.\s])
  | (?:(?:the|an?|our)\s+)?camera(?:\s+(?:slowly|quickly|then|gently)){{0,2}}\s+{_CAMERA}\b{_WHERE}
  | (?:static|fixed|hand-?held)\s+camera(?=\s*(?:$|[.,:;]))
  | (?:slow(?:ly)?\s+|whip\s+|we\s+){{0,2}}(?:
        (?:pan|tilt)\s+(?:left|right|across|to|along|up|down)(?=\s*(?:$|[.,:])|\s+(?:to|from|on|over|the)\b|\s+(?-i:[A-Z]))
      | (?:zoom|zooming)\s+(?:in|out|back|on)(?:\s+(?:on|to))?
      | (?:dolly|push|pull)\s+(?:in|out|back)(?=\s*(?:$|[:,.])|\s+(?:on|to|from)\b)(?!\s+of\b))
  | whip\s+pan | dutch\s+(?:tilt|angle)
  | (?:smash\s+|match\s+|jump\s+)?cut\s+to
    (?=\s*:|\s+black\s*(?:$|[.:])|\s+(?:an?|the)\s+(?!bone\b|point\b)|\s+(?-i:[A-Z]))(?:\s+black(?=\s*(?:$|[.:])))?
  | (?:fade|dissolve)\s+(?:in|out|to)\b(?=\s*(?:$|[:.])|\s+(?:to|on|from|black|white)\b)(?:\s+(?:black|white)\b)?
  | iris\s+(?:in|out)(?=\s*(?:$|[:.]))
"""
_OTHERS_ANYWHERE = (
    r"(?:nah|gro(?:ss|ß)|detail)aufnahmen?|halbtotale|"  # German
    r"(?:tr[eè]s\s+)?gros\s+plans?(?!\s+d'eau)(?=\s*(?:sur|de|du|des|d'|:))|"  # French
    r"primer[íi]simo\s+primer\s+plano|primer\s+plano(?=\s*(?:de|:))|"  # Spanish
    r"primissimo\s+piano"  # Italian
)
_OTHERS_FIRST = (
    r"(?:(?:in\s+)?(?:der|eine[rn]?)\s+)?(?:totale|halbnahe?)(?:\s+aufnahme)?"
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
_ASIDE = rf"{_ARTICLE}(?:{_SHOT}|{_CLOSE_UP}|camera\s+{_CAMERA}{_WHERE}|(?:static|fixed|hand-?held)\s+camera)"
_TERM = re.compile(
    rf"(?ix) {_BEGINS}(?P<first>{_FIRST}|{_OTHERS_FIRST})(?![^\W_])"
    rf"| (?<![^\W_])(?P<anywhere>{_ANYWHERE}|{_OTHERS_ANYWHERE})(?![^\W_]) | (?P<eastern>{_EASTERN})"
    rf"| ,\s*(?P<aside>{_ASIDE})(?=\s*(?:[,.]|$))"
)
HEADINGS = frozenset(("int", "ext"))  # say where a scene is, not how it is filmed


@lru_cache(maxsize=8192)
def shot_terms(text: str) -> tuple[tuple[int, int], ...]:
    """Characters, start to end, of each such term of `text`, in order."""
    return tuple(found.span(found.lastgroup or 0) for found in _TERM.finditer(text))
