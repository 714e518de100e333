"""The prompts and the settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components import Component

from pipeline.errors import ThroughlineError
from pipeline.guidance import Guidance
from pipeline.language.matching import DEFAULT_THRESHOLD
from pipeline.story_pipeline import Settings
from storyboard.render import FilmOrder

EXAMPLE = (
    "Actor 1 is running on the playground.",
    "Actor 2 is skiing on the snow.",
    "Actor 2 is running on the playground.",
    "Actor 1 is skiing on the snow.",
)
MOST_SCENES = 32
MOST_STEPS = 100


def make_prompts() -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """The box of prompts and the buttons for rendering and for cancelling."""
    prompts = gr.Textbox(
        "\n".join(EXAMPLE),
        label="Your film, one scene a line",
        info="Name who and where. What an earlier scene showed comes back when a later one names it again.",
        lines=6,
        max_lines=16,
        max_length=20_000,
        elem_id="prompts",
    )
    with gr.Row(elem_id="actions"):
        render = gr.Button("Render film", variant="primary", elem_id="render", scale=2, min_width=120)
        cancel = gr.Button("Cancel", variant="secondary", elem_id="cancel", interactive=False, min_width=80)
    return prompts, render, cancel


def make_settings() -> tuple[Component, ...]:
    """Everything else, folded away: w1, w2, steps, seed, negative prompt, threshold."""
    w1, w2, options = Guidance().text, Guidance().history, Settings()
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        return (
            gr.Slider(0, 10, w1, step=0.1, label="Text guidance (w1)", info="How closely to follow the words"),
            gr.Slider(0, 5, w2, step=0.1, label="History guidance (w2)", info="How closely to follow the past"),
            gr.Slider(1, MOST_STEPS, options.steps, step=1, label="Steps", info="More take longer and look cleaner"),
            gr.Number(options.seed, label="Seed", info="The same seed gives the same film", precision=0),
            gr.Textbox("", label="Negative prompt", info="What should not be seen", max_lines=3, max_length=2000),
            gr.Slider(0, 1, DEFAULT_THRESHOLD, step=0.01, label="Filter threshold", info="How alike kept words are"),
        )  # fmt: skip


DEFAULTS: tuple[Any, ...] = (
    "\n".join(EXAMPLE), Guidance().text, Guidance().history, Settings().steps, Settings().seed, "", DEFAULT_THRESHOLD,
)  # fmt: skip


def read_form(values: Sequence[Any]) -> FilmOrder:
    """The order that the fields' values make. Raises ThroughlineError for what can't be a film."""
    text, w1, w2, steps, seed, negative, threshold = values
    prompts = tuple(line.strip() for line in str(text or "").splitlines() if line.strip())
    if not prompts:
        raise ThroughlineError("There is no prompt: write at least one, one a line.")
    if len(prompts) > MOST_SCENES:
        raise ThroughlineError(f"{len(prompts)} prompts: a film has at most {MOST_SCENES} scenes here.")
    if not isinstance(seed, int) or not 0 <= seed < 2**53:
        raise ThroughlineError(f"The seed is {'empty' if seed is None else seed}: expected a whole number from 0.")
    words = {"negative_prompt": str(negative or "").strip(), "threshold": float(threshold)}
    settings = {"steps": int(steps), "seed": seed} | words
    return FilmOrder(prompts, Guidance(text=float(w1), history=float(w2)), settings)
