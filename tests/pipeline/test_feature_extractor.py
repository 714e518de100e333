"""The feature extractor against its formulas."""

import pytest
import torch

from pipeline.feature_extractor import FeatureExtractor

T, V, D = 6, 5, 8  # widths of text, image and features


@pytest.fixture
def extractor() -> FeatureExtractor:
    torch.manual_seed(0)
    return FeatureExtractor(text_dim=T, image_dim=V, dim=D, num_layers=2, num_heads=2, max_text_length=10).eval()


def test_looking_is_cross_attention_written_out(extractor: FeatureExtractor) -> None:
    tokens, patches = torch.randn(3, T), torch.randn(9, V)
    phi, maps = extractor.look(tokens, patches)
    part = extractor.attention
    q, k, v = part.to_q(tokens), part.to_k(patches), part.to_v(patches)
    expected = (q @ k.T / D**0.5).softmax(-1)
    torch.testing.assert_close(maps, expected)
    torch.testing.assert_close(phi, torch.cat([expected @ v, tokens], dim=-1))
    torch.testing.assert_close(maps.sum(-1), torch.ones(3))


def test_tokens_look_on_their_own(extractor: FeatureExtractor) -> None:
    tokens, patches = torch.randn(3, T), torch.randn(9, V)
    together, alone = extractor.look(tokens, patches)[0], extractor.look(tokens[1:2], patches)[0]
    torch.testing.assert_close(together[1:2], alone)


def test_one_row_a_token_of_the_prompt(extractor: FeatureExtractor) -> None:
    assert extractor(torch.randn(2, 4, D + T), torch.randn(2, 7, T)).shape == (2, 7, D)


def test_padding_changes_nothing(extractor: FeatureExtractor) -> None:
    past, prompt = torch.randn(1, 4, D + T), torch.randn(1, 7, T)
    expected = extractor(past[:, :3], prompt[:, :5])
    past_mask, mask = torch.arange(4)[None] < 3, torch.arange(7)[None] < 5
    torch.testing.assert_close(extractor(past, prompt, past_mask, mask)[:, :5], expected)


def test_the_order_of_the_past_does_not_matter(extractor: FeatureExtractor) -> None:
    past, prompt = torch.randn(1, 4, D + T), torch.randn(1, 7, T)
    torch.testing.assert_close(extractor(past, prompt), extractor(past[:, [2, 0, 3, 1]], prompt))


def test_the_past_matters(extractor: FeatureExtractor) -> None:
    prompt = torch.randn(1, 7, T)
    a, b = (extractor(torch.randn(1, 4, D + T), prompt) for _ in range(2))
    assert (a - b).abs().max() > 1e-3
