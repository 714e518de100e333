"""Story archives: the round trip is exact, and what anybody may have written does no harm."""

import hashlib
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import (
    Board,
    Conditioning,
    GuidanceSettings,
    KeyframeChoice,
    RememberedScene,
    Take,
    WordRef,
)
from storyboard.export import archive
from storyboard.export.archive import ArchiveLimits, read_archive, renewed, write_archive

BEGINNINGS = {
    "mp4": b"\0\0\0\x20ftypisom",
    "webp": b"RIFF\0\0\0\0WEBP",
    "png": b"\x89PNG\r\n\x1a\n",
    "json": b'{"a": 1}',
}
Files = dict[tuple[str, str], bytes]


def content(suffix: str, number: int) -> bytes:
    return BEGINNINGS[suffix] + b" " * number


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SIZE: dict[str, Any] = {"width": 144, "height": 96, "num_frames": 17}
KINDS = {"clip": "mp4", "preview": "webp", "keyframe": "png", "trace": "json"}


def make_board(takes: int = 3) -> tuple[Board, Files]:
    """A board with everything that a story can hold, and the files that it names."""
    files: Files = {}

    def put(suffix: str, number: int) -> str:
        data = content(suffix, number)
        files[name_of(data), suffix] = data
        return name_of(data)

    prompts = ["Mia in a red coat is running.", "Mia waves.", ""]
    story, shelf = edits.new_story("Zoë’s 雪 day", prompts, captions=True), dict[str, Take]()
    first, second, _ = (scene.id for scene in story.scenes)
    story = edits.pin_word(story, second, WordRef(scene=first, text="red coat"))
    story = edits.edit_scene(story, second, seam={"kind": "cross-fade", "seconds": 0.4}, threshold=0.1 + 0.2)
    for number in range(takes):
        picture = put("png", 100 + number)
        memory = RememberedScene(scene=first, prompt="Mia runs.", kept=((0, 3),), keyframe=picture)
        made_of = Conditioning(
            model="0" * 64,
            prompt="Mia waves.",
            negative_prompt="",
            guidance=GuidanceSettings(text=1 / 3),
            rows=((0, 3),),
            **SIZE,
            memories=(memory,),
        )
        take = Take(
            id=f"take{number}",
            scene=second,
            **{name: put(kind, number) for name, kind in KINDS.items()},
            **SIZE | {"keyframe_index": 8, "frames_per_second": 8},
            **{"seed": 2**53 - 1, "steps": 24, "conditioning": made_of, "created": 1e9 + 1 / 3},
        )
        shelf[take.id] = take
        story = edits.choose_take(story, second, take.id)
    own = {"keyframes": (KeyframeChoice(take="take0", index=3, keyframe=put("png", 50)),)}
    scenes = [scene.model_copy(update=own) if scene.id == second else scene for scene in story.scenes]
    return Board(story.model_copy(update={"scenes": tuple(scenes)}), shelf), files


