"""The model picker: which models there are, what each needs, what this machine has, and the change to another one.

A model is downloaded and loaded in a thread of its own. Until it is there the former one goes on; so it does if that
fails. Imports no torch: what the machine has is looked up when somebody asks.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from huggingface_hub import constants

from pipeline.backbones import checkpoints, hub
from pipeline.backbones.catalogue import CATALOGUE, Entry, entry, in_words
from pipeline.backbones.counting import TokenCounter
from pipeline.backbones.registry import family_of
from pipeline.errors import ThroughlineError
from pipeline.language import vocabulary

from ..logs import event
from ..store.files import whole_file
from .model_choice import Choice
from .renderer import Renderer

log = logging.getLogger(__name__)

Fit = Callable[[Mapping[str, Any], Mapping[str, Any]], object]
FILE = "model.json"  # in the studio's folder: what was chosen last
GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """gpu: name of the first GPU, None without one; gpu_gib: all of its memory."""

    gpu: str | None
    gpu_gib: float
    cores: int
    memory_gb: float
    disk_gb: float  # free where downloads go

    def __str__(self) -> str:
        gpu = f"{self.gpu} with {self.gpu_gib:.0f} GiB" if self.gpu else "no GPU"
        cores = "1 CPU core" if self.cores == 1 else f"{self.cores} CPU cores"
        return f"{gpu}, {cores}, {self.memory_gb:.0f} GB of memory, {self.disk_gb:.0f} GB of disk free"


def find_machine() -> Machine:
    import torch

    gpu, gib = None, 0.0
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        gpu, gib = properties.name, properties.total_memory / GIB
    cache = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(gpu, gib, cores, psutil.virtual_memory().total / 1e9, shutil.disk_usage(there).free / 1e9)


def allowed() -> bool:
    """Whether whoever opens the page may choose: not on a Space, nor where people log in, for all share the model."""
    return not (os.environ.get("SPACE_ID") or os.environ.get("THROUGHLINE_AUTH"))


def why_not(one: Entry, machine: Machine, here: bool, offline: bool = False) -> str:
    """In one line why a model can't run on a machine; "" if it can. here: whether it is downloaded."""
    least = min(one.needs.gpu_gib.values(), default=0.0)
    if least and machine.gpu is None:
        return f"it needs a GPU with {least:g} GiB of memory or more, and this machine has none"
    if least > machine.gpu_gib:
        return f"it needs {least:g} GiB of GPU memory or more, and {machine.gpu} has {machine.gpu_gib:.1f}"
    if not here and offline:
        return "it is not downloaded, and the app was started with --offline"
    if not here and one.needs.disk_gb > machine.disk_gb:
        return f"it takes {one.needs.disk_gb:g} GB of disk, and {machine.disk_gb:.1f} GB are free"
    return ""


