"""Attention in windows, shifted every other layer and autoregressive in time: what reaches what."""

import itertools
import warnings

import pytest
import torch
from torch import Tensor

from pipeline.blocks.attention import AttentionContext, attend
from pipeline.blocks.attention_windows import AttentionWindow, ClipWindows, Grid, frames_at_once
from pipeline.errors import ThroughlineError
from pipeline.transformer import StoryTransformer3DModel

L, H, LAYERS = 3, 2, 2  # text tokens, history tokens
GRID, WINDOW = (4, 4, 6), AttentionWindow(2, 2, 2)  # a token of the model covers 2 x 2 latents
BASE = {
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "in_channels": 2,
    "out_channels": 2,
    "time_embed_dim": 8,
    "text_embed_dim": 10,
    "num_layers": LAYERS,
    "sample_width": 12,
    "sample_height": 8,
    "sample_frames": 13,
    "max_text_seq_length": L,
    "history_dim": 12,
    "history_gate": 1.0,
}


def model(window: AttentionWindow | None = WINDOW, **more: object) -> StoryTransformer3DModel:
    """Random weights, always the same ones, in double precision, whose gradients do not vanish by rounding."""
    torch.manual_seed(0)
    return StoryTransformer3DModel(**BASE | more, attention_window=window).eval().double()


def told() -> dict:
    torch.manual_seed(1)
    return {
        "encoder_hidden_states": torch.randn(1, L, 10).double(),
        "timestep": torch.tensor([[900, 700, 500, 300]]),  # of later frames too: nothing but the noisiest is shared
        "history": torch.randn(1, H, 12).double(),
    }


@pytest.fixture(scope="module")
def gradients() -> Tensor:
    """|d out / d in| of every token of the model, by every other: (f, X, Y, f, X, Y)."""
    torch.manual_seed(2)
    network, given = model(), told()
    latents = torch.randn(1, GRID[0], 2, 8, 12).double().requires_grad_()
    out = network(latents, **given).sample
    weights = torch.randn_like(out)
    found = torch.zeros(*GRID, *GRID, dtype=torch.float64)
    for t, x, y in itertools.product(*map(range, GRID)):
        at = (0, t, slice(None), slice(2 * x, 2 * x + 2), slice(2 * y, 2 * y + 2))
        (gradient,) = torch.autograd.grad((out[at] * weights[at]).sum(), latents, retain_graph=True)
        found[t, x, y] = gradient[0].abs().unflatten(-1, (6, 2)).unflatten(2, (4, 2)).sum((1, 3, 5))
    return found


def test_nothing_reaches_an_earlier_frame_from_a_later_one(gradients: Tensor) -> None:
    for t1, t2 in itertools.combinations(range(GRID[0]), 2):
        assert float(gradients[t1, :, :, t2].max()) == 0, (t1, t2)


def test_nothing_reaches_beyond_the_windows_of_all_layers(gradients: Tensor) -> None:
    far = WINDOW.reach(GRID, LAYERS)
    assert far == (2, 2, 2)
    for one, other in itertools.product(itertools.product(*map(range, GRID)), repeat=2):
        back, down, right = one[0] - other[0], abs(one[1] - other[1]), abs(one[2] - other[2])
        if back > far[0] or down > far[1] or right > far[2]:
            assert float(gradients[(*one, *other)]) == 0, (one, other)


def in_cell(place: int, other: int, layer: int) -> bool:
    return (place + layer % 2) // 2 == (other + layer % 2) // 2


def test_inside_the_windows_everything_is_reached(gradients: Tensor) -> None:
    """Exactly what a chain of cells leads to: from a token through its shifted cell (the last layer) to the others."""
    tokens = list(itertools.product(*map(range, GRID)))

    def sees(one: Grid, other: Grid, layer: int) -> bool:
        near = 0 <= one[0] - other[0] < 2
        return near and in_cell(one[1], other[1], layer) and in_cell(one[2], other[2], layer)

    middle = {one: [via for via in tokens if sees(one, via, 1)] for one in tokens}
    for one in tokens:
        chained = {other for via in middle[one] for other in tokens if sees(via, other, 0)}
        found = {other for other in tokens if float(gradients[(*one, *other)]) > 0}
        assert found == chained, one


