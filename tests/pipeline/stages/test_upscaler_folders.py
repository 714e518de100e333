"""Upscalers from folders: small ones with random weights, in the layouts in which large ones are had."""

import json
import pickle
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import ThroughlineError, WeightsError
from pipeline.stages.upscaling import folders, kinds
from pipeline.stages.upscaling.enlarging import enlarged
from pipeline.stages.upscaling.network import Upscaler
from tests.pipeline.stages.small_upscalers import diffusion, swin2sr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upscalers")
    torch.manual_seed(0)
    Upscaler(8, 1, scale=3).save_pretrained(folder / "own")
    swin2sr(folder / "swin2sr")
    diffusion(folder / "diffusion")
    return folder


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def smooth(frames: int, height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    picture = np.stack([rows * 255 / height, columns * 255 / width, 128 + 0 * rows], -1)
    return np.repeat(picture[None], frames, 0).round().astype(np.uint8)


@pytest.mark.parametrize(("kind", "scale"), [("own", 3), ("swin2sr", 2), ("diffusion", 4)])
def test_each_layout_is_found_loaded_and_enlarges(home: Path, kind: str, scale: int) -> None:
    assert folders.kind_of(home / kind) == kind
    upscaler = folders.load(home / kind, "cpu")
    assert upscaler.scale == scale
    made = enlarged(upscaler, noise(3, 19, 26, 3), "A dog runs.")
    assert made.shape == (3, 19 * scale, 26 * scale, 3) and made.dtype == np.uint8


@pytest.mark.parametrize("kind", ["swin2sr", "diffusion"])
def test_they_enlarge_in_tiles_what_is_larger_than_one(home: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "TILE", 32)
    monkeypatch.setattr(kinds, "DIFFUSION_TILE", 32)
    upscaler = folders.load(home / kind, "cpu")
    seen = list[tuple[int, int]]()
    own = upscaler.picture

    def picture(x: torch.Tensor, prompt: str, corner: tuple[int, int]) -> torch.Tensor:
        seen.append(corner)
        assert x.shape[2:] == (32, 32)
        return own(x, prompt, corner)

    monkeypatch.setattr(upscaler, "picture", picture)
    made = enlarged(upscaler, noise(1, 40, 50, 3))
    assert made.shape == (1, 40 * upscaler.scale, 50 * upscaler.scale, 3)
    assert seen == [(row, column) for row in (0, 8) for column in (0, 9, 18)]


def test_frames_that_are_alike_are_enlarged_alike_by_diffusion(home: Path) -> None:
    made = enlarged(folders.load(home / "diffusion", "cpu"), smooth(3, 24, 24), "A beach.")
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


def test_what_diffusion_draws_is_the_draft_when_made_small_again(home: Path) -> None:
    frames = smooth(1, 24, 40)
    made = enlarged(folders.load(home / "diffusion", "cpu"), frames, "A beach.").astype(float)
    small = made.reshape(1, 24, 4, 40, 4, 3).mean((2, 4))
    assert np.abs(small - frames).mean() < 12 < np.abs(made - made.mean()).mean(), "its own picture is noise"


def test_noise_belongs_to_a_place_and_not_to_a_tile(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upscaler = folders.load(home / "diffusion", "cpu")
    assert isinstance(upscaler, kinds.Diffusion)
    first, second = upscaler._noise_at((0, 0), 24, 24), upscaler._noise_at((8, 16), 16, 8)
    assert torch.equal(first[:, 8:24, 16:24], second)
    assert torch.equal(upscaler._noise_at((500, 0), 24, 8)[:, 12:], upscaler._noise_at((0, 0), 12, 8)), "it goes round"
    scheduler, added = upscaler._pipeline.low_res_scheduler, list[torch.Tensor]()
    own = type(scheduler).__base__.add_noise
    monkeypatch.setattr(
        type(scheduler).__base__,
        "add_noise",
        lambda self, x, noise, t: (added.append(noise), own(self, x, noise, t))[1],
    )
    windows = torch.zeros(1, 9, 24, 24)
    upscaler.picture(windows, "", (0, 0))
    upscaler.picture(windows[..., :16, :8], "", (8, 16))
    assert torch.equal(added[0][:, :, 8:24, 16:24], added[1]), "so does the noise of the draft"


def test_a_prompt_makes_a_difference_to_diffusion_alone(home: Path) -> None:
    frames = smooth(1, 16, 16)
    for kind, differs in (("diffusion", True), ("swin2sr", False), ("own", False)):
        one, other = (enlarged(folders.load(home / kind, "cpu"), frames, prompt) for prompt in ("a", "a red hat"))
        assert (not np.array_equal(one, other)) is differs, kind


def test_digests_tell_weights_apart(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "own", tmp_path / "same")
    Upscaler(8, 2, scale=3).save_pretrained(tmp_path / "other")
    found = [folders.digest(folder) for folder in (home / "own", tmp_path / "same", tmp_path / "other")]
    assert found[0] == found[1] != found[2]


# --- spandrel --------------------------------------------------------------------------------------------------------


class Descriptor:
    """What spandrel gives for a file."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def eval(self) -> "Descriptor":
        return self

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        assert x.min() >= 0 and x.max() <= 1 and x.shape[1] == 3
        return torch.nn.functional.interpolate(x, scale_factor=self.scale)


@pytest.fixture
def spandrel(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in with the parts of it that are used."""
    module = SimpleNamespace(found=Descriptor(2), ImageModelDescriptor=Descriptor, __spec__=object())

    class ModelLoader:
        def __init__(self, device: torch.device) -> None:
            assert device == torch.device("cpu")

        def load_from_file(self, path: Path) -> Descriptor:
            module.path = path
            if path.stat().st_size < 4:
                raise RuntimeError("Unsupported model\nand more")
            return module.found

    module.ModelLoader = ModelLoader
    monkeypatch.setitem(sys.modules, "spandrel", module)
    return module


@pytest.mark.parametrize("alone", [True, False])
def test_a_file_is_read_by_spandrel(tmp_path: Path, spandrel: SimpleNamespace, alone: bool) -> None:
    file = tmp_path / "RealESRGAN_x2plus.pth"
    file.write_bytes(b"weights")
    frames = noise(2, 8, 10, 3)
    upscaler = folders.load(file if alone else tmp_path, "cpu")
    assert np.array_equal(enlarged(upscaler, frames), frames.repeat(2, 1).repeat(2, 2)) and spandrel.path == file
    assert folders.digest(file) == folders.digest(tmp_path)
    before = folders.digest(file)
    file.write_bytes(b"other weights")
    assert folders.digest(file) != before


def test_what_spandrel_cannot_read_or_does_not_enlarge_is_refused(tmp_path: Path, spandrel: SimpleNamespace) -> None:
    (tmp_path / "x.pth").write_bytes(b"abc")
    with pytest.raises(WeightsError, match=r"can't be loaded: RuntimeError, Unsupported model$"):
        folders.load(tmp_path, "cpu")
    (tmp_path / "x.pth").write_bytes(b"weights")
    spandrel.found = Descriptor(1)
    with pytest.raises(ThroughlineError, match="enlarges 1 times: expected 2 times or more"):
        folders.load(tmp_path, "cpu")


def test_without_spandrel_it_says_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(folders, "find_spec", lambda name: None)
    with pytest.raises(ThroughlineError, match="pip install spandrel"):
        folders.check(tmp_path)


def test_spandrel_itself_reads_a_small_network(tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel", reason="optional: pip install spandrel", exc_type=ImportError)
    from spandrel.architectures.ESRGAN import RRDBNet

    save_file(RRDBNet(in_nc=3, out_nc=3, num_filters=16, num_blocks=1).state_dict(), tmp_path / "esrgan.safetensors")
    upscaler = folders.load(tmp_path, "cpu")
    assert enlarged(upscaler, noise(1, 8, 8, 3)).shape == (1, 32, 32, 3) and spandrel


# --- what is none ----------------------------------------------------------------------------------------------------


def test_what_is_no_upscaler_is_refused_by_name(home: Path, tmp_path: Path) -> None:
    def refused(path: Path, words: str, kind: type[Exception] = ThroughlineError) -> None:
        with pytest.raises(kind, match=words) as caught:
            folders.check(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)

    refused(tmp_path / "nowhere", "upscaler is .*nowhere'.*expected a folder")
    refused(tmp_path, "has 0 such files")
    (tmp_path / "a.pth").write_bytes(b"1")
    (tmp_path / "b.safetensors").write_bytes(b"1")
    refused(tmp_path, "has 2 such files")
    bert = tmp_path / "bert"
    shutil.copytree(home / "swin2sr", bert)
    (bert / "config.json").write_text(json.dumps({"model_type": "bert"}))
    refused(bert, r'is "bert": expected')
    (bert / "config.json").write_text("{")
    refused(bert, "not valid JSON", WeightsError)
    video = tmp_path / "video"
    shutil.copytree(home / "diffusion", video)
    index = json.loads((video / "model_index.json").read_text())
    (video / "model_index.json").write_text(json.dumps(index | {"_class_name": "WanPipeline"}))
    refused(video, r'is "WanPipeline": expected')


def test_weights_that_are_missing_torn_or_pickles_are_refused(home: Path, tmp_path: Path) -> None:
    for kind in ("own", "swin2sr"):
        folder = tmp_path / kind
        shutil.copytree(home / kind, folder)
        weights = next(folder.glob("*.safetensors"))
        weights.write_bytes(weights.read_bytes()[:-40])
        with pytest.raises(WeightsError):
            folders.check(folder)
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
        with pytest.raises(WeightsError):
            folders.check(folder)
    folder = tmp_path / "lacks"
    shutil.copytree(home / "swin2sr", folder)
    from safetensors.torch import load_file

    weights = load_file(folder / "model.safetensors")
    gone = weights.pop(min(weights))
    assert gone is not None
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsError, match="it lacks"):
        folders.load(folder, "cpu")


def _edited(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("own", {"blocks": 3}, "it lacks 'body.1"),
        ("own", {"scale": 2}, "its weights do not fit its config.json"),
        ("own", {"channels": "x"}, "can't be loaded: TypeError"),
        ("swin2sr", {"embed_dim": 32}, "its weights do not fit its config.json"),
        ("swin2sr", {"depths": [2, 2, 2]}, "can't be loaded: IndexError"),
        ("swin2sr", {"upscale": "two"}, "can't be loaded: "),
    ],
)
def test_a_configuration_that_does_not_fit_is_told_in_a_line(
    home: Path, tmp_path: Path, kind: str, changes: dict[str, object], words: str
) -> None:
    shutil.copytree(home / kind, tmp_path / kind)
    _edited(tmp_path / kind / "config.json", **changes)
    with pytest.raises(ThroughlineError, match=words) as caught:
        folders.load(tmp_path / kind, "cpu")
    assert "\n" not in str(caught.value) and str(tmp_path / kind) in str(caught.value)


def test_a_pipeline_that_lacks_a_weight_is_told_so(home: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "diffusion"
    shutil.copytree(home / "diffusion", folder)
    file = next((folder / "unet").glob("*.safetensors"))
    weights = load_file(file)
    del weights["conv_in.weight"]
    save_file(weights, file, {"format": "pt"})
    with pytest.raises(WeightsError, match=r"its unet lacks .conv_in\.weight."):
        folders.load(folder, "cpu")


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_an_index_of_files_that_is_none_is_refused(home: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "swin2sr"
    shutil.copytree(home / "swin2sr", folder)
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors\.index\.json"):
        folders.check(folder)


def test_one_that_does_not_enlarge_is_refused(tmp_path: Path) -> None:
    Upscaler(8, 1, scale=1).save_pretrained(tmp_path)
    with pytest.raises(ThroughlineError, match="enlarges 1 times: expected 2 times or more"):
        folders.load(tmp_path, "cpu")
