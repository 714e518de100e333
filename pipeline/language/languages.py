"""Languages that the filter reads without a grammar: their function words, stems and colours.

Stems are those of Snowball (https://snowballstem.org, Porter 2001) where it has the language. Not covered: languages
written without spaces other than Chinese and Japanese (Thai, Khmer: a run of letters is one word), and agreement
between languages: a prompt is compared with prompts of its own language.
"""

import re
import threading
from functools import lru_cache

import snowballstemmer

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

# Function words. In scripts of their own they need no votes; those in Latin letters are told apart by them.
FUNCTION: dict[str, str] = {
    "nl": (
        "de het een en of maar met zonder in op aan onder bij van voor naar uit over door tussen achter "
        "naast is zijn was waren wordt werd heeft hebben hij zij ze wij ik jij je haar hun mijn dit dat "
        "deze die niet ook nog er om te"
    ),
    "sv": (
        "en ett den det de och eller men med utan i pa under over vid fran till for genom mellan bakom "
        "bredvid ar var blir har hon han vi jag du hans hennes sin sitt sina deras som inte ocksa et af "
        "af og eller uten fra til ved er blev hun jeg hendes hans av at om et der ikke ogsa mellem mellom "
        "bak foran"
    ),
    "pl": (
        "w we z ze na do od po pod nad za przed przy u o i a oraz lub ale jest sa byl byla bylo byli nie "
        "sie to ten ta te ten tego tej on ona ono oni jego jej ich moj moja twoj ktory ktora ktore jak "
        "juz tez przez dla miedzy"
    ),
    "cs": (
        "v ve z ze na do od po pod nad za pred pri u o i a nebo ale je jsou byl byla bylo byli se to ten "
        "ta te on ona jeho jeji jejich ktery ktera jak uz take pro mezi k ke s si"
    ),
    "tr": (
        "bir ve veya ama ile icin de da mi bu su o ben sen biz siz onlar onun benim gibi kadar cok daha "
        "en her degil var yok ise ki uzerinde altinda icinde yaninda arkasinda onunde"
    ),
    "fi": ("ja tai mutta on oli ovat ei han he se ne tama joka kun kanssa alla paalla vieressa takana edessa myos"),
    "hu": "a az egy es vagy de van volt nem o ok ez ami aki mint is meg alatt mellett mogott elott kozott",
    "ro": ("un o si sau dar cu fara in pe sub la de din este sunt era nu el ea ei ele lui al ale care ca prin intre"),
    "id": (
        "yang dan atau di ke dari pada dengan untuk ini itu adalah sedang akan telah dia mereka kami "
        "tidak sebuah seorang"
    ),
    "ru": (
        "и а но или что как в во на с со у к ко о об от до из за "
        "под над при по для без через между перед около это "
        "этот эта эти тот та те он она оно они его ее их него "
        "нее них нем ней ним нам нас вас вам мы вы я ты мне меня "
        "тебя себя свой свою свои мой твой наш был была было "
        "были есть не ни же ли бы уже еще тоже очень который "
        "которая которые которое где когда там тут здесь "
        "потом й та або але що як у з із зі до від його її їх він "
        "вона воно вони ми ви це цей ця ці є був була були не ще "
        "вже дуже який яка які"
    ),
    "el": (
        "ο η το οι τα του της των τον την τους τις ενα ενας μια "
        "μιας και η αλλα σε στο στη στην στον στους στις στα με "
        "απο για προς κατω πανω μεσα διπλα πισω ειναι ηταν "
        "εχει δεν να θα που αυτος αυτη αυτο του μου σου μας σας"
    ),
    "he": (
        "של את על אל עם בין מן לא גם כי או אבל הוא היא הם הן אני אתה אנחנו זה זאת זו אלה יש אין היה היתה "
        "היו כל רק אחד אחת ליד תחת מעל"
    ),
    "ar": (
        "في على من إلى الى عن مع بين تحت فوق أمام خلف بجانب عند و أو ثم لكن هو هي هم هن أنا أنت نحن هذا "
        "هذه ذلك تلك هؤلاء الذي التي الذين كان كانت يكون ليس لا ما لم لن قد أن إن كل بعض واحد واحدة به "
        "بها له لها فيه فيها عليه عليها"
    ),
    "hi": (
        "में पर से को का की के ने और या लेकिन एक यह वह ये वे इस उस इन उन है हैं था थी थे हो रहा रही रहे "
        "गया गई गए कर नहीं भी ही तो जो कि मैं हम तुम आप मेरा मेरी उसका उसकी उसके अपना अपनी अपने साथ नीचे "
        "ऊपर पास लिए बहुत कुछ"
    ),
    "ko": (
        "그 그녀 그는 그녀는 그가 그녀가 나 나는 내가 너 너는 우리 우리는 이 저 것 그것 그것은 한 두 및 "
        "그리고 또는 하지만 위에 위에서 아래 아래에 아래에서 안에 안에서 옆에 옆에서 앞에 앞에서 뒤에 "
        "뒤에서 있다 있는 있습니다 없다 이다 입니다 하고 매우"
    ),
}
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
