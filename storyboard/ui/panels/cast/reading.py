"""What the cast's panels read: the cast of the story that is shown, and its entry that is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...desk import Desk, View, news
from ...wording import counted

BLANK = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 3 2'/%3E"
Entry = Mapping[str, Any]  # of `storyboard.operations.cast_views`


def cast_of(desk: Desk, view: View) -> tuple[Mapping[str, Any], Entry | None]:
    """The cast, and the entry that is looked at: the first one if none was chosen."""
    if "cast" not in view.asked:
        view.asked["cast"] = desk.ask("cast", view.place)
    reply = view.asked["cast"]
    cast = reply["cast"] if reply["ok"] else {"entries": [], "others": [], "proposed": [], "choices": []}
    entries: Sequence[Entry] = cast["entries"]
    looked = next((one for one in entries if one["id"] == view.window.entry), entries[0] if entries else None)
    return cast, looked


def told(reply: Mapping[str, Any], note: str = "") -> dict[str, Any]:
    """The board's news of an edit, with undo beside a note."""
    return news({**reply, "note": note, "undo": True} if note and reply["ok"] else reply)


def about(entry: Entry) -> str:
    """Under the card of an entry."""
    numbers = [str(scene["number"]) for scene in entry["scenes"]]
    where = f"scene{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}" if numbers else "in no scene"
    parts = [entry["name"], entry["kind"], where, "" if entry["pictures"] else "no picture yet"]
    return " · ".join(part for part in parts if part)


def proposal(one: Mapping[str, Any]) -> str:
    """Somebody of the script who could become an entry."""
    return f"{one['name']} · {counted(len(one['scenes']), 'scene')}"
