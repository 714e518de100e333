"""What every family of models does, whatever its network: `conformance.CASES` says which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.backbones import registry
from pipeline.backbones.base import Conditions
from pipeline.backbones.checkpoints import read_index
from pipeline.backbones.counting import TokenCounter
from pipeline.blocks.modulation import Modulation
from pipeline.editing.editor import Change, Edited, EditSettings, edit
from pipeline.editing.region import Region
from pipeline.errors import ThroughlineError
from pipeline.generation import SceneRequest, Strength
from pipeline.history import HistoryScene, Memory
from pipeline.story_pipeline import Clip, Step, StoryPipeline
from tests.paths import ROOT
from tests.pipeline.backbones.conformance import CASES, PAST, PROMPT, SEED, UNRELATED, WITH_STOCK, Case

TEXTS = ("", "A cat.", "José 🎩 runs; 米娅在跑步", "Tom &amp; Mia's kite\n in the  snow", "  \n ")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    root = tmp_path_factory.mktemp("conformance")
    with pytest.MonkeyPatch.context() as patch:
        for case in CASES:
            for autoencoder, module in case.families.items():
                patch.setitem(registry.FAMILIES, autoencoder, module)
        yield {case.name: case.save(root / case.name) for case in CASES}
        loaded.cache_clear()


@lru_cache
def loaded(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), "cpu", "float32")


@pytest.fixture
def pipeline(case: Case, folders: dict[str, Path]) -> Iterator[StoryPipeline]:
    """That of a case; what a test sets is set back."""
    found = loaded(folders[case.name])
    usual, speed = found.history, found.speed
    yield found
    found.history, found.speed = usual, speed


def histories(pipeline: StoryPipeline) -> list[str]:
    return [one for one in pipeline.backbone.histories if one != "off"]


def past(pipeline: StoryPipeline, case: Case, prompt: str, seed: int = 0) -> HistoryScene:
    """A scene whose keyframe is blocks of shades of a colour, another one for another seed."""
    generator, size = np.random.default_rng(seed), (1, case.small["height"] // 8, case.small["width"] // 8, 3)
    blocks = generator.integers(0, 200, 3, np.uint8) + generator.integers(0, 56, size, np.uint8)
    return pipeline.encode_scene(prompt, blocks.repeat(8, 1).repeat(8, 2))


def request_of(pipeline: StoryPipeline, case: Case, prompt: str, seed: int) -> SceneRequest:
    settings, pictures = replace(pipeline.native, **case.small, seed=seed), None
    if case.begins:
        with torch.no_grad():
            pictures = pipeline.backbone.shown(case.picture()[0], None, settings.num_frames, seed)
    looks = pipeline.backbone.picture_tokens(case.picture()) if pipeline.backbone.limits.looks else None
    return SceneRequest(prompt, Memory(None, ()), pipeline.guidance, settings, pictures=pictures, looks=looks)


def latents_of(pipeline: StoryPipeline, case: Case) -> torch.Tensor:
    request = request_of(pipeline, case, PROMPT, SEED)
    settings = request.settings
    *_, [(latents, _)] = pipeline.denoiser([request], pipeline._latent_shape(settings))
    return latents


every_case = pytest.mark.parametrize("case", [case for case in CASES if not case.only_sampler], ids=str)


# --- who is here -----------------------------------------------------------------------------------------------------


def test_every_family_and_every_row_of_the_table_has_a_case(folders: dict[str, Path]) -> None:
    """A family that is added to the registry, or promised in the table, is held to the contract."""
    tested = {registry.family_of(folders[case.name]).name for case in CASES}
    assert {registry.family(autoencoder).name for autoencoder in registry.FAMILIES} == tested
    autoencoders = {registry.class_of(read_index(folders[case.name] / "model_index.json"), "vae") for case in CASES}
    assert set(registry.FAMILIES) == autoencoders
    assert set(can_do()) == {case.row for case in CASES if case.row}


def can_do() -> dict[str, dict[str, str]]:
    """The table in docs/large-models.md: what is said of a family, by column."""
    text = (ROOT / "docs" / "large-models.md").read_text(encoding="utf-8").partition("## What each family can do")[2]
    lines = [line.strip("| \n") for line in text.partition("\n\n**")[0].splitlines() if line.startswith("|")]
    (_, *columns), _, *rows = ([cell.strip() for cell in line.split("|")] for line in (f" | {lines[0]}", *lines[1:]))
    return {name: dict(zip(columns[-len(cells) :], cells, strict=True)) for name, *cells in rows}


@every_case
def test_the_table_says_what_the_model_says(case: Case, pipeline: StoryPipeline) -> None:
    if not case.row:
        pytest.skip("a family of the tests alone")
    if case.row == "picture book":
        pipeline = loading.load("picturebook", "cpu")
    said, limits = can_do()[case.row], pipeline.backbone.limits
    taken = "the first, the last" if limits.ends else "the first"
    expected = {
        "strengths of words": "in Python" if limits.strengths else "no",
        "edits of regions": "no" if limits.pictures else "yes",
        "goes on from frames": "from its last frame" if limits.pictures else "yes" if limits.piece else "no",
        "pictures": f"needs {taken}".replace(", the", ", may have the") if limits.pictures else "no",
    }
    if limits.piece and not limits.pictures:
        expected["pictures"] = f"may have {taken}"
    assert said | expected == said
    by = [one for one in pipeline.backbone.histories if one != "off"]
    assert ("tokens" in said["history"]) == ("trained" in by)
    assert ("own pictures" in said["history"]) == limits.keyframes
    assert "image prompts" in said["history"] or not limits.prompts


# --- the stock pipeline ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", WITH_STOCK, ids=str)
def test_without_history_latents_are_the_stock_pipelines(case: Case, folders, pipeline: StoryPipeline) -> None:
    latents, stock = latents_of(pipeline, case)[0], case.stock
    assert stock is not None
    expected = stock(folders[case.name], "latent", case.small)
    expected = expected[len(expected) - len(latents) :]  # CogVideoX 1.5 cuts padding off when it decodes
    spread = float(expected.std())  # large where untrained networks predict noise
    torch.testing.assert_close(latents, expected, rtol=1e-4, atol=1e-4 * max(1.0, spread))
    assert spread > 0.1


@pytest.mark.parametrize("case", WITH_STOCK, ids=str)
def test_without_history_frames_are_the_stock_pipelines(case: Case, folders, pipeline: StoryPipeline) -> None:
    clip, stock = pipeline(PROMPT, **case.asked, seed=SEED), case.stock
    assert stock is not None
    expected = stock(folders[case.name], "np", case.small)
    assert clip.frames.shape == tuple(expected.shape)
    assert np.abs(clip.frames - 255 * expected.numpy()).max() <= 0.51


# --- exactness -------------------------------------------------------------------------------------------------------


@every_case
def test_the_same_seed_makes_the_same_clip_and_another_seed_another(case: Case, pipeline: StoryPipeline) -> None:
    one, again, other = (pipeline(PROMPT, **case.asked, seed=seed).frames for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


@every_case
def test_what_is_not_kept_changes_nothing_and_what_is_kept_does(case: Case, pipeline: StoryPipeline) -> None:
    for history in histories(pipeline):
        pipeline.history = history
        kept, dropped = past(pipeline, case, PAST), [past(pipeline, case, UNRELATED, seed) for seed in (1, 2)]
        alone = pipeline(PROMPT, **case.asked)
        assert np.array_equal(pipeline(PROMPT, dropped, **case.asked).frames, alone.frames)
        remembering = pipeline(PROMPT, [kept], **case.asked)
        assert not np.array_equal(remembering.frames, alone.frames)
        assert [one.word.text.lower() for one in remembering.trace.maps] == ["cat"]
        mixed = pipeline(PROMPT, [dropped[0], kept, dropped[1]], **case.asked)
        assert np.array_equal(mixed.frames, remembering.frames)


@every_case
def test_what_the_kept_words_looked_like_matters(case: Case, pipeline: StoryPipeline) -> None:
    for history in histories(pipeline):
        pipeline.history = history
        one, other = (pipeline(PROMPT, [past(pipeline, case, PAST, seed)], **case.asked) for seed in (3, 4))
        assert one.trace.guidance != other.trace.guidance


@every_case
def test_with_history_off_nothing_is_remembered(case: Case, pipeline: StoryPipeline) -> None:
    scene = past(pipeline, case, PAST)
    pipeline.history = "off"
    assert np.array_equal(pipeline(PROMPT, [scene], **case.asked).frames, pipeline(PROMPT, **case.asked).frames)


@every_case
def test_a_weight_of_none_makes_no_use_of_the_branch_without_history(case: Case, pipeline: StoryPipeline) -> None:
    for history in histories(pipeline):
        pipeline.history = history
        guidance = replace(pipeline.guidance, history=0.0)
        clip = pipeline(PROMPT, [past(pipeline, case, PAST)], guidance, **case.asked)
        assert not any("history_pull" in step for step in clip.trace.guidance)


@every_case
def test_scenes_of_a_batch_are_those_alone(case: Case, pipeline: StoryPipeline) -> None:
    requests = [request_of(pipeline, case, prompt, seed) for prompt, seed in ((PROMPT, 1), (PAST, 2))]
    for frames, request in zip(pipeline.render(requests), requests, strict=True):
        alone = pipeline(request.prompt, **case.asked, seed=request.settings.seed).frames
        assert np.abs(frames.astype(int) - alone).max() <= 1


@every_case
def test_a_clip_goes_on_from_a_frame_or_the_model_says_that_it_cannot(case: Case, pipeline: StoryPipeline) -> None:
    frame = np.full((1, case.small["height"], case.small["width"], 3), 90, np.uint8)
    assert pipeline.backbone.limits.pictures == case.begins
    if case.begins:
        with pytest.raises(ThroughlineError, match="beginning is missing: expected a picture"):
            pipeline.generate(PROMPT, **case.small)
        end = np.concatenate([case.picture(seed) for seed in (2, 3, 4, 5)] + [frame])  # of a clip: the last one counts
        other, one, again = (
            pipeline(PROMPT, **case.asked | {"beginning": known}).frames for known in (case.picture(1), frame, end)
        )
        assert np.array_equal(one, again) and not np.array_equal(one, other)
        return
    if not pipeline.backbone.limits.piece:
        with pytest.raises(ThroughlineError, match="beginning is given: expected none, this model does not go on"):
            pipeline.generate(PROMPT, beginning=frame, **case.asked)
        return
    free = pipeline(PROMPT, **case.asked).frames
    one, again = (pipeline(PROMPT, beginning=frame, **case.asked).frames for _ in range(2))
    assert np.array_equal(one, again) and one.shape == free.shape and not np.array_equal(one, free)
    known = pipeline.latents.decode(pipeline.latents.encode(frame))
    assert np.abs(one[:1].astype(int) - known).mean() < np.abs(free[:1].astype(int) - known).mean()


@every_case
def test_a_clip_ends_with_a_picture_or_the_model_says_that_it_cannot(case: Case, pipeline: StoryPipeline) -> None:
    pictures = [case.picture(seed) for seed in (8, 9)]
    if not pipeline.backbone.limits.ends:
        with pytest.raises(ThroughlineError, match="ending is given: expected none, this model does not end with"):
            pipeline.generate(PROMPT, **case.asked, ending=pictures[0])
        return
    one, again, other = (pipeline(PROMPT, **case.asked, ending=picture).frames for picture in (pictures[0], *pictures))
    free = pipeline(PROMPT, **case.asked).frames
    assert np.array_equal(one, again) and not np.array_equal(one, other) and not np.array_equal(one, free)
    assert one.shape == free.shape


@every_case
def test_strengths_of_words_count_or_are_refused(case: Case, pipeline: StoryPipeline) -> None:
    start = PROMPT.index("beach")
    strong = (Strength(start, start + 5, 4.0),)
    if not pipeline.backbone.limits.strengths:
        with pytest.raises(ThroughlineError, match="strengths of words are given: expected none, this model has none"):
            pipeline.generate(PROMPT, **case.asked, strengths=strong)
        return
    plain, other = (pipeline(PROMPT, **case.asked, strengths=own).trace.guidance for own in ((), strong))
    assert plain[0]["text_pull"] != pytest.approx(other[0]["text_pull"], rel=1e-3)


@every_case
def test_words_of_a_region_change_nothing_else_and_the_same_words_nothing(case: Case, pipeline: StoryPipeline) -> None:
    if case.begins:
        frames, whole = case.picture(), Region(np.ones(case.picture().shape[:3], np.float32))
        with pytest.raises(ThroughlineError, match="the model makes clips that start from a picture: expected one"):
            edit(pipeline, frames, PROMPT, [Change(whole, "dog", None)], EditSettings())
        return
    frames, start = pipeline(PROMPT, **case.asked, seed=1).frames, PROMPT.index("cat")
    mask = np.zeros(frames.shape[:3], np.float32)
    mask[:, :, : frames.shape[2] // 2] = 1
    settings = replace(EditSettings.for_model(pipeline.backbone.name), steps=4)
    changes = [Change(Region(mask), word, (start, start + 3)) for word in ("cat", "dog")]
    same, other = (list(edit(pipeline, frames, PROMPT, [change], settings))[-1] for change in changes)
    assert isinstance(same, Edited) and np.array_equal(same.frames, frames)
    assert isinstance(other, Edited) and other.prompt == "A dog is driving on the beach"
    far = slice(-8, None)  # from its edge, over which it fades
    assert np.array_equal(other.frames[:, :, far], frames[:, :, far]) and not np.array_equal(other.frames, frames)


# --- what goes wrong -------------------------------------------------------------------------------------------------


@every_case
def test_after_a_cancelled_scene_the_next_is_bit_identical(case: Case, pipeline: StoryPipeline) -> None:
    for speed in ("exact", "fast"):
        pipeline.speed = speed
        expected = pipeline(PROMPT, **case.asked, seed=1).frames
        for done in range(1, case.small["steps"]):
            steps = pipeline.generate(PAST, **case.asked)
            for _ in range(done):
                next(steps)
            steps.close()  # type: ignore[attr-defined]
        assert np.array_equal(pipeline(PROMPT, **case.asked, seed=1).frames, expected)


class Broken:
    """A `Backbone.network` whose networks do something else at some calls, counted from 1."""

    def __init__(self, pipeline: StoryPipeline, calls: set[int], instead: Any) -> None:
        self.network, self.calls, self.instead, self.count = pipeline.backbone.network, calls, instead, 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        told = self.network(*args, **options)

        def network(z: torch.Tensor, *rest: Any) -> torch.Tensor:
            self.count += 1
            return self.instead(z) if self.count in self.calls else told(z, *rest)

        return network


def out_of_memory(z: torch.Tensor) -> torch.Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1.00 GiB.")


@every_case
def test_out_of_memory_starts_the_scene_again_one_step_down(case: Case, folders, monkeypatch) -> None:
    pipeline, lower = (loading.load(str(folders[case.name]), "cpu", "float32", memory=m) for m in ("fast", "balanced"))
    expected = lower(PROMPT, **case.asked, seed=1)
    monkeypatch.setattr(pipeline.backbone, "network", Broken(pipeline, {2}, out_of_memory))
    *steps, clip = pipeline.generate(PROMPT, **case.asked, seed=1)
    assert [step.index for step in steps if isinstance(step, Step)] == [1, *range(1, case.small["steps"] + 1)]
    assert isinstance(clip, Clip) and "starts again with balanced" in clip.trace.notices[0]
    assert clip.trace.guidance == expected.trace.guidance, "the seed starts again too"
    assert np.array_equal(clip.frames, expected.frames)
    assert pipeline.placement.name == "balanced"


@every_case
def test_the_last_step_of_memory_still_makes_the_clip(case: Case, folders) -> None:
    fast, low = (loading.load(str(folders[case.name]), "cpu", "float32", memory=memory) for memory in ("fast", "low"))
    for component in fast.components.values():
        assert not getattr(component, "use_tiling", False)
    clips = [pipeline(PROMPT, **case.asked, seed=1) for pipeline in (fast, low)]
    assert clips[0].frames.shape == clips[1].frames.shape


@every_case
def test_numbers_that_are_none_are_refused_not_filmed(case: Case, pipeline: StoryPipeline, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.backbone, "network", Broken(pipeline, {2}, lambda z: z * float("nan")))
        with pytest.raises(ThroughlineError, match=r"the model, at step 2 of .* not finite"):
            pipeline(PROMPT, **case.asked)
    shape = pipeline._latent_shape(replace(pipeline.native, **case.small))
    with pytest.raises(ThroughlineError, match=r"the autoencoder gave .* not finite"):
        pipeline.latents.decode(torch.full(shape, float("nan")))


@every_case
def test_sizes_that_it_cannot_make_are_refused(case: Case, pipeline: StoryPipeline) -> None:
    unit, period = pipeline.backbone.limits.unit, pipeline.latents.period
    for wrong in ({"height": unit}, {"width": 2 * unit + 1}, {"num_frames": 0}, {"steps": 0}, {"height": 100_000}):
        [(name, value)] = wrong.items()
        with pytest.raises(ThroughlineError, match=f"{name} is {value}: expected"):
            pipeline.generate(PROMPT, **case.asked | wrong)
    if period > 1:
        with pytest.raises(ThroughlineError, match="num_frames is 2: expected"):
            pipeline.generate(PROMPT, **case.asked | {"num_frames": 2})


# --- its parts -------------------------------------------------------------------------------------------------------


@every_case
def test_the_files_alone_say_what_the_model_says(case: Case, folders, pipeline: StoryPipeline) -> None:
    folder = folders[case.name]
    family, counter = registry.family_of(folder), TokenCounter.of(folder)
    assert family.native(folder) == pipeline.backbone.native
    assert tuple(family.histories(folder)) == tuple(pipeline.backbone.histories)
    assert counter.max_tokens == pipeline.text.max_tokens
    assert [counter.count_tokens(text) for text in TEXTS] == [pipeline.text.count_tokens(text) for text in TEXTS]


@every_case
def test_tokens_are_marked_in_the_users_own_text(case: Case, pipeline: StoryPipeline) -> None:
    text = "Mia's  red\nkite &amp; a cat"
    encoding = pipeline.text.encode(text)
    assert len(encoding.offsets) == len(encoding.tokens) == len(encoding.hidden)
    covered = {i for start, end in encoding.offsets for i in range(start, end)}
    letters = {i for i, letter in enumerate(text) if letter.isalpha()} - set(range(text.index("&"), text.index(";")))
    assert letters <= covered
    assert not any(text[start:end].isspace() for start, end in encoding.offsets if end > start)


@every_case
def test_saved_and_loaded_again_it_makes_the_same_clip(case: Case, pipeline: StoryPipeline, tmp_path: Path) -> None:
    if not case.savable:
        with pytest.raises(ThroughlineError, match="the weights of the transformer are in GGUF: expected others"):
            pipeline.save_pretrained(tmp_path)
        return
    pipeline.save_pretrained(tmp_path, text_encoder=case.has_text_encoder)
    again = loading.load(str(tmp_path), "cpu", "float32")
    assert again.backbone.native == pipeline.backbone.native
    assert np.array_equal(again(PROMPT, **case.asked).frames, pipeline(PROMPT, **case.asked).frames)


@every_case
def test_latents_have_the_shape_that_the_pipeline_reckons_with(case: Case, pipeline: StoryPipeline) -> None:
    settings = replace(pipeline.native, **case.small)
    shape, space = pipeline._latent_shape(settings), pipeline.latents
    picture = np.full((settings.height, settings.width, 3), 90, np.uint8)
    assert space.encode(picture).shape == (1, 1, *shape[2:])
    noise = pipeline.backbone.noise(shape, torch.Generator().manual_seed(0))
    assert noise.shape == shape and noise.dtype == torch.float32
    frames = (settings.num_frames, settings.height, settings.width, 3)
    assert space.decode(noise).shape == space.preview(noise).shape == frames


@every_case
def test_previews_are_there_at_every_step(case: Case, pipeline: StoryPipeline) -> None:
    *steps, clip = pipeline.generate(PROMPT, **case.asked)
    assert isinstance(clip, Clip) and len(steps) == case.small["steps"]
    assert {step.preview.shape for step in steps if isinstance(step, Step)} == {clip.frames.shape}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_its_steps_lead_to_what_the_network_predicts(case: Case, pipeline: StoryPipeline) -> None:
    """With a network that knows the clean latents, at the noise levels that the backbone states."""
    generator = torch.Generator().manual_seed(0)
    backbone, sampler = pipeline.backbone, pipeline.backbone.sampler(20, 0.0)
    x, z = (torch.randn(1, 2, 3, 4, 4, generator=generator) for _ in range(2))
    assert sorted(sampler.timesteps, reverse=True) == list(sampler.timesteps)
    assert sampler.timesteps[0] < backbone.noising.total + 1
    for index, t in enumerate(sampler.timesteps):
        level = backbone.noising.level(t)
        v = (level.keep * z - x) / level.sigma
        torch.testing.assert_close(level.clean(z, v), x, rtol=1e-3, atol=1e-3)
        z, clean = sampler.step(index, v, z, generator)
    assert (clean - x).abs().max() < 0.05


@every_case
def test_half_precision_makes_a_clip(case: Case, folders) -> None:
    half = loading.load(str(folders[case.name]), "cpu", "bfloat16")
    clip = half(PROMPT, **case.asked)
    assert clip.frames.shape == (case.small["num_frames"], case.small["height"], case.small["width"], 3)


# --- regions ---------------------------------------------------------------------------------------------------------


@every_case
def test_modulation_by_regions_changes_what_is_predicted_and_none_of_it_nothing(
    case: Case, pipeline: StoryPipeline
) -> None:
    if case.families:
        pytest.skip("a family of the tests alone, which has no attention")
    backbone, settings = pipeline.backbone, replace(pipeline.native, **case.small)
    shape = pipeline._latent_shape(settings)
    shape = (1, shape[1] + backbone.padding_frames(shape[1]), *shape[2:])
    z = backbone.noise(shape, torch.Generator().manual_seed(SEED))
    text, t = backbone.text.encode(PROMPT).hidden, pipeline.backbone.sampler(4, 0.0).timesteps[1]
    frames = shape[1] // (getattr(pipeline.transformer.config, "patch_size_t", None) or 1)
    tokens = frames * (shape[3] // backbone.patch) * (shape[4] // backbone.patch)
    half = (torch.arange(tokens) < tokens // 2).float()[:, None]
    raised = Modulation(half.expand(-1, len(text)).clone(), half @ half.T - (1 - half) @ half.T)
    plain, nothing, some = (
        backbone.network([Conditions(text, modulation=own)])(z, t) for own in (None, raised.at(0.0), raised)
    )
    torch.testing.assert_close(nothing, plain, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(some, plain, rtol=1e-4, atol=1e-4)
