"""Where taught subjects are, and that nothing else is pulled towards them."""

from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.adapters import figures
from pipeline.adapters.figures import Finder
from pipeline.adapters.files import Adapter, write_adapter
from pipeline.adapters.layers import spatial_layers
from pipeline.adapters.wearing import Worn, shown
from pipeline.blocks.block_cache import EXACT
from pipeline.denoising import Known, Predictor, Subject
from pipeline.editing.region import Region
from pipeline.generation import SceneRequest
from pipeline.guidance import SubjectGuidance, guide
from pipeline.history import Memory
from pipeline.story_pipeline import StoryPipeline
from tests.tiny import tiny_pipeline

PROMPT = "Pim is skiing and Mia is waving in the forest."
NAMES = ("negative", "full")
LATENTS = (1, 2, 16, 8, 12)  # of a clip of 5 frames at the size at which figures are known
NOISIEST = 999


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.autocast = False
    return pipeline


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Worn:
    """An adapter with random weights, of Pim."""
    generator, weights = torch.Generator().manual_seed(0), dict[str, Tensor]()
    for name in spatial_layers(tiny().transformer):
        out, into = tiny().transformer.get_submodule(name).weight.shape
        weights[f"{name}.lora_A.weight"] = torch.randn(2, into, generator=generator)
        weights[f"{name}.lora_B.weight"] = torch.randn(out, 2, generator=generator)
    return Worn(write_adapter(Adapter(weights, {"name": "Pim"}), tmp_path_factory.mktemp("adapters")))


