"""What is Wan's own: experts, expanded timesteps, prompts as its pipelines clean them, and folders that are refused."""

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from diffusers.pipelines.wan import pipeline_wan_i2v
from PIL import Image

from pipeline import loading
from pipeline.backbones.base import Conditions
from pipeline.backbones.wan.prompts import clean, spans_before
from pipeline.backbones.wan.transformer import StoryWanTransformer3DModel
from pipeline.blocks.attention import AttentionContext
from pipeline.blocks.block_cache import BlockCache
from pipeline.errors import ThroughlineError
from pipeline.generation import SceneRequest, Strength
from pipeline.history import Memory
from pipeline.reference.attention import Attention, keys_and_values
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.finetune.modes import trainable_backbone
from tests import wan_checkpoints
from tests.checkpoints import TEXT_WIDTH
from tests.tiny import tiny_pipeline
from tests.wan_checkpoints import FRAMES, HEIGHT, KINDS, WIDTH

SMALL = {"height": HEIGHT, "width": WIDTH, "num_frames": FRAMES, "steps": 6}
PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("wan")
    return {kind: wan_checkpoints.save(root / kind, kind) for kind in KINDS}


@lru_cache
def loaded(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), device="cpu", dtype="float32")


# --- the transformer -------------------------------------------------------------------------------------------------


def transformer_and_input(expanded: bool) -> tuple[StoryWanTransformer3DModel, tuple[torch.Tensor, ...]]:
    torch.manual_seed(3)
    model = StoryWanTransformer3DModel.from_config(wan_checkpoints.new_transformer().config).eval()
    z, text = torch.randn(2, 4, 2, 4, 6), torch.randn(2, 9, TEXT_WIDTH)
    times = torch.rand(2, 12) * 1000 if expanded else torch.tensor([700.0, 20.0])
    return model, (z, times, text)


