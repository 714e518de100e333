"""Scenes that begin and end with pictures, from the upload to the take."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import ThroughlineError
from storyboard.export.archive import media_of
from storyboard.store.clips import read_frames
from storyboard.studio import Studio
from tests.storyboard.studios import Desk, open_studio


@pytest.fixture
def studio(going_on, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(going_on, tmp_path, continues=lambda: True)
    yield studio
    studio.close()


def upload(colour: tuple[int, int, int], size: tuple[int, int] = (90, 60)) -> str:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode()


def test_a_take_begins_with_one_picture_and_ends_with_another(studio: Studio, going_on) -> None:
    desk = Desk.new(studio, "A cat runs.", "Snow falls.", num_frames=9)
    desk.render()
    desk.ask("scene_picture", desk.ids[1], "first", upload((200, 30, 60)), name="red.jpg")
    answer = desk.ask("scene_picture_of_take", desk.ids[1], "last", desk.ids[0])
    told = answer["story"]["scenes"][1]
    assert (told["first_picture"]["source"], told["last_picture"]["source"]) == ("red.jpg", "last frame of scene 1")
    assert desk.states == ["fresh", "stale"]
    desk.render()
    assert desk.states == ["fresh", "fresh"]
    a, b = (desk.board.chosen(scene) for scene in desk.scenes)
    before, frames, latents = read_frames(studio.media, a), read_frames(studio.media, b), going_on.latents
    pictures = (np.full_like(before[0], (200, 30, 60)), before[-1])
    first, last = (latents.decode(latents.encode(one))[0].astype(int) for one in pictures)  # untrained: something else
    assert np.abs(frames[0] - first).mean() < np.abs(frames[0] - last).mean() / 2, "but for the video's loss"
    assert np.abs(frames[-1] - last).mean() < np.abs(frames[-1] - first).mean() / 2
    kept = {(picture, "png") for picture in b.conditioning.pictures}
    assert len(kept) == 2 and kept <= set(media_of(desk.board)), "archives have them"
    assert b.conditioning.pictures[0] in studio.library.referred(), "and clearing up leaves them"


def test_pictures_are_taken_away_brought_back_and_make_room_for_a_seam(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.", "Snow falls.")
    desk.ask("scene_picture", desk.ids[1], "first", upload((0, 90, 90)))
    with pytest.raises(ThroughlineError, match="expected another seam, the scene begins with a picture of its own"):
        desk.edit(1, seam={"kind": "continue"})
    desk.ask("edit", {"do": "remove_scene_picture", "scene": desk.ids[1], "which": "first"})
    assert desk.scenes[1].first_picture is None
    desk.edit(1, seam={"kind": "continue"})
    desk.ask("undo")
    desk.ask("undo")
    assert desk.scenes[1].first_picture and desk.scenes[1].seam.kind == "cut"


def test_a_picture_follows_the_size_of_the_story(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.")
    desk.ask("scene_picture", desk.ids[0], "first", upload((0, 90, 90), (10, 90)))
    desk.ask("edit", {"do": "edit_story", "changes": {"width": 48, "height": 72}})
    desk.render()
    take = desk.board.chosen(desk.scenes[0])
    assert (take.width, take.height) == (48, 72) and desk.states == ["fresh"]


def test_what_can_not_be_a_picture_of_a_scene_is_refused_in_a_line(studio: Studio) -> None:
    desk = Desk.new(studio, "A cat runs.", "Snow falls.")
    nothing = base64.b64encode(b"no picture").decode()
    with pytest.raises(ThroughlineError, match=r"picture 'x\.png' "):
        desk.ask("scene_picture", desk.ids[0], "first", nothing, name="x.png")
    with pytest.raises(ThroughlineError, match="has no take to have a picture of: render it first"):
        desk.ask("scene_picture_of_take", desk.ids[1], "first", desk.ids[0])
    with pytest.raises(ThroughlineError, match="which is 'middle': "):
        desk.ask("scene_picture", desk.ids[0], "middle", upload((1, 2, 3)))
    desk.render(0)
    with pytest.raises(ThroughlineError, match="frame 5 is not in the clip: expected 0 to 4, or -1"):
        desk.ask("scene_picture_of_take", desk.ids[1], "first", desk.ids[0], frame=5)
    with pytest.raises(ThroughlineError, match="take 'other' does not exist"):
        desk.ask("scene_picture_of_take", desk.ids[1], "first", desk.ids[0], take="other")


def test_a_model_that_can_not_begin_with_pictures_says_so(pipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = Desk.new(studio, "A cat runs.")
    for place, verb in (("first", "begin"), ("last", "end")):
        with pytest.raises(ThroughlineError, match=f"a {place} picture is given: .* does not {verb} with a picture"):
            desk.ask("scene_picture", desk.ids[0], place, upload((1, 2, 3)))
    studio.close()
