"""The text filter: scores on labelled cases, exactness, overrides, offsets, errors, speed."""

import json
import re
import statistics
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from pipeline.evaluation.filter_score import load_cases, score_cases
from pipeline.language.mentions import analyse
from pipeline.text_filter import TextFilter, WordKey, kept_tokens

HERE = Path(__file__).parent
CAT, DOG, BOTH = "A cat is driving a car.", "A dog is riding a bicycle.", "A cat is riding a bicycle."


@pytest.fixture(scope="module")
def text_filter() -> TextFilter:
    return TextFilter.from_backbone()


def kept(scene) -> list[str]:
    return [word.text for word in scene.words if word.kept]


def mentions(text: str) -> list[str]:
    analysis = analyse(text)
    return [" ".join(analysis.segments[i].text for i in mention.words) for mention in analysis.mentions]


@pytest.mark.parametrize("name", ["filter_cases_reference.json", "filter_cases.json", "filter_cases_wide.json"])
def test_scores_on_labelled_cases(text_filter, name):
    score = score_cases(text_filter, load_cases(HERE / name))
    assert score.precision >= 0.97, score.mistakes
    assert score.recall >= 0.97, score.mistakes


def test_scores_on_languages_that_are_read_without_a_grammar(text_filter):
    score = score_cases(text_filter, load_cases(HERE / "filter_cases_languages.json"))
    assert score.precision >= 0.92, score.mistakes
    assert score.recall >= 0.86, score.mistakes


LOOK_ALIKES = {  # sign -> others that are drawn like it, swapped one for one
    "'": "’‘ʼ′´`＇",
    "’": "'ʼ′",
    "-": "\u2010\u2011\u2012\u2013\u2212－",
    '"': "“”„″＂«",
    "“": '"„',
    "”": '"″',
    "«": '"“',
    "»": '"”',
    " ": "\u00a0\u2009\u202f\u3000\u200b",
    ",": "，",
    ".": "．",
    "!": "！",
    "?": "？",
    ":": "：",
    ";": "；",
    "(": "（",
    ")": "）",
    **{str(digit): chr(0xFF10 + digit) for digit in range(10)},
}
UNSEEN = "\u00ad\u2060\u200c\ufeff"  # soft hyphen, joiners


def swapped(text: str, turn: int) -> str:
    return "".join(LOOK_ALIKES[c][turn % len(LOOK_ALIKES[c])] if c in LOOK_ALIKES else c for c in text)


def strewn(text: str, turn: int) -> str:
    """An unseen sign inside every Latin word."""
    return re.sub(r"(?<=[A-Za-z])(?=[a-z])", UNSEEN[turn % len(UNSEEN)], text)


def decisions(text_filter, case, change, turn) -> list[tuple]:
    result = text_filter([change(text, turn) for text in case["past"]], change(case["prompt"], turn))
    words = [*(word for scene in result.scenes for word in scene.words), *result.current]
    return [(round(word.score, 5), word.kept, word.mention) for word in words]


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("filter_cases*.json")))
@pytest.mark.parametrize("change", [swapped, strewn])
def test_look_alikes_change_no_decision(text_filter, name, change):
    for turn, case in enumerate(load_cases(HERE / name)):
        plain = decisions(text_filter, case, lambda text, _: text, turn)
        assert decisions(text_filter, case, change, turn) == plain, case["id"]


def test_scores_on_cases_that_nothing_was_tuned_on(text_filter):
    score = score_cases(text_filter, load_cases(HERE / "filter_cases_held_out.json"))
    assert score.f1 >= 0.94, score.mistakes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Actor 1 is running on the playground.", ["Actor 1", "running", "playground"]),
        ("Mia is riding a bicycle in the kitchen.", ["Mia", "riding", "bicycle", "kitchen"]),
        ("A girl in a red coat waves on the beach.", ["girl red coat", "waves", "beach"]),
        ("The robot and Actor 2 are dancing in the forest.", ["robot", "Actor 2", "dancing", "forest"]),
        ("Tom, a boy with a blue hat, jumps in the snow.", ["Tom boy blue hat", "jumps", "snow"]),
        ("In the desert, the bear plays with a ball.", ["desert", "bear", "plays", "ball"]),
        ("Tom's kite flies over the sand castle.", ["Tom's kite", "flies", "sand castle"]),
        ("A dog, a cat and a mouse eat cheese.", ["dog", "cat", "mouse", "eat", "cheese"]),
        ("Der rote Hund läuft im Park.", ["rote Hund", "läuft", "Park"]),
        ("L'enfant mange une pomme.", ["enfant", "mange", "pomme"]),
        ("一只狗在骑自行车", ["狗", "骑", "自行车"]),
        ("He is in it and she is at it.", []),
        ("The merchant wears a blue turban.", ["merchant blue turban"]),
        ("The basket is green and the door is open.", ["basket green", "door", "open"]),
        ("Three bears eat porridge.", ["Three bears", "eat", "porridge"]),
        ("An old steam train waits at a well.", ["old steam train", "waits", "well"]),
        ("Mia and a robot dance.", ["Mia", "robot", "dance"]),
        ("Mia flies to 上海.", ["Mia", "flies", "上海"]),
        ("Anna Weber 在沙滩上跑步", ["Anna Weber", "沙滩", "跑步"]),
        ("她的篮子是绿色的", ["篮子 绿色"]),
        ("少女の赤い傘が公園にある。", ["少女 赤 傘", "公園"]),
        ("ねこがケーキを食べる。", ["ねこ", "ケーキ", "食"]),
        ("Красный трактор стоит у реки.", ["Красный трактор", "стоит", "реки"]),
        ("A fan waves a 🇫🇷 flag 🏄", ["fan", "waves", "🇫🇷 flag", "🏄"]),
    ],
)
def test_mentions(text, expected):
    assert mentions(text) == expected


