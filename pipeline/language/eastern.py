"""Words of runs of Chinese and of Japanese letters.

Chinese by jieba, corrected where its dictionary glues what a caption keeps apart. Japanese is cut where the script
changes and at particles, without a dictionary: a kanji run with endings that are no particle is a verb (走っている).
Not covered: traditional characters beyond what jieba's dictionary has, classical Chinese; Japanese verbs and adjectives
written in kana alone, and kanji compounds of several words (東京駅 is one word).
"""

import logging
import re
import warnings
from functools import lru_cache

from . import lexicon

# Chinese

_TAGS = {flag: "function" for flag in "qupcrdfyx"} | {"v": "verb", "m": "number"}
_MEASURE = "个只位名条辆头匹把件群些棵朵座"
_COLOURS = "红蓝绿黄黑白紫粉灰棕橙"
_ANIMALS = "猫狗马牛羊猪鸡鸭鹅兔鸟狼狐鹿蛇"
_DEEDS = "盖敲喊闻摸踩扔丢举挂擦扫剪缝煮炒烤浇钻捉咬舔找抬搬挖喂拍蹲跪趴躺"  # followed by what it is done to

# Where to cut a word in two: (pattern of the whole word, flags of jieba for which it holds)
_CUTS = (
    (re.compile(f"([一两二三四五六七八九十几这那]+[{_MEASURE}])(.+)"), "nmr"),  # 一个|男孩
    (re.compile("([穿戴])(.+)"), "nzv"),  # 戴|黄
    (re.compile(f"([{_COLOURS}])(.{{2,}}|[{_ANIMALS}])"), "n"),  # 绿|帽子
    (re.compile("(.+)([里上下中旁边内外])"), "sn"),  # 树|上
    (re.compile("(..+)([里上下中旁边内外])"), "v"),  # 操场|上
    (re.compile("(.)(在)"), "v"),  # 坐|在
    (re.compile(f"([{_DEEDS}])(.{{2,}})"), "nilv"),  # 盖|房子
    (re.compile(f"([{''.join(w for w in lexicon.CHINESE_VERBS if len(w) == 1)}])(.{{2,}})"), "ni"),  # 踢|足球
)
_WHOLE = frozenset({"早上", "晚上", "乡下", "黄昏", "红绿灯", "黄金", "白菜", "红旗", "看台", "黑夜", "白天"})
_THINGS = re.compile(".[机船家面车道廊台衣袋者垫手枕链虫艇客池员师具]$")  # 飞机 begins like a verb and is a thing


@lru_cache(maxsize=1)
def _tagger():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's own, at import
        import jieba
        import jieba.posseg

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    for word in ("红外", "和小红"):
        tokenizer.del_word(word)
    for word in ("外套", "帽子", "雨伞", "风筝", "城堡", "机器人"):
        tokenizer.add_word(word, freq=50000, tag="n")
    return jieba.posseg.POSTokenizer(tokenizer)


def cut_chinese(text: str) -> list[tuple[str, str]]:
    """(word, tag) in order; the words joined are `text`. Tags: "function", "verb", "number", "content"."""
    return [part for pair in _tagger().cut(text) for part in _parts(pair.word, pair.flag)]


def _parts(word: str, flag: str) -> list[tuple[str, str]]:
    if word not in _WHOLE and word not in lexicon.CHINESE:
        for pattern, flags in _CUTS:
            found = pattern.fullmatch(word)
            if found and flag[0] in flags and not _THINGS.search(word):
                return _parts(found[1], _flag_alone(found[1], flag)) + _parts(found[2], _flag_alone(found[2], flag))
    return [(word, _chinese_tag(word, flag))]


def _flag_alone(word: str, flag: str) -> str:
    return "v" if word in lexicon.CHINESE_VERBS or word in _DEEDS else "n"


def _chinese_tag(word: str, flag: str) -> str:
    if word in lexicon.CHINESE or re.fullmatch(f"[一两二三四五六七八九十几这那]+[{_MEASURE}]", word):
        return "function"
    if word in lexicon.CHINESE_VERBS or (word[0] in lexicon.CHINESE_VERBS and not _THINGS.search(word)):
        return "verb"
    return _TAGS.get(flag[0], "content")


# Japanese

JAPANESE = "\u3041-\u3096\u30a1-\u30ff\u3005\u3006\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
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


def cut_japanese(run: str) -> list[tuple[str, str]]:
    """(word, tag) in order; the words joined are `run`. Tags: "function", "verb", "content"."""
    pieces = _RUN.findall(run)
    words: list[tuple[str, str]] = []
    for k, piece in enumerate(pieces):
        if _KANA.fullmatch(piece):
            words += _kana(piece, after_word=k > 0)
        else:
            words.append((piece, _japanese_tag(piece, pieces[k + 1] if k + 1 < len(pieces) else "")))
    return words


def _japanese_tag(word: str, ending: str) -> str:
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
