"""The plots of the benchmark: agreement over gaps, what the history weight buys and costs, and systems by measure."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ...errors import ThroughlineError
from ..common.statistics import Estimate
from ..story.measures import MEASURES
from ..story.systems import MAIN, TITLES, WEIGHTED
from .report import HEADINGS
from .summary import Table

INK, PALE, GRID = "#2b2833", "#8a8694", "#e8e6ec"
COLOURS = {
    "ours": "#3454d1",
    "uncast": "#7f95e8",
    "no_history": "#9a95a5",
    "last_frame": "#e08a1e",
    "whole_prompts": "#1a936f",
    "bare_tokens": "#c8467c",
    "keep_rest": "#6b8e23",
    "frozen_frame": "#c9c5d1",
    "ceiling": "#5a5666",
    "chance": "#dedbe4",
    "reference": "#7d5ba6",
}
CURVES = ("ceiling", "ours", "bare_tokens", "whole_prompts", "last_frame", "no_history")
WEIGHED_MEASURES = {"actor": "actor agreement", "prompt": "prompt followed", "motion": "motion over rendered"}
FEWEST = 5  # stories behind a point of a curve
WANTED = {"motion": 1.0, "cross_talk": 0.0}  # where the best is not "as high as can be": marked by a line
DPI = 160


def all_plots(outcome: Mapping[str, Any]) -> dict[str, bytes]:
    """PNG files by name; a plot for which nothing was measured is left out.

    Raises ThroughlineError where matplotlib, a requirement for development, is not installed.
    """
    protocols, plots = outcome["protocols"], dict[str, Any]()
    first = next(iter(protocols.values()))["systems"]
    for figures in protocols.values():
        if figures["gap_curve"]:
            plots["gap_curve.png"] = gap_curve(figures["gap_curve"], figures["systems"]["chance"]["actor"])
    if sum(name in first for name in WEIGHTED) > 1:
        plots["history_weight.png"] = history_weight(first)
    plots["systems.png"] = systems(first)
    return {name: _png(figure) for name, figure in plots.items()}


def gap_curve(curves: Mapping[str, Mapping[int, Estimate]], chance: Estimate):
    """A line a system with its 95% band."""
    figure, axes = _figure(7.6, 4.3, 1)
    (ax,) = axes
    for name in (name for name in CURVES if name in curves):
        points = [(gap, e) for gap, e in sorted(curves[name].items()) if e.mean is not None and e.n >= FEWEST]
        if points:
            gaps, values = [gap for gap, _ in points], [e for _, e in points]
            style = "--" if name == "ceiling" else "-"
            look = {"lw": 2.4, "ms": 4.5} if name == "ours" else {"lw": 1.6, "ms": 3}
            means = [e.mean for e in values]
            ax.plot(gaps, means, style, color=COLOURS[name], marker="o", label=TITLES[name], **look)
            low, high = [e.low for e in values], [e.high for e in values]
            ax.fill_between(gaps, low, high, color=COLOURS[name], alpha=0.13, lw=0)
    ax.axhline(chance.mean or 0, color=PALE, lw=1, ls=":", label="chance")
    ax.set(xlabel="scenes since the actor was last seen", ylabel="actor agreement", ylim=(0, 1.03))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5), labelcolor=INK)
    _titled(ax, "Does an actor come back as it was?")
    return figure


def history_weight(table: Table):
    """What w2 does to actors, to the prompt and to motion."""
    names = [name for name in WEIGHTED if name in table]
    weights = [WEIGHTED[name].history_scale for name in names]
    figure, axes = _figure(9.6, 3.4, len(WEIGHED_MEASURES))
    for ax, (measure, title) in zip(axes, WEIGHED_MEASURES.items(), strict=True):
        values = [table[name][measure] for name in names]
        means = [e.mean for e in values]
        ax.plot(weights, means, "-o", color=COLOURS["ours"], lw=2, ms=5)
        low, high = [e.low for e in values], [e.high for e in values]
        ax.fill_between(weights, low, high, color=COLOURS["ours"], alpha=0.15, lw=0)
        forgetful = table.get("no_history", {}).get(measure)
        if forgetful is not None and forgetful.mean is not None:
            ax.axhline(forgetful.mean, color=PALE, ls=":", lw=1.2)
            above = {"xytext": (0, 4), "textcoords": "offset points", "ha": "right"}
            ax.annotate("no history", (weights[-1], forgetful.mean), color=PALE, fontsize=8, **above)
        if measure in WANTED:
            ax.axhline(WANTED[measure], color=INK, lw=0.8)
        ax.set(xlabel="history weight w2", ylim=(0.6, 1.4) if measure == "motion" else (0, 1.03))
        ax.set_xticks(weights, [f"{weight:g}" for weight in weights])
        _titled(ax, title)
    return figure


def systems(table: Table):
    """A panel a measure, a bar a system, 95% intervals."""
    names = [name for name in table if name not in WEIGHTED]
    figure, axes = _figure(13.2, 0.9 + 0.36 * len(names), len(MEASURES))
    places = list(range(len(names)))[::-1]
    for ax, measure in zip(axes, MEASURES, strict=True):
        for place, name in zip(places, names, strict=True):
            _bar(ax, place, table[name][measure], COLOURS[name])
        if measure in WANTED:
            ax.axvline(WANTED[measure], color=INK, lw=0.8)
        highest = max((e.high for e in (table[name][measure] for name in names) if e.high is not None), default=1)
        ax.set(yticks=places, ylim=(-0.6, len(names) - 0.4), xlim=(0, 1.25 * max(highest, 0.1)))
        ax.grid(visible=False, axis="y")
        ax.set_yticklabels([TITLES[name] for name in names] if ax is axes[0] else [])
        ax.tick_params(axis="y", length=0)
        for label, name in zip(ax.get_yticklabels(), names, strict=True):
            label.set_fontweight("bold" if name == next(iter(MAIN)) else "normal")
        _titled(ax, HEADINGS.get(measure, measure).replace(", ", ",\n"))
    return figure


def _bar(ax, place: int, value: Estimate, colour: str) -> None:
    if value.mean is None or value.low is None or value.high is None:
        ax.text(0, place, " –", va="center", color=PALE, fontsize=8)
        return
    ax.barh(place, value.mean, height=0.68, color=colour)
    ax.plot([value.low, value.high], [place, place], color=INK, lw=1)
    ax.text(value.high, place, f"  {value.mean:.2f}", va="center", color=INK, fontsize=7.5)


def _figure(width: float, height: float, panels: int):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ThroughlineError("plots need matplotlib: install requirements-dev.txt, or give --no-plots") from None
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for ax in axes:
        ax.grid(color=GRID, lw=0.8)
        ax.set_axisbelow(True)
        ax.spines[:].set_visible(False)
        ax.tick_params(colors=PALE, labelcolor=INK, labelsize=8.5, length=0)
        ax.xaxis.label.set_color(INK)
        ax.yaxis.label.set_color(INK)
    return figure, axes


def _titled(ax, title: str) -> None:
    ax.set_title(title, loc="left", fontsize=10.5, color=INK, fontweight="bold")


def _png(figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI)
    return data.getvalue()
