"""Adapters: what they may touch, that they come off bit for bit, and that teaching can be cut short and goes on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline, WanPipeline
from torch import Tensor, nn

from pipeline import loading
from pipeline.adapters.files import Adapter, read_adapter, write_adapter
from pipeline.adapters.layers import spatial_layers
from pipeline.adapters.priors import ACTED, priors_of
from pipeline.adapters.teaching import Lesson, Prior, Progress, Recipe, Still, _evenly, teach
from pipeline.adapters.wearing import Worn, shown, worn
from pipeline.blocks.block_cache import EXACT
from pipeline.denoising import Known, Predictor
from pipeline.errors import ThroughlineError
from pipeline.generation import SceneRequest
from pipeline.guidance import Guidance, SubjectGuidance
from pipeline.history import Memory
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.models.generator import new_transformer
from tests import checkpoints, wan_checkpoints
from tests.tiny import tiny_pipeline

SMALL = {"height": 48, "width": 48, "num_frames": 5, "steps": 2}
QUICK = Recipe(steps=4, stills=2, priors=1, rank=2)
QUERIES = "transformer_blocks.0.attn1.to_q"
PROMPTS = ("Pim is running on the beach.", "Pim is waving in the snow.", "Pim is walking in the kitchen.")


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    pipeline = tiny_pipeline()
    pipeline.autocast = False
    return pipeline


@lru_cache(maxsize=1)
def lesson() -> Lesson:
    noise = np.random.default_rng(0).integers(0, 256, (4, 5, 48, 48, 3), np.uint8)
    stills = [Still(prompt, clip[0]) for prompt, clip in zip(PROMPTS, noise[:3], strict=True)]
    return Lesson("Pim", stills, [Prior("Mia is dancing in the forest.", noise[3])])


def clip() -> np.ndarray:
    return tiny()("Pim is skiing in the forest.", **SMALL).frames


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def taught(steps: Iterator[Progress]) -> Adapter:
    for progress in steps:
        adapter = progress.adapter
    return adapter


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was taught, in a file; the network is not changed by it."""
    before = state(tiny().transformer)
    adapter = taught(teach(tiny(), lesson(), QUICK))
    assert same(before, state(tiny().transformer))
    return write_adapter(adapter, tmp_path_factory.mktemp("adapters"))


def random_adapter(network: nn.Module, seed: int = 0) -> Adapter:
    generator, weights = torch.Generator().manual_seed(seed), dict[str, Tensor]()
    for name in spatial_layers(network):
        out, into = network.get_submodule(name).weight.shape
        weights[f"{name}.lora_A.weight"] = torch.randn(2, into, generator=generator)
        weights[f"{name}.lora_B.weight"] = torch.randn(out, 2, generator=generator)
    return Adapter(weights, {})


def test_an_adapter_touches_neither_history_nor_what_looks_along_time() -> None:
    with torch.device("meta"):
        embedded = new_transformer(16)
    names = spatial_layers(embedded)
    assert len(names) == 6 * 6 + 2 + 5 and QUERIES in names
    assert not [name for name in names if "history" in name or "conv" in name or "modulation" in name]


def test_the_network_is_bit_identical_once_it_is_off(file: Path) -> None:
    before, plain = state(tiny().transformer), clip()
    with worn(tiny(), [Worn(file)]):
        dressed = clip()
        kept = tiny().transformer.state_dict()
        frozen = {name: value for name, value in before.items() if name in kept}
        assert all(torch.equal(value, kept[name]) for name, value in frozen.items())
        assert {name for name in before if "history" in name or "conv" in name} <= frozen.keys()
    assert not np.array_equal(plain, dressed)
    assert same(before, state(tiny().transformer)) and np.array_equal(plain, clip())


def test_it_comes_off_after_an_error_and_of_a_render_that_is_cut_short(file: Path) -> None:
    before = state(tiny().transformer)
    with pytest.raises(RuntimeError), worn(tiny(), [Worn(file)]):
        raise RuntimeError("anything")
    assert same(before, state(tiny().transformer))


def test_several_are_worn_at_once_each_by_its_strength(file: Path, tmp_path: Path) -> None:
    other = write_adapter(random_adapter(tiny().transformer), tmp_path)
    with worn(tiny(), [Worn(file), Worn(other)]):
        both = clip()
    with worn(tiny(), [Worn(file), Worn(other, 0.0)]):
        one = clip()
    with worn(tiny(), [Worn(file)]):
        alone = clip()
    with worn(tiny(), [Worn(file, 0.0)]):
        none = clip()
    assert np.array_equal(one, alone) and not np.array_equal(one, both)
    assert np.array_equal(none, clip())


