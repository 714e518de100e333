"""python -m pipeline.training.prepare VIDEOS --out DATA: films to captioned clips for training.

Films are cut into their shots; shots that are too short, black, static or mostly text are dropped; the others are
captioned and written as DATA/videos/<video>/<clip>.mp4 and DATA/prompts/<video>.json. Started again it goes on where
it was. DATA/report.json says what was dropped and why, and which files could not be read.

Captions: --captions sidecar reads FILM.json beside FILM.mp4 (a list of {"start", "end", "caption"} in seconds, or of
captions, one a shot) or FILM.txt (a line a shot); local runs an image-text model of transformers (--caption-model);
service asks any OpenAI-compatible endpoint (OPENAI_BASE_URL, OPENAI_API_KEY, --caption-model).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import ThroughlineError
from .footage.captions import CAPTIONERS, Captioner, Cast
from .footage.clips import clip_path, prompts_path, write_prompts
from .footage.films import SUFFIXES, UnreadableError, cut_out, fitted, read_frames
from .footage.shots import Film, Shot, find_shots, judge

THRESHOLD, MIN_SECONDS = 2.7, 2.0
PICTURES, PICTURE_SIZE = 4, (448, 256)  # of each clip, that a captioner sees


@dataclass
class PreparationReport:
    """What became of every shot and every file."""

    kept: int = 0
    dropped: list[dict] = field(default_factory=list)  # video, shot from 1, start and end in seconds, reason
    unreadable: list[str] = field(default_factory=list)
    uncaptioned: list[str] = field(default_factory=list)  # clips whose captioner failed, and why; asked again next time

    def __str__(self) -> str:
        reasons = Counter(entry["reason"] for entry in self.dropped)
        lines = [f"{self.kept} clips, {len(self.dropped)} shots dropped"]
        lines += [f"  {count} {reason}" for reason, count in reasons.most_common()]
        lines += [f"not readable: {line}" for line in self.unreadable]
        lines += [f"no caption: {line}" for line in self.uncaptioned]
        return "\n".join(lines)


def find_videos(places: list[Path]) -> list[Path]:
    """The video files among `places` and in the folders among them. Raises ThroughlineError if there are none, or two
    of one name, whose clips would mix."""
    found = list[Path]()
    for place in places:
        inside = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
        found += inside if place.is_dir() else [place]
    twice = [name for name, count in Counter(path.stem for path in found).items() if count > 1]
    if twice:
        raise ThroughlineError(f"two videos are called {twice[0]!r}: expected names that differ")
    if not found:
        raise ThroughlineError(f"no video in {', '.join(map(str, places))}: expected {', '.join(sorted(SUFFIXES))}")
    return found


def prepare(
    videos: list[Path], out: Path, captioner: Captioner, threshold: float = THRESHOLD, min_seconds: float = MIN_SECONDS
) -> PreparationReport:
    """Everything that this module says. Files that cannot be read are listed; nothing stands in for them."""
    report = PreparationReport()
    for path in tqdm(videos, desc="preparing", unit="video"):
        try:
            film, verdicts = _analysed(path, out, threshold, min_seconds)
            _prepare_film(film, verdicts, out, captioner, report)
        except UnreadableError as error:
            report.unreadable.append(str(error))
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return report


def _analysed(path: Path, out: Path, threshold: float, min_seconds: float) -> tuple[Film, list[str | None]]:
    """The shots of a film and why some are dropped, from a file of an earlier run if it is of the same film."""
    if not path.is_file():
        raise UnreadableError(f"{path} does not exist")
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    key, kept = [content, threshold, min_seconds], out / "shots" / f"{path.stem}.json"
    if kept.is_file() and (saved := json.loads(kept.read_text()))["key"] == key:
        shots = tuple(Shot(*shot) for shot in saved["shots"])
        return Film(path, saved["frames_per_second"], shots), saved["verdicts"]
    film = find_shots(path, threshold)
    verdicts = judge(film, min_seconds)
    saved = {
        "key": key,
        "frames_per_second": film.frames_per_second,
        "verdicts": verdicts,
        "shots": [[shot.start, shot.end] for shot in film.shots],
    }
    kept.parent.mkdir(parents=True, exist_ok=True)
    prompts_path(out, path.stem).unlink(missing_ok=True)  # clips of another film of this name
    for clip in clip_path(out, path.stem, 0).parent.glob("*.mp4"):
        clip.unlink()
    temporary = kept.with_name(f".{kept.name}.{os.getpid()}")
    temporary.write_text(json.dumps(saved))
    os.replace(temporary, kept)
    return film, verdicts


def _prepare_film(
    film: Film, verdicts: list[str | None], out: Path, captioner: Captioner, report: PreparationReport
) -> None:
    name, rate = film.path.stem, film.frames_per_second
    captions, cast = _finished(out, name)
    for index, (shot, reason) in enumerate(zip(film.shots, verdicts, strict=True)):
        if reason is not None:
            place = {"start": round(shot.start / rate, 3), "end": round(shot.end / rate, 3)}
            report.dropped.append({"video": name, "shot": index + 1, **place, "reason": reason})
            continue
        clip = clip_path(out, name, index)
        clip.parent.mkdir(parents=True, exist_ok=True)
        if not clip.is_file():
            cut_out(film.path, shot.start, shot.end, rate, clip)
        if clip not in captions:
            try:
                captions[clip] = captioner(film, index, pictures_of(clip) if captioner.needs_pictures else (), cast)
            except UnreadableError:
                raise
            except ThroughlineError as error:
                report.uncaptioned.append(f"{clip.relative_to(out)}: {error}")
                continue
            write_prompts(out, name, captions)
            _write_cast(out, name, cast)
        report.kept += 1


def pictures_of(clip: Path) -> list[np.ndarray]:
    """PICTURES frames of a clip, spread over it."""
    frames = list(read_frames(clip, f"fps=4,{fitted(*PICTURE_SIZE)}", PICTURE_SIZE))
    return [frames[i] for i in np.linspace(0, len(frames) - 1, min(PICTURES, len(frames))).round().astype(int)]


def _finished(out: Path, name: str) -> tuple[dict[Path, str], Cast]:
    """What an earlier run left: captions by clip, and who is named in them."""
    prompts, people = prompts_path(out, name), out / "shots" / f"{name}.cast.json"
    captions = json.loads(prompts.read_text(encoding="utf-8")) if prompts.is_file() else {}
    cast = json.loads(people.read_text(encoding="utf-8")) if captions and people.is_file() else {}
    return {out / clip: caption for clip, caption in captions.items()}, Cast(cast)


def _write_cast(out: Path, name: str, cast: Cast) -> None:
    path = out / "shots" / f"{name}.cast.json"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(cast.people, ensure_ascii=False), encoding="utf-8")
    os.replace(temporary, path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.training.prepare",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("videos", nargs="+", type=Path, help="video files, or folders of them")
    parser.add_argument("--out", type=Path, required=True, help="folder of the training set")
    parser.add_argument("--captions", choices=list(CAPTIONERS), default="sidecar")
    parser.add_argument("--caption-model", default="", help="of the local captioner (folder or hub id) or the service")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="of a cut: more finds fewer")
    parser.add_argument("--min-seconds", type=float, default=MIN_SECONDS, help="shorter shots are dropped")
    options = parser.parse_args(arguments)
    try:
        captioner = CAPTIONERS[options.captions](options.caption_model)
        videos = find_videos(options.videos)
        report = prepare(videos, options.out, captioner, options.threshold, options.min_seconds)
    except ThroughlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(report)
    return 1 if report.unreadable or report.uncaptioned else 0


if __name__ == "__main__":
    sys.exit(main())
