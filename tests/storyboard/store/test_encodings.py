"""Encodings of past scenes outlive a restart, are never used for anything else, and go with what they belong to."""

import io
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from storyboard import studio as service
from storyboard.store import maintenance
from storyboard.store.blobs import BlobStore
from storyboard.store.encodings import Encodings
from storyboard.store.library import Library
from storyboard.store.schema import MIGRATIONS
from tests.storyboard.studios import MODEL, Desk, Watched

FIRST, SECOND = "A cat in a red hat runs on the beach.", "The cat sleeps on the beach."


@contextmanager
def opened(pipeline: Any, folder: Path, model: str = MODEL) -> Iterator[tuple[Watched, service.Studio]]:
    watched = Watched(pipeline)
    studio = service.Studio(lambda: watched, folder, model)
    try:
        yield watched, studio
    finally:
        studio.close()


@pytest.fixture
def made(pipeline: Any, tmp_path: Path) -> Desk:
    """A story whose second scene remembers the first, rendered; its studio is closed."""
    with opened(pipeline, tmp_path) as (watched, studio):
        desk = Desk.new(studio, FIRST, SECOND)
        desk.render()
        assert watched.encoded == [FIRST]
    return desk


def again(pipeline: Any, folder: Path, desk: Desk, model: str = MODEL) -> tuple[list[str], bytes]:
    """Renders the second scene with a new seed after a restart: what was encoded for it, and its clip."""
    with opened(pipeline, folder, model) as (watched, studio):
        desk = Desk(studio, desk.owner, desk.story)
        desk.edit(1, seed=77)
        desk.render(1)
        take = desk.takes(1)[-1]
        assert take.seed == 77 and take.conditioning.memories
        return watched.encoded, studio.media.path(take.keyframe, "png").read_bytes()


def encodings(folder: Path) -> list[Path]:
    return sorted((folder / "media").glob("*/*.npz"))


def aged(folder: Path) -> None:
    then = time.time() - maintenance.KEPT_SECONDS - 60
    for path in encodings(folder):
        os.utime(path, (then, then))


def test_a_restart_encodes_nothing_again_and_gives_the_same_clip(
    pipeline: Any, made: Desk, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    without = tmp_path_factory.mktemp("without")
    shutil.copytree(tmp_path, without, dirs_exist_ok=True)
    for path in encodings(without):
        path.unlink()
    encoded, keyframe = again(pipeline, tmp_path, made)
    assert encoded == [] and len(encodings(tmp_path)) == 1
    assert again(pipeline, without, made) == ([FIRST], keyframe)


@pytest.mark.parametrize("damage", ["gone", "torn", "spoiled"])
def test_a_damaged_file_is_not_used_but_made_again(pipeline: Any, made: Desk, tmp_path: Path, damage: str) -> None:
    (path,) = encodings(tmp_path)
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:900] if damage == "torn" else whole[:-300] + b"?" + whole[-299:])
    assert again(pipeline, tmp_path, made)[0] == [FIRST]
    assert path.read_bytes() == whole and encodings(tmp_path) == [path]


def test_what_belongs_to_something_else_is_refused(pipeline: Any, tmp_path: Path) -> None:
    library, media = Library(tmp_path), BlobStore(tmp_path / "media")
    store = Encodings(library, media, MODEL)
    shown = np.full((48, 72, 3), 90, np.uint8)
    scene = pipeline.encode_scene(FIRST, shown[None])
    with closing(library):
        store.keep(scene, "a" * 64)
        found = store.read(FIRST, "a" * 64, shown)
        assert found and torch.equal(found.text.hidden, scene.text.hidden) and torch.equal(found.patches, scene.patches)
        assert (found.prompt, found.text.tokens, found.text.offsets) == (FIRST, scene.text.tokens, scene.text.offsets)
        own = library.encoding(MODEL, FIRST, "a" * 64)
        assert own is not None
        assert store.read(SECOND, "a" * 64, shown) is None and store.read(FIRST, "b" * 64, shown) is None
        assert Encodings(library, media, "e" * 64).read(FIRST, "a" * 64, shown) is None
        arrays = io.BytesIO()
        np.savez(arrays, hidden=np.zeros(3))
        for foreign in (own, media.put(b"no arrays", "npz"), media.put(arrays.getvalue(), "npz")):
            library.add_encoding(MODEL, SECOND, "a" * 64, foreign)
            assert store.read(SECOND, "a" * 64, shown) is None


def test_encodings_stay_while_their_keyframe_is_referred_to(pipeline: Any, made: Desk, tmp_path: Path) -> None:
    aged(tmp_path)
    with opened(pipeline, tmp_path) as (_, studio):
        media, gone = studio.media, np.full((48, 72, 3), 9, np.uint8)
        studio.renderer.maker.encodings.keep(pipeline.encode_scene(FIRST, gone[None]), "d" * 64)
        studio.maintenance.tidy()
        assert len(encodings(tmp_path)) == 2, "a young one may be referred to soon"
        aged(tmp_path)
        assert studio.maintenance.tidy() > 0 and len(encodings(tmp_path)) == 1
        digest = studio.library.encoding(MODEL, FIRST, made_keyframe(studio, made))
        assert digest and media.path(digest, "npz") == encodings(tmp_path)[0]
        assert studio.library.encoding(MODEL, FIRST, "d" * 64) is None
    assert again(pipeline, tmp_path, made)[0] == []


def made_keyframe(studio: service.Studio, desk: Desk) -> str:
    take = Desk(studio, desk.owner, desk.story).shown[0]
    assert take is not None
    return take.keyframe


def test_encodings_by_a_model_that_was_replaced_go_too(pipeline: Any, made: Desk, tmp_path: Path) -> None:
    (old,) = encodings(tmp_path)
    assert again(pipeline, tmp_path, made, model="e" * 64)[0] == [FIRST]
    aged(tmp_path)
    with opened(pipeline, tmp_path, "e" * 64) as (_, studio):
        studio.maintenance.tidy()
    assert len(encodings(tmp_path)) == 1 and old not in encodings(tmp_path)


def test_a_library_from_before_there_were_encodings_is_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "library.sqlite3")) as database:
        for statement in MIGRATIONS[0]:
            database.execute(statement)
        database.execute("PRAGMA user_version = 1")
        database.commit()
    with closing(Library(tmp_path)) as library:
        library.add_encoding(MODEL, FIRST, "a" * 64, "b" * 64)
        assert library.encoding(MODEL, FIRST, "a" * 64) == "b" * 64
