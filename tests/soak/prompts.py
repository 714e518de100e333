"""Prompts that nobody would write: through the text filter, the page's calls, films and contact sheets.

    python -m tests.soak.prompts --count 2000

What is read is taken or refused in a line; it comes back as it was written, and no part of it as markup.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import MOST_CHARACTERS, Board, Take, new_id
from storyboard.export import film
from storyboard.ui import page
from tests.soak.fakes import fake_filter, open_fake

ME = "a" * 32
SCENES = 50  # of a film
HTML = [
    '<img src=x onerror="window.hit=1" class=fuzz>',
    "<script>window.hit=1</script>",
    "</textarea><b class=fuzz>x</b>",
    '"><svg onload=window.hit=1 class=fuzz>',
    "javascript:window.hit=1",
    "<iframe class=fuzz srcdoc='<p>'></iframe>",
    "${window.hit=1}",
    "{{constructor.constructor('window.hit=1')()}}",
    "<!--",
    "]]>",
    "&lt;b&gt;&#x3c;",
    "<style class=fuzz>*{display:none}</style>",
    "<a class=fuzz href=//x>",
    "<math class=fuzz><mi//xlink:href=x>",
]
SQL = ["'; DROP TABLE stories; --", '" OR 1=1 --', "Robert'); DELETE FROM takes;--", "%s %d %n {0} {title} %00", "\\"]
SCRIPTS = [
    "👩‍🚀👨‍👩‍👧‍👦🏳️‍🌈🇸🇿",
    "مرحبا بالعالم",
    "שלום עולם",
    "\u202eesrever\u202c",
    "\u2066isolate\u2069",
    "雪の日に犬が走る",
    "ทดสอบ",
    "Z̸̢̛͓a̶l̵g̶o̷" + "\u0301" * 80,
    "ﷺ",
    "\u200b\u200d\ufeff",
    "𝕄𝕚𝕒",
    "ß ŉ ǰ İ ı",
    "\ud83d",
    "\udc00",
]
CONTROLS = ["".join(map(chr, range(32))), "\x7f\x80\x9f", "a\0b", "\r\n\r\nX: y", "\x1b[31m", "\u2028\u2029", "\ufffe"]
WORDS = ["Mia", "in", "a", "red", "coat", "is", "running", "the", "dog", "on", "snow", "...", "--", "'s", "2", "½"]


def prompts(count: int, seed: int) -> Iterator[str]:
    rng = random.Random(seed)
    for number in range(count):
        if number % 200 == 0:
            yield rng.choice([*HTML, *SCRIPTS, "a", " ", "\0", "Mia "]) * 100_000  # cut below
            continue
        parts = [rng.choice(rng.choice([HTML, SQL, SCRIPTS, CONTROLS, WORDS, WORDS])) for _ in range(rng.randint(1, 9))]
        if rng.random() < 0.3:
            parts.append("".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(1, 30))))
        yield rng.choice(["", " ", "\n"]).join(parts)


def check_reply(reply: dict[str, Any]) -> None:
    """Raises AssertionError for a reply that can't be sent, or that says that something broke."""
    json.dumps(reply, allow_nan=False).encode()
    if not reply["ok"]:
        error = reply["error"]
        assert "Something went wrong" not in error and "\n" not in error and len(error) < 1000, error


