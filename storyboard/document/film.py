"""What a story says about its film: seams, what of each take is shown, captions, cards and sound.

None of it has a part in what scenes remember, and but for a seam that continues no edit of the film makes a take
stale.

Imports neither torch nor gradio.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .values import Digest, Flag, Number, Text, Value

SILENT = -60.0  # decibels from which on nothing is heard
Level = Annotated[Number, Field(ge=SILENT, le=12)]


class Seam(Value):
    """How a scene follows the one before it in the film. One that continues is also made from that one's last frames
    (`conditioning.beginning_of`); its first frame is their last one, and is shown once."""

    kind: Literal["cut", "continue", "cross-fade", "dip to black"] = "cut"
    seconds: Number = Field(default=0.5, gt=0, le=5)


class Sound(Value):
    """A sound file in the film: AAC, kept among the media. Levels are in decibels; SILENT is none at all."""

    told_as = "sound"

    file: Digest
    name: str = Field(default="", max_length=200)  # of the upload
    seconds: Number = Field(gt=0)  # how long it is
    level: Level = 0.0
    fade_in: Number = Field(default=0.0, ge=0, le=30)  # seconds
    fade_out: Number = Field(default=0.0, ge=0, le=30)


class Music(Sound):
    """Under the whole film, cut to its length."""

    told_as = "music"

    skip: Number = Field(default=0.0, ge=0, le=900)  # seconds left out at its beginning
    fade_out: Number = Field(default=2.0, ge=0, le=30)
    loop: Flag = True  # begin again where it is shorter than the film


class Voice(Sound):
    """Beside one scene; it may go on into the next ones."""

    told_as = "voice"

    delay: Number = Field(default=0.0, ge=0, le=60)  # seconds after its scene has begun


class Shot(Value):
    """What of a scene is in the film, and how: of its takes nothing changes. Seconds are those of the take."""

    told_as = "shot"

    skip: Number = Field(default=0.0, ge=0, le=900)  # seconds left out at the beginning
    cut: Number = Field(default=0.0, ge=0, le=900)  # and at the end; a frame stays at least
    speed: Number = Field(default=1.0, ge=0.1, le=10)
    hold: Number = Field(default=0.0, ge=0, le=60)  # seconds of the film that the last frame stands still
    caption: Text | None = None  # a line of its own; None: the prompt; "": none
    level: Level = 0.0  # of the take's own sound
    voice: Voice | None = None


class Card(Value):
    """Words on black, before the first scene or after the last."""

    told_as = "card"

    text: str = Field(default="", max_length=400)  # no words: no card
    seconds: Number = Field(default=3.0, ge=0.1, le=30)
    seam: Seam = Seam()  # how it follows what is before it


class FilmSettings(Value):
    """What the film has besides its scenes."""

    told_as = "film"

    title: Card = Card()
    end: Card = Card()
    rate: Number | None = Field(default=None, ge=1, le=60)  # frames a second of the file; None: as its takes have
    captions: Literal["burnt in", "beside"] = "burnt in"  # where `Story.captions` go: under the picture, or a file
    music: Music | None = None
    ducking: Number = Field(default=12.0, ge=0, le=60)  # decibels by which all else is softer under a voice
    loudness: Number | None = Field(default=-16.0, ge=-40, le=-9)  # LUFS of the whole film; None: as it is
