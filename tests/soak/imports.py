"""Imports of the largest story archive that is accepted, one after the other, and how the memory of the process grows.

    python -m tests.soak.imports --times 20

The archive is at the limits of bytes, of its story's memory and of its past's. Fails if resident memory grows by
MOST_GROWTH bytes or more.
"""

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from storyboard.document.story import MOST_OF_A_SCENE, MOST_SCENES
from storyboard.export import archive, archive_limits
from storyboard.store.memory import bytes_in_memory
from tests.soak.fakes import BEGINNINGS, open_fake

ME = "imports-imports-imports"
MOST_GROWTH = 300 << 20
CLIPS = 20
SPARE = 2 << 20  # for the JSON that tells of the media

Files = dict[str, bytes]
Json = dict[str, Any]


def packed(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def named(content: bytes, suffix: str) -> tuple[str, str]:
    digest = hashlib.sha256(content).hexdigest()
    return digest, f"media/{digest}.{suffix}"


def story_of(pins: int) -> Json:
    """As many scenes as there may be, each but the first with so many words of the first."""
    words = [{"scene": "a0", "text": f"w{number}", "occurrence": 0} for number in range(pins)]
    scenes = [{"id": f"a{number}", "pins": words if number else []} for number in range(MOST_SCENES)]
    return {"id": "s", "title": "Largest", "scenes": scenes}


def most_pins(most_bytes: int) -> int:
    """As many as there may be for a story of so many bytes in memory."""
    one, two = (bytes_in_memory(packed(story_of(pins)).decode()) for pins in (100, 200))
    return min(MOST_OF_A_SCENE["pins"], int(100 + (most_bytes - one) / ((two - one) / 100)))


def takes_of(clips: list[bytes], files: Files) -> Iterator[Json]:
    """A take for every clip; puts what they name among the files."""
    for number, clip in enumerate(clips):
        told = {"id": f"t{number}", "scene": "a1", "keyframe_index": 0, "num_frames": 9, "width": 144, "height": 96}
        for kind, suffix in {"clip": "mp4", "preview": "webp", "keyframe": "png"}.items():
            content = clip if kind == "clip" else BEGINNINGS[suffix]
            told[kind], name = named(content, suffix)
            files[name] = content
        yield told | {"frames_per_second": 8}


def write_largest(path: Path, most_bytes: int, most_story: int) -> None:
    """An archive of so many bytes, whose story takes so many in memory, and its past twice that."""
    story, files = story_of(most_pins(most_story - SPARE)), Files()
    steps = [{"label": "", "story": story | {"title": title}} for title in ("Before", "Largest")]
    files["story.json"], files["revisions.json"] = packed(story), packed({"present": 1, "steps": steps})
    length = (most_bytes - SPARE - sum(map(len, files.values()))) // CLIPS
    clips = [BEGINNINGS["mp4"] + random.Random(n).randbytes(length - len(BEGINNINGS["mp4"])) for n in range(CLIPS)]
    files["takes.json"] = packed(list(takes_of(clips, files)))
    entries = {n: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for n, data in files.items()}
    files["manifest.json"] = packed({"format": archive.FORMAT, "version": 2, "files": entries})
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            packing = zipfile.ZIP_DEFLATED if name.endswith(".json") else zipfile.ZIP_STORED
            bundle.writestr(name, content, packing)


def run(path: Path, home: Path, times: int, told: Callable[[str], object] = lambda line: None) -> int:
    """Bytes by which resident memory had grown, at most, after any of so many imports."""
    process, grown = psutil.Process(), 0
    with closing(open_fake(home, step_seconds=0)) as studio:
        studio.stories(ME)
        before = process.memory_info().rss
        for number in range(1, times + 1):
            began = time.monotonic()
            studio.import_file(ME, path)
            now = process.memory_info().rss - before
            grown = max(grown, now)
            told(f"import {number}: {now / 1e6:+.0f} MB, {time.monotonic() - began:.1f} s")
        assert len(studio.stories(ME)["stories"]) == times
    return grown


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--write", type=Path, help="only write the archive: not in the process that is measured")
    options = parser.parse_args()
    if options.write:
        write_largest(options.write, archive.MOST_BYTES, archive_limits.MOST_STORY_BYTES)
        return 0
    with tempfile.TemporaryDirectory(prefix="throughline-imports-") as name:
        path = Path(name, "largest.zip")
        subprocess.run([sys.executable, "-m", "tests.soak.imports", "--write", str(path)], check=True)
        size = path.stat().st_size
        grown = run(path, Path(name, "home"), options.times, told=print)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{options.times} imports of {size / 1e6:.0f} MB: {grown / 1e6:+.0f} MB, {peak / 1e6:.0f} MB at the most")
    return int(grown >= MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
