"""Who edits: the editor, the editor without one of its parts, its other ways, and what people do without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ...editing.editor import Change, Edited, EditSettings, Making, edit
from ...editing.region import Region
from ...editing.wording import rewrite
from ...guidance import Guidance
from ...story_pipeline import StoryPipeline
from .cases import Case

OURS = EditSettings()
UNKNOWN = "ours, noise unknown"
GRAIN = replace(OURS, modulation=True, local=True)  # as in VideoGrain
ABLATIONS = {
    "modulation and local prompts": GRAIN,
    "without modulation": replace(GRAIN, modulation=False),
    "without local prompts": replace(GRAIN, local=False),
    "without contrast": replace(OURS, contrast=0.0),
    "without comparing pixels": replace(OURS, alike=0.0),
    "not more strongly": replace(OURS, stronger=1.0),
}
WAYS = {
    "without blending": replace(OURS, blending=False),
    "inverted to 666": replace(OURS, way="invert", start=0.667),
    "FlowEdit": replace(OURS, way="flow"),
}
SDEDIT = tuple(replace(OURS, start=start, blending=False, contrast=0.0) for start in (0.791, 0.916))

System = Callable[[StoryPipeline, np.ndarray, str, Case, int], np.ndarray]


def editor(settings: EditSettings, told: bool = False) -> System:
    """told: whether it knows how the clip was made, as it does of takes."""

    def run(pipeline: StoryPipeline, clip: np.ndarray, prompt: str, case: Case, seed: int) -> np.ndarray:
        making = Making(seed, pipeline.native.steps, pipeline.guidance.text) if told else None
        *_, last = edit(pipeline, clip, prompt, case.changes, replace(settings, seed=seed + 1, making=making))
        assert isinstance(last, Edited)
        return last.frames

    return run


def sdedit(settings: EditSettings) -> System:
    """The whole clip noised and made anew from the new prompt."""

    def run(pipeline: StoryPipeline, clip: np.ndarray, prompt: str, case: Case, seed: int) -> np.ndarray:
        everything = Region.everything((len(clip), clip.shape[1], clip.shape[2]))
        changes = [Change(everything, change.words, change.place) for change in case.changes]
        *_, last = edit(pipeline, clip, prompt, changes, replace(settings, seed=seed + 1))
        assert isinstance(last, Edited)
        return last.frames

    return run


def rerender(pipeline: StoryPipeline, clip: np.ndarray, prompt: str, case: Case, seed: int) -> np.ndarray:
    """The new prompt, with the clip's own seed."""
    active = [change for change in case.changes if change.words]
    text = rewrite(prompt, [change.place for change in active], [change.words for change in active]).text
    return pipeline(text, guidance=Guidance(pipeline.guidance.text, 0.0), seed=seed).frames


def systems(ablations: bool, generated: bool = True) -> Mapping[str, System]:
    """generated: whether clips are made of noise that is known."""
    found: dict[str, System] = {"ours": editor(OURS, generated), "rerender": rerender}
    if generated:
        found[UNKNOWN] = editor(OURS)
    found |= {f"sdedit {settings.start:g}": sdedit(settings) for settings in SDEDIT}
    if ablations:
        found |= {name: editor(settings, generated) for name, settings in ABLATIONS.items()}
        found |= {name: editor(settings) for name, settings in WAYS.items()}
    return found
