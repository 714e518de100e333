"""A timeline as FCPXML 1.10, for Final Cut Pro and DaVinci Resolve. The adapter of OpenTimelineIO drops dissolves.

Does not cover: timelines of several tracks; a start other than 00:00:00:00.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree

import opentimelineio as otio
from opentimelineio.opentime import RationalTime

from .timeline import OURS

FORMAT = "r1"  # the id of the one format
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'


def fcpxml(timeline: otio.schema.Timeline, size: tuple[int, int]) -> str:
    """size: width and height of the clips, in pixels."""
    track, rate = timeline.tracks[0], timeline.duration().rate
    root = ElementTree.Element("fcpxml", version="1.10")
    resources = ElementTree.SubElement(root, "resources")
    shape = {"width": str(size[0]), "height": str(size[1])}
    ElementTree.SubElement(resources, "format", id=FORMAT, frameDuration=f"1/{rate:.0f}s", **shape)
    event = ElementTree.SubElement(ElementTree.SubElement(root, "library"), "event", name=timeline.name)
    project = ElementTree.SubElement(event, "project", name=timeline.name)
    times = {"duration": seconds(timeline.duration()), "tcStart": "0s", "tcFormat": "NDF"}
    spine = ElementTree.SubElement(ElementTree.SubElement(project, "sequence", format=FORMAT, **times), "spine")
    for number, item in enumerate(track):
        start = track.range_of_child_at_index(number).start_time
        if isinstance(item, otio.schema.Transition):
            _transition(spine, item, start)
        elif isinstance(item, otio.schema.Gap):
            ElementTree.SubElement(spine, "gap", name="Black", offset=seconds(start), duration=seconds(item.duration()))
        else:
            _clip(spine, item, start, _asset(resources, item, f"r{number + 2}"))
    ElementTree.indent(root)
    return HEAD + ElementTree.tostring(root, encoding="unicode")


def seconds(time: RationalTime) -> str:
    """A time as FCPXML has them: a fraction of a second that is a whole number of frames."""
    exact = Fraction(round(time.value), round(time.rate))
    return f"{exact.numerator}s" if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}s"


def _asset(resources: ElementTree.Element, clip: otio.schema.Clip, name: str) -> str:
    """The file of a clip; gives its id."""
    file = clip.media_reference
    times = {"start": seconds(file.available_range.start_time), "duration": seconds(file.available_range.duration)}
    asset = ElementTree.SubElement(resources, "asset", id=name, name=clip.name, hasVideo="1", format=FORMAT, **times)
    ElementTree.SubElement(asset, "media-rep", kind="original-media", src=f"./{file.target_url}")
    return name


def _clip(spine: ElementTree.Element, clip: otio.schema.Clip, offset: RationalTime, asset: str) -> None:
    used = clip.source_range
    times = {"offset": seconds(offset), "start": seconds(used.start_time), "duration": seconds(used.duration)}
    shown = ElementTree.SubElement(spine, "asset-clip", ref=asset, name=clip.name, format=FORMAT, tcFormat="NDF", **times)
    ElementTree.SubElement(shown, "note").text = clip.metadata[OURS]["prompt"]
    for marker in clip.markers:
        marked = marker.marked_range
        times = {"start": seconds(marked.start_time), "duration": seconds(marked.duration)}
        ElementTree.SubElement(shown, "marker", value=marker.name, **times)


def _transition(spine: ElementTree.Element, transition: otio.schema.Transition, cut: RationalTime) -> None:
    """cut: where the two clips meet, as OTIO counts the place of a transition."""
    times = {"offset": seconds(cut), "duration": seconds(transition.duration())}
    ElementTree.SubElement(spine, "transition", name="Cross Dissolve", **times)