def test_kept_words_say_what_they_match(text_filter):
    result = text_filter([CAT, DOG], BOTH)
    assert [kept(scene) for scene in result.scenes] == [["cat"], ["riding", "bicycle"]]
    assert result.contributing == (0, 1)
    cat = next(word for word in result.scenes[0].words if word.text == "cat")
    assert (cat.matched, cat.reason, cat.kept) == ("cat", "same word", True)
    assert CAT[cat.start : cat.end] == "cat"
    assert -1 <= cat.score <= 1
    assert [word.text for word in result.current if word.kept] == ["cat", "riding", "bicycle"]
    assert result.scenes[0].kept_mentions[0].text == "cat"


@pytest.mark.parametrize(
    ("past", "prompt", "word", "reason"),
    [
        ("Actor 1 waves.", "Actor 2 waves.", "Actor", "number differs: 1 / 2"),
        ("A girl in a red coat.", "A girl in a blue coat.", "girl", "contradicts 'blue coat'"),
        ("The dog sleeps.", "A submarine.", "dog", "below the threshold"),
        ("The dog sleeps.", "A dog.", "The", "function word"),
        ("Tom's kite.", "Lena's kite.", "kite", "owner differs"),
        ("A puppy barks.", "A dog.", "puppy", "matches 'dog' (0."),
    ],
)
def test_reasons(text_filter, past, prompt, word, reason):
    words = text_filter([past], prompt).scenes[0].words
    assert next(w.reason for w in words if w.text == word).startswith(reason)


# Exactness


def test_a_scene_does_not_depend_on_other_past_scenes(text_filter):
    others = ["A dog barks at a bicycle.", CAT, "猫在开车", "Tom waves."]
    alone = text_filter([DOG], BOTH).scenes[0].words
    for position in range(len(others) + 1):
        past = [*others[:position], DOG, *others[position:]]
        assert text_filter(past, BOTH).scenes[position].words == alone
        assert TextFilter(text_filter.reader.encoder)(past, BOTH).scenes[position].words == alone


def test_nothing_kept_means_no_tokens(text_filter):
    result = text_filter(["A submarine dives."], "A waiter pours tea.")
    encoding = text_filter.reader.encoder.encode("A submarine dives.")
    assert not result.scenes[0].kept
    assert result.scenes[0].kept_mentions == ()
    assert kept_tokens(result.scenes[0].words, encoding) == ()
    assert not any(word.kept for word in result.current)


def test_mentions_are_kept_whole(text_filter):
    for case in load_cases(HERE / "filter_cases.json"):
        for scene in text_filter(case["past"], case["prompt"]).scenes:
            for mention in scene.mentions:
                assert len({word.kept for word in mention.words}) == 1


@given(st.text(min_size=1, max_size=40).filter(str.strip))
@settings(max_examples=150, deadline=None)
def test_words_are_pieces_of_any_text(text):
    analysis = analyse(text)
    end = 0
    for word in analysis.segments:
        assert text[word.start : word.end] == word.text
        assert word.start >= end
        end = word.end
    assert sorted(i for m in analysis.mentions for i in m.words) == [
        i for i, mention in enumerate(analysis.mention_of) if mention is not None
    ]


# Tokens


