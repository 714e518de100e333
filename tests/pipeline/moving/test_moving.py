"""An image model with temporal layers: at α = 1 it is the image model, and what it wears it wears when it moves too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline import loading
from pipeline.adapters.wearing import Worn
from pipeline.backbones.checkpoints import assets_folder
from pipeline.errors import ThroughlineError
from pipeline.evaluation.story.detail import differences
from pipeline.moving.layers import TemporalLayers
from pipeline.moving.pictures import LEARNT, SHARED, FrameModel, MovingPictures, noise_of, steadied
from pipeline.training import stages
from pipeline.training.models import moving
from pipeline.transformer import StoryTransformer3DModel
from tests.tiny import save_tiny, tiny_pipeline

PROMPT, MOST_BYTES = "Mia in a red coat is walking in the desert.", 4_000_000
FRAMES = 3


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return tiny_pipeline()


def talkative(network: StoryTransformer3DModel, frames: int = FRAMES) -> TemporalLayers:
    """Layers with random weights, which add something."""
    torch.manual_seed(3)
    layers = TemporalLayers.between(network, frames=frames).eval()
    for layer in (*layers.blocks, layers.last):
        torch.nn.init.normal_(layer.attention.to_out[0].weight, std=0.5)
    return layers


def model_of(pipeline: Any, layers: TemporalLayers | None, alpha: float | None = None) -> FrameModel:
    return FrameModel(pipeline.transformer, pipeline.backbone.precondition, layers, alpha)


@torch.no_grad()
def predicted(model: FrameModel, z: Tensor) -> Tensor:
    torch.manual_seed(1)
    clips = len(z)
    text, mask = torch.randn(clips, 6, 384), torch.ones(clips, 6, dtype=torch.bool)
    return model(z, torch.full((clips,), 600), torch.full((clips,), 0.3), text, mask)


def latents(clips: int = 2) -> Tensor:
    return noise_of(clips, FRAMES, (16, 8, 12), torch.Generator().manual_seed(0))


def test_at_alpha_1_it_is_the_image_model_bit_for_bit(pipeline: Any) -> None:
    z, layers = latents(), talkative(pipeline.transformer)
    still = predicted(model_of(pipeline, None), z)
    assert torch.equal(predicted(model_of(pipeline, layers, alpha=1.0), z), still)
    assert not torch.equal(predicted(model_of(pipeline, layers), z), still)


def test_layers_that_learned_nothing_change_nothing(pipeline: Any) -> None:
    z, layers = latents(), TemporalLayers.between(pipeline.transformer, frames=FRAMES)
    assert torch.equal(predicted(model_of(pipeline, layers), z), predicted(model_of(pipeline, None), z))
    assert torch.equal(layers.alphas(), torch.full((len(layers.blocks) + 1,), 0.5))


def test_a_frame_hears_of_others_of_its_clip_through_the_layers_alone(pipeline: Any) -> None:
    z = latents()
    other = z.clone()
    other[0, 0] += 1
    for layers, hears in ((None, False), (talkative(pipeline.transformer), True)):
        one, two = (predicted(model_of(pipeline, layers), x) for x in (z, other))
        assert torch.equal(one[0, 2], two[0, 2]) is not hears
        assert torch.equal(one[1], two[1]) and not torch.equal(one[0, 0], two[0, 0])


def test_the_image_model_makes_a_picture_of_each_frame_as_if_it_were_alone(pipeline: Any) -> None:
    z = latents(clips=1)
    together = predicted(model_of(pipeline, None), z)
    alone = [predicted(model_of(pipeline, None), z[:, k : k + 1]) for k in range(FRAMES)]
    assert torch.allclose(together, torch.cat(alone, dim=1), atol=1e-5)


def test_the_less_alpha_the_more_layers_count(pipeline: Any) -> None:
    z, layers = latents(), talkative(pipeline.transformer)
    still = predicted(model_of(pipeline, None), z)
    apart = [float((predicted(model_of(pipeline, layers, a), z) - still).norm()) for a in (1.0, 0.9, 0.5)]
    assert apart[0] == 0 < apart[1] < apart[2]


def test_the_network_is_what_it_was_also_after_an_error(pipeline: Any) -> None:
    block, layers = pipeline.transformer.run_block, talkative(pipeline.transformer)
    predicted(model_of(pipeline, layers), latents())
    with pytest.raises(IndexError):
        predicted(model_of(pipeline, TemporalLayers(1, 48, 16)), latents())
    assert pipeline.transformer.run_block is block


@pytest.mark.parametrize("shared", [LEARNT, SHARED])
def test_noise_has_variance_1_and_so_much_of_it_in_common(shared: float) -> None:
    noise = noise_of(1, 2, (128, 40, 40), torch.Generator().manual_seed(0), shared)[0].flatten(1)
    assert noise.var() == pytest.approx(1, abs=0.01)
    assert float(torch.corrcoef(noise)[0, 1]) == pytest.approx(shared, abs=0.01)
    assert LEARNT < SHARED < 1, "no two frames are the same"


def test_what_stands_still_does_not_flicker_and_what_moves_moves() -> None:
    latents = torch.randn(1, 4, 8, 12) + 0.1 * torch.randn(9, 4, 8, 12)
    latents[:, :, 2, 3] += 3 * torch.linspace(-1, 1, 9)[:, None]
    steady = steadied(latents)
    assert torch.allclose(steady.mean(0), latents.mean(0), atol=1e-5), "the picture is the same"
    before, after = (x.var(0).mean(0) for x in (latents, steady))
    assert after[2, 3] > 0.9 * before[2, 3]
    around = torch.zeros(8, 12, dtype=torch.bool)
    around[1:4, 2:5] = True
    assert torch.allclose(after[around], before[around], rtol=0.1), "nor is what is close to it taken for flicker"
    assert after[~around].max() < 1e-9, "all else stands still"


def test_a_single_frame_stays_as_it_is() -> None:
    frame = torch.randn(1, 4, 8, 12)
    assert torch.equal(steadied(frame), frame)


def test_the_shipped_layers_steady_the_shipped_image_model() -> None:
    pictures = MovingPictures.of(loading.load("picturebook", "cpu"))
    still, moved = (pictures.film("A robot is dancing in the desert.", alpha=alpha) for alpha in (1.0, None))
    assert not np.array_equal(still, moved) and differences(moved).mean() < 0.7 * differences(still).mean()


# --- training, and what comes of it


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> stages.Workshop:
    """Both stages, two steps each, of the tiny model."""
    home = tmp_path_factory.mktemp("moving")
    assets = save_tiny(home / "assets" / "tiny")
    workshop = stages.Workshop(home / "out", assets, overrides={"steps": 2, "batch_size": 2})
    stages.train_image_model(workshop)
    stages.train_temporal_layers(workshop)
    return workshop


@pytest.fixture(scope="module")
def trained(workshop: stages.Workshop) -> MovingPictures:
    return MovingPictures.of(tiny_pipeline(), workshop.assets.parent / "moving")


def test_what_is_trained_is_an_adapter_and_layers(workshop: stages.Workshop, trained: MovingPictures) -> None:
    assert float(trained.layers.last.attention.to_out[0].weight.detach().abs().max()) > 0
    assert trained.layers.config.frames == moving.FRAMES
    logs = [(workshop.out / f"{name}.csv").read_text().splitlines() for name in ("image-model", "temporal-layers")]
    assert [len(log) for log in logs] == [3, 3] and "alpha" in logs[1][0] and "alpha" not in logs[0][0]


def test_a_film_moves_and_at_alpha_1_it_is_pictures(trained: MovingPictures) -> None:
    made = trained.film(PROMPT, steps=2, seed=4)
    assert made.shape == (moving.FRAMES, 96, 144, 3) and made.dtype == np.uint8
    assert np.array_equal(made, trained.film(PROMPT, steps=2, seed=4))
    stills = trained.film(PROMPT, steps=2, seed=4, alpha=1.0)
    assert not np.array_equal(made, stills)
    mute = MovingPictures(trained.pipeline, trained.image, TemporalLayers.between(trained.pipeline.transformer))
    assert np.array_equal(mute.film(PROMPT, steps=2, seed=4, alpha=1.0), stills), "no layer is asked"


def test_layers_move_an_image_model_that_wears_something_else_too(trained: MovingPictures, tmp_path: Path) -> None:
    weights = {name: value.clone() for name, value in trained.pipeline.transformer.state_dict().items()}
    network = moving.with_adapter(tiny_pipeline().transformer)
    for name, parameter in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    moving.write_adapter(network, tmp_path / "own.safetensors")
    own = [Worn(tmp_path / "own.safetensors")]
    plain, worn = (trained.film(PROMPT, steps=2, adapters=adapters) for adapters in ((), own))
    stills = trained.film(PROMPT, steps=2, adapters=own, alpha=1.0)
    assert not np.array_equal(plain, worn) and not np.array_equal(worn, stills)
    after = trained.pipeline.transformer.state_dict()
    assert after.keys() == weights.keys() and all(torch.equal(after[name], weights[name]) for name in weights)


def test_the_image_model_is_not_trained_with_the_layers(pipeline: Any) -> None:
    layers = TemporalLayers.between(pipeline.transformer, frames=moving.FRAMES)
    losses = moving.make_losses(pipeline.transformer.requires_grad_(False), pipeline.vae, layers, 1)
    found = losses(torch.Generator().manual_seed(0))
    found["loss"].backward()
    assert all(parameter.grad is None for parameter in pipeline.transformer.parameters())
    assert layers.blocks[0].attention.to_out[0].weight.grad.abs().sum() > 0


def test_frames_of_a_batch_follow_one_another_and_are_told_of_actors() -> None:
    import random

    batch = moving.draw(random.Random(0), 2, 9, 12)
    assert batch.frames.shape == (2, 9, 96, 144, 3) and batch.actors.shape == (2, 9, 8, 12)
    assert 0 < batch.actors.mean() < 0.5 and len(batch.captions) == 2


def test_what_is_not_there_or_too_much_is_refused(trained: MovingPictures, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match="frames is 10: expected 1 to 9"):
        trained.film(PROMPT, frames=10)
    with pytest.raises(ThroughlineError, match="no image model in"):
        MovingPictures.of(trained.pipeline, tmp_path)
    with pytest.raises(ThroughlineError, match="train image-model first"):
        stages.train_temporal_layers(stages.Workshop(tmp_path / "out", save_tiny(tmp_path / "assets" / "tiny")))


def test_all_of_it_is_small_for_the_embedded_model() -> None:
    network = StoryTransformer3DModel.from_pretrained(assets_folder() / "picturebook" / "transformer")
    layers = TemporalLayers.between(network)
    moving.with_adapter(network)
    adapter = sum(p.numel() for name, p in network.named_parameters() if f".{moving.NAME}." in name)
    assert 2 * (adapter + sum(p.numel() for p in layers.parameters())) <= MOST_BYTES
