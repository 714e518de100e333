"""Films of many stories by many systems: what ablations remember, what is shared, batches against single clips."""

from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline.evaluation.story.benchmark import HeldOut
from pipeline.evaluation.story.filming import Filming, Script, conditioning_key
from pipeline.evaluation.story.filters import EVERYTHING, RecentScenes, TokenFilter
from pipeline.evaluation.story.systems import SYSTEMS, Options, System, filters_of, frozen_frame, measured_on
from pipeline.guidance import Guidance
from pipeline.picturebook.casting import Casting, Company
from pipeline.story_pipeline import StoryPipeline
from pipeline.text_filter import FilterResult
from tests.tiny import tiny_pipeline

ABBA = (
    "Mia is running on the beach.",
    "Tom is dancing in the kitchen.",
    "Tom is walking on the beach.",
    "Mia is waving in the kitchen.",
)
SCRIPT = Script(ABBA, (1, 2, 3, 4))


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.autocast = False
    return pipeline


def kept(result: FilterResult) -> list[list[str]]:
    return [[word.text for word in scene.words if word.kept] for scene in result.scenes]


# What the systems remember


def test_the_last_frame_alone_is_remembered_whatever_came_before() -> None:
    last = RecentScenes(tiny().filter, 1)
    assert kept(last(ABBA[:2], ABBA[2])) == [[], ["Tom"]]
    assert kept(last(ABBA[:3], ABBA[3])) == [[], [], []]
    assert kept(last((), ABBA[0])) == []


def test_nothing_is_remembered_without_history() -> None:
    result = RecentScenes(tiny().filter, 0)(ABBA[:3], ABBA[3])
    assert kept(result) == [[], [], []] and not any(word.kept for word in result.current)


def test_an_edited_scene_is_made_anew_or_keeps_the_rest_of_its_former_take() -> None:
    jumping = "Mia is jumping on the beach."
    scripts = [Script((ABBA[0], jumping), (1, 1), edited=True), Script((jumping,), (1,))]
    filming = Filming(tiny(), Options(steps=1))
    edited, alone = filming.films(scripts, {name: SYSTEMS[name] for name in ("ours", "keep_rest")})
    anew, kept_rest = (edited[name][1].frames.astype(int) for name in ("ours", "keep_rest"))
    assert alone["ours"][0].digest == alone["keep_rest"][0].digest
    assert np.abs(anew - alone["ours"][0].frames).max() <= 2, "but for rounding in another batch"
    assert np.abs(kept_rest - alone["ours"][0].frames).max() > 10
    assert edited["keep_rest"][0].digest == edited["ours"][0].digest


def test_whole_prompts_keep_every_token() -> None:
    result = TokenFilter(tiny().text, EVERYTHING)(ABBA[:2], ABBA[2])
    assert kept(result) == [
        ["Mia", "is", "running", "on", "the", "beach", "."],
        ["Tom", "is", "dancing", "in", "the", "kitchen", "."],
    ]
    assert all(word.kept for word in result.current)
    first = TokenFilter(tiny().text, EVERYTHING)((), ABBA[0])
    assert not any(word.kept for word in first.current), "there is no past to remember"


def test_bare_tokens_mix_up_what_mentions_tell_apart() -> None:
    past, prompt = ["Actor 1 is skiing on the snow."], "Actor 2 is dancing in the kitchen."
    bare = TokenFilter(tiny().text, 0.5)(past, prompt)
    assert "Actor" in kept(bare)[0]
    assert kept(tiny().filter(past, prompt)) == [[]]
    assert kept(TokenFilter(tiny().text, 0.999)(past, prompt)) == [[]]


def test_tokens_lie_where_they_stand_in_the_prompt() -> None:
    result = TokenFilter(tiny().text, EVERYTHING)(["Zoë  skis!"], "Zoë?")
    assert all(scene.prompt[w.start : w.end] == w.text for scene in result.scenes for w in scene.words)
    assert "".join(kept(result)[0]).replace(" ", "") == "Zoëskis!"


def test_every_system_names_a_filter_and_weights_are_told_apart() -> None:
    assert {system.words for system in SYSTEMS.values()} == set(filters_of(tiny()))
    options = Options(Guidance(3, 2.5))
    assert SYSTEMS["ours"].guidance(options) == Guidance(3, 2.5)
    assert SYSTEMS["w2_0.5"].guidance(options) == Guidance(3, 0.5)
    on_long = ("ours", "no_history", "uncast", "last_frame", "whole_prompts", "bare_tokens")
    assert measured_on("long", SYSTEMS) == on_long


def test_a_frozen_frame_is_the_keyframe_of_the_first_clip() -> None:
    first = np.random.default_rng(0).integers(0, 255, (17, 8, 8, 3), np.uint8)
    film = frozen_frame(first, 3)
    assert len(film) == 3 and np.array_equal(film[0], first)
    assert all(np.array_equal(frame, first[8]) for clip in film[1:] for frame in clip)


