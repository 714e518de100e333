"""A slider that takes what is typed beside it."""

from __future__ import annotations

import math

import gradio as gr

WHOLE = "whole-steps"  # class of one that has nothing between its steps


class Slider(gr.Slider):
    """Beyond its ends a number counts as the end, as the browser shows it when its field is left. Gradio's own lets the
    listener fail. What empties the field is not sent: see `static/numbers.js`."""

    def preprocess(self, payload: object) -> float:
        if isinstance(payload, bool) or not isinstance(payload, int | float) or math.isnan(payload):
            raise gr.Error(f"{self.label} is {str(payload)[:40]}: expected a number", print_exception=False)
        return min(max(payload, self.minimum), self.maximum)
