"""Word segments of a run of Chinese characters: jieba, corrected where its dictionary glues what a caption keeps apart.

Not covered: traditional characters beyond what jieba's dictionary has, classical Chinese.
"""

import logging
import re
import warnings
from functools import lru_cache

from . import lexicon

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


def cut(text: str) -> list[tuple[str, str]]:
    """(word, tag) in order; the words joined are `text`. Tags: "function", "verb", "number", "content"."""
    return [part for pair in _tagger().cut(text) for part in _parts(pair.word, pair.flag)]


def _parts(word: str, flag: str) -> list[tuple[str, str]]:
    if word not in _WHOLE and word not in lexicon.CHINESE:
        for pattern, flags in _CUTS:
            found = pattern.fullmatch(word)
            if found and flag[0] in flags and not _THINGS.search(word):
                return _parts(found[1], _flag_alone(found[1], flag)) + _parts(found[2], _flag_alone(found[2], flag))
    return [(word, _tag(word, flag))]


def _flag_alone(word: str, flag: str) -> str:
    return "v" if word in lexicon.CHINESE_VERBS or word in _DEEDS else "n"


def _tag(word: str, flag: str) -> str:
    if word in lexicon.CHINESE or re.fullmatch(f"[一两二三四五六七八九十几这那]+[{_MEASURE}]", word):
        return "function"
    if word in lexicon.CHINESE_VERBS or (word[0] in lexicon.CHINESE_VERBS and not _THINGS.search(word)):
        return "verb"
    return _TAGS.get(flag[0], "content")