def test_a_frame_waits_for_no_more_of_the_one_before_than_the_bound_says(gradients: Tensor) -> None:
    """CogVideo's bound: token (x, y) of frame t + 1 reaches fewer than A_x Y + A_y tokens on in frame t."""
    _, rows, columns = GRID
    _, down, right = WINDOW.reach(GRID, LAYERS)
    bound = (down + 1) * columns + right + 1
    for t, x, y in itertools.product(range(GRID[0] - 1), range(rows), range(columns)):
        reached = gradients[t + 1, x, y, t].flatten().nonzero().flatten()
        assert len(reached) and int(reached.max()) - (x * columns + y) < bound


@pytest.mark.parametrize(
    ("grid", "window", "expected"),
    [((9, 20, 20), (10, 10), 1), ((9, 60, 60), (10, 10), 5), ((9, 20, 20), (1, 1), 19), ((9, 4, 6), (9, 9), 1)],
)
def test_frames_at_once(grid: Grid, window: tuple[int, int], expected: int) -> None:
    """⌊XY / (A_x Y + A_y)⌋; as many can indeed be at work when a token waits for its window of the frame before."""
    assert frames_at_once(grid, window) == expected
    _, rows, columns = grid
    tokens, lag = rows * columns, (window[0] - 1) * columns + window[1] - 1
    done, busiest = [0] * 30, 0  # tokens of every frame; a step makes one of every frame that can
    while done[-1] < tokens:
        before = [tokens, *done[:-1]]
        able = [n < tokens and (b == tokens or n + lag < b) for n, b in zip(done, before, strict=True)]
        busiest = max(busiest, sum(able))
        done = [n + now for n, now in zip(done, able, strict=True)]
    assert busiest >= expected


def test_text_and_history_see_no_video() -> None:
    mask = ClipWindows(WINDOW, GRID).mask(L, 0, torch.tensor([[True, True, False]]), torch.device("cpu"))[0, 0]
    assert mask[:L, :2].all() and not mask[:, 2].any() and not mask[:L, L:].any() and mask[L:, :2].all()
    network, given = model(), told()
    one, other = (torch.randn(1, GRID[0], 2, 8, 12).double() for _ in range(2))
    other[:, 0] = one[:, 0]
    with torch.no_grad():
        a, b = (network(x, **given).sample for x in (one, other))
    assert torch.equal(a[:, 0], b[:, 0]) and not torch.equal(a[:, 1], b[:, 1])


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
def test_flex_attention_sees_the_same(padded: bool) -> None:
    windows, total = ClipWindows(AttentionWindow(2, 3, 4), GRID), L + GRID[0] * GRID[1] * GRID[2]
    q, k, v = torch.randn(3, 2, 2, total, 16).unbind()
    text_mask = torch.tensor([[True, True, False], [True, False, False]]) if padded else None
    for layer in range(2):
        expected = attend(q, k, v, windows.mask(L, layer, text_mask, q.device))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is not compiled
            try:
                found = windows.attend((q, k, v), L, layer, text_mask, compiled=False)
            except (NotImplementedError, ImportError) as error:
                pytest.skip(f"flex_attention does not run here: {error}")
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_without_a_window_nothing_changes_and_with_the_largest_only_time_does() -> None:
    plain, windowed = model(None), model(AttentionWindow(4, 4, 6))
    assert "attention_window" in plain.config and plain.config.attention_window is None
    given = told() | {"timestep": torch.tensor([500])}
    latents = torch.randn(1, GRID[0], 2, 8, 12).double()
    assert not torch.allclose(plain(latents, **given).sample, windowed(latents, **given).sample)
    mask = ClipWindows(AttentionWindow(4, 4, 6), GRID).mask(L, 1, None, torch.device("cpu"))[0, 0, L:, L:]
    frame = torch.arange(len(mask)) // 24
    assert torch.equal(mask, frame[:, None] >= frame[None])


def test_windows_of_nothing_are_refused() -> None:
    for wrong in ((2, 2), (0, 2, 2), (2, 2, 2.5), "222"):
        with pytest.raises(ThroughlineError, match=r"attention_window is .*: expected three whole numbers above 0"):
            AttentionWindow.of(wrong)
    patches = [(torch.zeros(1, 2, 1, 16), torch.zeros(1, 2, 1, 16))] * LAYERS
    context = AttentionContext(references=patches)
    with pytest.raises(ThroughlineError, match="expected no reference patches"):
        model().float()(torch.randn(1, GRID[0], 2, 8, 12), torch.randn(1, L, 10), torch.tensor([5]), context=context)
