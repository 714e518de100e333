"""python -m storyboard.export.benchmark: what a film of many clips with music, voices and captions takes to write.

Clips are drawn by arithmetic and sounds are tones; everything happens in a temporary folder. Memory is what this
process and the ffmpegs that it starts have resident together, at most, looked at every POLL_SECONDS.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import psutil

from ..document import edits
from ..document.story import Board, Take
from ..film.cut import cut_of
from ..store.blobs import BlobStore
from ..store.clips import keep_frames, keep_sound_file
from . import film

DRAWN = 6  # different clips; the film's use them in turn
FRAMES, HEIGHT, WIDTH, RATE = 17, 96, 144, 8
SEAMS = ("cut", "cross-fade", "dip to black")
POLL_SECONDS = 0.02


def drawn(number: int) -> np.ndarray:
    """A light disc that goes across a ground of its own: uint8 (F, H, W, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    frames = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    frames[:] = np.stack([60 + rows, 40 + columns // 2, np.full_like(rows, 30 * number)], -1)
    for frame, picture in enumerate(frames):
        away = (rows - 50) ** 2 + (columns - 10 - 7 * frame) ** 2
        picture[away < 300] = (230, 220 - 20 * number, 120)
    return frames


def tone(path: Path, seconds: float, hertz: float) -> Path:
    """A sound file."""
    samples = 8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 48_000)) / 48_000)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def board_of(media: BlobStore, folder: Path, clips: int) -> Board:
    """A story of so many clips, each with a voice, a caption and a seam, under music, between two cards."""
    kept = [keep_frames(media, drawn(number), RATE) for number in range(DRAWN)]
    voice = keep_sound_file(media, tone(folder / "voice.wav", 1.5, 440))
    music = keep_sound_file(media, tone(folder / "music.wav", 45, 110))
    story, takes = edits.new_story("Benchmark", [f"Scene {k + 1}: a disc goes by." for k in range(clips)]), {}
    for place, scene in enumerate(story.scenes):
        own = voice[0] if place % 3 == 0 else None
        take = Take(id=f"take{place}", scene=scene.id, **kept[place % DRAWN], sound=own)
        takes[take.id] = take
        story = edits.choose_take(story, scene.id, take.id)
        story = edits.edit_scene(story, scene.id, seam={"kind": SEAMS[place % 3]})
        story = edits.set_voice(story, scene.id, voice[0], "voice.wav", voice[1])
    story = edits.set_music(edits.edit_story(story, captions=True), music[0], "music.wav", music[1])
    return Board(edits.edit_film(story, title={"text": "A film"}, end={"text": "The end"}), takes)


@contextmanager
def watched() -> Iterator[list[tuple[float, float]]]:
    """The megabytes that this process and its children together have resident, and it alone, at each look."""
    found, over, process = list[tuple[float, float]](), threading.Event(), psutil.Process()

    def look() -> None:
        while not over.wait(POLL_SECONDS):
            own, others = _resident(process), sum(map(_resident, process.children(recursive=True)))
            found.append(((own + others) / 1e6, own / 1e6))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def track_ends(path: Path) -> tuple[float, float]:
    """Seconds at which the picture and the sound of a film end, by its packets."""
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-map", "0", "-c", "copy")
    told = subprocess.run((*program, "-f", "framecrc", "-"), capture_output=True, check=True).stdout.decode()
    bases = {int(track): int(a) / int(b) for track, a, b in re.findall(r"#tb (\d+): (\d+)/(\d+)", told)}
    ends = dict.fromkeys(bases, 0.0)
    for parts in (line.split(",") for line in told.splitlines() if not line.startswith("#")):
        track, _, shown, lasts = (int(part) for part in parts[:4])
        ends[track] = max(ends[track], (shown + lasts) * bases[track])
    return ends[0], ends[1]


def measure(clips: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="throughline-benchmark-") as name:
        media = BlobStore(Path(name, "media"))
        board = board_of(media, Path(name), clips)
        began, processor = time.perf_counter(), sum(psutil.Process().cpu_times()[:4])
        with watched() as megabytes:
            digest, suffix = film.export(board, media, "mp4")
        seconds, used = time.perf_counter() - began, sum(psutil.Process().cpu_times()[:4]) - processor
        path, cut = media.path(digest, suffix), cut_of(board)
        frames = imageio_ffmpeg.count_frames_and_secs(str(path))[0]
        picture, sound = track_ends(path)
    return {
        "clips": clips, "film_seconds": cut.seconds, "frames": frames, "frames_of_the_cut": cut.frames,
        "most_megabytes": max(all_ for all_, _ in megabytes), "of_this_process": max(own for _, own in megabytes),
        "picture_ends": picture, "sound_ends": sound,
        "apart_in_frames": abs(picture - sound) * cut.frames_per_second, "seconds": seconds, "cpu_seconds": used,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m storyboard.export.benchmark", description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[15, 60], help="of each film (15 60)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    found = [measure(clips) for clips in options.clips]
    for name in found[0]:
        print(f"{name:20}", *(f"{figures[name]:10.2f}" for figures in found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
