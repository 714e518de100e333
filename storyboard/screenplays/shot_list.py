"""Shot lists: a row a scene, as comma-separated values."""

from __future__ import annotations

COLUMNS = (
    "Scene", "Heading", "Action", "Dialogue", "Caption", "Notes", "Cast", "Seconds", "Frames", "Starts at", "Seam",
    "Seam seconds", "Status", "Seed", "Steps", "Clip",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would reckon, or run


def guarded(cell: str) -> str:
    """A cell that spreadsheets take for text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(FORMULAS) else cell


def unguarded(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULAS) else cell
