"""What `python -m storyboard render` can say about the film: captions, cards, seams, first and last pictures, music and
voices."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ThroughlineError

from .numbers import number

if TYPE_CHECKING:
    import numpy as np

    from ..export.prompt_film import Extras

NONE = "-"  # in a list of one thing a scene
SEAMS = {"cut": "cut", "continue": "continue", "cross-fade": "cross-fade", "dip": "dip to black"}


def add(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--captions", nargs="*", metavar="LINE",
                       help="captions under the pictures: the prompts, or lines of your own, one a scene "
                            "(\"\" for none)")  # fmt: skip
    group.add_argument("--subtitles", action="store_true",
                       help="captions beside the film instead, as .srt and .vtt")  # fmt: skip
    group.add_argument("--title", metavar="TEXT", help="a card before the first scene")
    group.add_argument("--end", metavar="TEXT", help="a card after the last scene")
    group.add_argument("--seams", nargs="+", choices=SEAMS, default=["cut"], metavar="SEAM",
                       help="how scenes follow one another: one for all, or one for each scene but the first; "
                            "cut (default), continue (the scene goes on from the last frames of the one before), "
                            "cross-fade, dip")  # fmt: skip
    group.add_argument("--seam-seconds", type=number(0.05, 5), default=0.5, metavar="S",
                       help="how long a cross-fade or a dip takes (default: %(default)g)")  # fmt: skip
    for place, verb in (("first", "begin"), ("last", "end")):
        group.add_argument(f"--{place}", nargs="+", type=Path, default=[], metavar="PICTURE",
                           help=f"pictures with which scenes {verb}, one a scene ({NONE} for none), cut to the film's "
                                "shape")  # fmt: skip
    group.add_argument("--music", type=Path, metavar="FILE", help="a sound file under the whole film")
    group.add_argument("--music-level", type=number(-60, 12), default=0.0, metavar="DB",
                       help="how loud it is (default: %(default)g, as it is)")  # fmt: skip
    group.add_argument("--voices", nargs="+", type=Path, default=[], metavar="FILE",
                       help=f"sound files over the scenes, one a scene ({NONE} for none)")  # fmt: skip
    group.add_argument("--loudness", type=number(-40, -9), default=-16.0, metavar="LUFS",
                       help="of a film with sound, by EBU R128 (default: %(default)g)")  # fmt: skip


def check(options: argparse.Namespace) -> None:
    """Raises ThroughlineError for what no film can have; reads no sound yet."""
    for name in ("captions", "voices", "first", "last"):
        given = getattr(options, name) or []
        if len(given) > len(options.prompts):
            counts = f"{len(given)} {name} for {len(options.prompts)} prompts"
            raise ThroughlineError(f"{counts}: expected at most one a scene")
    for kind, paths in (("sound", [options.music, *options.voices]), ("picture", [*options.first, *options.last])):
        for path in paths:
            if path is not None and str(path) != NONE and not path.is_file():
                raise ThroughlineError(f"{kind} {str(path)!r} does not exist: expected a file")


def pictures(paths: Sequence[Path], height: int, width: int) -> tuple[np.ndarray | None, ...]:
    """What `--first` or `--last` gave, each uint8 (1, H, W, 3). Raises ThroughlineError for what can't be read."""
    from ..media.fit import FILL
    from ..media.images import read_still

    return tuple(None if str(path) == NONE else read_still(path, height, width, FILL)[None] for path in paths)


def extras(options: argparse.Namespace, folder: Path) -> Extras:
    """What the film has besides its scenes; sounds are decoded into `folder`. Raises ThroughlineError for what can't be
    read."""
    from ..document import edits
    from ..export.prompt_film import Extras, Sounds

    sounds, captions = Sounds(folder), None if options.captions is None else tuple(options.captions)
    film: dict[str, Any] = {"loudness": options.loudness, "captions": "beside" if options.subtitles else "burnt in"}
    film |= {"rate": options.fps}
    film |= {name: {"text": text} for name in ("title", "end") if (text := getattr(options, name))}
    edits.edit_film(edits.new_story(), **film)  # checks it
    music = sounds.keep(options.music) if options.music else None
    if music:
        film["music"] = {"level": options.music_level}
    voices = tuple(None if str(path) == NONE else sounds.keep(path) for path in options.voices)
    own = tuple(sounds.of_clip(path) for path in options.clips)
    captions = () if options.subtitles and captions is None else captions
    return Extras(film, seams(options), options.seam_seconds, captions, music, voices, own, sounds.files)


def seams(options: argparse.Namespace) -> tuple[str, ...]:
    """How each scene but the first follows the one before it."""
    given = options.seams * (len(options.prompts) - 1) if len(options.seams) == 1 else options.seams
    return tuple(SEAMS[name] for name in given)