# What is shared


@dataclass
class FakePipeline:
    """Clips are filled with a number of their own; remembers nothing of pictures. `batches`: seeds of every batch."""

    filter: object = field(default_factory=lambda: tiny().filter)
    text: object = field(default_factory=lambda: tiny().text)
    batches: list[list[int]] = field(default_factory=list)
    clips: int = 0

    def remember(self, history, result, settings, by=None):
        return tiny().remember(history, result, settings, by)

    def render(self, shots):
        self.batches.append([shot.settings.seed for shot in shots])
        return [np.full((1, 8, 8, 3), self.clips + i, np.uint8) for i in range(len(shots))]

    def encode_scene(self, prompt, frames):
        self.clips += 1
        return SimpleNamespace(
            prompt=prompt, keyframe=frames[0], text=self.text.encode(prompt), patches=torch.zeros(16, 32)
        )


def filmed(systems: dict[str, System], scripts=(SCRIPT,), batch: int = 8):
    pipeline = FakePipeline()
    filming = Filming(pipeline, Options(), batch)  # type: ignore[arg-type]
    films = filming.films(scripts, systems)
    numbers = [{name: [int(take.frames[0, 0, 0, 0]) for take in own] for name, own in film.items()} for film in films]
    return filming, pipeline, numbers


def test_clips_that_are_the_same_are_made_once() -> None:
    systems = {name: SYSTEMS[name] for name in ("ours", "uncast", "no_history", "last_frame", "w2_1")}
    default = System("default", history_scale=Guidance().history, casts=True)
    filming, _, [film] = filmed(systems | {"default": default})
    bare = ("uncast", "no_history", "last_frame")
    assert film["ours"] == film["default"]
    assert all(film[name][:2] == film["uncast"][:2] for name in bare), "the first two scenes remember nothing"
    assert not {*film["ours"], *film["w2_1"]} & {*film["uncast"]}, "but those that are cast"
    assert film["last_frame"][3] == film["no_history"][3], "nothing of scene 3 is in scene 4"
    assert len({film[name][2] for name in systems}) == 5
    assert filming.made == len({number for own in film.values() for number in own}) == 4 + 4 + 2 + 3 + 2


def test_scenes_of_all_stories_are_made_together_in_batches() -> None:
    scripts = [Script(ABBA, (10 * i, 10 * i + 1, 10 * i + 2, 10 * i + 3)) for i in range(3)]
    _, pipeline, _ = filmed({"ours": SYSTEMS["ours"]}, [*scripts, Script(ABBA[:1], (99,))], batch=2)
    assert pipeline.batches == [[0, 10], [20, 99], [1, 11], [21], [2, 12], [22], [3, 13], [23]]


def test_another_look_of_what_is_remembered_is_another_clip() -> None:
    result, guidance = tiny().filter(ABBA[:3], ABBA[3]), Guidance()
    key = conditioning_key(result, 1, guidance, ["a", "b", "c"])
    assert key == conditioning_key(result, 1, guidance, ["a", "b", "other"]), "nothing of scene 3 is kept"
    assert key != conditioning_key(result, 1, guidance, ["a", "other", "c"])
    assert key != conditioning_key(result, 2, guidance, ["a", "b", "c"])
    assert key != conditioning_key(result, 1, Guidance(history=1), ["a", "b", "c"])
    alone = tiny().filter((), ABBA[0])
    assert conditioning_key(alone, 1, guidance, []) == conditioning_key(alone, 1, Guidance(history=1), [])
    assert conditioning_key(alone, 1, guidance, []) != conditioning_key(alone, 1, Guidance(text=1), [])


# Against the pipeline itself


@pytest.mark.slow
def test_films_are_those_that_the_pipeline_makes_scene_by_scene() -> None:
    scripts = [HeldOut("abba", index, seed=3).script for index in range(2)]
    films = Filming(tiny(), Options(steps=2)).films(scripts, {name: SYSTEMS[name] for name in ("ours", "no_history")})
    for script, film in zip(scripts, films, strict=True):
        history = []
        for i, (prompt, seed) in enumerate(zip(script.prompts, script.seeds, strict=True)):
            company = Company()
            for before in script.prompts[:i]:
                company.pass_by(before)
            drawn = [Casting(role, script.seeds[0]) for role in company.of(prompt)]
            castings = [tiny().encode_scene(one.role.caption, one.picture[None]) for one in drawn]
            for name, past in (("ours", [*history, *castings]), ("no_history", [])):
                clip = tiny()(prompt, past, Guidance(), steps=2, seed=seed)
                assert np.abs(clip.frames.astype(int) - film[name][i].frames).max() <= 2
            history.append(film["ours"][i].scene)
