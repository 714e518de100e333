"""The decoupler, and the loss that pulls picture and text apart."""

import pytest
import torch

from pipeline.decoupler import Decoupler, cross_covariance

T, D = 6, 8  # widths of text and features


@pytest.fixture
def decoupler() -> Decoupler:
    torch.manual_seed(0)
    return Decoupler(text_dim=T, dim=D, num_heads=2, max_text_length=10).eval()


def test_one_visual_token_a_token_of_the_prompt(decoupler: Decoupler) -> None:
    assert decoupler(torch.randn(2, 5, T), torch.randn(2, 5, D)).shape == (2, 5, D)


def test_rows_without_a_past_are_not_drawn_from(decoupler: Decoupler) -> None:
    prompt, predicted = torch.randn(1, 5, T), torch.randn(1, 5, D)
    mask = torch.tensor([[True, False, True, False, False]])
    changed = torch.where(mask[..., None], predicted, torch.randn(1, 5, D))
    a, b = decoupler(prompt, predicted, mask), decoupler(prompt, changed, mask)
    assert torch.equal(a[mask], b[mask])
    assert not torch.equal(decoupler(prompt, predicted)[mask], decoupler(prompt, changed)[mask])


def test_a_row_of_padding_alone_stays_finite(decoupler: Decoupler) -> None:
    mask = torch.tensor([[False] * 5, [True] * 5])
    assert decoupler(torch.randn(2, 5, T), torch.randn(2, 5, D), mask).isfinite().all()


def test_correlation_of_what_is_the_same_and_of_what_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4000, 3, generator=generator)
    assert cross_covariance(a, a).item() == pytest.approx(1 / 3, abs=0.01), "each feature with itself, 3 of 9 pairs"
    assert cross_covariance(a, 5 * a + 2).item() == pytest.approx(1 / 3, abs=0.01), "whatever its scale"
    assert cross_covariance(a, b).item() < 0.002
