"""Trials: what they are is known to whoever comes back, and one is cancelled without the others."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.storyboard.studios import ME, YOU, Desk, Watched, open_studio, wait_for

PROMPTS = ("A cat in a red hat runs on the beach.", "The cat sleeps on the beach.")


@pytest.fixture(scope="module")
def watched(pipeline: Any) -> Watched:
    return Watched(pipeline)


@pytest.fixture(scope="module")
def desk(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    studio = open_studio(watched, tmp_path_factory.mktemp("home"))
    desk = Desk.new(studio, *PROMPTS)
    desk.render()
    yield desk
    watched.go()
    studio.close()


def states(desk: Desk) -> list[str]:
    return [trial["state"] for trial in desk.ask("trials_of", desk.ids[1])["trials"]]


def test_who_comes_back_is_told_what_was_tried(desk: Desk) -> None:
    _, scene = desk.ids
    word = {"scene": desk.ids[0], "start": 2, "end": 5}
    orders = (("what_if", {"history": True}), ("what_if", {"word": word}), ("sheet", [2, 4], [0]), ("sheet", [3], [0]))
    ordered = [trial for verb, *rest in orders for trial in desk.ask(verb, scene, *rest)["trials"]]
    wait_for(lambda: set(states(desk)) == {"done"})
    desk.render(1, again=True)
    found = desk.ask("trials_of", scene)["trials"]
    assert [trial["id"] for trial in found] == ordered, "a render forgets no trial"
    history, without, *cells = found
    take = desk.takes(1)[0].id
    assert (history["history"], history["without"], history["against"], history["sheet"]) == (False, None, take, "")
    assert (without["history"], without["without"]["text"], without["against"]) == (True, "cat", take)
    assert [(cell["w1"], cell["w2"]) for cell in cells] == [(2, 0), (4, 0), (3, 0)]
    assert cells[0]["sheet"] == cells[1]["sheet"] != cells[2]["sheet"] and all(cell["sheet"] for cell in cells)
    assert desk.ask("trials_of", desk.ids[0])["trials"] == []
    assert all(trial["clip"] for trial in found)


def test_one_trial_is_cancelled_without_the_others(desk: Desk, watched: Watched) -> None:
    scene, before = desk.ids[1], len(states(desk))
    watched.hold()
    first, second = desk.ask("sheet", scene, [2, 4], [0])["trials"]
    (third,) = desk.ask("what_if", scene, {"history": True})["trials"]
    desk.ask("cancel_trials", [second])
    assert states(desk)[before:][1:] == ["cancelled", "queued"]
    desk.ask("cancel_trials", [first])
    watched.go()
    wait_for(lambda: states(desk)[before:] == ["cancelled", "cancelled", "done"])
    assert desk.studio.trials(ME, [third])["trials"][0]["state"] == "done"


def test_trials_are_their_owners(desk: Desk) -> None:
    with pytest.raises(Exception, match="does not exist"):
        desk.studio.trials_of(YOU, desk.story, desk.ids[1])
