"""A story as one file that opens again elsewhere: a zip with its takes and everything that they show.

    manifest.json           {"format": FORMAT, "version": 2, "files": {name: {"sha256": …, "bytes": …}},
                             "weights": digests of the models that were used}
    story.json              the `Story`
    takes.json              every `Take`, oldest first
    revisions.json          {"present": place of story.json, "steps": [{"label": …, "story": …}, …]}: what undo and
                            redo go through, oldest first; absent from version 1, as are the weights
    media/<sha256>.<suffix> clips (mp4), sounds (m4a), previews (webp), keyframes (png) and traces (json)

An archive may come from anybody. It is read in memory alone, no name in it becomes a path, and nothing of it is kept
unless all of it is as it should be.

Does not cover: whether a clip is a video that can be decoded; of a very long past, the steps of undo that are oldest
(`archive_history.recent`).
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from pipeline.errors import ThroughlineError

from ..document.story import Board, Digest, Story, Take, Value, canonical, new_id, parse
from ..media import video
from ..media.images import check_header
from ..store.files import whole_file
from .archive_history import NOTHING, UndoHistory, UndoStep, UndoSteps, read_steps, recent, values_in, weights_of
from .archive_limits import MOST_PAST_BYTES, MOST_STORY_BYTES, check_memory, check_steps, check_story

FORMAT, VERSIONS = "throughline story", (1, 2)
MOST_FILES = 20_000
MOST_BYTES = 1 << 29  # of all files together, unpacked
MOST_JSON_BYTES = 32 << 20  # of one file of JSON
MOST_VALUES = 1_500_000  # in it: even the smallest take 60 bytes each in memory, and many take 200
MOST_RATIO = 8  # to which an archive may unpack, and SPARE_BYTES besides
SPARE_BYTES = 64 << 20
MOST_SIDE, MOST_FRAMES, MOST_RATE = 4096, 10_000, 1000.0  # of a take
CHUNK_BYTES = 1 << 20
DIRECTORY_BYTES = 400  # that a file may take in the directory at the end of a zip
END_BYTES, LOCATOR_BYTES = 22, 20  # of the record after that directory, and of what comes before it in a zip64

MANIFEST, STORY, TAKES, REVISIONS = "manifest.json", "story.json", "takes.json", "revisions.json"
NAMES = re.compile(
    r"(?:manifest|story|takes|revisions)\.json|media/([0-9a-f]{64})\.(mp4|webp|png|json|m4a|safetensors)"
)
BEGINNINGS = {  # what a file of each suffix begins with, lest a zip pass for a clip
    "mp4": re.compile(rb"....ftyp", re.DOTALL),
    "m4a": re.compile(rb"....ftyp", re.DOTALL),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "json": re.compile(rb"\s*[{\[]"),
    "safetensors": re.compile(rb".{4}\x00{4}\{", re.DOTALL),
}

MediaName = tuple[str, str]  # digest, suffix


class FileEntry(Value):
    sha256: Digest
    bytes: Annotated[int, Field(ge=0)]


class Manifest(Value):
    format: str
    version: int
    files: dict[str, FileEntry]
    weights: Annotated[tuple[Digest, ...], Field(max_length=1000)] = ()


class Archive(NamedTuple):
    board: Board
    files: dict[MediaName, bytes]
    past: UndoHistory


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold."""

    files: int = MOST_FILES
    bytes: int = MOST_BYTES
    json_bytes: int = MOST_JSON_BYTES


def renewed(board: Board) -> Board:
    """The board under a new story id. Scene and take ids stay: they mean something within their story alone, and takes
    and traces name scenes by them."""
    return replace(board, story=board.story.model_copy(update={"id": new_id()}))


