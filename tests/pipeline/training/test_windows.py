"""Training on the patches around an actor."""

import torch

from pipeline.training.models.windows import COLUMNS, ROWS, Window, draw_window

P = 2  # latents a side of a patch


def test_what_was_cut_is_pasted_back_where_it_was() -> None:
    x = torch.randn(3, 5, 4, 8, 12)
    window = Window(torch.tensor([[0, 0], [1, 3], [1, 2]]), P)
    part = window.cut(x)
    assert part.shape == (3, 5, 4, P * ROWS, P * COLUMNS)
    assert torch.equal(part[1], x[1, ..., 2:8, 6:12])
    assert torch.equal(window.paste(part, x), x)
    pasted = window.paste(torch.zeros_like(part), x)
    assert not pasted[2, ..., 2:8, 4:10].any() and torch.equal(pasted[2, ..., :2, :], x[2, ..., :2, :])


def test_gradients_reach_what_was_pasted() -> None:
    window = Window(torch.tensor([[1, 1]]), P)
    part = torch.randn(1, 5, 4, P * ROWS, P * COLUMNS, requires_grad=True)
    window.paste(part, torch.randn(1, 5, 4, 8, 12)).sum().backward()
    assert torch.equal(part.grad, torch.ones_like(part))


def test_a_window_shows_the_actor() -> None:
    actors = torch.zeros(64, 5, 8, 12)
    for row, left in enumerate(torch.arange(64) % 10):
        actors[row, :, 3:7, left : left + 2] = 1.0
    window = draw_window(actors, P, torch.Generator().manual_seed(0))
    assert (window.cut(actors).sum((1, 2, 3)) >= 0.9 * actors.sum((1, 2, 3))).all()
    middle = window.corners[torch.arange(64) % 10 == 4]
    assert len({tuple(corner.tolist()) for corner in middle}) > 2  # not always at the same place


def test_a_clip_without_actors_has_a_window_somewhere() -> None:
    window = draw_window(torch.zeros(40, 5, 8, 12), P, torch.Generator().manual_seed(0))
    assert len({tuple(corner.tolist()) for corner in window.corners}) > 4
