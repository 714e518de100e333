"""Words of a run of Japanese letters, cut where the script changes and at particles. There is no dictionary behind it.

A kanji run with endings that are no particle is a verb (走っている). Not covered: verbs and adjectives written in kana
alone, and kanji compounds of several words (東京駅 is one word).
"""

import re

LETTERS = "\u3041-\u3096\u30a1-\u30ff\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_KANA = re.compile("[\u3041-\u3096]+")
_RUN = re.compile("[\u3041-\u3096]+|[\u30a1-\u30ff]+|[^\u3041-\u3096\u30a1-\u30ff]+")
_PARTICLE_WORDS = "から まで より には では とは への は が を に で と も の へ や"  # longer ones first
_PARTICLES = tuple(_PARTICLE_WORDS.split())
JOINS = ("の", "い", "な")  # 少女の傘, 赤い傘, 静かな森: what stands before tells more about what comes after
_FUNCTION_WORDS = (
    "私 僕 俺 彼 彼女 君 誰 何 上 下 中 前 後 横 隣 間 時 人 事 この その あの これ それ あれ ここ そこ "
    "あそこ どこ そして しかし いる ある です ます する した して いた あった だ だった いて います "
    "あります なる なった ない とても もう まだ また ひとり ふたり"
)
_FUNCTION = frozenset(_FUNCTION_WORDS.split())


def cut(run: str) -> list[tuple[str, str]]:
    """(word, tag) in order; the words joined are `run`. Tags: "function", "verb", "content"."""
    pieces = _RUN.findall(run)
    words: list[tuple[str, str]] = []
    for k, piece in enumerate(pieces):
        if _KANA.fullmatch(piece):
            words += _kana(piece, after_word=k > 0)
        else:
            words.append((piece, _tag(piece, pieces[k + 1] if k + 1 < len(pieces) else "")))
    return words


def _tag(word: str, ending: str) -> str:
    if word in _FUNCTION:
        return "function"
    plain = not ending or ending in JOINS or ending.startswith((*_PARTICLES, "だ", "です", "か"))
    return "content" if plain or "\u30a1" <= word[0] <= "\u30ff" else "verb"


def _kana(piece: str, after_word: bool) -> list[tuple[str, str]]:
    """Particles and endings are function words; what stands behind a particle may be a noun: の|ねこ|が."""
    words: list[tuple[str, str]] = []
    if after_word:
        lead = next((p for p in _PARTICLES if piece.startswith(p)), "")
        if not lead or len(piece) - len(lead) < 2:
            return [(piece, "function")]
        words, piece = [(lead, "function")], piece[len(lead) :]
    tail = next((p for p in _PARTICLES if piece.endswith(p) and len(piece) > len(p) + 1), "")
    noun = piece[: len(piece) - len(tail)]
    words.append((noun, "content" if tail and noun not in _FUNCTION else "function"))
    return [*words, (tail, "function")] if tail else words
