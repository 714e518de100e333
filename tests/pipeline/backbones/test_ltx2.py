"""LTX-2: sound that is made with the picture, text through connectors, and folders that are refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import LTX2Pipeline
from safetensors.torch import load_file, save_file

from pipeline import denoising, loading
from pipeline.backbones.base import Conditions
from pipeline.errors import ThroughlineError, WeightsError
from pipeline.generation import SceneRequest
from pipeline.history import Memory
from pipeline.story_pipeline import StoryPipeline
from tests import ltx2_checkpoints

PROMPT, SEED = "A cat is driving on the beach", 5
SMALL = {"height": ltx2_checkpoints.HEIGHT, "width": ltx2_checkpoints.WIDTH, "num_frames": ltx2_checkpoints.FRAMES}
SHAPE, SOUND = (1, 3, 6, 2, 3), (18, 8)  # latents, and sound: 17 frames at 24 a second, with 25 tokens a second
LENGTHS = [(1, 1), (9, 9), (17, 18), (121, 126), (481, 501)]  # frames, and tokens of sound


@pytest.fixture(scope="module", params=ltx2_checkpoints.KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ltx2_checkpoints.save(tmp_path_factory.mktemp("ltx2"), request.param)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> StoryPipeline:
    return loading.load(str(folder), "cpu", "float32")


@pytest.fixture(scope="module")
def stock(folder: Path) -> LTX2Pipeline:
    found = LTX2Pipeline.from_pretrained(folder, local_files_only=True)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize(("frames", "tokens"), LENGTHS)
def test_sound_is_as_long_as_the_clip(frames: int, tokens: int, pipeline: StoryPipeline) -> None:
    assert pipeline.backbone.sound_tokens((frames - 1) // 8 + 1) == tokens


def test_connectors_read_a_scenes_texts_once_not_at_every_step(
    pipeline: StoryPipeline,
) -> None:
    settings = replace(pipeline.native, **SMALL, steps=3, seed=SEED)
    asked = list[int]()
    counted = pipeline.connectors.video_connector.register_forward_hook(lambda *told: asked.append(len(told[1][0])))
    try:
        for prompt in (PROMPT, "A dog is running in the snow"):
            *_, _ = pipeline.denoiser([SceneRequest(prompt, Memory(None, ()), pipeline.guidance, settings)], SHAPE)
    finally:
        counted.remove()
    assert asked == [2, 2]  # both branches of either scene


@torch.no_grad()
def test_the_sound_that_goes_with_a_clip_is_the_stock_pipelines(
    pipeline: StoryPipeline, stock: LTX2Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step for step: what the network is given as sound, and what it says of it."""
    weights = {"guidance_scale": 3.0, "stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
    settings = replace(pipeline.native, **SMALL, steps=3, seed=SEED)
    request = SceneRequest(PROMPT, Memory(None, ()), pipeline.guidance, settings)
    heard: list[list[torch.Tensor]] = []
    for one in (pipeline, stock):
        forward, kept = one.transformer.forward, list[torch.Tensor]()

        def listening(*given: Any, forward: Any = forward, kept: Any = kept, **named: Any) -> Any:
            sound = named.get("audio_hidden_states", given[1] if len(given) > 1 else None)
            kept.append(sound[0])
            return forward(*given, **named)

        monkeypatch.setattr(one.transformer, "forward", listening)
        heard.append(kept)
    *_, _ = pipeline.denoiser([request], SHAPE)
    stock(
        PROMPT, **SMALL, num_inference_steps=3, generator=torch.Generator().manual_seed(SEED), output_type="latent",
        **weights | {f"audio_{name}": value for name, value in weights.items()},
    )  # fmt: skip
    assert len(heard[0]) == len(heard[1]) == 3 and heard[0][0].shape == SOUND
    for own, other in zip(*heard, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_picture_hears_the_sound_and_what_has_none_is_seen_apart(pipeline: StoryPipeline) -> None:
    backbone, generator = pipeline.backbone, torch.Generator().manual_seed(SEED)
    z, text = backbone.noise(SHAPE, generator), backbone.text.encode(PROMPT).hidden
    sounds = [backbone.sound(SHAPE, generator) for _ in range(2)]
    count = sounds[0].shape[1]
    assert count == 4 and not sounds[0].flatten()[SOUND[0] * SOUND[1] : -1].any(), "18 x 8 values in frames of 36"
    with_sound = backbone.network([Conditions(text, sound=count)])
    one, other = (with_sound(torch.cat([sound, z], dim=1), 500.0) for sound in sounds)
    assert one.shape == (1, count + 3, *SHAPE[2:])
    assert not torch.allclose(one[:, count:], other[:, count:], rtol=1e-3, atol=1e-3)
    silent = backbone.network([Conditions(text)])(z, 500.0)
    assert silent.shape == SHAPE and not torch.allclose(silent, one[:, count:], rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_connectors_are_given_what_the_stock_pipeline_gives_them(pipeline: StoryPipeline, stock: LTX2Pipeline) -> None:
    """Though texts are read here without the padding on their left."""
    texts = (PROMPT, "")
    embedded, mask, *_ = stock.encode_prompt(list(texts), do_classifier_free_guidance=False)
    expected = stock.connectors(embedded, mask, padding_side="left")
    network = pipeline.backbone.network([Conditions(pipeline.text.encode(text).hidden) for text in texts])
    for own, other in zip(network.texts, expected, strict=False):  # type: ignore[attr-defined]
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
    assert bool(expected[2].all()), "registers are seen like words"


def test_words_have_rows_of_their_own_and_registers_no_place_among_them(pipeline: StoryPipeline) -> None:
    found = pipeline.text.encode("  A cat\n is ")
    assert found.tokens[0] == "<bos>" and len(found.tokens) == len(found.hidden) < 12
    assert [("  A cat\n is "[start:end]) for start, end in found.offsets if end > start] == ["A", "cat", "i", "s"]
    assert pipeline.text.count_tokens("  A cat\n is ") == len(found.tokens)

    seen = list[tuple[int, int]]()
    network = pipeline.backbone.network(
        [Conditions(found.hidden)], witness=lambda q, k, v: seen.append((q.shape[2], k.shape[2]))
    )
    with torch.no_grad():
        network(torch.zeros(1, 1, 6, 2, 3), 500.0)
    assert seen == [(len(found.tokens) + 6, len(found.tokens) + 6)] * 2


def test_what_is_remembered_is_drawn_into_the_picture_and_not_into_the_sound(
    pipeline: StoryPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = pipeline(PROMPT, **SMALL, steps=3, seed=1).frames
    past = pipeline.encode_scene("A cat is running in the snow", frames)
    settings = replace(pipeline.native, **SMALL, steps=3, seed=SEED)
    decision = pipeline.filter([past.prompt], PROMPT)
    memory = pipeline.remember([past], decision, settings)
    assert memory.references
    request, shapes, drawn = SceneRequest(PROMPT, memory, pipeline.guidance, settings), [], denoising.drawn

    def noted(v: torch.Tensor, z: torch.Tensor, *given: Any) -> torch.Tensor:
        shapes.append((tuple(v.shape), tuple(z.shape)))
        return drawn(v, z, *given)

    monkeypatch.setattr(denoising, "drawn", noted)
    [(latents, norms)] = next(iter(pipeline.denoiser([request], SHAPE)))
    assert latents.shape == SHAPE and norms["history_pull"] > 0
    assert shapes == [(SHAPE, SHAPE)] * 2, "of the branches that remember"


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("model_index.json", {"_class_name": "LTX2ConditionPipeline"}, "is made for LTX2ConditionPipeline: expected"),
        ("model_index.json", {"text_encoder": ["transformers", "Gemma4Model"]}, "Gemma4Model as its text_encoder"),
        ("transformer/config.json", {"patch_size_t": 2}, "has a patch_size_t of 2: expected 1"),
        ("connectors/config.json", {"audio_connector_num_learnable_registers": None}, "no registers in the connectors"),
        ("vae/config.json", {"decoder_inject_noise": [True]}, "a decoder that draws noise which no seed"),
    ],
)
def test_other_models_with_its_autoencoder_are_refused(
    file: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = ltx2_checkpoints.save(tmp_path / "model", "2.0")
    path = model / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ThroughlineError, match=message):
        loading.load(str(model), "cpu", "float32")


@pytest.mark.parametrize("name", ["text_proj_in.weight", "audio_connector.learnable_registers"])
def test_connectors_that_lack_weights_are_refused(name: str, tmp_path: Path) -> None:
    model = ltx2_checkpoints.save(tmp_path / "model", "2.0")
    [path] = (model / "connectors").glob("*.safetensors")
    save_file({key: weight for key, weight in load_file(path).items() if key != name}, path)
    with pytest.raises(WeightsError, match="cannot be loaded: .*" + name):
        loading.load(str(model), "cpu", "float32")
