"""The transformer with history against the stock CogVideoX transformer."""

from pathlib import Path

import pytest
import torch
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor

from pipeline.blocks.attention import AttentionContext, attend
from pipeline.transformer import StoryTransformer3DModel

HEADS, HEAD, L, H, FRAMES, SIDE = 2, 16, 6, 4, 4, 6  # L text tokens; H history tokens; latents of FRAMES x SIDE x SIDE
BASE = {
    "num_attention_heads": HEADS,
    "attention_head_dim": HEAD,
    "in_channels": 4,
    "out_channels": 4,
    "time_embed_dim": 8,
    "text_embed_dim": 10,
    "num_layers": 2,
    "sample_width": SIDE,
    "sample_height": SIDE,
    "sample_frames": 13,
    "max_text_seq_length": L,
}
KINDS = {
    "2b": {},
    "5b": {"use_rotary_positional_embeddings": True},
    "1.5": {"use_rotary_positional_embeddings": True, "patch_size_t": 2, "patch_bias": False},
}


def models(kind: str, gate: float) -> tuple[CogVideoXTransformer3DModel, StoryTransformer3DModel]:
    """The stock model with random weights, and ours with the same ones."""
    torch.manual_seed(0)
    stock = CogVideoXTransformer3DModel(**BASE | KINDS[kind]).eval()
    story = StoryTransformer3DModel(**BASE | KINDS[kind], history_dim=12, history_gate=gate).eval()
    missing, unexpected = story.load_state_dict(stock.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("history_") for name in missing)
    return stock, story


