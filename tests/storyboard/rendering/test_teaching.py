"""Teaching an entry of the cast: from the operation to takes that show it, cancelled, resumed, undone, in archives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.adapters import priors, teaching
from pipeline.errors import ThroughlineError
from storyboard.document.cast import edits as cast_edits
from storyboard.document.cast.entries import CastPicture
from storyboard.export.archive import media_of
from storyboard.interfaces import verbs  # noqa: F401  defines the verbs
from storyboard.operations.registry import VERBS
from storyboard.rendering.teaching.job import KIND
from storyboard.store.clips import keep_picture
from storyboard.studio import Studio
from tests.storyboard.studios import ME, Desk, open_studio, wait_for

CAPTIONS = ("Mia is running in the snow.", "Mia is waving on the farm.", "Mia is walking on the beach.")
QUICK = teaching.Recipe(steps=3, stills=2, priors=1, rank=2)


@pytest.fixture
def studio(pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    drawn = priors.priors_of
    monkeypatch.setattr(teaching.teach, "__defaults__", (QUICK, None))
    monkeypatch.setattr(teaching, "SAVE_EVERY", 1)
    monkeypatch.setattr(priors, "priors_of", lambda pipeline, name, prompts: drawn(pipeline, name, prompts, 2))
    studio = open_studio(pipeline, tmp_path)
    yield studio
    studio.close()


def with_mia(studio: Studio, pictures: int = 3) -> Desk:
    """A story with an entry that has pictures."""
    desk = Desk.new(studio, "Mia is skiing.", "A dog sleeps.")
    noise = np.random.default_rng(0).integers(0, 256, (pictures, 48, 72, 3), np.uint8)

    def add(story):
        story = cast_edits.add_entry(story, "Mia", "mia0")
        for index, (picture, caption) in enumerate(zip(noise, CAPTIONS, strict=False)):
            kept = {"file": keep_picture(studio.media, picture), "width": 72, "height": 48, "caption": caption}
            story = cast_edits.add_picture(story, "mia0", CastPicture(id=f"p{index}", **kept))
        return story

    studio.library.edit(ME, desk.story, add, "pictures")
    return desk


def teach(desk: Desk) -> dict:
    desk.ask("cast_teach", "mia0")
    wait_for(lambda: desk.ask("cast_teaching", "mia0")["teaching"]["state"] not in ("queued", "running"))
    return desk.ask("cast_teaching", "mia0")["teaching"]


def test_scenes_that_name_a_taught_entry_are_rendered_with_it_and_undo_brings_all_back(studio: Studio) -> None:
    desk = with_mia(studio)
    desk.render()
    before = {name: value.clone() for name, value in studio.renderer.maker.pipeline.transformer.state_dict().items()}
    told = teach(desk)
    assert (told["state"], told["step"], told["error"]) == ("done", 3, "")
    taught = desk.board.story.entry("mia0").taught
    assert taught and studio.media.holds((taught.file, "safetensors")) and desk.states == ["stale", "fresh"]
    assert desk.standings()[0].reasons == ("*Mia* was taught",) and desk.planned() == [0]
    old = desk.shown[0]
    desk.render()
    new = desk.shown[0]
    assert old and new and new.keyframe != old.keyframe and desk.states == ["fresh", "fresh"]
    assert (taught.file, "safetensors") in media_of(desk.board)
    after = studio.renderer.maker.pipeline.transformer.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(value, after[name]) for name, value in before.items())
    desk.ask("edit", {"do": "cast_weigh", "entry": "mia0", "strength": 0.0})
    desk.render(0)
    plain = desk.shown[0]
    assert plain and plain.keyframe == old.keyframe, "of strength 0 it is as if it had not been taught"


def test_a_teaching_that_was_cancelled_goes_on_where_it_stopped(studio: Studio, monkeypatch) -> None:
    desk, steps = with_mia(studio), list[int]()
    step = teaching.Teaching.step

    def noted(self, number: int):
        steps.append(number)
        if steps == [0, 1]:
            studio.renderer.queue.cancel(ME, desk.story, kind=KIND)
        return step(self, number)

    monkeypatch.setattr(teaching.Teaching, "step", noted)
    assert teach(desk)["state"] == "cancelled" and desk.board.story.entry("mia0").taught is None
    assert teach(desk)["state"] == "done" and steps == [0, 1, 2]
    assert desk.board.story.entry("mia0").taught and not list((studio.media.folder.parent / "teaching").iterdir())


def test_an_entry_that_cant_be_taught_is_refused_at_once(studio: Studio) -> None:
    desk = with_mia(studio, pictures=2)
    with pytest.raises(ThroughlineError, match="'Mia' has 2 pictures: expected 3 to 8") as refused:
        desk.ask("cast_teach", "mia0")
    assert desk.ask("cast_teaching", "mia0") == {"teaching": None, "refused": str(refused.value)}
    desk = with_mia(studio)
    desk.ask("edit", {"do": "cast_edit_picture", "entry": "mia0", "picture": "p1", "changes": {"caption": "A girl."}})
    with pytest.raises(ThroughlineError, match=r"'A girl\.' does not name 'Mia'"):
        desk.ask("cast_teach", "mia0")
    assert "does not name 'Mia'" in desk.ask("cast_teaching", "mia0")["refused"]


def test_programs_are_told_how_it_goes_until_it_is_over(studio: Studio) -> None:
    desk = with_mia(studio)
    told = list(VERBS["cast_teach"](studio, ME, desk.story, "mia0"))
    assert told[-1]["teaching"]["state"] == "done" and all(news["teaching"]["preview"] == "" for news in told)
