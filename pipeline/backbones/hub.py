"""Models of the Hugging Face hub: a repository's name to a local folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from ..errors import ThroughlineError
from .pairs import ENCODER_FILES, IMAGE_FILES, LEFT_OUT, MOTION_FILES, PROMPTED_BY, put_gguf, put_together

FILES = ("*.json", "*/*.safetensors", "*.model", "*.txt")  # no pickles, no pictures, no models of one file
PAIRS = "throughline-pairs"  # in the hub's cache
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]*\w")
NETWORKS = ["transformer/*.safetensors*", "transformer_2/*.safetensors*"]  # what a file in GGUF is in place of
ADAPTER = re.compile(rf"({NAME.pattern})(?:/([\w.-]+\.safetensors))?")  # a repository, and perhaps a file of it


def with_gguf(name: str, revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a model with other weights: BASE+FILE.gguf, with two files for a model of two experts.

    BASE is a local folder or a hub id, of which all but the transformers is downloaded; FILE a local file or
    OWNER/REPOSITORY/FILE of the hub. Raises ThroughlineError for what is none.
    """
    base, *files = name.split("+")
    if not files:
        raise ThroughlineError(f"model is {name!r}: expected BASE+{name}, BASE the folder or hub id of its other parts")
    local = offline or constants.is_offline_mode()
    folder = Path(base)
    if not folder.is_dir():
        folder = _tried(base, revision, local, lambda: snapshot_download(
            base, revision=revision, allow_patterns=list(FILES), ignore_patterns=NETWORKS, local_files_only=local,
        ))  # fmt: skip
    return put_gguf(folder, [_file(one, local) for one in files], Path(constants.HF_HUB_CACHE) / PAIRS)


def _file(name: str, local: bool) -> Path:
    if Path(name).is_file():
        return Path(name)
    owner, _, rest = name.partition("/")
    repository, _, file = rest.partition("/")
    if not (file and NAME.fullmatch(f"{owner}/{repository}")):
        raise ThroughlineError(f"no file {name!r}: expected a .gguf file, here or as OWNER/REPOSITORY/FILE on the hub")
    own = f"{owner}/{repository}"
    return (
        _tried(name, None, local, lambda: snapshot_download(own, allow_patterns=[file], local_files_only=local)) / file
    )


def is_hub_name(name: str) -> bool:
    """Whether `name` is like "THUDM/CogVideoX-2b", or IMAGE+MOTION with two such names, or IMAGE+MOTION+ADAPTER whose
    third may name a file, or one with files in GGUF; it may be a local folder all the same."""
    parts = [part for part in name.split("+") if not part.endswith(".gguf")]
    return 1 <= len(parts) <= 3 and all(map(NAME.fullmatch, parts[:2])) and all(map(ADAPTER.fullmatch, parts[2:]))


def fetch(name: str, revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a repository in the hub's cache, downloaded if need be. A download that is cut off goes on later.

    revision: a branch, a tag, or a commit, which pins the weights for good. offline: take what is in the cache, never
    the network; HF_HUB_OFFLINE=1 does the same. Raises ThroughlineError for what cannot be had.
    """
    local = offline or constants.is_offline_mode()
    return _tried(name, revision, local, lambda: _snapshot(name, revision, local))


def _tried(name: str, revision: str | None, local: bool, download: Callable[[], str | Path]) -> Path:
    try:
        return Path(download())
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        what = "is not in the hub's cache (offline)" if local else f"cannot be had ({_reason(error)})"
        raise ThroughlineError(
            f"model is {name!r}: expected 'picturebook', a local model folder, or a hub id that can be had; "
            f"{name}{at} {what}"
        ) from None


def _snapshot(name: str, revision: str | None, local: bool) -> Path:
    """revision: of the image model, for several in one."""
    image, *others = name.split("+")
    wanted = list(IMAGE_FILES if others else FILES)
    left = list(LEFT_OUT) if others else None
    options: dict[str, Any] = {"local_files_only": local, "ignore_patterns": left}
    folder = Path(snapshot_download(image, revision=revision, allow_patterns=wanted, **options))
    if not others:
        return folder
    motion = Path(snapshot_download(others[0], allow_patterns=list(MOTION_FILES), **options))
    adapter = None
    if len(others) > 1:
        repository, file = _adapter(others[1])
        there = Path(snapshot_download(repository, allow_patterns=[file, *ENCODER_FILES], **options))
        adapter = there / file
    return put_together(folder, motion, Path(constants.HF_HUB_CACHE) / PAIRS, adapter)


def _adapter(name: str) -> tuple[str, str]:
    """The repository of an IP-Adapter, and the path of its file in there."""
    found = ADAPTER.fullmatch(name)
    assert found is not None, "it is the name of an adapter"
    return found[1], f"models/{found[2] or PROMPTED_BY}"


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def cached(name: str, revision: str | None = None) -> Path | None:
    """The folder of a repository that was downloaded before, not looked into; None if it was not."""
    try:
        return _snapshot(name, revision, local=True)
    except (HFValidationError, LocalEntryNotFoundError, OSError, ThroughlineError):
        return None


def gigabytes(name: str) -> float:
    """How much of a repository is in the cache, also while it is being downloaded."""
    cache = Path(constants.HF_HUB_CACHE)
    names = ["/".join(part.split("/")[:2]) for part in name.split("+")]
    folders = [cache / f"models--{own.replace('/', '--')}" / "blobs" for own in names]
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*")) / 1e9
