"""Regions, figures, wording, layouts: what an edit is put together from."""

import numpy as np
import pytest
import torch

from pipeline.editing import finding
from pipeline.editing.contrast import touched
from pipeline.editing.figures import figures
from pipeline.editing.finding import word_region
from pipeline.editing.layout import ANYONE, NOBODY, Layout
from pipeline.editing.region import Region, soft
from pipeline.editing.wording import encoded, rewrite, tokens_of
from pipeline.encoders.text import TextEncoder
from pipeline.errors import ThroughlineError
from pipeline.picturebook import renderer, world
from pipeline.picturebook.localiser import Localiser
from tests import tiny

SHAPE = (5, 48, 72)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return TextEncoder.minilm()


# --- regions -------------------------------------------------------------------------------------------------------


def test_a_box_a_brush_and_the_rest_cover_what_they_say() -> None:
    box = Region.box(SHAPE, (0.5, 0, 1, 0.5))
    assert box.area == pytest.approx(0.25) and box.mask[:, :24, 36:].all()
    dot = Region.brush(SHAPE, [(0.5, 0.5, 0.25)])
    assert dot.mask[0, 24, 36] == 1 and dot.area == pytest.approx(np.pi * 12**2 / (48 * 72), rel=0.05)
    assert Region.brush(SHAPE, [(0.5, 0.5, 0.0001)]).area > 0, "a fine brush paints at least a pixel"
    rest = Region.everything(SHAPE).without([box])
    assert rest.area == pytest.approx(0.75) and rest.joined([box]).area == 1


@pytest.mark.parametrize("box", [(0.5, 0, 0.5, 1), (0, 1.2, 1, 1.4), (0.9, 0, 0.1, 1)])
def test_a_box_without_an_inside_is_refused(box) -> None:
    with pytest.raises(ThroughlineError, match="expected left < right and top < bottom"):
        Region.box(SHAPE, box)


def test_cells_have_the_share_that_is_covered_and_latent_frames_the_frame_that_shows_most() -> None:
    mask = np.zeros((9, 48, 72), np.float32)
    mask[2, :12, :6] = 1
    cells = Region(mask).cells(4, (3, 4, 6))
    assert cells[1, 0, 0] == 0.5 and cells.sum() == 0.5, "frame 2 is one of the first four after the first"


def test_a_soft_mask_is_whole_inside_and_ends_soon() -> None:
    box = Region.box(SHAPE, (0, 0, 0.5, 1))
    mask = soft(box, 3)
    assert (mask[:, :, :36] == 1).all() and (mask[:, :, 42:] == 0).all() and 0 < mask[0, 5, 38] < 1


def test_the_upper_part_of_a_region_is_that_of_each_frame() -> None:
    mask = np.zeros(SHAPE, np.float32)
    mask[0, 10:30, 5:9], mask[1, 20:40, 5:9] = 1, 1
    upper = Region(mask).upper(0.25)
    assert np.flatnonzero(upper.mask[0].any(1)).tolist() == list(range(10, 15))
    assert np.flatnonzero(upper.mask[1].any(1)).tolist() == list(range(20, 25))


# --- who is where --------------------------------------------------------------------------------------------------


def scene(*names: str) -> world.WorldScene:
    import random

    rng = random.Random(str(names))
    cast = tuple(world.draw_actor(rng, name) for name in names)
    return world.WorldScene(cast, ("waving", "walking")[: len(cast)], world.draw_place(rng, "snow"), 3)


@pytest.fixture(scope="module")
def localiser() -> Localiser:
    return Localiser.load()


def test_figures_are_told_apart_and_lie_where_the_renderer_drew_them(localiser) -> None:
    clip = renderer.render(scene("Mia", "robot"))
    assert clip.masks is not None
    found = figures(localiser, clip.frames)
    assert len(found) == 2
    for index, figure in enumerate(found):
        truth = (clip.masks + 1) // 2 == index + 1
        both = ((figure.mask > 0) & truth).sum() / ((figure.mask > 0) | truth).sum()
        assert both > 0.8
    assert len(figures(localiser, renderer.render(scene("Mia")).frames)) == 1
    assert figures(localiser, renderer.render(scene()).frames) == ()


