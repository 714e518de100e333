"""Clips that begin with frames, and long ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.backbones.transformer_backbone import TransformerBackbone
from pipeline.errors import ThroughlineError
from pipeline.generation import Clip
from pipeline.guidance import Anchor, Guidance, Preconditioning, branches, guide
from pipeline.stages.continuation import CONTEXT, Piece, joined, pieces
from pipeline.stages.interpolation import eased
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import tiny_pipeline

SIZE = {"height": 48, "width": 72, "steps": 2}


@pytest.fixture(scope="module")
def pipeline() -> StoryPipeline:
    """Of which clips of more than 9 frames are made in windows."""
    return tiny_pipeline(piece=9)


@pytest.mark.parametrize(
    ("num_frames", "known", "expected"),
    [
        (17, 0, [(17, 0)]),
        (33, 0, [(17, 0), (17, 5), (9, 5)]),
        (17, 1, [(17, 1)]),
        (17, 5, [(17, 5), (9, 5)]),
        (1, 5, [(5, 5)]),
        (5, 0, [(5, 0)]),
    ],
)
def test_pieces_add_up_to_the_clip(num_frames: int, known: int, expected: list[tuple[int, int]]) -> None:
    found = pieces(num_frames, known, longest=17, period=4)
    assert found == tuple(Piece(*piece) for piece in expected)
    made = None
    for piece in found:
        made = joined(made, np.zeros((piece.frames, 2, 2, 3), np.uint8), piece.known)
    assert made is not None and len(made) == num_frames


def test_a_scene_that_gets_longer_keeps_its_beginning(pipeline: StoryPipeline) -> None:
    short, long = (pipeline("A cat runs.", num_frames=n, seed=4, **SIZE) for n in (9, 21))
    assert isinstance(long, Clip) and long.frames.shape == (21, 48, 72, 3)
    assert np.array_equal(long.frames[:9], short.frames)
    assert not np.array_equal(long.frames[9:17], np.repeat(long.frames[8:9], 8, 0)), "it moves on"


def test_a_clip_begins_with_the_frames_that_it_is_given(pipeline: StoryPipeline) -> None:
    before = pipeline("A cat runs.", num_frames=9, seed=4, **SIZE).frames
    for known in (1, CONTEXT):
        clip = pipeline("A cat sleeps.", beginning=before[-known:], num_frames=9, seed=5, **SIZE).frames
        rebuilt = pipeline.latents.decode(pipeline.latents.encode(before[-known:]))
        assert np.array_equal(clip[0], rebuilt[-1])
        other = pipeline("A cat sleeps.", beginning=before[:known], num_frames=9, seed=5, **SIZE).frames
        assert not np.array_equal(clip[1:], other[1:]), "what comes depends on what was"


def test_a_long_clip_is_shown_whole_from_its_first_step_on(pipeline: StoryPipeline) -> None:
    items = list(pipeline.generate("A cat runs.", num_frames=13, seed=4, **SIZE))
    steps, clip = items[:-1], items[-1]
    assert [(step.index, step.total) for step in steps] == [(1, 2), (2, 2)]
    assert [len(step.preview) for step in steps] == [13, 13] and len(clip.trace.guidance) == 2
    assert np.array_equal(steps[-1].preview[:9], clip.frames[:9])


def test_what_can_not_be_gone_on_from_is_refused(pipeline: StoryPipeline) -> None:
    for frames in (np.zeros((2, 48, 72, 3), np.uint8), np.zeros((1, 48, 48, 3), np.uint8), np.zeros((1, 48, 72, 3))):
        with pytest.raises(ThroughlineError, match=r"beginning has shape .*: expected 1 or 5 frames of 48 x 72"):
            pipeline.generate("A cat.", beginning=frames, **SIZE)
    plain = tiny_pipeline()
    with pytest.raises(ThroughlineError, match="does not go on from frames"):
        plain.generate("A cat.", beginning=np.zeros((1, 48, 72, 3), np.uint8), **SIZE)


Seen = list[tuple[torch.Tensor, int | torch.Tensor, Anchor | None]]


@contextmanager
def watched(pipeline: StoryPipeline) -> Iterator[Seen]:
    """What the network is given."""
    seen: Seen = []

    class Spy:
        def __init__(self, network: object) -> None:
            self.network = network

        def __call__(self, z: torch.Tensor, timestep: int | torch.Tensor, anchor: Anchor | None = None) -> torch.Tensor:
            seen.append((z.clone(), timestep, anchor))
            return self.network(z, timestep, anchor)  # type: ignore[operator]

    original = pipeline.backbone.network
    pipeline.backbone.network = lambda *a, **k: Spy(original(*a, **k))  # type: ignore[method-assign, misc]
    try:
        yield seen
    finally:
        pipeline.backbone.network = original  # type: ignore[method-assign]


def test_known_frames_are_nearly_clean_but_in_the_branch_that_is_not_to_go_by_them(pipeline: StoryPipeline) -> None:
    known = np.full((5, 48, 72, 3), 200, np.uint8)
    with watched(pipeline) as seen:
        pipeline("A cat.", guidance=Guidance(text=2, context=1.5), beginning=known, num_frames=5, seed=1, **SIZE)
    z, times, anchor = seen[1]
    assert isinstance(times, torch.Tensor) and times.shape == (3, 3), "negative, full, unbegun"
    now, of_known = int(times[0, 2]), TransformerBackbone.known_timestep
    assert times.tolist() == [[of_known, of_known, now]] * 2 + [[now] * 3] and now > 100
    latents = pipeline.latents.encode(known)
    assert anchor is not None and anchor.rows.tolist() == [True, True, False]
    assert torch.equal(anchor.frame[1], latents[0, 1:])
    assert (z[1, :2] - latents[0]).abs().mean() < 0.2 < (z[2, :2] - latents[0]).abs().mean()


def test_the_network_of_other_clips_draws_what_another_one_went_on_with(pipeline: StoryPipeline) -> None:
    """From a noise level on, with known frames as noisy as the others; never a clip whose end is known."""
    known, limits = np.full((5, 48, 72, 3), 200, np.uint8), pipeline.backbone.limits
    steps = {**SIZE, "steps": 6}
    pipeline.backbone.limits = replace(limits, drawn=1.0)
    try:
        with watched(pipeline) as seen:
            pipeline("A cat.", guidance=Guidance(text=1), beginning=known, num_frames=5, seed=1, **steps)
        with watched(pipeline) as ended:
            pipeline("A cat.", beginning=known, ending=known[:1], num_frames=5, seed=1, **steps)
    finally:
        pipeline.backbone.limits = limits
    assert all(anchor is not None for _, _, anchor in ended)
    gone_on = [anchor is not None for _, _, anchor in seen]
    assert gone_on == sorted(gone_on, reverse=True) and 0 < sum(gone_on) < len(seen) == 6
    latents = pipeline.latents.encode(known)
    for z, t, anchor in seen:
        if anchor is None:
            level = pipeline.backbone.noising.level(float(t))
            noise = (z[:, :2] - level.alpha * latents) / level.sigma
            assert level.sigma <= level.alpha and isinstance(t, float | int)
            assert torch.allclose(noise, first_noise(latents), atol=1e-3), "the same noise at every step"


def first_noise(latents: torch.Tensor) -> torch.Tensor:
    return torch.randn((1, 3, *latents.shape[2:]), generator=torch.Generator().manual_seed(1))[:, :2]


def test_the_first_new_frame_lies_between_its_neighbours(pipeline: StoryPipeline) -> None:
    before = pipeline("A cat runs.", num_frames=9, seed=4, **SIZE).frames
    limits = pipeline.backbone.limits
    clips = []
    for eases in (False, True):
        pipeline.backbone.limits = replace(limits, eased=eases)
        clips.append(pipeline("A cat sleeps.", beginning=before[-CONTEXT:], num_frames=9, seed=5, **SIZE).frames)
    pipeline.backbone.limits = limits
    plain, made = clips
    assert limits.eased and np.array_equal(np.delete(plain, 1, 0), np.delete(made, 1, 0))
    assert not np.array_equal(plain[1], made[1])
    known = pipeline.latents.decode(pipeline.latents.encode(before[-CONTEXT:]))
    whole = np.concatenate([known[:-1], plain])
    assert np.array_equal(made[1], eased(whole, CONTEXT)[CONTEXT])


def test_context_guidance_is_a_branch_of_its_own() -> None:
    assert branches(2, 3, True, 1.5) == ("negative", "full", "forgetful", "unbegun")
    assert branches(1, 0, True, 0) == ("full",)
    predictions = {"full": torch.tensor(3.0), "unbegun": torch.tensor(1.0)}
    assert guide(predictions, 1, 0, 2.0) == 7
    with pytest.raises(ThroughlineError, match="guidance weight context is -1"):
        Guidance(context=-1)


def test_what_goes_on_is_denoised_as_what_changes_since() -> None:
    """With the right answer the preconditioned network gives v of the clean latents; with none, the known ones stay."""
    torch.manual_seed(0)
    std, motion = torch.full((4,), 1.0), torch.full((4,), 0.2)
    precondition = Preconditioning(std, motion)
    known, noise = torch.randn(2, 1, 4, 3, 3), torch.randn(2, 5, 4, 3, 3)
    clean = known + 0.3 * torch.randn(2, 5, 4, 3, 3)
    alpha_bar = torch.tensor([[0.999, 0.4, 0.4, 0.4, 0.1]]).expand(2, -1)
    a, s = (x.sqrt()[..., None, None, None] for x in (alpha_bar, 1 - alpha_bar))
    z, anchor = (
        a * clean + s * noise,
        Anchor(known.expand(-1, 5, -1, -1, -1), torch.tensor([[True, False, False, False, False], [False] * 5])),
    )
    _, skip, out = precondition.coefficients(alpha_bar, 2**0.5 * motion)
    answer = (a * noise - s * clean + s * known - skip * (z - a * known)) / out
    v = precondition(lambda _: answer, z, alpha_bar, anchor)
    assert torch.allclose(v[0], (a * noise - s * clean)[0], atol=1e-4)
    unmoved = precondition(lambda _: torch.zeros_like(z), a * known + s * noise, alpha_bar, anchor)[0]
    estimate = (a * (a * known + s * noise))[0] - s[0] * unmoved
    assert (estimate - known[0]).abs().mean() < 0.1 * known.abs().mean()
    plain = precondition(lambda _: answer, z, alpha_bar)
    assert torch.equal(v[1], plain[1]) and not torch.allclose(v[0], plain[0])


def pictures() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return tuple(generator.integers(0, 256, (1, 48, 72, 3), np.uint8) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("num_frames", [9, 21])
def test_a_clip_begins_and_ends_with_pictures(num_frames: int, pipeline: StoryPipeline) -> None:
    """At once, and in windows, of which the first has the beginning and the last the ending."""
    first, last = pictures()
    shown = [pipeline.latents.decode(pipeline.latents.encode(picture))[0] for picture in (first, last)]
    options = {"num_frames": num_frames, "seed": 5, **SIZE}
    free, ended, both = (
        pipeline("A cat sleeps.", beginning=a, ending=b, **options).frames  # type: ignore[arg-type]
        for a, b in ((None, None), (None, last), (first, last))
    )
    still = pipeline.latents.decode(torch.cat([pipeline.latents.encode(p) for p in (first, last)], 1))[1:]
    assert len(ended) == len(both) == num_frames
    assert np.array_equal(both[0], shown[0]) and not np.array_equal(ended[0], shown[0])
    assert np.array_equal(ended[-4:], still) and np.array_equal(both[-4:], still), "the last latent frame stands still"
    assert not np.array_equal(free[-4:], still)
    assert np.array_equal(free[:9], ended[:9]) == (num_frames > 9), "a first window does not see the end of others"


def test_endings_that_can_not_be_are_refused(pipeline: StoryPipeline) -> None:
    first, last = pictures()
    for ending, expected in (
        (last[:, :24], r"ending has shape .*: expected 1 frame of 48 x 72 pixels"),
        (np.repeat(last, 2, 0), r"ending has shape .*: expected 1 frame of 48 x 72 pixels"),
    ):
        with pytest.raises(ThroughlineError, match=expected):
            pipeline.generate("A cat.", beginning=first, ending=ending, num_frames=9, **SIZE)
    with pytest.raises(ThroughlineError, match="num_frames is 1: expected 2 or more"):
        pipeline.generate("A cat.", ending=last, num_frames=1, **SIZE)
    with pytest.raises(ThroughlineError, match="this model does not end with a picture"):
        tiny_pipeline().generate("A cat.", ending=last, num_frames=9, **SIZE)