def test_kept_tokens_cover_the_kept_words(text_filter):
    past = "José, a boy in a GREEN hat 🎩, juggles."
    result = text_filter([past], "José sings.")
    encoding = text_filter.reader.encoder.encode(past)
    tokens = [encoding.tokens[i] for i in kept_tokens(result.scenes[0].words, encoding)]
    assert tokens[0] == "jose"
    assert "juggle" not in tokens and "," not in tokens and "[CLS]" not in tokens


# Overrides


def test_a_pin_keeps_the_whole_mention(text_filter):
    past = "A boy in a green hat climbs a tree."
    result = text_filter([past], "A girl sings.", pins=[WordKey(0, 17, 20)])
    assert kept(result.scenes[0]) == ["boy", "green", "hat"]
    assert {word.reason for word in result.scenes[0].words if word.kept} == {"pinned"}
    assert any(word.kept for word in result.current)


def test_a_mute_drops_the_mention_and_wins_over_a_pin(text_filter):
    key = WordKey(1, DOG.index("riding"), DOG.index("riding") + 6)
    result = text_filter([CAT, DOG], BOTH, mutes=[key], pins=[key])
    assert kept(result.scenes[1]) == ["bicycle"]
    assert next(word.reason for word in result.scenes[1].words if word.text == "riding") == "muted"


def test_a_muted_scene_contributes_nothing(text_filter):
    result = text_filter([CAT, DOG], BOTH, muted_scenes=[1])
    assert result.contributing == (0,)
    assert result.scenes[1].muted
    assert {word.reason for word in result.scenes[1].words if word.mention is not None} == {"scene muted"}


def test_the_threshold_decides(text_filter):
    assert kept(text_filter(["A puppy barks."], "A dog.", threshold=0.5).scenes[0]) == ["puppy"]
    assert kept(text_filter(["A puppy barks."], "A dog.", threshold=0.95).scenes[0]) == []


def test_a_result_is_plain_json_and_reproducible(text_filter):
    first = json.dumps(text_filter([CAT, DOG], BOTH).to_dict(), sort_keys=True, allow_nan=False)
    again = TextFilter(text_filter.reader.encoder)([CAT, DOG], BOTH)
    assert json.dumps(again.to_dict(), sort_keys=True) == first


# Errors


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([""], "A cat."), {}, "prompt of scene 1 is ''"),
        ((["A cat."], " " * 100_000), {}, "prompt is '   "),
        ((["A cat."], "  "), {}, "prompt is '  '"),
        (("A cat.", "A dog."), {}, "one string"),
        (([CAT], DOG), {"threshold": 1.5}, "threshold is 1.5, expected a number from 0 to 1"),
        (([CAT], DOG), {"threshold": float("nan")}, "threshold is nan"),
        (([CAT], DOG), {"muted_scenes": [3]}, "past scene 3 does not exist"),
        (([CAT], DOG), {"pins": [WordKey(0, 5, 500)]}, "is not inside its prompt"),
        (([CAT], DOG), {"pins": [WordKey(0, 0, 1)]}, "'A' of scene 1 cannot be pinned or muted"),
    ],
)
def test_bad_input_is_one_clear_line(text_filter, arguments, options, message):
    with pytest.raises(ThroughlineError, match=message) as caught:
        text_filter(*arguments, **options)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


# Speed


def test_twenty_past_prompts_take_less_than_50_milliseconds(text_filter):
    case = load_cases(HERE / "filter_cases.json")
    past = [prompt for entry in case for prompt in entry["past"]][:20]
    text_filter(past, BOTH)
    times = []
    for _ in range(9):
        start = time.process_time()
        text_filter(past, BOTH)
        times.append(time.process_time() - start)
    assert statistics.median(times) < 0.05


# Prompts that are too long


class Letters:
    """As many tokens as letters."""

    max_tokens = 40

    def count_tokens(self, text: str) -> int:
        return len(text)


def test_a_past_prompt_that_is_too_long_gives_nothing_and_stops_nothing(text_filter):
    long = f"{CAT} It is a very long story."
    result = text_filter.within(Letters())([long, CAT], BOTH)
    assert [scene.kept for scene in result.scenes] == [False, True]
    assert result.scenes[1].words == text_filter([CAT], BOTH).scenes[0].words
    assert {word.reason for word in result.scenes[0].words} == {"prompt too long"}
    assert result.scenes[0].kept_mentions == ()
    assert text_filter(["cat " * 600, CAT], BOTH).contributing == (1,)


def test_a_prompt_that_is_too_long_for_the_model_is_refused(text_filter):
    with pytest.raises(ThroughlineError, match="prompt has 43 tokens, at most 40 are possible"):
        text_filter.within(Letters())([CAT], f"{BOTH} It is very long.")
    assert text_filter([], "cat " * 200).current