def through_page(count: int, seed: int, folder: Path, filter: Any = fake_filter) -> int:
    """Writes each prompt into a story as the page does, and gives how many were taken. Raises AssertionError."""
    taken = 0
    with closing(open_fake(folder)) as studio:
        studio.renderer._filter = filter
        story = studio.new_story(ME, "Film", ["Mia in a red coat runs.", "Mia."])["story"]
        ids = {"verb": "edit", "owner": ME, "story": story["id"]}
        for prompt in prompts(count, seed):
            prompt = prompt[: 100_000 if len(prompt) > 10_000 else MOST_CHARACTERS]
            op = {"do": "edit_scene", "scene": story["scenes"][1]["id"], "changes": {"prompt": prompt}}
            reply = page.answer(studio, {**ids, "op": op, "group": "typing"})
            check_reply(reply)
            if reply["ok"]:
                taken += 1
                assert reply["story"]["scenes"][1]["prompt"] == prompt
            look = {"owner": ME, "story": story["id"], "scene": story["scenes"][1]["id"]}
            check_reply(page.answer(studio, {"verb": "remembers", **look}))
            retitle = {"do": "edit_story", "changes": {"title": prompt}}
            message = {"verb": "edit", "op": retitle, "owner": ME, "story": story["id"], "group": "title"}
            check_reply(page.answer(studio, message))
        check_reply(page.answer(studio, {"verb": "poll", "owner": ME, "story": story["id"]}))
    return taken


def through_filter(count: int, seed: int) -> int:
    """How many the real filter reads. The others it refuses in a line."""
    from pipeline.text_filter import TextFilter

    read, found = TextFilter.from_backbone(), 0
    for prompt in prompts(count, seed):
        try:
            result = read(["Mia in a red coat runs."], prompt[:100_000])
        except ThroughlineError as error:
            assert len(str(error)) < 1000, error  # page and shell put it into one line
            continue
        found += 1
        text = prompt[:100_000]
        assert all(text[word.start : word.end] == word.text for word in result.current), "places of its words"
    return found


def through_film(count: int, seed: int, folder: Path) -> int:
    """Makes captioned films and lists of all prompts that a story takes, and contact sheets of every tenth film; gives
    how many prompts they are. Raises AssertionError for a list that lacks one, and whatever is raised on the way."""
    taken = [prompt for prompt in prompts(count, seed) if _is_taken(prompt)]
    for number, start in enumerate(range(0, len(taken), SCENES)):
        board = _board(taken[start : start + SCENES])
        makers = (film.film_mp4, film.sheet_png, film.sheet_pdf)[: None if number % 10 == 0 else 1]
        for make in makers:
            made = folder / make.__name__.replace("_", ".")
            make(made, board, _grey)
            assert made.stat().st_size > 1000
        text = film.prompts_text(board)
        assert all(scene.prompt.strip() in text for scene in board.story.scenes)
        text.encode()
    return len(taken)


def _is_taken(prompt: str) -> bool:
    try:
        edits.new_story(prompt, [prompt])
    except ThroughlineError as error:
        check_reply({"ok": False, "error": str(error)})
        return False
    return True


def _board(texts: Sequence[str]) -> Board:
    """A story with a small take a prompt, titled by the first."""
    story = edits.new_story(texts[0], texts, captions=True, width=48, height=32)
    files = dict.fromkeys(("clip", "preview", "keyframe"), "a" * 64)
    clip = {"keyframe_index": 0, "num_frames": 1, "width": 48, "height": 32, "frames_per_second": 8}
    takes = [Take(id=new_id(), scene=scene.id, **files, **clip) for scene in story.scenes]
    for scene, take in zip(story.scenes, takes, strict=True):
        story = edits.choose_take(story, scene.id, take.id)
    return Board(story, {take.id: take for take in takes})


def _grey(take: Take) -> np.ndarray:
    return np.full((take.num_frames, take.height, take.width, 3), 128, np.uint8)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="throughline-prompts-") as folder:
        taken = through_page(options.count, options.seed, Path(folder))
        print(f"{taken} of {options.count} taken by the page, {time.monotonic() - began:.0f} s", flush=True)
        shown = through_film(options.count, options.seed, Path(folder))
        print(f"{shown} in films, {time.monotonic() - began:.0f} s", flush=True)
    read = through_filter(options.count, options.seed)
    print(
        f"seed {options.seed}: {read} of {options.count} read by the filter, the others refused in a line: "
        f"0 crashes; {time.monotonic() - began:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
