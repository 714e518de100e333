"""What a render leaves behind beside its clip, as plain values for JSON: what the filter kept and why, where the kept
words were looked at, the guidance of every step, and how long everything took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # they load torch, which a page that only shows something need not wait for
    from pipeline.history import AttentionMap
    from pipeline.story_pipeline import Trace


def trace_content(trace: Trace | None, scenes: Sequence[str | int]) -> dict[str, Any]:
    """A trace for JSON. None: of a clip that was not rendered. scenes: how each scene of the history is named in it, in
    order."""
    if trace is None:
        return {"filter": None, "maps": [], "guidance": [], "notices": [], "seconds": {}}
    return {
        "filter": _filter(trace.filter.to_dict(), scenes),
        "maps": [_map(scenes[found.scene], found) for found in trace.maps],
        "guidance": [{name: round(value, 6) for name, value in step.items()} for step in trace.guidance],
        "notices": list(trace.notices),
        "seconds": {stage: round(seconds, 4) for stage, seconds in trace.seconds.items()},
    }


def _filter(told: dict[str, Any], scenes: Sequence[str | int]) -> dict[str, Any]:
    """With what words of the prompt are remembered from by its name: the filter calls every past prompt a scene."""
    for word in told["current"]:
        found = [scenes[scene["index"]] for scene in told["scenes"] if word["mention"] in scene["targets"]]
        names = [f"scene {name + 1}" if isinstance(name, int) else name for name in found]
        if word["kept"] and names:
            word["reason"] = f"remembered from {', '.join(names)}"
    return told


def _map(scene: str | int, found: AttentionMap) -> dict[str, Any]:
    """An attention map from 0 to 255, its strongest place 255, row after row."""
    word, (rows, columns) = found.word, found.map.shape
    values = (found.map / max(float(found.map.max()), 1e-12) * 255).round().astype(int).ravel().tolist()
    about = {"scene": scene, "start": word.start, "end": word.end, "text": word.text}
    return about | {"rows": rows, "columns": columns, "values": values}
