"""Content-addressed files: whole or not there, and deleted only when nothing refers to them and they are old."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.store.blobs import CHUNK_BYTES, BlobStore

HOUR = 3600.0


@pytest.fixture
def media(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "media")


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def files(media: BlobStore) -> list[Path]:
    return [path for path in media.folder.rglob("*") if path.is_file()]


def test_a_file_is_named_by_what_it_holds(media: BlobStore) -> None:
    digest = media.put(b"a frame", "png")
    assert digest == hashlib.sha256(b"a frame").hexdigest()
    path = media.path(digest, "png")
    assert path == media.folder / digest[:2] / f"{digest[2:]}.png"
    assert path.read_bytes() == b"a frame"
    assert media.put(b"a frame", "png") == digest
    assert files(media) == [path]


def test_a_large_file_is_copied_and_stays_where_it_was(media: BlobStore, tmp_path: Path) -> None:
    clip = tmp_path / "mine.mp4"
    clip.write_bytes(os.urandom(2 * CHUNK_BYTES + 5))
    digest = media.put_file(clip)
    assert digest == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert media.path(digest, "mp4").read_bytes() == clip.read_bytes()


def test_missing_files_and_bad_names_are_refused(media: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"file aaaaaaaaaaaa….png is missing"):
        media.path("a" * 64, "png")
    for digest in ("../" * 21 + "a", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(ThroughlineError, match="expected 64 hexadecimal digits"):
            media.path(digest, "png")
    for suffix in ("exe", "", "../png"):
        with pytest.raises(ThroughlineError, match="expected one of"):
            media.put(b"x", suffix)
    with pytest.raises(ThroughlineError, match="can't be read"):
        media.put_file(tmp_path / "nothing.mp4")
    assert files(media) == []


def test_nothing_is_left_of_a_write_that_failed(media: BlobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    media.put(b"sound", "png")
    before = files(media)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ThroughlineError, match=r"can't be written: No space left on device"):
        media.put(b"x" * 100, "png")
    assert files(media) == before


def test_a_torn_file_is_mended_by_putting_it_again(media: BlobStore) -> None:
    digest = media.put(b"whole", "webp")
    media.path(digest, "webp").write_bytes(b"who")
    assert media.put(b"whole", "webp") == digest
    assert media.path(digest, "webp").read_bytes() == b"whole"


def test_what_is_read_is_what_was_put_or_nothing(media: BlobStore) -> None:
    digest = media.put(b"whole", "npz")
    assert media.read(digest, "npz") == b"whole"
    assert media.read("a" * 64, "npz") is None
    for damaged in (b"who", b"whale", b""):
        media.path(digest, "npz").write_bytes(damaged)
        assert media.read(digest, "npz") is None
        assert media.put(b"whole", "npz") == digest
        assert media.read(digest, "npz") == b"whole"


def test_collect_deletes_what_is_old_and_not_kept(media: BlobStore) -> None:
    kept, old, young, again = (media.put(name, "png") for name in (b"kept", b"old", b"young", b"again"))
    for digest in (kept, old, again):
        age(media.path(digest, "png"), 2 * HOUR)
    leftover = media.folder / "parts" / "0123.part"
    leftover.write_bytes(b"half a clip")
    age(leftover, 2 * HOUR)
    media.put(b"again", "png")
    assert media.collect({kept}, HOUR) == len(b"old") + len(b"half a clip")
    assert sorted(files(media)) == sorted(media.path(digest, "png") for digest in (kept, young, again))


def test_many_threads_may_put_the_same(media: BlobStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda number: media.put(b"%d" % (number % 3), "json"), range(48)))
    assert len(digests) == 3
    assert len(files(media)) == 3
