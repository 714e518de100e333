"""The tube locator without its weights: shapes, times, that a frame sees its own memory alone, and the metrics."""

import numpy as np
import pytest
import torch
from transformers import CLIPVisionModelWithProjection

from pipeline.encoders.image import small_vision_model
from pipeline.errors import ThroughlineError
from pipeline.evaluation.grounding import Case, iou, overlaps
from pipeline.grounding.layers import COLUMNS, ROWS, DecoderLayer, attend_once
from pipeline.grounding.tubes import MOST_FRAMES, SLOW, Tube, TubeLocator, moment, to_corners
from pipeline.training.models.locator import giou


@pytest.fixture(scope="module")
def vision() -> CLIPVisionModelWithProjection:
    torch.manual_seed(0)
    return small_vision_model(64, 1).eval()


@pytest.fixture(scope="module")
def locator() -> TubeLocator:
    torch.manual_seed(0)
    return TubeLocator(image_dim=64, text_dim=8, dim=32, heads=2, encoder_layers=1, decoder_layers=2, channels=8).eval()


def clip(frames: int, height: int = 96, width: int = 144) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), np.uint8)


@pytest.mark.parametrize("frames", [1, 3, 4, 17])
def test_a_tube_lies_inside_its_clip(locator: TubeLocator, vision: CLIPVisionModelWithProjection, frames: int) -> None:
    seen = locator.see(clip(frames), vision)
    tube = locator.find(seen, torch.randn(5, 8))
    assert seen.frames == frames and len(seen.patches) == -(-frames // SLOW)
    assert 0 <= tube.first <= tube.last < frames
    assert tube.boxes.shape == (tube.last - tube.first + 1, 4) and 0 <= tube.score <= 1


def test_clips_of_any_size_are_seen(locator: TubeLocator, vision: CLIPVisionModelWithProjection) -> None:
    assert locator.see(clip(2, 60, 200), vision).fast.shape == (2, ROWS * COLUMNS, 32)


@pytest.mark.parametrize("frames", [0, MOST_FRAMES + 1])
def test_too_many_frames_are_refused(locator: TubeLocator, vision: CLIPVisionModelWithProjection, frames: int) -> None:
    with pytest.raises(ThroughlineError, match=f"clip has {frames} frames"):
        locator.see(np.zeros((frames, 8, 8, 3), np.uint8), vision)


@pytest.mark.parametrize("start, end, expected", [(2, 5, (2, 5)), (3, 3, (3, 3)), (5, 2, (2, 2))])
def test_a_moment_begins_before_it_ends_and_may_be_one_frame(start: int, end: int, expected: tuple[int, int]) -> None:
    logits = torch.zeros(7, 2)
    logits[start, 0] = logits[end, 1] = 9.0
    found = moment(logits)
    if start <= end:
        assert found == expected
    else:  # the likelier of what is possible
        assert found[0] <= found[1] and (found[0] == 5 or found[1] == 2)


def test_space_is_seen_frame_by_frame_and_time_by_queries() -> None:
    torch.manual_seed(0)
    layer, x = DecoderLayer(16, 2).eval(), torch.randn(1, 3, 16)
    memory, hidden, moments = torch.randn(3, 5, 16), torch.zeros(3, 5, dtype=torch.bool), torch.zeros(3, 16)
    changed = memory.clone()
    changed[2] += 1.0
    (before, _), (after, _) = layer(x, memory, hidden, moments), layer(x, changed, hidden, moments)
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.allclose(before[:, 2], after[:, 2])


def test_one_query_is_answered_as_by_the_attention_of_the_library() -> None:
    torch.manual_seed(0)
    attention, query, memory = (
        torch.nn.MultiheadAttention(16, 2, batch_first=True),
        torch.randn(3, 16),
        torch.randn(3, 5, 16),
    )
    torch.nn.init.normal_(attention.in_proj_bias)
    hidden = torch.tensor([[False] * 5, [False, True] * 2 + [False], [True] * 4 + [False]])
    expected = attention(query[:, None], memory, memory, key_padding_mask=hidden)
    for ours, theirs in zip(attend_once(attention, query, memory, hidden), expected, strict=True):
        torch.testing.assert_close(ours, theirs[:, 0])


def test_the_fast_branch_adds_nothing_before_training(locator: TubeLocator) -> None:
    fresh = TubeLocator(image_dim=64, text_dim=8, dim=32, heads=2, encoder_layers=1, decoder_layers=1, channels=8)
    assert not fresh.fuse.weight.any() and not fresh.fuse.bias.any()


# Metrics


def test_corners_and_overlaps_of_boxes() -> None:
    boxes = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    assert to_corners(boxes).tolist() == [[0.25, 0.25, 0.75, 0.75]]
    a, b = np.array([[0.0, 0.0, 0.5, 1.0]]), np.array([[0.25, 0.0, 0.75, 1.0]])
    assert iou(a, b) == pytest.approx([1 / 3]) and iou(a, a) == pytest.approx([1.0])


def test_generalised_overlap_tells_far_from_near() -> None:
    box = torch.tensor([[0.0, 0.0, 0.2, 0.2]])
    near, far = torch.tensor([[0.2, 0.0, 0.4, 0.2]]), torch.tensor([[0.8, 0.8, 1.0, 1.0]])
    assert giou(box, box).item() == pytest.approx(1.0)
    assert giou(box, near).item() == pytest.approx(0.0) and giou(box, far).item() < -0.5


def test_a_tube_is_scored_over_the_frames_of_either() -> None:
    box = np.array([[0.0, 0.0, 1.0, 1.0]])
    case = Case("the robot", np.arange(2, 6), np.repeat(box, 4, 0))
    found = overlaps(Tube(4, 7, np.repeat(box, 4, 0), 0.9), case)
    assert found == {"m_tiou": pytest.approx(2 / 6), "m_viou": pytest.approx(2 / 6), "viou_0.5": 0.0}
    assert overlaps(Tube(2, 5, np.repeat(box, 4, 0), 0.9), case) == {"m_tiou": 1.0, "m_viou": 1.0, "viou_0.5": 1.0}