def write(folder: Path, board: Board, files: Files, **options: Any) -> Path:
    """Writes an archive of `board` from files in a folder."""
    store = folder / "store"
    store.mkdir(exist_ok=True)
    for (digest, suffix), data in files.items():
        (store / f"{digest}.{suffix}").write_bytes(data)
    write_archive(folder / "story.zip", board, lambda digest, suffix: store / f"{digest}.{suffix}", **options)
    return folder / "story.zip"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that can be read. Not to be changed."""
    return write(tmp_path_factory.mktemp("archives"), *make_board())


def test_the_round_trip_is_exact(tmp_path: Path) -> None:
    board, files = make_board()
    back, found = read_archive(write(tmp_path, board, files))
    assert back.story == board.story and dict(back.takes) == dict(board.takes) and found == files
    assert list(back.takes) == list(board.takes), "oldest first"
    assert [take.key() for take in back.takes.values()] == [take.key() for take in board.takes.values()]


@given(st.lists(st.text(max_size=40), max_size=4), st.text(max_size=200), st.floats(0, 30))
def test_any_words_and_numbers_come_back(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], title: str, weight: float
) -> None:
    story = edits.new_story(title, prompts)
    for scene in story.scenes:
        story = edits.edit_scene(story, scene.id, guidance={"text": weight})
    back, found = read_archive(write(tmp_path_factory.mktemp("any"), Board(story), {}))
    assert back.story == story and not found and not back.takes


def test_a_file_that_several_takes_share_is_in_it_once(tmp_path: Path) -> None:
    board, files = make_board(takes=2)
    one, two = board.takes.values()
    shelf = {"take0": one, "take1": two.model_copy(update={"clip": one.clip, "keyframe": one.keyframe})}
    shared = Board(board.story, shelf)
    path = write(tmp_path, shared, files)
    with zipfile.ZipFile(path) as bundle:
        names = bundle.namelist()
    assert len(names) == len(set(names)) and read_archive(path)[0].takes == shelf


def test_a_renewed_board_is_another_story_of_the_same_scenes() -> None:
    board, _ = make_board()
    fresh = renewed(board)
    assert fresh.story.id not in (board.story.id, renewed(board).story.id)
    assert fresh.story.model_copy(update={"id": board.story.id}) == board.story
    assert fresh.takes == board.takes and all(
        fresh.takes_of(scene.id) == board.takes_of(scene.id) for scene in fresh.story.scenes
    )


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_an_archive_that_would_not_be_whole_is_not_written(damage: str, tmp_path: Path) -> None:
    board, files = make_board()
    clip = (board.takes["take1"].clip, "mp4")
    files = {name: data for name, data in files.items() if name != clip} | (
        {clip: b"rot"} if damage == "changed" else {}
    )
    with pytest.raises(ThroughlineError, match="missing" if damage == "missing" else "damaged"):
        write(tmp_path, board, files)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("limits", [ArchiveLimits(files=12), ArchiveLimits(bytes=3000)])
def test_what_could_not_be_read_again_is_not_written(limits: ArchiveLimits, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match="expected at most"):
        write(tmp_path, *make_board(), limits=limits)


# --- hostile archives ------------------------------------------------------------------------------------------------


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist()}


def listed(entries: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """The entries with a manifest that is right about them, but for `changes`."""
    rest = {name: data for name, data in entries.items() if name != "manifest.json"}
    files = {name: {"sha256": name_of(data), "bytes": len(data)} for name, data in rest.items()}
    manifest = {"format": archive.FORMAT, "version": 2, "files": files, **changes}
    return {**rest, "manifest.json": json.dumps(manifest).encode()}


def bundled(path: Path, entries: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
    return path


def refused(path: Path, match: str, limits: ArchiveLimits | None = None) -> None:
    with pytest.raises(ThroughlineError, match=match) as caught:
        read_archive(path, limits or ArchiveLimits())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_the_tools_of_these_tests_make_good_archives(good: Path, tmp_path: Path) -> None:
    assert read_archive(bundled(tmp_path / "a.zip", listed(entries_of(good))))[0].story == read_archive(good)[0].story


NAMES = ["../story.json", "/etc/passwd", "media/../../x.png", "C:\\x.png", "media\\x.png", "media/", "media/x.png"]
NAMES += ["inner.zip", "STORY.JSON", "story.json ", "./story.json", "notes.txt", f"media/{'A' * 64}.png"]
NAMES += [f"media/{'a' * 64}.{ending}" for ending in ("exe", "zip", "png/x", "png\n")]
NAMES += ["media/" + "x" * 60_000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:30]))
def test_no_name_but_its_own_is_accepted(name: str, good: Path, tmp_path: Path) -> None:
    refused(bundled(tmp_path / "a.zip", listed({**entries_of(good), name: b"x"})), "holds .*: expected only")


def test_a_name_with_a_hidden_end_is_refused(good: Path, tmp_path: Path) -> None:
    path = bundled(tmp_path / "a.zip", listed({**entries_of(good), "story.json@x.sh": b"x"}))
    path.write_bytes(path.read_bytes().replace(b"story.json@x.sh", b"story.json\0x.sh"))
    refused(path, "holds|twice")


def test_a_name_that_is_there_twice_is_refused(good: Path, tmp_path: Path) -> None:
    entries = entries_of(good)
    with (
        zipfile.ZipFile(bundled(tmp_path / "a.zip", entries), "a") as bundle,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        bundle.writestr("story.json", entries["story.json"])
    refused(tmp_path / "a.zip", "has 'story.json' twice")


@pytest.mark.parametrize("mode", [0o120777, 0o020644, 0o040755, 0o010644])
def test_links_and_devices_are_refused(mode: int, good: Path, tmp_path: Path) -> None:
    entries = entries_of(good)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode if name == "story.json" else 0o100644) << 16
            bundle.writestr(info, data)
    refused(tmp_path / "a.zip", "as a link or a device")


def test_too_many_files_are_refused_before_any_is_read(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("its directory is not even read"))
    refused(good, "directory of 20 files: expected at most 19", ArchiveLimits(files=19))


def test_the_directory_is_counted_too(good: Path, tmp_path: Path) -> None:
    """The number of files at the end of a zip may be a lie."""
    data = bytearray(good.read_bytes())
    data[-14:-10] = struct.pack("<HH", 3, 3)
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", "has 20 files: expected at most 19", ArchiveLimits(files=19))


def test_declared_sizes_count_before_anything_is_unpacked(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("nothing is unpacked"))
    refused(good, "unpacked: expected at most", ArchiveLimits(bytes=3000))
    refused(good, "MB in story.json: expected at most", ArchiveLimits(json_bytes=100))


def test_data_that_unpack_to_more_than_they_declare_are_refused(good: Path, tmp_path: Path) -> None:
    entries = listed({**entries_of(good), "takes.json": b"[" + b" " * 50_000_000 + b"]"})
    path = bundled(tmp_path / "a.zip", entries)
    size = struct.pack("<I", 50_000_002)
    data = path.read_bytes()
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack("<I", 20)))
    refused(path, "damaged|declares", ArchiveLimits(bytes=1_000_000))


@pytest.mark.parametrize("change", ["flipped", "cut", "before", "comment", "text", "empty", "missing", "zip64"])
def test_what_is_no_whole_zip_is_refused(change: str, good: Path, tmp_path: Path) -> None:
    data, path = bytearray(good.read_bytes()), tmp_path / "a.zip"
    start = data.index(b"story.json") + 30
    made: dict[str, Callable[[], bytes]] = {
        "flipped": lambda: bytes(data[:start]) + bytes([data[start] ^ 255]) + bytes(data[start + 1 :]),
        "cut": lambda: bytes(data[: len(data) // 2]),
        "before": lambda: b"#!/bin/sh\n" + bytes(data),
        "comment": lambda: bytes(data[:-2]) + b"\x05\0hello",
        "text": lambda: b"once upon a time, " * 20,
        "empty": lambda: b"",
        "zip64": lambda: bytes(data[:-22]) + b"PK\6\7" + b"\0" * 16 + bytes(data[-22:]),
    }
    if change != "missing":
        path.write_bytes(made[change]())
    refused(path, {"missing": "does not exist", "before": "not where it should be"}.get(change, "zip"))


def test_offsets_past_any_file_are_refused(good: Path, tmp_path: Path) -> None:
    """A zip64 field in the directory may point to where no file can be sought to."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in entries_of(good).items():
            info = zipfile.ZipInfo(name)
            info.extra = struct.pack("<HHQ", 1, 8, 2**63) if name == "story.json" else b""
            bundle.writestr(info, data)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\1\2")
    assert content[place + 46 :].startswith(b"story.json")
    content[place + 42 : place + 46] = b"\xff" * 4
    path.write_bytes(content)
    refused(path, "damaged")


