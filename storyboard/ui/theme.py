"""How the page looks: paper and ink, one vermilion line through it, and a marker for what is remembered."""

from __future__ import annotations

import gradio as gr

FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")  # nothing is downloaded
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

VERMILION = gr.themes.Color(
    c50="#fdf3ef", c100="#fbe3da", c200="#f6c4b3", c300="#ef9d83", c400="#e67555", c500="#d24d2c", c600="#bb3f20",
    c700="#99331b", c800="#7a2b19", c900="#642718", c950="#37110a",
)  # fmt: skip
PAPER = gr.themes.Color(
    c50="#fbf8f2", c100="#f4efe5", c200="#e7dfd0", c300="#d3c8b4", c400="#a89c88", c500="#7d7261", c600="#5f5648",
    c700="#474036", c800="#2f2a24", c900="#231f1b", c950="#181512",
)  # fmt: skip


def make_theme() -> gr.themes.Base:
    """Light and dark."""
    theme = gr.themes.Base(
        primary_hue=VERMILION,
        secondary_hue=VERMILION,
        neutral_hue=PAPER,
        radius_size=gr.themes.sizes.radius_md,
        font=FONT,
        font_mono=MONO,
    )
    return theme.set(
        body_background_fill="*neutral_100",
        body_background_fill_dark="*neutral_950",
        block_background_fill="#fffdf9",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_label_text_color="*neutral_600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_title_text_color="*body_text_color",
        block_title_text_weight="600",
        body_text_color="*neutral_800",
        body_text_color_dark="*neutral_200",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        input_background_fill="#fffefc",
        input_background_fill_dark="*neutral_950",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
    )