@pytest.fixture
def guidance(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny().backbone
    monkeypatch.setattr(backbone, "limits", replace(backbone.limits, subject=SubjectGuidance(4.0, 2.0, 1.0)))


def seen(monkeypatch: pytest.MonkeyPatch, *columns: tuple[int, int], told: tuple[int | None, ...]) -> None:
    """Figures that fill columns of the picture, in pixels, and which of them names speak of, in their order."""

    def found(pipeline: StoryPipeline, frames: np.ndarray, prompt: str, spans: list[tuple[int, int]], contrast: bool):
        masks = [np.zeros(frames.shape[:3], np.float32) for _ in columns]
        for mask, (left, right) in zip(masks, columns, strict=True):
            mask[:, :, left:right] = 1
        return tuple(Region(mask) for mask in masks), list(told[: len(spans)])

    monkeypatch.setattr(figures, "figures_of", found)


def where(*names: str) -> list[float]:
    """How much the columns of latents are pulled, in all rows and frames alike."""
    found = Finder(tiny(), names)(PROMPT, torch.zeros(LATENTS))
    assert found.shape == (1, LATENTS[1], 1, *LATENTS[3:])
    assert torch.equal(found, found[:, :1, :, :1].expand_as(found))
    return found[0, 0, 0, 0].tolist()


def test_a_subject_is_where_the_figure_is_that_its_name_speaks_of_and_around_it(monkeypatch) -> None:
    seen(monkeypatch, (24, 48), told=(0,))
    assert where("Pim") == [0, 0.5, 1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0]


def test_somebody_else_keeps_their_place_however_near(monkeypatch) -> None:
    seen(monkeypatch, (24, 48), (50, 84), told=(0, 1))
    assert where("Pim") == [0, 0.5, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert where("Pim", "Mia") == [0, 0.5, 1, 1, 1, 1, 1, 0.5, 0, 0, 0, 0]


def test_what_is_no_figure_is_all_but_the_figures(monkeypatch) -> None:
    seen(monkeypatch, (24, 48), (60, 84), told=(None,))
    assert where("forest") == [1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1]


def test_where_no_name_is_found_all_figures_are_pulled_and_where_there_are_none_everything(monkeypatch) -> None:
    seen(monkeypatch, (24, 48), (96, 144), told=(0,))
    both = [0, 0.5, 1, 1, 0.5, 0, 0, 0.5, 1, 1, 1, 1]
    assert where("Zubi") == where() == both
    assert where("Pi") == both, "part of a word is no name"
    seen(monkeypatch, told=(None,))
    assert where("Pim") == where() == [1] * LATENTS[-1]


def test_figures_are_looked_for_at_their_own_size_in_clips_of_any(monkeypatch) -> None:
    seen(monkeypatch, (0, 66), told=(0,))
    mask = Finder(tiny(), ["Pim"])(PROMPT, torch.zeros(1, 2, 16, 4, 4))
    assert mask.shape == (1, 2, 1, 4, 4) and mask[0, 0, 0, 0].tolist() == [1, 1, 0, 0]


# --- what is pulled --------------------------------------------------------------------------------------------------


@torch.no_grad()
def predicted(z: Tensor, subject: Subject | None) -> dict[str, Tensor]:
    request = SceneRequest(PROMPT, Memory(None, ()))
    predict = Predictor(tiny().backbone, EXACT, [request], [Known.of(request, z)], subject)
    predict.begin([NAMES], 0.0)
    return predict([z], [NOISIEST], [NAMES])[0]


def test_where_the_subject_is_not_the_guided_sum_is_bit_for_bit_what_it_was(worn, guidance) -> None:
    z = torch.randn(LATENTS, generator=torch.Generator().manual_seed(0))
    plain = guide(predicted(z, None), 2.0, 0.0)
    nowhere, left = torch.zeros(1, 2, 1, 8, 12), torch.zeros(1, 2, 1, 8, 12)
    left[..., :6] = 1
    with shown(tiny(), [worn]):
        subject = tiny().denoiser.subject
        assert subject is not None and subject.where.names == ["Pim"]
        assert torch.equal(plain, guide(predicted(z, subject._replace(where=lambda *_: nowhere)), 2.0, 0.0))
        pulled = guide(predicted(z, subject._replace(where=lambda *_: left)), 2.0, 0.0)
    assert torch.equal(pulled[..., 6:], plain[..., 6:])
    assert not torch.isclose(pulled[..., :6], plain[..., :6]).all()


def test_the_subject_is_looked_for_in_what_the_clip_is_taken_for(worn, guidance) -> None:
    z = torch.randn(LATENTS, generator=torch.Generator().manual_seed(0))
    full, asked = predicted(z, None)["full"], []

    def where(prompt: str, clean: Tensor) -> Tensor:
        asked.append((prompt, clean))
        return torch.ones_like(clean[:, :, :1])

    with shown(tiny(), [worn]):
        subject = tiny().denoiser.subject
        assert subject is not None
        predicted(z, subject._replace(where=where))
    [(prompt, clean)] = asked
    assert prompt == PROMPT and torch.equal(clean, tiny().backbone.noising.level(NOISIEST).clean(z, full))


def test_before_it_can_be_told_where_the_subject_is_the_network_that_knows_it_is_not_asked(worn, monkeypatch) -> None:
    backbone, asked = tiny().backbone, []
    monkeypatch.setattr(backbone, "limits", replace(backbone.limits, subject=SubjectGuidance(4.0, 2.0, 1.0, seen=5.0)))
    z = torch.randn(LATENTS, generator=torch.Generator().manual_seed(0))
    plain = predicted(z, None)

    def dressed(on: bool):
        asked.append(on)
        return nullcontext()

    found = predicted(z, Subject(dressed, lambda *_: torch.ones(1)))
    assert asked == [False] and all(torch.equal(found[name], plain[name]) for name in NAMES)
    assert tuple(found) == NAMES


def test_a_scene_that_shows_nobody_who_was_taught_is_bit_for_bit_what_it_was(worn, guidance) -> None:
    small = {"height": 48, "width": 48, "num_frames": 5, "steps": 2}
    plain = tiny()(PROMPT, **small).frames
    for adapters in ([], [Worn(worn.path, 0.0)]):
        with shown(tiny(), adapters):
            assert tiny().denoiser.subject is None and np.array_equal(plain, tiny()(PROMPT, **small).frames)
