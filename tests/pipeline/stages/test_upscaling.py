"""The finish: drafts to larger pictures, by the upscaler that ships."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.backbones.checkpoints import find
from pipeline.errors import WeightsError
from pipeline.picturebook import renderer, world
from pipeline.stages.upscaling import enlarging, folders
from pipeline.stages.upscaling.enlarging import Span, enlarge, enlarged, neighbours, spans
from pipeline.stages.upscaling.network import Upscaler
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.models.finish import upscaler


@pytest.fixture(scope="module")
def drafts() -> upscaler.Drafts:
    return upscaler.make_drafts(StoryPipeline.from_pretrained(find("picturebook")), range(700_000, 700_001))


@pytest.fixture
def shipped_anew() -> Iterator[None]:
    folders.load_shipped.cache_clear()
    yield
    folders.load_shipped.cache_clear()


def plain(frames: np.ndarray, scale: int = 4) -> np.ndarray:
    video = torch.from_numpy(frames).movedim(-1, 1).float() / 127.5 - 1
    large = (F.interpolate(video, scale_factor=scale, mode="bilinear") + 1) * 127.5
    return large.round().clamp(0, 255).byte().movedim(1, -1).numpy()


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_untrained_it_enlarges_plainly() -> None:
    frames = noise(5, 8, 12, 3)
    assert np.array_equal(enlarged(Upscaler(8, 1), frames), plain(frames))


def test_frames_come_one_after_another_and_nothing_is_made_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarging, "PIXELS_AT_ONCE", 2 * 8 * 12)
    asked, model = list[int](), Upscaler(8, 1)
    own = model.picture
    monkeypatch.setattr(model, "picture", lambda x, *rest: (asked.append(len(x)), own(x, *rest))[1])
    frames = enlarge(model, noise(5, 8, 12, 3))
    assert asked == []
    assert next(frames).shape == (32, 48, 3) and asked == [2]
    assert len(list(frames)) == 4 and asked == [2, 2, 1]


def test_every_frame_stands_between_its_neighbours() -> None:
    frames = np.arange(3, dtype=np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3)
    values = (neighbours(frames, range(3))[:, ::3, 0, 0] + 1) * 127.5
    assert values.round().tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    assert torch.equal(neighbours(frames, [2]), neighbours(frames, range(3))[2:])


# --- tiles -----------------------------------------------------------------------------------------------------------


def test_what_fits_is_one_tile() -> None:
    assert spans(96, 256) == spans(96, 96) == [Span(0, 96, 0, 0)]


@pytest.mark.parametrize(("length", "tile"), [(97, 96), (128, 96), (480, 192), (720, 192), (1920, 128), (65, 40)])
def test_tiles_cover_a_side_and_share_enough(length: int, tile: int) -> None:
    found = spans(length, tile)
    assert found[0].start == 0 and found[-1].start + found[-1].length == length
    assert {span.length for span in found} == {tile}
    shared = [one.start + tile - two.start for one, two in pairwise(found)]
    assert min(shared) >= min(enlarging.OVERLAP, tile // 2)
    assert [span.after for span in found[:-1]] == [span.before for span in found[1:]] == shared
    total = torch.zeros(length * 2)
    for span in found:
        total[span.start * 2 : (span.start + tile) * 2] += span.weights(2)
    assert total.min() > 0.3, "every pixel is somebody's"
    assert found[0].weights(2)[0] == 1 == found[-1].weights(2)[-1], "nobody else shows the ends"


@pytest.mark.parametrize("size", [(20, 30), (17, 50), (64, 33)])
def test_what_depends_on_a_pixel_alone_is_the_same_in_tiles(size: tuple[int, int]) -> None:
    class Nearest:
        scale, tile = 2, 16

        def picture(self, x: torch.Tensor, prompt: str, corner: tuple[int, int]) -> torch.Tensor:
            assert max(x.shape[2:]) <= 16 and prompt == "a dog"
            assert torch.equal(x, windows[:, :, corner[0] : corner[0] + x.shape[2], corner[1] : corner[1] + x.shape[3]])
            return F.interpolate(x[:, 3:6], scale_factor=2)

    frames = noise(1, *size, 3)
    windows = neighbours(frames, [0])
    assert np.array_equal(enlarged(Nearest(), frames, "a dog"), frames.repeat(2, 1).repeat(2, 2))


def test_seams_of_tiles_do_not_show(monkeypatch: pytest.MonkeyPatch, shipped_anew: None) -> None:
    """A draft that the shipped one sees whole or in tiles: the same picture, seams no worse than elsewhere."""
    frames = renderer.render(world.training_story(900_003).scenes[0]).frames[:1]
    model = folders.load_shipped()
    whole = enlarged(model, frames)
    monkeypatch.setattr(Upscaler, "tile", 80)
    apart = np.abs(enlarged(model, frames).astype(float) - whole)
    assert 0 < apart.max() <= 24 and apart.mean() < 0.1


# --- the one that ships ----------------------------------------------------------------------------------------------


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
    trainer = upscaler.UpscalerTrainer(Upscaler(channels=8, blocks=1))
    values = upscaler.make_losses(trainer, drafts, 2, judged=True)(torch.Generator().manual_seed(0))
    (values["loss"] - values["critic"]).backward(retain_graph=True)
    assert all(p.grad is None or not p.grad.any() for p in trainer.critic.parameters()), "its error is its own"
    assert trainer.model.leave.weight.grad is not None and trainer.model.leave.weight.grad.any()
    before = trainer.model.leave.weight.grad.clone()
    values["critic"].backward()
    assert any(p.grad is not None and p.grad.any() for p in trainer.critic.parameters())
    assert torch.equal(trainer.model.leave.weight.grad, before), "what was made is not drawn towards the critic's error"


def test_the_shipped_one_is_nearer_to_the_truth_than_a_plain_enlargement(shipped_anew: None) -> None:
    scene = world.training_story(900_001).scenes[0]
    pipeline = StoryPipeline.from_pretrained(find("picturebook"))
    draft = upscaler.drafts_of(pipeline, renderer.render(scene).frames, "Mia is walking.", 0)[0]
    truth = renderer.render(scene, masks=False, scale=4).frames
    assert psnr(enlarged(folders.load_shipped(), draft), truth) > psnr(plain(draft), truth) + 0.5


def test_without_weights_it_says_where_they_should_be(
    tmp_path, monkeypatch: pytest.MonkeyPatch, shipped_anew: None
) -> None:
    monkeypatch.setenv("THROUGHLINE_ASSETS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"no upscaler in .*: expected its config\.json"):
        folders.load_shipped()