@contextmanager
def following(*weights: float | None) -> Iterator[None]:
    """Subjects are followed with these weights, (looks, finish, decided); with None in every branch."""
    backbone, before = tiny().backbone, tiny().backbone.limits
    guidance = None if weights == (None,) else SubjectGuidance(*weights)
    backbone.limits = replace(before, subject=guidance)
    try:
        yield
    finally:
        backbone.limits = before


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subjects are taken to be everywhere."""
    monkeypatch.setattr("pipeline.adapters.figures.Finder.__call__", lambda _, prompt, clean: clean.new_ones(1))


def test_a_taught_subject_is_followed_in_a_branch_of_its_own(file: Path, everywhere: None) -> None:
    alone = {"guidance": Guidance(text=1.0, history=0.0)}  # "full" is the one branch beside it

    def made(*weights: float | None) -> np.ndarray:
        with following(*weights), shown(tiny(), [Worn(file)]):
            return tiny()("Pim is skiing in the forest.", **SMALL, **alone).frames

    plain = tiny()("Pim is skiing in the forest.", **SMALL, **alone).frames
    in_every_branch = made(None)
    assert not np.array_equal(plain, in_every_branch)
    assert np.array_equal(made(0.0, 0.0, 1.0), plain)
    assert np.abs(made(1.0, 1.0, 1.0).astype(int) - in_every_branch).max() <= 1  # v + (w - v)
    first_steps, last_steps = made(3.0, 0.0, 1.0), made(0.0, 3.0, 1.0)
    assert not np.array_equal(first_steps, plain) and not np.array_equal(last_steps, first_steps)


def test_a_subject_is_added_to_every_branch_and_so_to_the_guided_sum_once(file: Path, everywhere: None) -> None:
    names, t = ("negative", "full"), 999
    request = SceneRequest("Pim is skiing in the forest.", Memory(None, ()))
    shape = (1, 2, *tiny().latents.encode(lesson().stills[0].picture).shape[2:])
    z = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def predicted() -> dict[str, Tensor]:
        predict = Predictor(tiny().backbone, EXACT, [request], [Known.of(request, z)], tiny().denoiser.subject)
        predict.begin([names], 0.0)
        return predict([z], [t], [names])[0]

    plain = predicted()
    with worn(tiny(), [Worn(file)]):
        taught = predicted()["full"]
    with following(4.0, 2.0, 1.0), shown(tiny(), [Worn(file)]):
        found = predicted()
    assert tuple(found) == names and tiny().denoiser.subject is None
    for name in names:
        torch.testing.assert_close(found[name], plain[name] + 4.0 * (taught - plain["full"]), rtol=1e-3, atol=1e-4)
    assert not torch.equal(taught, plain["full"])


def test_a_strength_in_between_is_that_much_of_it() -> None:
    layer, x = tiny().transformer.get_submodule(QUERIES), torch.ones(1, 1, 48)
    adapter = random_adapter(tiny().transformer)
    change = adapter.weights[f"{QUERIES}.lora_B.weight"] @ adapter.weights[f"{QUERIES}.lora_A.weight"] @ x[0, 0]
    plain = layer(x)[0, 0]
    for strength in (0.5, 1.0):
        with worn(tiny(), [Worn(saved(adapter), strength)]):
            found = tiny().transformer.get_submodule(QUERIES)(x)[0, 0]
        torch.testing.assert_close(found, plain + strength * change, rtol=1e-3, atol=1e-3)


@lru_cache
def _folder() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp())


def saved(adapter: Adapter) -> Path:
    return write_adapter(adapter, _folder())


def test_one_that_was_there_before_stays_and_counts(file: Path) -> None:
    pipeline = tiny_pipeline()
    network, own = pipeline.transformer, random_adapter(pipeline.transformer)
    network.load_lora_adapter(dict(own.weights), prefix=None, adapter_name="own")
    before, layer, x = state(network), network.get_submodule(QUERIES), torch.ones(1, 1, 48)
    found = layer(x)
    with worn(pipeline, [Worn(saved(own))]):
        twice = layer(x)
    assert same(before, state(network)) and list(network.peft_config) == ["own"] and torch.equal(layer(x), found)
    torch.testing.assert_close(twice - found, found - layer.get_base_layer()(x), rtol=1e-3, atol=1e-3)
    taught(teach(pipeline, lesson(), QUICK))
    assert same(before, state(network)) and torch.equal(layer(x), found)


def test_teaching_that_is_cut_short_goes_on_with_the_same_steps(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.adapters.teaching.SAVE_EVERY", 1)
    before, checkpoint = state(tiny().transformer), tmp_path / "teaching"
    steps = teach(tiny(), lesson(), QUICK, checkpoint)
    assert [progress.step for progress in islice(steps, 2)] == [1, 2]
    steps.close()  # type: ignore[attr-defined]
    assert same(before, state(tiny().transformer))
    again = list(teach(tiny(), lesson(), QUICK, checkpoint))
    whole = list(teach(tiny(), lesson(), QUICK))
    assert [progress.step for progress in again] == [3, 4]
    for found, expected in zip(again, whole[2:], strict=True):
        assert found.losses == pytest.approx(expected.losses, rel=1e-3)


def test_motion_is_learnt_from_others_under_the_subjects_name() -> None:
    """It weighs: what is learnt differs by it, and clips that name nobody else add nothing to it."""
    acted = replace(lesson(), priors=[replace(lesson().priors[0], named="Pim is dancing in the forest.")])
    plain, moved = (list(teach(tiny(), one, QUICK)) for one in (lesson(), acted))
    assert all(step.losses["motion"] == 0 for step in plain)
    assert all(step.losses["motion"] > 0 for step in moved[1:])


@pytest.mark.parametrize("name", ["Quill", "Zubi cat"])
def test_priors_call_others_by_the_subjects_name(name: str) -> None:
    priors = priors_of(tiny(), name, PROMPTS, count=8)
    named = [prior for prior in priors if prior.named]
    assert len(named) == ACTED and all(name in prior.named and name not in prior.prompt for prior in named)
    assert len({prior.named for prior in named}) > ACTED // 2, "in different places and actions"
    if name.endswith("cat"):
        assert all("cat" in prior.prompt.casefold() for prior in named)


def test_detail_counts_more_than_its_spread_says() -> None:
    latents = torch.randn(64, 3, 4, 4) * torch.tensor([2.0, 1.0, 0.1])[:, None, None]
    weights = _evenly(latents).flatten()
    assert weights[0] < weights[1] < weights[2]
    assert float((weights * latents.var((0, 2, 3))).sum()) == pytest.approx(
        float(latents.var((0, 2, 3)).sum()), rel=1e-4
    )


def test_only_the_adapter_learns_and_what_it_learns_is_kept_small(file: Path) -> None:
    adapter = read_adapter(file)
    changed = {name.partition(".lora_")[0] for name, w in adapter.weights.items() if "lora_B" in name and w.any()}
    assert changed and changed <= set(spatial_layers(tiny().transformer))
    assert adapter.about["name"] == "Pim"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"stills": lesson().stills[:2]}, "has 2 pictures: expected 3 to 8"),
        ({"name": "Tom"}, "does not name 'Tom'"),
    ],
)
def test_what_cant_be_taught_is_refused(changed: dict, reason: str) -> None:
    with pytest.raises(ThroughlineError, match=reason):
        next(iter(teach(tiny(), replace(lesson(), **changed), QUICK)))


def test_files_that_are_no_adapters_of_the_model_are_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_bytes(b"not a file")
    other = Adapter({"proj_out.lora_A.weight": torch.ones(2, 7), "proj_out.lora_B.weight": torch.ones(7, 2)}, {})
    half = Adapter({"proj_out.lora_A.weight": torch.ones(2, 48)}, {})
    for path, reason in (
        (tmp_path / "text.safetensors", "can't be read"),
        (tmp_path / "none.safetensors", "does not exist"),
        (write_adapter(other, tmp_path), "of another model: layer 'proj_out'"),
        (write_adapter(half, tmp_path), "no LoRA in diffusers' layout"),
    ):
        with pytest.raises(ThroughlineError, match=reason), worn(tiny(), [Worn(path)]):
            pass
    with pytest.raises(ThroughlineError, match="strength is 3"):
        Worn(file, 3.0)


# --- diffusers' layout -----------------------------------------------------------------------------------------------


def cogvideox(folder: Path) -> Path:
    return checkpoints.save(folder / "model", "2b")


def wan(folder: Path) -> Path:
    return wan_checkpoints.save(folder / "model", "2.1")


@pytest.mark.parametrize(("save", "stock"), [(cogvideox, CogVideoXPipeline), (wan, WanPipeline)])
def test_files_are_read_and_written_as_diffusers_does(save, stock: type, tmp_path: Path) -> None:
    folder = save(tmp_path)
    ours = loading.load(str(folder), device="cpu", dtype="float32")
    plain = stock.from_pretrained(folder, local_files_only=True)
    adapter = random_adapter(ours.transformer)
    path = write_adapter(adapter, tmp_path)
    plain.load_lora_weights(str(path), adapter_name="theirs")  # what we write, they read
    name = spatial_layers(ours.transformer)[0]
    x = torch.ones(1, 1, ours.transformer.get_submodule(name).weight.shape[1])
    with worn(ours, [Worn(path)]), torch.no_grad():
        found = ours.transformer.get_submodule(name)(x)
    torch.testing.assert_close(found, plain.transformer.get_submodule(name)(x))
    layers = {key: value for key, value in adapter.weights.items() if name in key}
    stock.save_lora_weights(tmp_path / "out", transformer_lora_layers=layers)
    (theirs,) = (tmp_path / "out").glob("*.safetensors")  # what they write, we read
    assert read_adapter(theirs).weights.keys() == layers.keys()
