"""A timeline as FCPXML 1.10, for Final Cut Pro and DaVinci Resolve. The adapter of OpenTimelineIO drops dissolves.

Does not cover: timelines of several tracks; a start other than 00:00:00:00.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from .timeline import OURS

FORMAT = "r1"  # the id of the one format
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'


def fcpxml(timeline: otio.schema.Timeline, size: tuple[int, int]) -> str:
    """size: width and height of the clips, in pixels."""
    track, rate = timeline.tracks[0], timeline.duration().rate
    root = ElementTree.Element("fcpxml", {"version": "1.10"})
    resources = ElementTree.SubElement(root, "resources")
    shape = {"width": str(size[0]), "height": str(size[1]), "frameDuration": f"1/{rate:.0f}s"}
    ElementTree.SubElement(resources, "format", {"id": FORMAT, **shape})
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", {"name": timeline.name})
    project = ElementTree.SubElement(event, "project", {"name": timeline.name})
    times = {"duration": seconds(timeline.duration()), "tcStart": "0s", "tcFormat": "NDF"}
    spine = ElementTree.SubElement(ElementTree.SubElement(project, "sequence", {"format": FORMAT, **times}), "spine")
    for number, item in enumerate(track):
        offset = {"offset": seconds(track.range_of_child_at_index(number).start_time)}
        if isinstance(item, otio.schema.Clip):
            _clip(spine, item, {"ref": _asset(resources, item, f"r{number + 2}"), **offset})
        else:
            black = isinstance(item, otio.schema.Gap)
            tag, name = ("gap", "Black") if black else ("transition", "Cross Dissolve")
            ElementTree.SubElement(spine, tag, {"name": name, **offset, "duration": seconds(item.duration())})
    ElementTree.indent(root)
    return HEAD + ElementTree.tostring(root, encoding="unicode")


def seconds(time: RationalTime) -> str:
    """A time as FCPXML has them: a fraction of a second that is a whole number of frames."""
    exact = Fraction(round(time.value), round(time.rate))
    return f"{exact.numerator}s" if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}s"


def _times(span: TimeRange) -> dict[str, str]:
    return {"start": seconds(span.start_time), "duration": seconds(span.duration)}


def _asset(resources: ElementTree.Element, clip: otio.schema.Clip, name: str) -> str:
    """The file of a clip; gives its id."""
    file = clip.media_reference
    about = {"id": name, "name": clip.name, "hasVideo": "1", "format": FORMAT, **_times(file.available_range)}
    asset = ElementTree.SubElement(resources, "asset", about)
    ElementTree.SubElement(asset, "media-rep", {"kind": "original-media", "src": f"./{file.target_url}"})
    return name


def _clip(spine: ElementTree.Element, clip: otio.schema.Clip, about: dict[str, str]) -> None:
    """about: the file that it refers to, and where it begins."""
    shown = ElementTree.SubElement(
        spine, "asset-clip", {**about, "name": clip.name, "format": FORMAT, **_times(clip.source_range)}
    )
    ElementTree.SubElement(shown, "note").text = clip.metadata[OURS]["prompt"]
    for marker in clip.markers:
        ElementTree.SubElement(shown, "marker", {"value": marker.name, **_times(marker.marked_range)})
