"""A file of any of these formats to a story. Files may come from anybody: sizes are limited, errors are one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.defaults import FRAMES_PER_SECOND, NUM_FRAMES
from pipeline.encoders.limit import CountsTokens, text_length
from pipeline.errors import ThroughlineError

from ..document.lengths import check_new
from ..document.script import Script
from ..document.story import MOST_FRAMES, MOST_SCENES, Story, new_id, parse
from .adaptation import Adaptation, Fits, SceneDraft, adapted
from .elements import MOST_BYTES, Screenplay, one_line
from .fdx import read_fdx
from .fountain import read_fountain
from .plain import read_text
from .shot_list import read_shot_list

TEXTS: dict[str, Callable[[str], Screenplay]] = {
    ".fountain": read_fountain, ".spmd": read_fountain, ".txt": read_text, ".md": read_text,
}  # fmt: skip
TABLES = (".csv", ".tsv")
SUFFIXES = (*TEXTS, ".fdx", *TABLES)
MOST_HOLD = 60.0  # seconds
WORDS_A_SECOND = 2.5  # that people say and read
MOST_TOLD = 200  # of what could not be used


def script_story(path: Path, encoder: CountsTokens) -> tuple[Story, dict[str, Any]]:
    """A story made of a file; and what to tell: a note in a line, and what of the file is in no scene. Raises
    ThroughlineError for what is no script, and for a row whose words are too long for the encoder."""
    found = read_script(path, lambda text: text_length(encoder, text).fits)
    story = story_of(found, path.stem)
    check_new(encoder, story)
    return story, {"note": _note(found), "unused": [*found.unused[:MOST_TOLD], *_more(found.unused)]}


def _note(found: Adaptation) -> str:
    made, unused = len(found.scenes), len(found.unused)
    scenes, parts = f"{made} scene{'' if made == 1 else 's'}", f"{unused} part{'' if unused == 1 else 's'}"
    return f"The script is {scenes} now. {parts} of it could not be used." if unused else f"The script is {scenes} now."


def _more(unused: Sequence[str]) -> list[str]:
    return [f"and {len(unused) - MOST_TOLD} more"] if len(unused) > MOST_TOLD else []


def read_script(path: Path, fits: Fits) -> Adaptation:
    """The scenes of a script by the ending of its name. Raises ThroughlineError for what is none."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ThroughlineError(f"script {path.name[:100]!r} has an unknown ending: expected {', '.join(SUFFIXES)}")
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ThroughlineError(f"script {path.name[:100]!r} is too large: expected at most {MOST_BYTES // 2**20} MB")
    if suffix in TABLES:
        found = read_shot_list(decoded(content))
    else:
        found = adapted(read_fdx(content) if suffix == ".fdx" else TEXTS[suffix](decoded(content)), fits)
    if not found.scenes:
        raise ThroughlineError(f"script {path.name[:100]!r} has no scene: expected action or dialogue")
    if len(found.scenes) > MOST_SCENES:
        raise ThroughlineError(f"script has {len(found.scenes)} scenes: expected at most {MOST_SCENES}")
    return found


def decoded(content: bytes) -> str:
    """A text in UTF-8, in UTF-16 with its mark, or else as Windows writes it. Raises ThroughlineError for no text."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if marked else ["utf-8-sig", "cp1252"]:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise ThroughlineError(f"script is no text, it begins with {content[:12]!r}: expected UTF-8")


def story_of(found: Adaptation, name: str) -> Story:
    """A story of these scenes. name: its title, if the script has none. Captions are on if anybody speaks."""
    title = (found.title or one_line(name) or "Untitled")[:200]
    scenes = [_scene(draft, seed) for seed, draft in enumerate(found.scenes)]
    captions = any(draft.caption for draft in found.scenes)
    return parse(Story, {"id": new_id(), "title": title, "captions": captions, "scenes": scenes})


def _scene(draft: SceneDraft, seed: int) -> dict[str, Any]:
    script = Script(heading=draft.heading, cast=draft.cast, dialogue=draft.dialogue, notes=draft.notes)
    frames = {} if draft.seconds is None else {"num_frames": _frames(draft.seconds)}
    shown = frames.get("num_frames", NUM_FRAMES) / FRAMES_PER_SECOND
    wanted = draft.seconds if draft.seconds is not None else _speaking(draft.caption)
    hold = {"hold": round(min(wanted - shown, MOST_HOLD), 2)} if wanted > shown + 0.5 else {}
    shot = {"caption": draft.caption, **hold}
    return {"id": new_id(), "prompt": draft.prompt, "seed": seed, "script": script, "shot": shot, "seam": draft.seam,
            **frames}  # fmt: skip


def _frames(seconds: float) -> int:
    """The nearest number of frames that a scene may have, 4 k + 1."""
    return max(5, min(MOST_FRAMES, 4 * round((seconds * FRAMES_PER_SECOND - 1) / 4) + 1))


def _speaking(caption: str) -> float:
    """Seconds that it takes to say or read it."""
    return len(caption.split()) / WORDS_A_SECOND
