"""Models of the Hugging Face hub: a repository's name to a local folder."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from ..errors import ThroughlineError

FILES = ("*.json", "*.safetensors", "*.model", "*.txt")  # no pickles, no pictures
NAME = re.compile(r"[\w-][\w.-]*/[\w.-]*\w")


def is_hub_name(name: str) -> bool:
    """Whether `name` is like "THUDM/CogVideoX-2b"; it may be a local folder all the same."""
    return NAME.fullmatch(name) is not None


def fetch(name: str, revision: str | None = None, offline: bool = False) -> Path:
    """The folder of a repository in the hub's cache, downloaded if need be. A download that is cut off goes on later.

    revision: a branch, a tag, or a commit, which pins the weights for good. offline: take what is in the cache, never
    the network; HF_HUB_OFFLINE=1 does the same. Raises ThroughlineError for what cannot be had.
    """
    local = offline or constants.is_offline_mode()
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=local, allow_patterns=list(FILES)))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError) as error:
        at = f" at revision {revision!r}" if revision else ""
        what = "is not in the hub's cache (offline)" if local else f"cannot be had ({_reason(error)})"
        raise ThroughlineError(
            f"model is {name!r}: expected 'picturebook', a local model folder, or a hub id that can be had; "
            f"{name}{at} {what}"
        ) from None


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def cached(name: str, revision: str | None = None) -> Path | None:
    """The folder of a repository that was downloaded before, not looked into; None if it was not."""
    try:
        found = snapshot_download(name, revision=revision, local_files_only=True, allow_patterns=list(FILES))
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        return None
    return Path(found)


def gigabytes(name: str) -> float:
    """How much of a repository is in the cache, also while it is being downloaded."""
    folder = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "blobs"
    return sum(path.stat().st_size for path in folder.glob("*")) / 1e9
