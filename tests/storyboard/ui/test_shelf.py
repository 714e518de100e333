"""A click on the shelf opens the story that is shown there, whatever was changed since."""

from types import SimpleNamespace
from typing import Any

from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.desk import Place, Window
from tests.storyboard.studios import ME


def test_what_is_shown_opens_though_another_story_was_changed_since(studio: Studio) -> None:
    blocks = page.build(studio)
    older, newer = (studio.new_story(ME, title=title, prompts=["Mia runs."])["story"] for title in ("Old", "New"))
    (over,) = (fn for fn in blocks.fns.values() if any(event == "over" for _, event in fn.targets))
    place, window = Place(ME, newer["id"], newer["scenes"][0]["id"]), Window(open="Stories")
    over.fn(place, window, {})
    assert window.listed == (newer["id"], older["id"])
    studio.edit(ME, older["id"], {"do": "edit_story", "changes": {"title": "Older"}})
    (opens,) = (fn for fn in blocks.fns.values() if fn.name == "open_own")
    told: dict[Any, Any] = opens.fn(place, window, SimpleNamespace(index=0))
    assert next(update["news"]["open"]["id"] for update in told.values() if "news" in update) == newer["id"]
    assert opens.fn(place, Window(open="Stories"), SimpleNamespace(index=0)) == {}, "nothing was shown yet"
