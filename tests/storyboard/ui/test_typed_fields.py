"""A repaint that was asked for before somebody typed on does not put older words into the field."""

import copy
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from storyboard.studio import Studio
from storyboard.ui.desk import Desk, Place, Window
from storyboard.ui.panels.panel import Page, Panel
from storyboard.ui.panels.scene import Scene
from storyboard.ui.panels.stories import DRAFT, Stories
from tests.storyboard.studios import ME, Watched, open_studio


@pytest.fixture
def studio(pipeline, tmp_path: Path) -> Iterator[Studio]:
    studio = open_studio(Watched(pipeline), tmp_path)
    yield studio
    studio.close()


def laid_out(studio: Studio, kind: type[Panel]) -> Panel:
    with gr.Blocks():
        return kind(Desk(studio))


def painted(panel: Panel, window: Window, place: Place, drafts: object) -> dict[object, object]:
    """What a browser is sent."""
    view = panel.desk.look(place, window, drafts)
    assert view
    return {part: update for part, update in panel.paint(view).items() if window.news_of(part._id, update)}


def place_of(studio: Studio) -> Place:
    story = studio.new_story(ME, "A film", ["A cat."])["story"]
    return Place(ME, story["id"], story["scenes"][0]["id"])


def test_the_form_of_a_new_story(studio: Studio) -> None:
    panel, place = laid_out(studio, Stories), place_of(studio)
    assert isinstance(panel, Stories)
    began = {DRAFT: {"title": "Two", "text": "A dog.", "reason": ""}}
    later = painted(panel, Window(open="Stories"), place, began)
    assert later[panel.title] == {"value": "Two"}
    assert later[panel.prompts] == {"value": "A dog."}
    window = Window(open="Stories")
    assert "value" not in painted(panel, window, place, {}).get(panel.title, {})
    for drafts in (began, {}, {DRAFT: {"title": "Two fr", "text": "", "reason": "too long"}}):
        assert not {panel.title, panel.prompts} & painted(panel, window, place, drafts).keys()


def test_the_negative_prompt(studio: Studio) -> None:
    panel, place = laid_out(studio, Scene), place_of(studio)
    assert isinstance(panel, Scene)
    draft = {place.written(): {"text": "rain", "reason": ""}}
    assert painted(panel, Window(), place, draft)[panel.negative] == {"value": "rain"}  # of an earlier visit
    window = Window()
    assert painted(panel, window, place, {})[panel.negative] == {"value": ""}
    assert panel.negative not in painted(panel, window, place, draft)
    studio.edit(ME, place.story, {"do": "edit_scene", "scene": place.scene, "changes": {"negative_prompt": "snow"}})
    assert painted(panel, window, place, {})[panel.negative] == {"value": "snow"}


def test_the_box_of_an_overlay_is_set_last(studio: Studio) -> None:
    panel = laid_out(studio, Stories)
    assert isinstance(panel, Stories)
    assert panel.shown()[-1] is panel.box
    assert len(panel.shown()) == len(set(panel.shown()))


def test_windows_of_visits_are_apart_and_nothing_older_is_painted_over_what_is_newer() -> None:
    first = Window(tab="film")
    second = copy.deepcopy(first)
    assert second.painting is not first.painting and second.shown is not first.shown
    newest, order = iter([1, 2]), list[int]()
    started = threading.Event()

    class Slow(Desk):
        def __init__(self) -> None:
            pass

        def look(self, place: Place, window: Window | None = None, drafts: object = None) -> None:
            seen = next(newest)
            started.set()
            time.sleep(0.05 * (2 - seen))
            order.append(seen)

    with gr.Blocks():
        page = Page(Slow(), None, gr.Textbox(), None, None, ())  # type: ignore[arg-type]
    late = threading.Thread(target=page.repaint, args=(Place(), second, None))
    late.start()
    started.wait()
    page.repaint(Place(), second, None)
    late.join()
    assert order == [1, 2]