def media_of(board: Board, past: UndoHistory = NOTHING) -> list[MediaName]:
    """Every file that a board shows or remembers, or did in the past, once, in the order of the takes."""
    found: dict[MediaName, None] = {}
    for take in board.takes.values():
        found.update(dict.fromkeys(_media_of_take(take)))
    for story in (board.story, *(step.story for step in past.steps)):
        for scene in story.scenes:
            found.update(dict.fromkeys((choice.keyframe, "png") for choice in scene.keyframes))
            found.update({(scene.keep.keyframe, "png"): None} if scene.keep else {})
            ends = (scene.first_picture, scene.last_picture)
            found.update(dict.fromkeys((picture.file, "png") for picture in ends if picture))
        found.update(dict.fromkeys((sound.file, "m4a") for sound in story.sounds))
        found.update(dict.fromkeys((picture.file, "png") for entry in story.cast for picture in entry.pictures))
        found.update(dict.fromkeys((entry.taught.file, "safetensors") for entry in story.cast if entry.taught))
    return list(found)


def _media_of_take(take: Take) -> Iterator[MediaName]:
    yield from ((take.clip, "mp4"), (take.preview, "webp"), (take.keyframe, "png"))
    if take.trace:
        yield take.trace, "json"
    if take.sound:
        yield take.sound, "m4a"
    for memory in take.conditioning.memories if take.conditioning else ():
        if memory.keyframe:
            yield memory.keyframe, "png"
    for picture in take.conditioning.pictures if take.conditioning else ():
        yield picture, "png"
    for adapter in take.conditioning.adapters if take.conditioning else ():
        yield adapter.file, "safetensors"


# --- writing ---------------------------------------------------------------------------------------------------------