class ModelPicker:
    """choice: the model that the renderer began with, and how models are to run. learned: is given the vocabulary of
    every model that is loaded. Safe for threads."""

    def __init__(
        self,
        renderer: Renderer,
        choice: Choice,
        folder: Path,
        learned: Callable[[frozenset[str]], None],
        machine: Callable[[], Machine] = find_machine,
    ) -> None:
        self.renderer, self.choice, self._folder, self._learned, self._machine = (
            renderer,
            choice,
            folder,
            learned,
            machine,
        )
        self._error, self._coming = "", ""
        self._lock = threading.Lock()

    # --- what there is ---------------------------------------------------------------------------------------------

    def brief(self) -> dict[str, Any]:
        """For the head of the page. coming: the model that is being downloaded or loaded."""
        coming = self._coming or ("" if self.renderer.loaded else self.choice.model)
        return {
            "name": self.choice.model,
            "title": _title(self.choice.model),
            "coming": coming and _title(coming),
            "share": _share(coming),
            "error": self._error,
        }

    def listing(self) -> dict[str, Any]:
        machine = self._machine()
        known = [self._row(one, machine) for one in CATALOGUE]
        if entry(self.choice.model) is None:
            own = {"needs": ["a model of your own"], "here": True, "why_not": "", "current": True}
            known.insert(0, {"name": self.choice.model, "title": _title(self.choice.model), **own})
        return {"models": known, "machine": str(machine), **self.brief()}

    def _row(self, one: Entry, machine: Machine) -> dict[str, Any]:
        here = _is_here(one.name)
        return {
            "name": one.name,
            "title": one.title,
            "needs": in_words(one).split("; "),
            "here": here,
            "why_not": why_not(one, machine, here, self.choice.offline),
            "current": one.name == self.choice.model,
        }

    # --- another one -----------------------------------------------------------------------------------------------

    def choose(self, name: str, then: Fit) -> None:
        """Begins to load a model: a name of the catalogue, a hub id, with @REVISION if need be, or a local folder.
        then: called once it is there, with what suits the former one and this one (`backbones.base.Native`).

        Raises ThroughlineError for what can't be loaded here, and while another one is being loaded.
        """
        wanted = self._wanted(name.strip())
        with self._lock:
            if self._coming:
                raise ThroughlineError(f"{_title(self._coming)} is being loaded: wait for it")
            self._coming, self._error = wanted.model, ""
        threading.Thread(target=self._load, args=(wanted, then), name="picker", daemon=True).start()

    def _wanted(self, name: str) -> Choice:
        bare, _, revision = name.partition("@")
        is_hub = name not in checkpoints.NAMES and not Path(name).is_dir() and hub.is_hub_name(bare)
        wanted = replace(self.choice, model=bare if is_hub else name, revision=revision or None, history=None)
        one = entry(wanted.model)
        reason = why_not(one, self._machine(), _is_here(one.name), wanted.offline) if one else ""
        if one and reason:
            raise ThroughlineError(f"{one.title} can't run here: {reason}")
        if not is_hub:
            wanted.find()  # at once: it downloads nothing
        return wanted

    def _load(self, wanted: Choice, then: Fit) -> None:
        error = ""
        try:
            folder = wanted.find()
            before, after = (asdict(family_of(place).native(place)) for place in (self.choice.find(), folder))
            digests = wanted.digest(), wanted.continuation()
            self.renderer.switch(wanted.load, digests, TokenCounter.of(folder), after["period"], wanted.continues)
            self._learned(vocabulary.read(folder))
            self.choice = wanted
            _remember(self._folder, wanted)
            then(before, after)
        except ThroughlineError as problem:
            error = str(problem)
        except Exception as problem:  # the boundary of the thread: whatever it was, the former model goes on
            log.exception("a model could not be loaded")
            error = f"{_title(wanted.model)} could not be loaded ({type(problem).__name__})"
        finally:
            with self._lock:
                self._coming, self._error = "", error
        event("model", model=wanted.model, error=error)


def _title(name: str) -> str:
    one = entry(name)
    return one.title if one else Path(name).name or name


def _is_here(name: str) -> bool:
    return name in checkpoints.NAMES or hub.cached(name) is not None


def _share(name: str) -> float | None:
    """How much of a model's download is done; None for one that is here, or whose size is not known."""
    one = entry(name) if name else None
    if one is None or _is_here(one.name):
        return None
    return min(hub.gigabytes(one.name) / one.needs.disk_gb, 0.99)


def _remember(folder: Path, choice: Choice) -> None:
    with whole_file(folder / FILE) as path:
        path.write_text(json.dumps({"model": choice.model, "revision": choice.revision}), encoding="utf-8")


def remembered(folder: Path, usual: Choice) -> Choice:
    """What was chosen on the page last, if it is still to be had; else `usual`."""
    try:
        last = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = replace(usual, model=str(last["model"]), revision=last["revision"])
        if allowed():
            found.find()
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never chosen, or not by this program
    except ThroughlineError as error:
        event("model", model=found.model, error=str(error))
    return usual
