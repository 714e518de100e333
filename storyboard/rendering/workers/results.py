"""A clip as bytes that are named by what they hold, and back: what a worker sends."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from pipeline.errors import ThroughlineError

from .order import packed, unpacked

if TYPE_CHECKING:  # they load torch
    from pipeline.story_pipeline import Clip


class DamagedResult(ThroughlineError):
    """What came is not what the worker sent: the order is given out again."""


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def to_bytes(clip: Clip) -> bytes:
    """All of a clip, its trace too."""
    trace = clip.trace
    maps = [{"scene": one.scene, "word": asdict(one.word)} for one in trace.maps]
    about = {
        "rate": clip.frames_per_second,
        "filter": asdict(trace.filter),
        "maps": maps,
        "guidance": trace.guidance,
        "seconds": trace.seconds,
        "notices": trace.notices,
    }
    arrays = {f"map{place}": one.map for place, one in enumerate(trace.maps)} | {"frames": clip.frames}
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return packed(json.dumps(about, default=float).encode(), [file.getvalue()])


def from_bytes(data: bytes, digest: str) -> Clip:
    """What `to_bytes` was given. Raises DamagedResult if it is not what its digest says."""
    from pipeline.history import AttentionMap
    from pipeline.story_pipeline import Clip, Trace
    from pipeline.text_filter import FilterResult, Word

    if digest_of(data) != digest:
        raise DamagedResult(f"a clip of {len(data)} bytes is not what its digest {digest[:12]}… says")
    head, body = unpacked(data)
    about = json.loads(head)
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        arrays = dict(file)
    maps = tuple(
        AttentionMap(one["scene"], Word(**one["word"]), arrays[f"map{place}"])
        for place, one in enumerate(about["maps"])
    )
    decision = TypeAdapter(FilterResult).validate_python(about["filter"])
    trace = Trace(decision, maps, tuple(about["guidance"]), about["seconds"], tuple(about["notices"]))
    return Clip(arrays["frames"], about["rate"], trace)
