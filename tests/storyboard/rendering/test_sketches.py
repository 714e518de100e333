"""Live sketches in the studio and on the page: what is shown, that nothing is stored, and why there is none."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
import torch
from PIL import Image

from pipeline.errors import ThroughlineError
from pipeline.live.student import save, untrained
from pipeline.story_pipeline import StoryPipeline
from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.components.sketch import LiveSketch
from storyboard.ui.desk import NO_SKETCH, Place, Window
from storyboard.ui.desk import Desk as PageDesk
from storyboard.ui.panels.scene import Scene
from tests.storyboard.studios import ME, TEN, Desk, open_studio
from tests.tiny import save_tiny

START = "data:image/webp;base64,"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> StoryPipeline:
    """A tiny model with a student that listens to the weights."""
    folder = save_tiny(tmp_path_factory.mktemp("models") / "taught")
    student = untrained(StoryPipeline.from_pretrained(folder).transformer)
    torch.nn.init.normal_(student.time_embedding.cond_proj.weight, generator=torch.Generator().manual_seed(1))
    save(student, folder / "live")
    pipeline = StoryPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def desk(taught: StoryPipeline, tmp_path: Path) -> Iterator[Desk]:
    studio = open_studio(taught, tmp_path)
    desk = Desk.new(studio, TEN[0], TEN[3])
    desk.render(0)
    yield desk
    studio.close()


def sketch(desk: Desk, place: int, w1: float = 2.0, w2: float = 3.0) -> str:
    return str(desk.ask("sketch", desk.ids[place], w1, w2)["sketch"])


def files(studio: Studio) -> set[Path]:
    """But for encodings of past scenes, which a render keeps as well."""
    return {path for path in (studio.folder / "media").rglob("*") if path.is_file() and path.suffix != ".npz"}


def test_a_sketch_moves_and_nothing_is_stored(desk: Desk) -> None:
    before, rev, takes = files(desk.studio), desk.rev, len(desk.takes(1))
    made = sketch(desk, 1)
    assert made.startswith(START)
    with Image.open(io.BytesIO(base64.b64decode(made.removeprefix(START)))) as picture:
        assert picture.format == "WEBP" and picture.size == (72, 48) and picture.n_frames == 5
    assert sketch(desk, 1) == made
    assert sketch(desk, 1, 6.0) != made and sketch(desk, 1, 2.0, 0.5) != made
    assert (files(desk.studio), desk.rev, len(desk.takes(1))) == (before, rev, takes)


def test_the_saved_weights_have_no_part_but_the_words_have(desk: Desk) -> None:
    made = sketch(desk, 1)
    desk.edit(1, guidance={"text": 7.0, "history": 0.0})
    assert sketch(desk, 1) == made
    desk.prompt(1, "Mia is running on the beach.")
    assert sketch(desk, 1) != made


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"negative_prompt": "rain"}, "negative prompt is 'rain'"), ({"prompt": ""}, "can't be rendered"),
     ({"guidance": {"schedule": "cosine"}}, "guidance is cosine, 0% to 100%"),
     ({"guidance": {"end": 0.5}}, "guidance is constant, 0% to 50%")],
)  # fmt: skip
def test_what_the_student_does_not_know_is_told(desk: Desk, changes: dict[str, Any], why: str) -> None:
    desk.edit(1, **changes)
    with pytest.raises(ThroughlineError, match=why):
        sketch(desk, 1)


def test_a_model_without_a_student_says_so(pipeline: StoryPipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = Desk.new(studio, TEN[0])
    with pytest.raises(ThroughlineError, match="the model is being loaded"):
        sketch(desk, 0)
    assert studio.renderer.maker
    with pytest.raises(ThroughlineError, match="this model has no student for live sketches"):
        sketch(desk, 0)
    studio.close()


# --- the page --------------------------------------------------------------------------------------------------------


def moved(studio: Studio, place: Place, window: Window, w1: float, w2: float) -> dict[Any, Any]:
    """What follows when a guidance slider was moved and its weight saved."""
    functions = [fn for fn in page.build(studio).fns.values() if fn.name == "sketch" and fn.preprocess]
    assert len(functions) == 2 and all(fn.trigger_after is not None for fn in functions)  # one of each slider
    assert not functions[0].queue and functions[0].trigger_mode == "always_last"
    told: dict[Any, Any] = functions[0].fn(place.written(), w1, w2, window)
    return {type(part).__name__: update for part, update in told.items()}


def test_moving_a_slider_shows_a_sketch_until_the_scene_is_left(desk: Desk) -> None:
    place, window = Place(ME, desk.story, desk.ids[1]), Window()
    told = moved(desk.studio, place, window, 2.5, 3.0)
    assert told["LiveSketch"]["value"].startswith(START)
    assert told["Words"]["value"].startswith("Live sketch: w1 2.5, w2 3. ")
    with gr.Blocks():
        panel = Scene(PageDesk(desk.studio))
    stays = panel.paint(panel.desk.look(place, window))
    assert stays[panel.sketch]["value"] == told["LiveSketch"]["value"]
    elsewhere = panel.paint(panel.desk.look(Place(ME, desk.story, desk.ids[0]), window))
    assert elsewhere[panel.sketch]["value"] == "" and window.sketched == NO_SKETCH


def test_the_page_says_why_there_is_no_sketch(desk: Desk) -> None:
    desk.edit(1, negative_prompt="rain")
    told = moved(desk.studio, Place(ME, desk.story, desk.ids[1]), Window(), 2.0, 3.0)
    assert told["LiveSketch"]["value"] == ""
    assert told["Words"]["value"].startswith("No live sketch: negative prompt is 'rain'")


def test_only_pictures_of_our_own_are_shown() -> None:
    with gr.Blocks():
        shown = LiveSketch()
    assert shown.postprocess("<script>") == "" and shown.postprocess(None) == ""
    assert 'src="data:image/webp;base64,AAAA"' in shown.postprocess(START + "AAAA")
    assert shown.preprocess("anything") is None