def inputs(kind: str, batch: int = 2) -> dict:
    torch.manual_seed(1)
    tokens = FRAMES // KINDS[kind].get("patch_size_t", 1) * (SIDE // 2) ** 2
    angles = torch.rand(tokens, HEAD // 2).repeat_interleave(2, dim=-1)
    return {
        "hidden_states": torch.randn(batch, FRAMES, 4, SIDE, SIDE),
        "encoder_hidden_states": torch.randn(batch, L, 10),
        "timestep": torch.tensor([999, 10])[:batch],
        "image_rotary_emb": None if kind == "2b" else (angles.cos(), angles.sin()),
    }


def first(count: int, total: int) -> Tensor:
    return (torch.arange(total) < count).expand(2, -1)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_without_history_it_is_the_stock_model(kind: str) -> None:
    stock, story = models(kind, gate=1.0)
    expected = stock(**inputs(kind)).sample
    assert torch.equal(story(**inputs(kind)).sample, expected)
    assert torch.equal(story(**inputs(kind), return_dict=False)[0], expected)
    torch.testing.assert_close(
        story(**inputs(kind), context=AttentionContext(text_mask=first(L, L))).sample, expected, rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_behind_a_closed_gate_history_changes_nothing(kind: str) -> None:
    stock, story = models(kind, gate=0.0)
    found = story(**inputs(kind), history=torch.randn(2, H, 12)).sample
    torch.testing.assert_close(found, stock(**inputs(kind)).sample, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_through_an_open_gate_it_does(kind: str) -> None:
    _, story = models(kind, gate=1.0)
    given = inputs(kind)
    a, b = (story(**given, history=torch.randn(2, H, 12)).sample for _ in range(2))
    assert (a - b).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_masked_text_does_not_matter(kind: str) -> None:
    _, story = models(kind, gate=1.0)
    given, history = inputs(kind), torch.randn(2, H, 12)
    context = AttentionContext(text_mask=first(4, L))
    found = story(**given, context=context, history=history).sample
    given["encoder_hidden_states"][:, 4:] = 100
    torch.testing.assert_close(
        story(**given, context=AttentionContext(text_mask=first(4, L)), history=history).sample,
        found,
        rtol=1e-4,
        atol=1e-5,
    )
    short = given | {"encoder_hidden_states": given["encoder_hidden_states"][:, :4]}
    torch.testing.assert_close(story(**short, history=history).sample, found, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_masked_history_does_not_matter(kind: str) -> None:
    _, story = models(kind, gate=1.0)
    history = torch.randn(2, H, 12)
    found = story(**inputs(kind), history=history, context=AttentionContext(history_mask=first(3, H))).sample
    short = story(**inputs(kind), history=history[:, :3]).sample
    torch.testing.assert_close(found, short, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_row_whose_history_is_masked_has_none(kind: str) -> None:
    stock, story = models(kind, gate=1.0)
    mask = torch.tensor([[True] * H, [False] * H])
    found = story(**inputs(kind), history=torch.randn(2, H, 12), context=AttentionContext(history_mask=mask)).sample
    expected = stock(**inputs(kind)).sample
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-5)
    assert (found[0] - expected[0]).abs().max() > 1e-3


def test_attention_written_out_is_the_fused_one() -> None:
    torch.manual_seed(2)
    q, k, v = torch.randn(3, 2, HEADS, 5, HEAD)
    mask = (torch.arange(5) < 3)[None, None, None]
    for m in (None, mask):
        with torch.no_grad():
            fused = attend(q, k, v, m)
        torch.testing.assert_close(attend(q.requires_grad_(), k, v, m), fused)


def test_too_much_text_is_an_error() -> None:
    _, story = models("2b", gate=1.0)
    given = inputs("2b") | {"encoder_hidden_states": torch.randn(2, L + 1, 10)}
    with pytest.raises(AssertionError, match=f"the text has {L + 1} tokens, the model takes {L}"):
        story(**given)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_channel_changes_nothing_until_it_is_trained_and_is_saved(kind: str, tmp_path: Path) -> None:
    _, story = models(kind, gate=1.0)
    given = inputs(kind) | {"history": torch.randn(2, H, 12)}
    expected, without = story(**given).sample, story(**inputs(kind)).sample
    story.open_dual_channel()
    torch.testing.assert_close(story(**given).sample, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(story(**inputs(kind)).sample, without, rtol=1e-4, atol=1e-5)
    story.history_streams[0].plus.to_v.weight.add_(0.1)
    changed = story(**inputs(kind)).sample
    assert (changed - without).abs().max() > 1e-3
    story.save_pretrained(tmp_path)
    loaded = StoryTransformer3DModel.from_pretrained(tmp_path)
    assert torch.equal(loaded(**inputs(kind)).sample, changed)


def detailed() -> StoryTransformer3DModel:
    torch.manual_seed(0)
    return StoryTransformer3DModel(**BASE, history_dim=12, history_gate=1.0, detail_dim=8, detail_blocks=2).eval()


@torch.no_grad()
def test_an_untrained_detail_stage_changes_nothing() -> None:
    model = detailed()
    plain = StoryTransformer3DModel(**BASE, history_dim=12, history_gate=1.0).eval()
    missing, unexpected = plain.load_state_dict(model.state_dict(), strict=False)
    assert not missing and unexpected and all(name.startswith("detail.") for name in unexpected)
    given = inputs("2b") | {"history": torch.randn(2, H, 12)}
    assert torch.equal(model(**given).sample, plain(**given).sample)


def test_the_detail_stage_draws_single_latents_from_their_neighbours() -> None:
    model = detailed()
    torch.nn.init.normal_(model.detail.out.weight)
    given = inputs("2b", batch=1)
    given["hidden_states"].requires_grad_()
    tokens = torch.randn(1, FRAMES * (SIDE // 2) ** 2, HEADS * HEAD)
    drawn = model.detail(given["hidden_states"], tokens, torch.randn(1, 1, 8))
    assert drawn.shape == given["hidden_states"].shape
    drawn[0, 0, :, 0, 0].sum().backward()
    reached = given["hidden_states"].grad[0].abs().amax(1) > 0  # (f, h, w)
    assert reached[:3, :3, :3].all() and not reached[:, 3:].any() and not reached[3:].any()


@torch.no_grad()
def test_tokens_reach_the_detail_stage_at_their_own_place() -> None:
    model = detailed()
    torch.nn.init.normal_(model.detail.out.weight)
    side, latents, time = SIDE // 2, torch.zeros(1, FRAMES, 4, SIDE, SIDE), torch.zeros(1, 1, 8)
    for block in model.detail.blocks:
        torch.nn.init.zeros_(block.mix.weight)  # without convolutions each latent depends on its own token alone
    tokens = torch.zeros(1, FRAMES * side**2, HEADS * HEAD)
    changed = tokens.clone()
    changed[0, side**2 + side + 2] = 1.0  # latent frame 1, row 1, column 2
    apart = (model.detail(latents, changed, time) - model.detail(latents, tokens, time)).abs().amax(2)[0]
    expected = torch.zeros(FRAMES, SIDE, SIDE, dtype=torch.bool)
    expected[1, 2:4, 4:6] = True
    assert torch.equal(apart > 1e-6, expected)


@torch.no_grad()
def test_a_detail_stage_is_saved_and_loaded(tmp_path: Path) -> None:
    model = detailed()
    torch.nn.init.normal_(model.detail.out.weight)
    model.save_pretrained(tmp_path)
    again = StoryTransformer3DModel.from_pretrained(tmp_path)
    assert torch.equal(again(**inputs("2b")).sample, model(**inputs("2b")).sample)


@torch.no_grad()
def test_a_part_of_a_picture_keeps_its_places() -> None:
    _, story = models("2b", gate=1.0)
    given = inputs("2b")
    text, latents = given["encoder_hidden_states"], given["hidden_states"]
    _, whole = story._embed(text, latents, None)
    part = torch.stack([latents[0, :, :, 2:6, 0:4], latents[1, :, :, 0:4, 2:6]])
    words, tokens = story._embed(text, part, torch.tensor([[1, 0], [0, 1]]))
    grid = whole.unflatten(1, (FRAMES, SIDE // 2, SIDE // 2))
    expected = torch.stack([grid[0, :, 1:3, 0:2], grid[1, :, 0:2, 1:3]]).flatten(1, 3)
    torch.testing.assert_close(tokens, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(words, story._embed(text, latents, None)[0])


@torch.no_grad()
def test_the_whole_picture_as_its_own_part_is_the_whole_picture() -> None:
    _, story = models("2b", gate=1.0)
    given = inputs("2b") | {"history": torch.randn(2, H, 12)}
    corners = torch.zeros(2, 2, dtype=torch.long)
    torch.testing.assert_close(story(**given, corners=corners).sample, story(**given).sample, rtol=1e-4, atol=1e-5)
