"""What a script or a shot list says of a scene beside its prompt. Nothing of it decides what a clip shows.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .values import Text, Value

MOST_LINES, MOST_CAST = 100, 50  # of a scene's dialogue, and who is in it
MOST_NAME, MOST_HEADING = 200, 300  # characters

Name = Annotated[str, Field(max_length=MOST_NAME)]


class DialogueLine(Value):
    """What somebody says."""

    told_as = "dialogue"

    speaker: Name = ""
    text: Text = ""
    manner: Name = ""  # how it is said: "whispering"


class Script(Value):
    """Where a scene is, who is in it, what is said, and notes."""

    told_as = "script"

    heading: str = Field(default="", max_length=MOST_HEADING)  # INT. KITCHEN - NIGHT
    cast: Annotated[tuple[Name, ...], Field(max_length=MOST_CAST)] = ()
    dialogue: Annotated[tuple[DialogueLine, ...], Field(max_length=MOST_LINES)] = ()
    notes: Text = ""