@given(st.data())
def test_no_flipped_byte_is_taken_for_the_story(
    good: Path, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    content = bytearray(good.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "a.zip"
    path.write_bytes(content)
    try:
        board, files = read_archive(path)
    except ThroughlineError:
        return
    wanted, wanted_files = read_archive(good)
    assert (board.story, dict(board.takes), files) == (wanted.story, dict(wanted.takes), wanted_files)


def test_a_nested_zip_is_no_clip(tmp_path: Path, good: Path) -> None:
    board, files = make_board(takes=1)
    inner = good.read_bytes()
    take = board.takes["take0"].model_copy(update={"clip": name_of(inner)})
    path = write(tmp_path, Board(board.story, {"take0": take}), {**files, (name_of(inner), "mp4"): inner})
    refused(path, "which is no mp4")


@pytest.mark.parametrize("listed_right", [True, False])
def test_wrong_digests_are_refused(listed_right: bool, good: Path, tmp_path: Path) -> None:
    entries = entries_of(good)
    clip = next(name for name in entries if name.endswith(".mp4"))
    changed = {**entries, clip: entries[clip] + b"!"}
    path = bundled(tmp_path / "a.zip", listed(changed) if listed_right else changed)
    refused(path, "other content than its name" if listed_right else "SHA-256 is not that of the manifest")


@pytest.mark.parametrize("kind", ["more", "fewer", "unused"])
def test_files_are_those_that_the_story_uses(kind: str, good: Path, tmp_path: Path) -> None:
    entries, extra = entries_of(good), content("png", 777)
    clip = next(name for name in entries if name.endswith(".mp4"))
    if kind == "unused":
        entries = listed({**entries, f"media/{name_of(extra)}.png": extra})
    elif kind == "more":
        entries[f"media/{name_of(extra)}.png"] = extra
    else:
        entries = listed({name: data for name, data in entries.items() if name != clip})
    refused(bundled(tmp_path / "a.zip", entries), {"more": "differ", "fewer": "lacks", "unused": "does not use"}[kind])


@pytest.mark.parametrize("name", ["manifest.json", "story.json", "takes.json", "revisions.json"])
def test_every_part_must_be_there(name: str, good: Path, tmp_path: Path) -> None:
    entries = {other: data for other, data in entries_of(good).items() if other != name}
    if name == "revisions.json":
        entries = listed(entries)
    refused(bundled(tmp_path / "a.zip", entries), f"has no {name}|lacks {name}")


@pytest.mark.parametrize("version", [0, 3, "2", 2.0, True, None, "x" * 999])
def test_other_versions_are_refused(version: Any, good: Path, tmp_path: Path) -> None:
    refused(bundled(tmp_path / "a.zip", listed(entries_of(good), version=version)), "reads versions 1 to 2")


@pytest.mark.parametrize("manifest", [b"[]", b"{}", b'{"format": "zip"}', b"null", b"\xff"])
def test_other_manifests_are_refused(manifest: bytes, good: Path, tmp_path: Path) -> None:
    refused(bundled(tmp_path / "a.zip", {**entries_of(good), "manifest.json": manifest}), "manifest")


def story_text(good: Path, **changes: Any) -> bytes:
    return json.dumps({**json.loads(entries_of(good)["story.json"]), **changes}).encode()


NO_STORIES = [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 200_000, b"1" * 10_000]
NO_STORIES += [b'{"id": NaN}', b'{"id": "\\ud800"}']


@pytest.mark.parametrize("text", NO_STORIES, ids=lambda text: repr(text[:20]))
def test_what_is_no_story_is_refused(text: bytes, good: Path, tmp_path: Path) -> None:
    for name in ("story.json", "takes.json"):
        if (name, text) != ("takes.json", b"[]"):
            refused(bundled(tmp_path / "a.zip", listed({**entries_of(good), name: text})), "is|has")


WRONG = [{"id": "../x"}, {"width": 10**9}, {"width": 1e400}, {"owner": "x"}, {"title": ["x"]}]
WRONG += [{"scenes": [{"id": "a", "guidance": {"text": float("nan")}}]}]


@pytest.mark.parametrize("changes", WRONG, ids=repr)
def test_a_story_with_a_wrong_field_is_refused(changes: dict[str, Any], good: Path, tmp_path: Path) -> None:
    entries = listed({**entries_of(good), "story.json": story_text(good, **changes)})
    refused(bundled(tmp_path / "a.zip", entries), next(iter(changes)))


def test_two_scenes_of_one_id_are_refused(good: Path, tmp_path: Path) -> None:
    entries = listed({**entries_of(good), "story.json": story_text(good, scenes=[{"id": "a"}, {"id": "a"}])})
    refused(bundled(tmp_path / "a.zip", entries), "'a' is there twice")


def test_takes_that_contradict_themselves_are_refused(good: Path, tmp_path: Path) -> None:
    takes = json.loads(entries_of(good)["takes.json"])
    for changed, match in (
        ([*takes, takes[0]], "two takes of one id"),
        ([{**takes[0], "keyframe_index": 17}, *takes[1:]], "17 frames whose keyframe is 17"),
    ):
        entries = listed({**entries_of(good), "takes.json": json.dumps(changed).encode()})
        refused(bundled(tmp_path / "a.zip", entries), match)
