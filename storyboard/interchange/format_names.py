"""The names of all exports, for those who offer them. Loads nothing: help needs them at once."""

from __future__ import annotations

FORMATS = (
    "mp4", "finished.mp4", "gif", "sheet.png", "sheet.pdf", "clips.zip", "story.zip", "srt", "vtt",  # of `export.film`
    "otio.zip", "fcp7.zip", "fcpxml.zip", "edl.zip", "shots.csv", "board.pdf", "ekonte.pdf", "page.html",
)  # fmt: skip
