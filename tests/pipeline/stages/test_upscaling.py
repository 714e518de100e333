"""The finish: drafts to larger pictures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.backbones.checkpoints import find
from pipeline.errors import WeightsError
from pipeline.picturebook import renderer, world
from pipeline.stages import upscaling
from pipeline.stages.upscaling import Upscaler, enlarge, neighbours
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.models.finish import upscaler
from storyboard.export.finishing import finished


@pytest.fixture(scope="module")
def drafts() -> upscaler.Drafts:
    return upscaler.make_drafts(StoryPipeline.from_pretrained(find("picturebook")), range(700_000, 700_001))


def plain(frames: np.ndarray) -> np.ndarray:
    video = torch.from_numpy(frames).movedim(-1, 1).float() / 127.5 - 1
    large = (F.interpolate(video, scale_factor=4, mode="bilinear") + 1) * 127.5
    return large.round().clamp(0, 255).byte().movedim(1, -1).numpy()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def test_untrained_it_enlarges_plainly() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 8, 12, 3), np.uint8)
    *steps, last = enlarge(Upscaler(8, 1), frames)
    assert last.frames is not None and np.array_equal(last.frames, plain(frames))
    assert [(step.done, step.total) for step in steps] == [(4, 5), (5, 5)] and steps[0].frames is None


def test_every_frame_stands_between_its_neighbours() -> None:
    video = torch.arange(3.0)[:, None, None, None].expand(3, 3, 2, 2)
    assert neighbours(video)[:, ::3, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]


def test_a_pixel_depends_on_its_surroundings_and_on_neighbouring_frames_alone() -> None:
    torch.manual_seed(0)
    model = Upscaler(8, 1)
    torch.nn.init.normal_(model.leave.weight)
    x = torch.zeros(1, 9, 24, 24, requires_grad=True)
    model(x)[0, :, 48, 48].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().amax(0) > 0
    assert reached[9:16, 9:16].any() and not reached[:7].any() and not reached[:, 17:].any()
    assert all(bool(x.grad[0, c].abs().sum() > 0) for c in (0, 4, 8)), "the frame before, itself, the one after"


def test_the_generators_drafts_show_what_is_true(drafts: upscaler.Drafts) -> None:
    small = drafts.high[:, :, 2::4, 2::4]
    rebuilt, redrawn = (psnr(drafts.low[:, kind], small) for kind in (0, 1))
    assert 20 < redrawn < rebuilt, "the same pictures, with more blur"


def test_patches_of_drafts_and_truth_show_the_same_place(drafts: upscaler.Drafts) -> None:
    low, high = upscaler.draw_patches(drafts, 8, torch.Generator().manual_seed(0))
    assert low.shape == (8, 2, 9, 32, 32) and high.shape == (8, 2, 3, 128, 128)
    own = F.interpolate(low[:, :, 3:6].flatten(0, 1), scale_factor=4).unflatten(0, (8, 2))
    assert (own - high).abs().mean() < 0.5 * (own - high.roll(1, 0)).abs().mean(), "of the same clip"
    assert torch.equal(low[:, 0, 6:], low[:, 1, 3:6]), "the second frame follows the first"


def test_beside_the_critic_both_learn_and_neither_for_the_other(drafts: upscaler.Drafts) -> None:
    trainer = upscaler.UpscalerTrainer(upscaling.Upscaler(channels=8, blocks=1))
    values = upscaler.make_losses(trainer, drafts, 2, judged=True)(torch.Generator().manual_seed(0))
    (values["loss"] - values["critic"]).backward(retain_graph=True)
    assert all(p.grad is None or not p.grad.any() for p in trainer.critic.parameters()), "its error is its own"
    assert trainer.model.leave.weight.grad is not None and trainer.model.leave.weight.grad.any()
    before = trainer.model.leave.weight.grad.clone()
    values["critic"].backward()
    assert any(p.grad is not None and p.grad.any() for p in trainer.critic.parameters())
    assert torch.equal(trainer.model.leave.weight.grad, before), "what was made is not drawn towards the critic's error"


def test_the_shipped_one_is_nearer_to_the_truth_than_a_plain_enlargement() -> None:
    scene = world.training_story(900_001).scenes[0]
    pipeline = StoryPipeline.from_pretrained(find("picturebook"))
    draft = upscaler.drafts_of(pipeline, renderer.render(scene).frames, "Mia is walking.", 0)[0]
    truth = renderer.render(scene, masks=False, scale=4).frames
    assert psnr(finished(draft), truth) > psnr(plain(draft), truth) + 0.5


def test_without_weights_it_says_where_they_should_be(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THROUGHLINE_ASSETS", str(tmp_path))
    upscaling.load_upscaler.cache_clear()
    with pytest.raises(WeightsError, match=r"no upscaler in .*: expected its config\.json"):
        upscaling.load_upscaler()