def write_archive(
    path: Path,
    board: Board,
    media_path: Callable[[str, str], Path],
    past: UndoHistory = NOTHING,
    limits: ArchiveLimits = ArchiveLimits(),
) -> None:
    """Writes all of a board and its past. media_path: where the file of a digest and a suffix ("mp4") lies.

    Raises ThroughlineError for a file that is missing or not what its digest says, and for a story that is too large to
    be read again; OSError if the archive can't be written.
    """
    past = recent(past if past.steps else replace(past, steps=(UndoStep(label="", story=board.story),), present=0))
    texts = _texts(board, past)
    entries = {name: {"sha256": _digest(text), "bytes": len(text)} for name, text in texts.items()}
    size = sum(map(len, texts.values()))
    with whole_file(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in texts.items():
            bundle.writestr(name, text)
        for digest, suffix in media_of(board, past):
            name = f"media/{digest}.{suffix}"
            content = _media(media_path(digest, suffix), digest)
            entries[name], size = {"sha256": digest, "bytes": len(content)}, size + len(content)
            _check_amount(len(entries) + 1, size, limits)
            bundle.writestr(name, content, zipfile.ZIP_DEFLATED if suffix == "json" else zipfile.ZIP_STORED)
        weights = sorted({*past.weights, *weights_of(board)})
        manifest = {"format": FORMAT, "version": VERSIONS[-1], "files": entries, "weights": weights}
        bundle.writestr(MANIFEST, canonical(manifest))


def _texts(board: Board, past: UndoHistory) -> dict[str, bytes]:
    takes = [take.model_dump(mode="json") for take in board.takes.values()]
    steps = UndoSteps(present=past.present, steps=past.steps).model_dump(mode="json")
    contents = {STORY: board.story.model_dump(mode="json"), TAKES: takes, REVISIONS: steps}
    check_story(contents[STORY])
    check_steps(steps["steps"])
    texts = {name: canonical(content) for name, content in contents.items()}
    _check_memory(texts)
    return texts


def _check_memory(texts: Mapping[str, bytes]) -> None:
    check_memory([texts[STORY], texts[TAKES]], "the story and its takes", MOST_STORY_BYTES)
    check_memory([texts[REVISIONS]] if REVISIONS in texts else [], "what undo goes through", MOST_PAST_BYTES)


def _media(path: Path, digest: str) -> bytes:
    if not path.is_file():
        raise ThroughlineError(f"file {path.name!r} of the story is missing: the archive would not be whole")
    content = path.read_bytes()
    if _digest(content) != digest:
        raise ThroughlineError(f"file {path.name!r} of the story is damaged: expected SHA-256 {digest[:12]}...")
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# --- reading ---------------------------------------------------------------------------------------------------------


def read_archive(path: Path, limits: ArchiveLimits = ArchiveLimits()) -> tuple[Board, dict[MediaName, bytes]]:
    """The board of an archive and its files by (digest, suffix). Raises as `open_archive` does."""
    found = open_archive(path, limits)
    return found.board, found.files


def open_archive(path: Path, limits: ArchiveLimits = ArchiveLimits()) -> Archive:
    """What `write_archive` wrote, in this version or an earlier one: the board, its files by (digest, suffix) and its
    past, of which version 1 has only what its takes say.

    Raises ThroughlineError, one line, for anything else.
    """
    try:
        _check_directory(path, limits)
        with zipfile.ZipFile(path) as bundle:
            contents = _contents(bundle, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, UnicodeDecodeError) as error:
        raise _refused(f"is damaged or no zip file ({error})") from None
    manifest = _manifest(contents)
    _check_memory(contents)
    told = _loaded(STORY, contents)
    check_story(told)
    story = parse(Story, told)
    board = Board(story, {take.id: take for take in _takes(_loaded(TAKES, contents))})
    files = {(found[1], found[2]): content for name, content in contents.items() if (found := _media_name(name))}
    steps, present = read_steps(_loaded(REVISIONS, contents), story) if REVISIONS in contents else ((), 0)
    past = UndoHistory(steps, present, tuple(sorted({*manifest.weights, *weights_of(board)})))
    _check_media(board, past, files)
    return Archive(board, files, past)


def _refused(problem: str) -> ThroughlineError:
    return ThroughlineError(f"story archive {problem}")


def _check_directory(path: Path, limits: ArchiveLimits) -> None:
    """Looks at the end of the file, before zipfile reads a directory of any length into memory."""
    if not path.is_file():
        raise _refused(f"{str(path)!r} does not exist")
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES - LOCATOR_BYTES))
        end = file.read()
    if len(end) < END_BYTES or end[-END_BYTES:][:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise _refused("is no zip file, or one with a comment: expected a file that Throughline exported")
    if end[:4] == b"PK\6\7":
        raise _refused("is a zip64 file: expected a file that Throughline exported")
    count, directory, start = struct.unpack("<HII", end[-END_BYTES:][10:20])
    if start + directory + END_BYTES != size:
        raise _refused("is damaged: its directory is not where it should be")
    if count > limits.files or directory > limits.files * DIRECTORY_BYTES:
        raise _refused(f"has a directory of {count} files: expected at most {limits.files}")


def _contents(bundle: zipfile.ZipFile, limits: ArchiveLimits) -> dict[str, bytes]:
    """All files by name, once their names and the sizes that they declare have passed."""
    entries = bundle.infolist()
    size = sum(entry.file_size for entry in entries)
    _check_amount(len(entries), size, limits)
    if size > MOST_RATIO * sum(entry.compress_size for entry in entries) + SPARE_BYTES:
        raise _refused(f"unpacks to {size / 1e6:.0f} MB, too many times its own size")
    seen: set[str] = set()
    for entry in entries:
        _check_entry(entry, limits)
        if entry.orig_filename in seen:
            raise _refused(f"has {entry.orig_filename[:80]!r} twice")
        seen.add(entry.orig_filename)
    for name in (MANIFEST, STORY, TAKES):
        if name not in seen:
            raise _refused(f"has no {name}")
    return {entry.filename: _unpacked(bundle, entry) for entry in entries}


def _check_amount(files: int, size: int, limits: ArchiveLimits) -> None:
    if files > limits.files:
        raise _refused(f"has {files} files: expected at most {limits.files}")
    if size > limits.bytes:
        raise _refused(f"takes {size / 1e6:.1f} MB unpacked: expected at most {limits.bytes / 1e6:.1f} MB")


def _check_entry(entry: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    if not NAMES.fullmatch(name) or entry.filename != name:
        raise _refused(f"holds {name[:80]!r}: expected only what Throughline exports")
    if kind not in (0, stat.S_IFREG):
        raise _refused(f"holds {name!r} as a link or a device: expected a plain file")
    if entry.header_offset > limits.bytes:  # what no file can be sought to
        raise _refused(f"is damaged: {name} is not where its directory says")
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refused(f"holds {name!r} encrypted or packed in an unknown way")
    if name.endswith(".json") and entry.file_size > limits.json_bytes:
        size, most = entry.file_size / 1e6, limits.json_bytes / 1e6
        raise _refused(f"has {size:.1f} MB in {name}: expected at most {most:.1f} MB")


def _unpacked(bundle: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file in chunks, never more than it declares, whatever its data unpack to."""
    chunks, left = [], entry.file_size
    with bundle.open(entry) as file:
        while chunk := file.read(min(CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise _refused(f"has more in {entry.filename} than it declares")
            chunks.append(chunk)
    if left:
        raise _refused(f"has less in {entry.filename} than it declares")
    return b"".join(chunks)


def _manifest(contents: Mapping[str, bytes]) -> Manifest:
    listed = _loaded(MANIFEST, contents)
    if not isinstance(listed, dict) or listed.get("format") != FORMAT:
        raise _refused(f"has another manifest: expected format {FORMAT!r}")
    version = listed.get("version")
    if type(version) is not int or version not in VERSIONS:
        known = f"this Throughline reads versions {VERSIONS[0]} to {VERSIONS[-1]}"
        raise _refused(f"has version {str(version)[:40]!r}: {known}")
    if (REVISIONS in contents) != (version > 1):
        does = "holds" if REVISIONS in contents else "lacks"
        raise _refused(f"of version {version} {does} {REVISIONS}")
    manifest = parse(Manifest, listed)
    files = manifest.files
    if files.keys() != contents.keys() - {MANIFEST}:
        odd = min(files.keys() ^ (contents.keys() - {MANIFEST}))
        raise _refused(f"and its manifest differ about {odd[:80]!r}")
    for name, entry in files.items():
        if len(contents[name]) != entry.bytes or _digest(contents[name]) != entry.sha256:
            raise _refused(f"holds {name} changed: its SHA-256 is not that of the manifest")
    return manifest


def _loaded(name: str, contents: Mapping[str, bytes]) -> Any:
    count = values_in(contents[name])
    if count > MOST_VALUES:
        raise _refused(f"has {count} values in {name}: expected at most {MOST_VALUES}")
    try:
        return json.loads(contents[name].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refused(f"has no JSON in {name} ({str(error)[:80]})") from None


def _takes(content: Any) -> list[Take]:
    if not isinstance(content, list):
        raise _refused(f"has no list in {TAKES}")
    takes = [parse(Take, take) for take in content]
    if len({take.id for take in takes}) < len(takes):
        raise _refused("has two takes of one id")
    for take in takes:
        if max(take.width, take.height) > MOST_SIDE or take.num_frames > MOST_FRAMES or _is_huge(take):
            size = f"{take.num_frames} frames of {take.width} x {take.height}"
            raise _refused(f"has a take of {size}, {take.frames_per_second:g} a second: that is too much")
        if take.keyframe_index >= take.num_frames:
            raise _refused(f"has a take of {take.num_frames} frames whose keyframe is {take.keyframe_index}")
    return takes


def _is_huge(take: Take) -> bool:
    frames_bytes = take.num_frames * take.width * take.height * 3
    return frames_bytes > video.MOST_BYTES or not 1 / MOST_RATE <= take.frames_per_second <= MOST_RATE


def _media_name(name: str) -> re.Match[str] | None:
    found = NAMES.fullmatch(name)
    return found if found and found[1] else None


def _check_media(board: Board, past: UndoHistory, files: Mapping[MediaName, bytes]) -> None:
    wanted = set(media_of(board, past))
    for digest, suffix in sorted(wanted ^ files.keys()):
        does = "lacks" if (digest, suffix) in wanted else "holds, though its story does not use it,"
        raise _refused(f"{does} media/{digest[:12]}....{suffix}")
    for (digest, suffix), content in files.items():
        if _digest(content) != digest:
            raise _refused(f"holds media/{digest[:12]}....{suffix} with other content than its name says")
        if suffix in ("png", "webp"):
            check_header(content, suffix)
        if not BEGINNINGS[suffix].match(content):
            raise _refused(f"holds media/{digest[:12]}....{suffix}, which is no {suffix}")
