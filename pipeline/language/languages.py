"""Languages that the filter reads without a grammar: their function words, stems and colours.

Stems are those of Snowball (https://snowballstem.org, Porter 2001) where it has the language. Not covered: languages
written without spaces other than Chinese and Japanese (Thai, Khmer: a run of letters is one word), and agreement
between languages: a prompt is compared with prompts of its own language.
"""

import re
import threading
from functools import lru_cache

import snowballstemmer
import stopwordsiso

SCRIPTS = {  # language -> letters that only it (or its neighbours) uses
    "ja": "\u3041-\u3096\u30a1-\u30ff",
    "ru": "\u0400-\u052f",
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "he": "\u0590-\u05ff",
    "ar": "\u0600-\u06ff\u0750-\u077f",
    "hi": "\u0900-\u097f",
    "ko": "\uac00-\ud7a3",
}
_SCRIPT = {name: re.compile(f"[{letters}]") for name, letters in SCRIPTS.items()}

# Function words: stopwords-iso (https://github.com/stopwords-iso), and what captions need beside it. In scripts of
# their own they need no votes; languages in Latin letters are told apart by them.
_STOPWORDS: dict[str, tuple[str, ...]] = {
    language: (language,) for language in ["nl", "pl", "cs", "tr", "fi", "hu", "ro", "id", "el", "he", "ar", "hi", "ko"]
}
_STOPWORDS |= {"sv": ("sv", "da", "no"), "ru": ("ru", "uk")}  # neighbours that are read as one
FUNCTION = tuple(_STOPWORDS)
_ADDED = {
    "nl": "naast",
    "sv": "bak bredvid foran mellem",
    "pl": "była było były",
    "tr": "altında arkasında içinde mi önünde üzerinde yanında",
    "fi": "päällä",
    "ru": "которое або вже дуже зі його ще яка які ця ці",
    "el": "δίπλα πάνω",
    "he": "אחד אחת היו זו ליד",
    "ar": "بجانب تحت خلف فوق واحدة",
    "hi": "उसका उसकी ऊपर गई गए तुम पास मेरा मेरी मैं रही हम",
    "ko": (
        "그가 그것 그것은 그녀 그녀가 그녀는 그는 나는 내가 너는 두 뒤에 뒤에서 또는 매우 아래 아래에 아래에서 "
        "안에 안에서 앞에 없다 옆에 옆에서 우리는 위에 위에서 이다 입니다 있는 있습니다 하고 한"
    ),
}

_SPOKEN_OF = {  # listed there as stop words, and what captions are about
    "pl": "pan pana pani hab",
    "cs": "dobrý nové novy nový strana večer den",
    "sv": "bra dag dagen enkel enkelt folk god goda gott lilla lille lite liten litet lång lange lang långsam mand små "
    "stor stora store stort tar ser arbeid",
    "tr": "kaynak hoş iyi",
    "fi": "hyvä hyvät hyvää kukka pieneen pieneksi pienelle pienellä pieneltä pienestä pieni pienin suuren suuret "
    "suuri suuria uuden uudet uusi uusia uutta asia",
    "hu": "bal bár hat jó nagy nagyobb új úr urat",
    "ro": "bine bună fata față frumos halbă mare spate",
    "id": "baru bapak besar bulan datang hari ibu kecil luar naik pak panjang pukul tengah tinggi",
    "ru": "белый вечер взгляд вода война глаз голова город дверь дело день деньги дом дорога друг душа жена женщина "
    "земля идти книга комната конец лежать лицо люди маленький большой мать машина москва народ нога новый ночь окно "
    "отец писать плечо ребенок россия рука русский свет сидеть слово смотреть старый стол стоять страна товарищ улица "
    "утро хороший человек работать",
    "ar": "أخ صباح مساء عين سنة",
    "he": "עז",
    "hi": "घर",
    "ko": "아이 구토하다 토하다 놀라다 오르다",
}


def function_words(language: str) -> set[str]:
    """The function words of one of FUNCTION, as they are written."""
    listed = {word for word in stopwordsiso.stopwords(_STOPWORDS[language]) if " " not in word}
    return (listed - set(_SPOKEN_OF.get(language, "").split())).union(_ADDED.get(language, "").split())