def test_a_model_that_is_no_picture_book_is_asked_what_it_looks_at_unless_there_are_masks(
    tmp_path, monkeypatch
) -> None:
    from pipeline import loading
    from tests import checkpoints

    pipeline = loading.load(str(checkpoints.save(tmp_path / "model", "1.5")), "cpu", "float32")
    frames = np.random.default_rng(0).integers(0, 255, (9, checkpoints.HEIGHT, checkpoints.WIDTH, 3), np.uint8)
    region = word_region(pipeline, frames, "A cat is driving a car", (2, 5))
    assert region.mask.shape == frames.shape[:3] and 0 < region.area < 1
    drawn = np.zeros(frames.shape[:3], bool)
    drawn[:, :8] = True
    asked = {"cat": drawn}
    monkeypatch.setattr("pipeline.editing.finding.masks_of", lambda frames, words: asked.get(words))
    assert np.array_equal(word_region(pipeline, frames, "A cat is driving a car", (2, 5)).mask, drawn)
    other = word_region(pipeline, frames, "A dog is driving a car", (2, 5))
    assert 0 < other.area < 1 and not np.array_equal(other.mask, drawn)
    with pytest.raises(ThroughlineError, match="word is ' ': expected one that the model reads"):
        word_region(tiny.tiny_pipeline(), frames, "A cat", (1, 2))


def test_which_figure_a_name_speaks_of_can_be_told_though_the_whole_prompt_dwells_on_one(monkeypatch) -> None:
    frames = np.zeros((1, renderer.HEIGHT, renderer.WIDTH, 3), np.uint8)
    left, right = np.zeros((2, 1, *frames.shape[1:3]), np.float32)
    left[..., :36], right[..., -36:] = 1, 1

    def seen(pipeline, picture, prompt, rows) -> np.ndarray:
        """Mia's tokens look at the right too, but less so than others do."""
        shares = (0.3, 0.5) if len(rows) == 1 else (0.1, 0.8)
        return (shares[0] * left[0] + shares[1] * right[0]) / left.sum()

    monkeypatch.setattr(finding, "_seen", seen)
    monkeypatch.setattr(finding, "people", lambda *_: (Region(left), Region(right)))
    for contrast, told in ((False, 1), (True, 0)):
        assert finding.figures_of(tiny.tiny_pipeline(), frames, "Mia and Tom.", [(0, 3)], contrast)[1] == [told]


# --- words ---------------------------------------------------------------------------------------------------------


def test_new_words_take_the_places_of_old_ones_and_others_come_at_the_end() -> None:
    made = rewrite("Mia runs and Tom waves.", [(13, 16), (0, 3), None], ["A dog", "Mia in a red coat", "at night"])
    assert made.text == "Mia in a red coat runs and A dog waves, at night."
    assert [made.text[slice(*span)] for span in made.spans if span] == ["A dog", "Mia in a red coat", "at night"]


def test_words_of_a_region_are_encoded_alone(encoder: TextEncoder) -> None:
    made = rewrite("Mia runs and Tom waves.", [(0, 3), (13, 16)], ["Mia in a red coat", "Tom"])
    whole, local = encoder.encode(made.text), encoded(encoder, made)
    alone = encoder.encode("Mia in a red coat")
    rows = tokens_of(whole, (0, 17))
    assert torch.equal(local[rows], alone.hidden[1:-1]) and not torch.equal(local[rows], whole.hidden[rows])
    others = [row for row in range(len(whole)) if row not in rows + tokens_of(whole, made.spans[1] or (0, 0))]
    assert torch.equal(local[others], whole.hidden[others])
    assert torch.equal(encoded(encoder, made, local=False), whole.hidden)


# --- layouts -------------------------------------------------------------------------------------------------------


def layout() -> Layout:
    """Four tokens: two of a region, one of another, one of none."""
    return Layout.of([torch.tensor([1.0, 0.6, 0.0, 0.0]), torch.tensor([0.0, 0.4, 0.3, 0.0])])


def test_tokens_belong_to_the_region_that_covers_most_and_small_regions_own_some() -> None:
    assert layout().owner.tolist() == [0, 0, 1, 2]
    assert layout().areas.tolist() == [0.5, 0.25, 0.25]


def test_own_words_are_raised_and_those_of_others_lowered_less_in_large_regions() -> None:
    made = layout().modulation([[1], [2]], 4, [1.0, 1.0])
    assert made.text[0].tolist() == [0, 0.5, -0.5, 0] and made.text[2].tolist() == [0, -0.75, 0.75, 0]
    assert made.video[0, 1] > 0 > made.video[0, 2] and made.history is None
    assert not layout().modulation([[1], [2]], 4, [0.0, 0.0]).text.any()


def test_history_is_seen_by_its_own_region_by_all_or_by_nobody() -> None:
    made = layout().modulation([[], []], 1, [1.0, 1.0], [0, ANYONE, NOBODY])
    assert made.history is not None
    assert made.history.T.tolist() == [[True, True, False, False], [True] * 4, [False] * 4]


def test_an_edit_is_kept_to_where_the_words_make_a_difference() -> None:
    difference, inside = torch.tensor([0.1, 1.0, 0.4, 9.0]), torch.tensor([True, True, True, False])
    assert touched(difference, inside, 0.35).tolist() == [False, True, True, False]
    assert touched(difference, inside, 0.0).tolist() == [True, True, True, False]
