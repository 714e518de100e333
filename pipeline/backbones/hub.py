"""Models of the Hugging Face hub: a repository's name to a local folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from ..errors import ThroughlineError
from .pairs import IMAGE_FILES, LEFT_OUT, MOTION_FILES, put_together

FILES = ("*.json", "*.safetensors", "*.model", "*.txt")  # no pickles, no pictures
PAIRS = "throughline-pairs"  # in the hub's cache
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]*\w")


def is_hub_name(name: str) -> bool:
    """Whether `name` is like "THUDM/CogVideoX-2b", or IMAGE+MOTION with two such names; it may be a local folder all
    the same."""
    return len(parts := name.split("+")) <= 2 and all(NAME.fullmatch(part) for part in parts)


def fetch(name: str, revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a repository in the hub's cache, downloaded if need be. A download that is cut off goes on later.

    revision: a branch, a tag, or a commit, which pins the weights for good. offline: take what is in the cache, never
    the network; HF_HUB_OFFLINE=1 does the same. Raises ThroughlineError for what cannot be had.
    """
    local = offline or constants.is_offline_mode()
    try:
        return _snapshot(name, revision, local)
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        what = "is not in the hub's cache (offline)" if local else f"cannot be had ({_reason(error)})"
        raise ThroughlineError(
            f"model is {name!r}: expected 'picturebook', a local model folder, or a hub id that can be had; "
            f"{name}{at} {what}"
        ) from None


def _snapshot(name: str, revision: str | None, local: bool) -> Path:
    """revision: of the image model, for a pair."""
    image, _, motion = name.partition("+")
    wanted = list(IMAGE_FILES if motion else FILES)
    left = list(LEFT_OUT) if motion else None
    options: dict[str, Any] = {"local_files_only": local, "ignore_patterns": left}
    folder = Path(snapshot_download(image, revision=revision, allow_patterns=wanted, **options))
    if not motion:
        return folder
    adapter = Path(snapshot_download(motion, allow_patterns=list(MOTION_FILES), **options))
    return put_together(folder, adapter, Path(constants.HF_HUB_CACHE) / PAIRS)


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
    folders = [cache / f"models--{part.replace('/', '--')}" / "blobs" for part in name.split("+")]
    return sum(path.stat().st_size for folder in folders for path in folder.glob("*")) / 1e9