_STEMMERS = {
    "nl": "dutch", "sv": "swedish", "pl": "polish", "cs": "czech", "tr": "turkish", "fi": "finnish",
    "hu": "hungarian", "ro": "romanian", "id": "indonesian", "ru": "russian", "el": "greek", "hi": "hindi",
}  # fmt: skip
LATIN = ("nl", "sv", "pl", "cs", "tr", "fi", "hu", "ro", "id")

LETTERS = {  # that no other of these languages has
    "sv": "åø", "pl": "łąęśźż", "cs": "řěů", "tr": "ğış", "hu": "őű", "ro": "ășț",
}  # fmt: skip

# Colours and sizes, so that a red umbrella is not a blue one: languages down, the groups of equal meaning across
COLOUR_GROUPS = "red blue green yellow black white"
COLOURS: dict[str, str] = {
    "nl": "rode|rood blauwe|blauw groene|groen gele|geel zwarte|zwart witte|wit",
    "sv": "roda|rod|rode|rodt bla|blatt grona|gron|gronne gula|gul|gule svarta|svart|sort vita|vit|hvit|hvid",
    "pl": "czerwony niebieski zielony zolty czarny biały",
    "cs": "cerveny modry zeleny zluty cerny bily",
    "tr": "kirmizi mavi yesil sari siyah beyaz",
    "fi": "punainen sininen vihrea keltainen musta valkoinen",
    "hu": "piros kek zold sarga fekete feher",
    "ro": "rosu|rosie albastru|albastra verde galben|galbena negru|neagra alb|alba",
    "id": "merah biru hijau kuning hitam putih",
    "ru": "красный|червоний синий|голубой|синій зеленый|зелений желтый|жовтий черный|чорний белый|білий",
    "el": "κοκκινος μπλε πρασινος κιτρινος μαυρος ασπρος|λευκος",
    "he": "אדום|אדומה כחול|כחולה ירוק|ירוקה צהוב|צהובה שחור|שחורה לבן|לבנה",
    "ar": "أحمر|حمراء أزرق|زرقاء أخضر|خضراء أصفر|صفراء أسود|سوداء أبيض|بيضاء",
    "hi": "लाल नीला|नीली|नीले हरा|हरी|हरे पीला|पीली|पीले काला|काली|काले सफेद",
    "ko": "빨간 파란 초록|초록색|녹색 노란 검은|까만 하얀|흰",
}

_KOREAN_PARTICLE = re.compile(r"(?:에서|에게|한테|으로|처럼|까지|부터|이랑|은|는|이|가|을|를|에|와|과|의|로|도|만|들)$")
_ARABIC_PREFIX = re.compile(r"^(?:[وفبك]?ال|لل)(?=..)")
_TAILS_OF_ONE = "가는를을은에"  # after one syllable only these are taken for particles: 개가, not 아이
_lock = threading.Lock()


def script_language(word: str) -> str | None:
    """The language that the letters of `word` tell; None for Latin, Chinese and unknown ones."""
    return next((name for name, letters in _SCRIPT.items() if letters.search(word)), None)


@lru_cache(maxsize=32)
def _stemmer(language: str):
    return snowballstemmer.stemmer(_STEMMERS[language])


@lru_cache(maxsize=16384)
def stem(form: str, language: str) -> str:
    """The form under which inflections of one word of `language` are equal."""
    if language == "ko":
        return _korean_stem(form)
    if language == "he":
        return form[1:] if form.startswith("ה") and len(form) > 3 else form
    if language == "ar":
        form = _ARABIC_PREFIX.sub("", form)
        return form[:-1] if form.endswith("ة") and len(form) > 3 else form
    if language not in _STEMMERS:
        return form
    with _lock:  # a stemmer keeps its word in itself
        return _stemmer(language).stemWord(form)


def _korean_stem(form: str) -> str:
    while found := _KOREAN_PARTICLE.search(form):
        rest = form[: found.start()]
        if len(rest) < 2 and not (rest and found.group() in _TAILS_OF_ONE):
            break
        form = rest
    return form
