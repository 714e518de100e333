"""What the page is told at its start: defaults and limits, from where they are defined; none is typed twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from pipeline.defaults import FRAMES_PER_SECOND

from ..document.story import GuidanceSettings, Scene, Seam, Story
from ..interchange.format_names import FORMATS
from ..operations.inputs import MOST_BYTES, MOST_CELLS
from ..operations.registry import Operation
from ..operations.views import new_scene_view


def served(verbs: Mapping[str, Operation]) -> dict[str, Any]:
    """Plain JSON. slow: the verbs that may take longer than the page's patience. scene: a new one in an empty story."""
    most = {
        "characters": rule(Scene, "prompt", "maxLength"),
        "title": rule(Story, "title", "maxLength"),
        "model": rule(Story, "model", "maxLength"),
        "frames": rule(Scene, "num_frames", "maximum"),
        "megabytes": MOST_BYTES >> 20,  # of an upload
        "cells": MOST_CELLS,  # of a sheet
    }
    return {
        "slow": sorted(name for name, verb in verbs.items() if verb.slow),
        "scene": new_scene_view(),
        "frames_per_second": FRAMES_PER_SECOND,  # until a take says otherwise
        "formats": FORMATS,
        "seams": rule(Seam, "kind", "enum"),
        "schedules": rule(GuidanceSettings, "schedule", "enum"),
        "most": most,
    }


def rule(model: type[BaseModel], field: str, keyword: str) -> Any:
    """What the JSON schema of a model says about a field."""
    return model.model_json_schema()["properties"][field][keyword]
