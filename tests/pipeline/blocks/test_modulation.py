"""Attention that regions modulate."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.blocks import modulation
from pipeline.blocks.modulation import Modulation, attend_modulated, batched, modulated

B, HEADS, N, L, E = 2, 2, 5, 3, 4


def qkv() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(B, HEADS, n, E, generator=generator) for n in (N, L + N, L + N)]


def test_pairs_are_raised_to_the_rows_maximum_and_lowered_to_its_minimum() -> None:
    scores = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    assert modulated(scores, torch.tensor([[[1.0, 0.5, 0.0]]])).tolist() == [[[[4.0, 3.0, 4.0]]]]
    assert modulated(scores, torch.tensor([[[0.0, -1.0, -0.5]]])).tolist() == [[[[1.0, 1.0, 2.5]]]]


def test_keys_that_are_masked_out_stay_so_and_count_for_neither_end() -> None:
    scores = torch.tensor([[[[-torch.inf, 2.0, 4.0]]]])
    assert modulated(scores, torch.tensor([[[1.0, -1.0, -1.0]]])).tolist() == [[[[-torch.inf, 2.0, 2.0]]]]


@pytest.mark.parametrize("at_once", (1, 2**24))
def test_no_modulation_is_plain_attention_however_many_queries_go_at_once(at_once: int, monkeypatch) -> None:
    monkeypatch.setattr(modulation, "AT_ONCE", at_once)
    q, k, v = qkv()
    mask = torch.tensor([[True] * 8, [False] + [True] * 7])[:, None, None]
    none = (torch.zeros(B, N, L), torch.zeros(B, N, N))
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(attend_modulated(q, k, v, none, mask), expected)


def test_a_raised_word_is_attended_to_more_and_other_queries_as_before() -> None:
    q, k, _ = qkv()
    shown = torch.eye(L + N)[None, None].expand(B, HEADS, -1, -1)  # values that tell the attention
    text = torch.zeros(B, N, L)
    before = attend_modulated(q, k, shown, (text, torch.zeros(B, N, N)))
    text[:, 1, 2] = 0.8
    after = attend_modulated(q, k, shown, (text, torch.zeros(B, N, N)))
    assert (after[:, :, 1, 2] >= before[:, :, 1, 2]).all() and (after[:, :, 1, 2] > before[:, :, 1, 2]).any()
    torch.testing.assert_close(after[:, :, [0, 2, 3, 4]], before[:, :, [0, 2, 3, 4]])


def test_rows_of_a_batch_without_modulation_are_left_alone() -> None:
    own = Modulation(torch.ones(N, 2), torch.ones(N, N), torch.zeros(N, 1, dtype=torch.bool))
    both = batched([None, own], L, 2)
    assert both is not None and both.history is not None
    assert not both.text[0].any() and not both.video[0].any() and both.history[0].all()
    assert both.text[1, :, :2].all() and not both.text[1, :, 2:].any(), "padding of a shorter text"
    assert both.history[1].tolist() == [[False, True]] * N
    assert batched([None, None], L) is None
    assert both.rows([1]).text.shape == (1, N, L)


def test_it_fades_with_the_noise() -> None:
    own = Modulation(torch.ones(N, L), torch.ones(N, N))
    assert own.at(1.0).text.max() == 1 and own.at(0.5).text.max() == pytest.approx(0.5**5)
