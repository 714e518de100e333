"""Training: the loop resumes exactly, targets do not collapse, frozen parts stay frozen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.autoencoder import AutoencoderLinearVideo, scaled_latents
from pipeline.backbones.checkpoints import find
from pipeline.encoders.image import small_vision_model
from pipeline.feature_extractor import FeatureExtractor
from pipeline.picturebook.facts import patch_coverage
from pipeline.training import stages
from pipeline.training.dataset import memory, shards
from pipeline.training.dataset.picturebook_set import PictureBookSet
from pipeline.training.frames import to_video
from pipeline.training.loop import Recipe, train
from pipeline.training.models import extractor, generator, noising
from pipeline.training.models.vae import fit_linear, psnr
from pipeline.transformer import StoryTransformer3DModel


def small_problem(seed: int = 0) -> tuple[nn.Module, callable]:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def losses(generator: torch.Generator) -> dict:
        x = torch.randn(16, 4, generator=generator)
        return {"loss": (module(x) - x.prod(1, keepdim=True)).square().mean()}

    return module, losses


def curve(folder: Path, recipe: Recipe, stop: int | None = None) -> list[float]:
    module, losses = small_problem()
    values = []
    for step, numbers in train(recipe, module, losses, folder):
        values.append(numbers["loss"])
        if step + 1 == stop:
            break
    return values


def test_a_killed_training_goes_on_with_the_same_losses(tmp_path: Path) -> None:
    recipe = Recipe("small", 12, 1e-2, 16, warmup=2, average=0.9, save_every=0.0)
    whole = curve(tmp_path / "whole", recipe)
    start = curve(tmp_path / "killed", recipe, stop=5)
    rest = curve(tmp_path / "killed", recipe)
    first = 12 - len(rest)  # a kill between two saves repeats the steps since the last one
    assert first <= 5 and start == whole[:5] and rest == whole[first:]
    logs = [(tmp_path / name / "small.csv").read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1] and logs[0].count("\n") == 13


def test_another_seed_is_another_curve(tmp_path: Path) -> None:
    one, other = (Recipe("small", 3, 1e-2, 16, seed=seed) for seed in (0, 1))
    assert curve(tmp_path / "a", one) != curve(tmp_path / "b", other)


def test_the_rate_rises_holds_and_falls() -> None:
    recipe = Recipe("r", 100, 1.0, 1, warmup=10, decay=0.2)
    assert recipe.rate(0) == 0.1 and recipe.rate(50) == 1.0 and recipe.rate(90) == 0.5 and recipe.rate(99) < 0.1


def test_training_ends_with_the_averaged_weights(tmp_path: Path) -> None:
    module, losses = small_problem()
    last = None
    for _ in train(Recipe("small", 6, 1e-2, 16, average=0.9), module, losses, tmp_path):
        last = module[0].weight.detach().clone()
    assert last is not None and not torch.equal(last, module[0].weight)


def test_the_linear_autoencoder_is_orthonormal_and_scaled(fitted) -> None:
    vae, frames = fitted
    weight = vae.encoder.weight.flatten(1)
    assert torch.allclose(weight @ weight.T, torch.eye(len(weight)), atol=1e-4)
    latents = scaled_latents(vae, to_video(frames))
    assert latents.shape[1:] == (5, 32, 8, 12)
    assert latents.square().mean().item() == pytest.approx(1.0, rel=0.05)
    spread = latents.movedim(2, 0).flatten(1).std(1)
    assert torch.allclose(spread, torch.tensor(vae.config.latents_std), rtol=0.1, atol=0.02)
    motion = torch.tensor(vae.config.latents_motion_std)
    assert (motion < spread + 0.02).all() and motion[0] < 0.3 * spread[0]  # most of a picture stands still


def test_more_components_rebuild_better(fitted) -> None:
    vae, frames = fitted
    video = to_video(frames[:8])
    rebuilt = [
        psnr(model.decode(model.encode(video).latent_dist.mode()).sample, video)
        for model in (fit_linear(frames, latent_channels=8), vae)
    ]
    assert rebuilt[0] + 2 < rebuilt[1]


def test_patch_coverage_counts_pixels() -> None:
    mask = np.zeros((1, 96, 144), bool)
    mask[0, :8, :6] = True  # the left half of the first patch
    assert patch_coverage(mask)[0, 0] == 0.5 and patch_coverage(mask).sum() == 0.5


def test_actor_coverage_counts_actors_in_the_frames_of_each_latent() -> None:
    masks = np.zeros((17, 96, 144), np.uint8)
    masks[0, :12, :12] = 1  # the first frame fills its latent alone
    masks[2, :12, 12:18] = 3  # half of the second latent's patch, in one frame of four
    covered = shards.actor_coverage(masks, (5, 128, 8, 12))
    assert covered.shape == (5, 8, 12) and covered[0, 0, 0] == 255 and covered[1, 0, 1] == round(255 / 8)
    assert np.count_nonzero(covered) == 2


def test_latents_that_show_an_actor_weigh_more_and_all_of_them_one_on_average() -> None:
    actors = torch.zeros(2, 5, 8, 12)
    actors[1, :, 2, 3] = 1
    weights = generator.latent_weights(actors)
    assert torch.equal(weights[0], torch.ones(5, 8, 12))
    assert weights[1].mean() == pytest.approx(1, abs=1e-5)
    assert weights[1, 0, 3, 4] / weights[1, 0, 7, 11] == pytest.approx(generator.ACTOR_WEIGHT)


def test_memory_keeps_who_comes_back(little_set: Path) -> None:
    data = PictureBookSet(little_set)
    kept = memory.memory_of(data).kept
    labels = memory.memory_of(data).labels
    checked = 0
    for row, scene in enumerate(data.scenes):
        for j in range(row - row % 4, row):
            for i, actor in enumerate(data.scenes[j].cast):
                own = kept[row, j % 4] & (labels[j] == 1 + i)
                if any(actor.name == other.name for other in scene.cast):
                    assert own.any(), (data.captions[j], data.captions[row])
                    checked += 1
    assert checked > 10


def test_extractor_and_generator_learn_and_the_frozen_stays_frozen(little_set: Path, fitted, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vision = small_vision_model(64, 1).eval()
    data = extractor.load_data(little_set, vision)
    model = FeatureExtractor(image_dim=64, dim=32, num_layers=1, num_heads=2)
    target = extractor.TargetTrainer(model)
    recipe = Recipe("target", 8, 3e-3, 16, warmup=1, adam_names=("heads",))
    values = [n["loss"] for _, n in train(recipe, target, extractor.target_losses(target, data, 16), tmp_path)]
    assert values[-1] < values[0]
    extractor.standardize(target, data)
    attention = {k: v.clone() for k, v in model.attention.state_dict().items()}
    recipe = Recipe("extractor", 8, 3e-3, 16, warmup=1)
    values = [n["known"] for _, n in train(recipe, model, extractor.make_losses(model, target, data, 16), tmp_path)]
    assert values[-1] < values[0]
    assert all(torch.equal(attention[k], v) for k, v in model.attention.state_dict().items())

    before = {k: v.clone() for k, v in model.state_dict().items()}
    trainer = generator.GeneratorTrainer(model, fitted[0], 64)
    losses = generator.make_losses(trainer, model, fitted[0], vision, little_set, data, 4)
    values = [n["v"] for _, n in train(Recipe("generator", 3, 1e-3, 4, warmup=1), trainer, losses, tmp_path)]
    assert all(np.isfinite(values))
    part = noising.Choices(windows=1.0)
    losses = generator.make_losses(trainer, model, fitted[0], vision, little_set, data, 4, part)
    values = [n["loss"] for _, n in train(Recipe("windows", 2, 1e-3, 4, warmup=1), trainer, losses, tmp_path)]
    assert all(np.isfinite(values))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_the_last_frame_of_a_latent_is_that_of_the_decoded_clip(fitted) -> None:
    model, clips = fitted
    latents = scaled_latents(model, to_video(clips[:2]))
    decoded = model.decode(latents.transpose(1, 2) / model.config.scaling_factor).sample
    frame = noising.last_frame(model, latents[:, 2] / model.config.scaling_factor)
    expected = (decoded[:, :, 8].clamp(-1, 1).movedim(1, -1) + 1) * 127.5
    torch.testing.assert_close(frame, expected, atol=1e-3, rtol=0)


def test_perception_is_none_for_the_truth_and_grows_with_the_error(fitted) -> None:
    model, clips = fitted
    torch.manual_seed(0)
    vision = small_vision_model(64, 1).eval()
    clean = scaled_latents(model, to_video(clips[:2]))
    weights, frames = torch.ones(clean.shape[0], clean.shape[1], *clean.shape[3:]), torch.tensor([1, 4])
    near, far = (
        generator.perception(vision, model, clean + error * torch.randn_like(clean), clean, weights, frames)
        for error in (0.02, 0.5)
    )
    same = generator.perception(vision, model, clean, clean, weights, frames)
    assert same.abs().max() < 1e-6 and (10 * near < far).all() and near.min() > 1e-5


def test_effective_rank_tells_a_collapse() -> None:
    torch.manual_seed(0)
    assert extractor.effective_rank(torch.randn(500, 16)) > 14
    assert extractor.effective_rank(torch.randn(500, 1) * torch.ones(16)) < 1.1


def test_noise_levels_are_drawn_where_looks_are_decided() -> None:
    alpha_bars = generator.new_scheduler().alphas_cumprod
    t = noising.draw_deciding(alpha_bars, 4000, torch.Generator().manual_seed(0))
    levels = ((1 - alpha_bars[t]) / alpha_bars[t].clamp(min=1e-8)).log() / 2
    assert abs(float(levels.median()) - 1.3) < 0.05 and 0.8 < float(levels.clamp(-1, 4).std()) < 1.05
    assert t.dtype == torch.int64 and int(t.min()) >= 0 and int(t.max()) < len(alpha_bars)


def test_frames_are_known_at_the_beginning_the_end_or_both() -> None:
    alpha_bars, chance = generator.new_scheduler().alphas_cumprod, torch.Generator().manual_seed(0)
    choices = noising.Choices(known=0.8, ending=0.2, soft=0.7)
    t, known = noising.draw_times(torch.full((4000,), 800), choices, len(alpha_bars), chance)
    assert (t[known] < noising.KNOWN_NOISE).all() and (t[~known] == 800).all()
    shares = known.float().mean(0)
    torch.testing.assert_close(shares, torch.tensor([0.8, 0.4, 0.0, 0.0, 0.2]), atol=0.03, rtol=0)
    soft = noising.draw_soft(choices, known.any(1), alpha_bars, chance)
    assert not soft[~known.any(1)].any() and abs(float((soft[known.any(1)] > 0).float().mean()) - 0.7) < 0.03


def test_a_last_latent_frame_stands_still_on_the_last_frame(fitted) -> None:
    model, clips = fitted
    clean = scaled_latents(model, to_video(clips[:2]))
    shown = noising.with_still_ends(model, clean, torch.tensor([True, False]))
    assert torch.equal(shown[1], clean[1]) and torch.equal(shown[0, :-1], clean[0, :-1])
    own, still = (
        model.decode(x[:1].transpose(1, 2) / model.config.scaling_factor, sharpen=False).sample[0].clamp(-1, 1)
        for x in (clean, shown)
    )
    apart = (still[:, -4:] - own[:, -1:]).abs().mean((0, 2, 3))
    assert float(apart.max()) < 0.02 < float((own[:, -5] - own[:, -1]).abs().mean())


def test_clips_go_on_from_what_is_known_last_at_the_beginning() -> None:
    clean = torch.arange(5.0).reshape(1, 5, 1, 1, 1).expand(4, -1, -1, -1, -1)
    known = torch.tensor([[1, 0, 0, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool()
    level = torch.zeros(4, 5)
    anchor = noising.Noised(clean, clean, level, level, known, shown=clean + 10).anchor
    assert anchor.frame.flatten().tolist()[:3] == [10.0, 11.0, 14.0]
    assert anchor.rows.tolist() == [True, True, True, False]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> stages.Workshop:
    """A training of three stories that goes on from the shipped weights for one step."""
    shipped, folder = find("picturebook"), tmp_path / "cache"
    monkeypatch.setattr(shards, "STORIES_PER_SHARD", 3)
    folder.mkdir()
    shards.make_shard(folder, 0, AutoencoderLinearVideo.from_pretrained(shipped / "vae").float())
    return stages.Workshop(tmp_path, shipped, shards=1, overrides={"steps": 1, "batch_size": 4})


def test_the_transformer_of_clips_that_go_on_is_trained_beside_the_shipped_one(begun: stages.Workshop) -> None:
    stages.train_continuation(begun)
    model = StoryTransformer3DModel.from_pretrained(begun.out / stages.CONTINUATION)
    before = StoryTransformer3DModel.from_pretrained(begun.assets / "transformer").float().state_dict()
    assert model.config.frame_timesteps and not (begun.out / "transformer").exists()
    apart = {name: float((value - before[name]).abs().max()) for name, value in model.state_dict().items()}
    assert 0 < max(apart.values()) < 1e-3


def test_a_generator_goes_on_from_the_shipped_weights(begun: stages.Workshop) -> None:
    workshop, shipped, tmp_path = begun, begun.assets, begun.out
    before = stages.trained_parts(workshop)[0].float().state_dict()
    stages.continue_generator(workshop)
    after = StoryTransformer3DModel.from_pretrained(tmp_path / "transformer").state_dict()
    apart = {name: float((after[name] - value).abs().max()) for name, value in before.items()}
    assert 0 < max(apart.values()) < 1e-3, "one step at a low rate from where they were"
    assert not (tmp_path / "decoupler").exists(), "what is remembered stays as it is"
    assert workshop.need("transformer") == tmp_path / "transformer" and workshop.need("vae_sharp") == shipped / "vae"


def test_a_generator_goes_on_from_clips_that_begin_with_known_frames(begun: stages.Workshop) -> None:
    stages.train_continuation(begun)
    longest = StoryTransformer3DModel.from_pretrained(begun.out / stages.CONTINUATION).state_dict()
    stages.continue_generator(begun)
    model = StoryTransformer3DModel.from_pretrained(begun.out / "transformer")
    after = model.state_dict()
    apart = {name: float((after[name] - value).abs().max()) for name, value in longest.items()}
    assert 0 < max(apart.values()) < 1e-3 and not model.config.frame_timesteps
