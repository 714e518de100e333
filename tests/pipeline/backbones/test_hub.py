"""Names of the hub: what counts as one, what is in its cache, and what is said when it is not. There is no network."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipeline import loading
from pipeline.backbones import catalogue, checkpoints, hub
from pipeline.errors import ThroughlineError
from tests.tiny import save_tiny

IN_A_REPOSITORY = [  # of which the first three are needed: LTX-Video's also has models of one file
    "model_index.json",
    "transformer/diffusion_pytorch_model.safetensors",
    "tokenizer/spiece.model",
    "ltx-video-2b-v0.9.safetensors",
    "transformer/diffusion_pytorch_model.bin",
    "unet/weights.ckpt",
    "media/trailer.gif",
]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub cache with one repository, of which "main" and its commit are there."""
    root = tmp_path_factory.mktemp("hub")
    repository = root / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    save_tiny(repository / "snapshots" / COMMIT)
    return root


@pytest.fixture
def in_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(cache))
    download = hub.snapshot_download
    monkeypatch.setattr(hub, "snapshot_download", lambda *a, **k: download(*a, cache_dir=cache, **k))
    return cache


def test_a_model_of_the_cache_loads_without_the_network(in_cache: Path) -> None:
    folder = checkpoints.find("some/model", offline=True)
    assert folder.name == COMMIT
    assert checkpoints.find("some/model", revision=COMMIT) == folder
    assert loading.load("some/model", device="cpu", offline=True).has_adapter


@pytest.mark.parametrize("name, revision", [("some/other", None), ("some/model", "v2")])
def test_what_is_not_in_the_cache_is_refused_offline(name: str, revision: str | None, in_cache: Path) -> None:
    with pytest.raises(ThroughlineError, match=f"model is '{name}'.*is not in the hub's cache"):
        checkpoints.find(name, revision=revision, offline=True)


def test_only_what_a_model_needs_is_asked_for_and_never_a_pickle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = {}

    def download(name: str, **options) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(hub, "snapshot_download", download)
    hub.fetch("THUDM/CogVideoX-2b", revision=COMMIT)
    assert (asked["name"], asked["revision"]) == ("THUDM/CogVideoX-2b", COMMIT)
    wanted = [path for path in IN_A_REPOSITORY if any(fnmatch(path, one) for one in asked["allow_patterns"])]
    assert wanted == IN_A_REPOSITORY[:3]


def test_what_is_a_name_of_the_hub() -> None:
    assert all(map(hub.is_hub_name, ("THUDM/CogVideoX-2b", "a/b", "THUDM/CogVideoX1.5-5B")))
    assert not any(map(hub.is_hub_name, ("picturebook", "picturebook/", "", "/a/b", "a/b/c", "./a", "../a")))


def test_every_model_of_the_picker_says_what_it_needs() -> None:
    for one in catalogue.CATALOGUE:
        assert one.name in checkpoints.NAMES or hub.is_hub_name(one.name)
        assert one.needs.estimated == (one.name != "picturebook")
        assert ("(estimates)" in catalogue.in_words(one)) == one.needs.estimated
        memory = list(one.needs.gpu_gib.values())
        assert memory == sorted(memory, reverse=True)
    assert catalogue.entry("thudm/cogvideox-2b") is catalogue.CATALOGUE[1] and catalogue.entry("own/model") is None