@pytest.mark.parametrize("expanded", [False, True])
@torch.no_grad()
def test_our_own_forward_is_the_stock_one(expanded: bool) -> None:
    model, given = transformer_and_input(expanded)
    stock = WanTransformer3DModel.from_config(model.config).eval()
    stock.load_state_dict(model.state_dict())
    expected = stock(*given).sample
    told = AttentionContext(text_mask=torch.ones(2, 9, dtype=torch.bool), witness=lambda q, k, v: None)
    torch.testing.assert_close(model(*given, context=told).sample, expected, rtol=1e-4, atol=1e-5)
    cached = model(*given, caches=[BlockCache(0.1), BlockCache(0.1)]).sample
    torch.testing.assert_close(cached, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(model(*given).sample, expected)


@torch.no_grad()
def test_rows_that_hardly_change_pass_over_blocks() -> None:
    model, (z, times, text) = transformer_and_input(False)
    caches = [BlockCache(0.5), BlockCache(0.5)]
    first = model(z, times, text, caches=caches).sample
    changed = torch.stack([z[0], -z[1]])
    again = model(changed, times, text, caches=caches).sample
    assert [cache.passed for cache in caches] == [1, 0]
    torch.testing.assert_close(again[0], first[0], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_witness_sees_what_the_video_looks_at_in_the_text(folders: dict[str, Path]) -> None:
    backbone = loaded(folders["2.1"]).backbone
    text = torch.randn(7, TEXT_WIDTH, generator=torch.Generator().manual_seed(0))
    seen = Attention(7, [], [])
    backbone.network([Conditions(text)], witness=seen)(torch.randn(1, 2, 4, 4, 6), 300)
    assert [look.shape for look in seen.looks] == [(7, 12)] * 2
    torch.testing.assert_close(seen.looks[0].sum(0), torch.ones(12))
    assert [k.shape for k, _ in seen.keys_values] == [(1, 2, 12, 12)] * 2


# --- strengths of words -----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_a_word_of_strength_two_counts_as_if_it_were_there_twice() -> None:
    model, (z, times, text) = transformer_and_input(False)
    strengths = torch.ones(2, 9)
    strengths[0, 3] = 2
    found = model(z, times, text, context=AttentionContext(text_strengths=strengths.log())).sample
    twice = model(z, times, torch.cat([text, text[:, 3:4]], dim=1)).sample
    torch.testing.assert_close(found[0], twice[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], model(z, times, text).sample[1], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_word_of_no_strength_is_hidden(folders: dict[str, Path]) -> None:
    backbone, strengths = loaded(folders["2.1"]).backbone, torch.tensor([1.0, 0, 0, 1])
    text = torch.randn(4, TEXT_WIDTH, generator=torch.Generator().manual_seed(0))
    other, z = text.clone(), torch.randn(1, 2, 4, 4, 6)
    other[1:3] = 7
    one, two = (backbone.network([Conditions(rows, strengths=strengths)])(z, 300) for rows in (text, other))
    assert torch.equal(one, two)


def test_strengths_of_words_change_the_clip_and_nonsense_is_refused(folders: dict[str, Path]) -> None:
    ours, start = loaded(folders["2.1"]), PROMPT.index("beach")
    plain, same, strong = (
        ours(PROMPT, strengths=(Strength(start, start + 5, factor),) if factor else (), **SMALL)
        for factor in (None, 1.0, 4.0)
    )
    assert np.abs(plain.frames.astype(int) - same.frames).max() <= 1
    assert plain.trace.guidance[0]["text_pull"] != pytest.approx(strong.trace.guidance[0]["text_pull"], rel=1e-3)
    for wrong in (Strength(5, 5, 1.0), Strength(0, 99, 1.0), Strength(0, 1, -1.0), Strength(0, 1, float("nan"))):
        with pytest.raises(ThroughlineError, match=f"strength is {wrong.start} to {wrong.end}"):
            ours.generate(PROMPT, strengths=(wrong,), **SMALL)
    with pytest.raises(ThroughlineError, match="strengths of words are given: expected none"):
        tiny_pipeline().generate(PROMPT, strengths=(Strength(0, 1, 2.0),))


# --- two experts -----------------------------------------------------------------------------------------------------


def test_each_expert_makes_its_own_steps_and_looks_at_references_that_it_read(folders, monkeypatch) -> None:
    pipeline, calls = loaded(folders["2.2-A14B"]), list[tuple[str, float, int]]()
    for name in ("transformer", "transformer_2"):
        model = getattr(pipeline, name)
        forward = model.forward

        def noted(x, t, text, *, name=name, forward=forward, **options):
            calls.append((name, float(t.flatten()[0]), len(text)))
            return forward(x, t, text, **options)

        monkeypatch.setattr(model, "forward", noted)
    scene = pipeline.encode_scene(PAST, pipeline(PROMPT, **SMALL).frames)
    assert {name for name, t, _ in calls if t >= 875} == {"transformer"}
    assert {name for name, t, _ in calls if t < 875} == {"transformer_2"}
    memory = pipeline.remember([scene], pipeline.filter([PAST], PROMPT), pipeline.native)
    for step, reader, noise in ((950, "transformer", 875), (700, "transformer_2", 600), (100, "transformer_2", 100)):
        calls.clear()
        keys_and_values(memory.references, pipeline.backbone, step)
        assert calls == [(reader, noise, 1)]


def test_after_keyframes_were_looked_at_no_expert_stays_on_the_device(folders, monkeypatch) -> None:
    pipeline, freed = loaded(folders["2.2-A14B"]), list[int]()
    monkeypatch.setattr(pipeline, "maybe_free_model_hooks", lambda: freed.append(1))
    scene = pipeline.encode_scene(PAST, np.zeros((1, HEIGHT, WIDTH, 3), np.uint8))
    pipeline.remember([scene], pipeline.filter([PAST], PROMPT), replace(pipeline.native, **SMALL))
    assert freed


def test_models_are_told_apart_by_the_settings_of_their_index(folders: dict[str, Path]) -> None:
    found = [loaded(folders[kind]) for kind in ("2.1", "2.2-A14B", "2.2-5B")]
    sizes = [(one.native.height, one.native.width, one.native.num_frames) for one in found]
    assert sizes == [(480, 832, 81), (720, 1280, 81), (704, 1280, 121)]
    assert [one.frames_per_second for one in found] == [16, 16, 24]
    assert [one.backbone.limits.unit for one in found] == [16, 16, 32]


# --- a clip that begins with a picture (2.2 5B) -----------------------------------------------------------------------


@pytest.fixture
def without_ftfy(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers' pipelines from pictures ask ftfy even where it is not installed."""
    monkeypatch.setattr(pipeline_wan_i2v, "ftfy", SimpleNamespace(fix_text=lambda text: text), raising=False)


@pytest.mark.usefixtures("without_ftfy")
def test_a_beginning_makes_the_stock_picture_to_video_clip(folders: dict[str, Path]) -> None:
    """2.2 5B: the first latent frame is the picture's at every step, at a timestep of its own."""
    settings = {"height": 64, "width": 96, "num_frames": 9}
    picture = np.random.default_rng(0).integers(0, 256, (1, 8, 12, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    stock = WanImageToVideoPipeline(**WanPipeline.from_pretrained(folders["2.2-5B"]).components, expand_timesteps=True)
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        Image.fromarray(picture[0]),
        PROMPT,
        num_inference_steps=4,
        generator=torch.Generator().manual_seed(5),
        **settings,
    ).frames[0]
    clip = loaded(folders["2.2-5B"])(PROMPT, steps=4, seed=5, beginning=picture, **settings)
    assert clip.frames.shape == (9, 64, 96, 3)
    assert np.abs(clip.frames - 255 * expected).max() <= 0.51
    free = loaded(folders["2.2-5B"])(PROMPT, steps=4, seed=5, **settings)
    assert not np.array_equal(free.frames, clip.frames)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return tuple(generator.integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8) for _ in range(2))  # type: ignore


@pytest.mark.usefixtures("without_ftfy")
@pytest.mark.parametrize("ends", [False, True])
def test_from_a_first_and_to_a_last_picture_it_is_the_stock_clip(ends: bool, folders: dict[str, Path]) -> None:
    first, last = pictures()
    stock = WanImageToVideoPipeline.from_pretrained(folders["2.2-I2V-A14B"], local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    expected = stock(
        Image.fromarray(first[0]), PROMPT, height=HEIGHT, width=WIDTH, num_frames=FRAMES, num_inference_steps=6,
        guidance_scale=4.0, generator=torch.Generator().manual_seed(5),
        last_image=Image.fromarray(last[0]) if ends else None,
    ).frames[0]  # fmt: skip
    clip = loaded(folders["2.2-I2V-A14B"])(PROMPT, seed=5, beginning=first, ending=last if ends else None, **SMALL)
    assert np.abs(clip.frames - 255 * expected).max() <= 0.51


def test_pictures_and_memory_go_together_and_what_is_not_kept_changes_nothing(folders: dict[str, Path]) -> None:
    (first, last), ours = pictures(), loaded(folders["2.2-I2V-A14B"])
    kept, dropped = ours.encode_scene(PAST, last), ours.encode_scene("A robot in the library", last)
    alone, remembering, mixed, unkept = (
        ours(PROMPT, history, beginning=first, **SMALL).frames for history in ([], [kept], [dropped, kept], [dropped])
    )
    assert np.array_equal(alone, unkept) and np.array_equal(remembering, mixed)
    assert not np.array_equal(alone, remembering)


def test_pictures_that_are_missing_too_many_or_of_another_size_are_refused(folders: dict[str, Path]) -> None:
    first, last = pictures()
    ours = loaded(folders["2.2-I2V-A14B"])
    with pytest.raises(ThroughlineError, match="beginning is missing: expected a picture"):
        ours.generate(PROMPT, **SMALL)
    request = SceneRequest(PROMPT, Memory(None, ()), ours.guidance, replace(ours.native, **SMALL))
    with pytest.raises(ThroughlineError, match="pictures are missing"):
        ours.render([request])
    with pytest.raises(ThroughlineError, match=r"ending has shape .* expected 1 frame of 32 x 64 pixels"):
        ours.generate(PROMPT, beginning=first, ending=last[:, :16], **SMALL)
    with pytest.raises(ThroughlineError, match="num_frames is 1: expected 2 or more"):
        ours.generate(PROMPT, beginning=first, ending=last, **SMALL | {"num_frames": 1})
    with pytest.raises(ThroughlineError, match="ending is given: expected none"):
        loaded(folders["2.2-5B"]).generate(PROMPT, ending=last, height=64, width=96)
    with pytest.raises(ThroughlineError, match="beginning is given: expected none, this model does not go on from"):
        loaded(folders["2.1"]).generate(PROMPT, beginning=first, **SMALL)


# --- prompts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, cleaned, word, found",
    [
        ("A cat", "A cat", "cat", "cat"),
        ("  Tom &amp; Mia\n\n run ", "Tom & Mia run", "Mia", "Mia"),
        ("Tom &amp; Mia", "Tom & Mia", "&", "&"),
        ("&quot;Go&quot; she says", '"Go" she says', "Go", "Go"),
        ("&lt;b&gt; caf&eacute;", "<b> café", "café", "caf&eacute;"),
    ],
)
def test_spans_are_those_of_the_text_before_it_was_cleaned(text: str, cleaned: str, word: str, found: str) -> None:
    assert clean(text) == cleaned
    start = cleaned.index(word)
    [(first, last)] = spans_before(text, cleaned, [(start, start + len(word))])
    assert text[first:last].startswith(found)
    assert spans_before(text, cleaned, [(0, 0)]) == [(0, 0)]


@torch.no_grad()
def test_a_prompt_that_needs_cleaning_makes_the_stock_encoding(folders: dict[str, Path]) -> None:
    text, ours = "  A cat &amp; a dog \n on the  beach ", loaded(folders["2.1"])
    stock = WanPipeline.from_pretrained(folders["2.1"], local_files_only=True)
    expected = stock._get_t5_prompt_embeds(text, max_sequence_length=512)[0]
    hidden = ours.text.encode(text).hidden
    assert torch.equal(hidden, expected[: len(hidden)]) and not expected[len(hidden) :].any()


# --- precision, memory, and what does not load -----------------------------------------------------------------------


def test_the_autoencoder_stays_in_float32(folders: dict[str, Path]) -> None:
    half = loading.load(str(folders["2.2-A14B"]), device="cpu", dtype="bfloat16")
    assert {m.dtype for m in (half.transformer, half.transformer_2, half.text_encoder)} == {torch.bfloat16}
    assert half.vae.dtype == torch.float32


def test_eight_bits_through_torchao(folders: dict[str, Path]) -> None:
    pytest.importorskip("torchao", reason="optional: pip install torchao")
    low = loading.load(str(folders["2.2-A14B"]), device="cpu", dtype="float32", memory="low")
    assert low.placement.said == ["memory low: weights in 8-bit integers, clips decoded in tiles"]
    x, row = torch.randn(1, 2, 4, 4, 6), Conditions(torch.randn(9, TEXT_WIDTH))
    whole = loaded(folders["2.2-A14B"])
    for t in (950, 100):
        with torch.no_grad():
            expected, found = (p.backbone.network([row])(x, t) for p in (whole, low))
        assert 0 < (found - expected).norm() / expected.norm() < 0.05


def changed(folder: Path, target: Path, file: str, **values: object) -> str:
    path = shutil.copytree(folder, target) / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return str(target)


@pytest.mark.parametrize(
    "file, values, reason",
    [
        ("transformer/config.json", {"in_channels": 9}, r"9 channels in, 4 out: expected as many .* or 12"),
        ("transformer/config.json", {"image_dim": 8}, "reads pictures with None: expected an image_encoder"),
        ("model_index.json", {"text_encoder": ["transformers", "T5EncoderModel"]}, "expected UMT5EncoderModel"),
        ("model_index.json", {"transformer": ["diffusers", "WanAnimateTransformer3DModel"]}, "WanTransformer3DModel"),
        ("model_index.json", {"boundary_ratio": 0.9}, "a boundary_ratio and no transformer_2: expected both"),
    ],
)
def test_other_models_with_the_autoencoder_are_refused(file, values, reason, folders, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=reason):
        loading.load(changed(folders["2.1"], tmp_path / "other", file, **values), device="cpu")


def test_it_cannot_be_finetuned_and_says_so(folders: dict[str, Path]) -> None:
    with pytest.raises(ThroughlineError, match="model is of the family wan: expected one whose network reads history"):
        trainable_backbone(loaded(folders["2.1"]))
