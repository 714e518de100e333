"""What comes in from a browser: every verb with wrong owners, wrong types and wrong names; polling; files."""

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from storyboard.document import plan
from storyboard.operations.registry import EDITS
from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.components.board import Board
from storyboard.ui.components.scripts import STATIC, imported
from storyboard.ui.desk import Place
from tests.storyboard.studios import ME, SECONDS, TEN, YOU, Desk, Watched, open_studio, wait_for

VALUES: dict[str, Any] = {
    # right for each argument, but for ids, which `right` puts in
    "words": "the robot waving", "entry": "Zoe", "region": "whole", "frame": -1, "word": "", "caption": "", "state": "",
    "regions": [{"word": "Mia", "words": "a robot"}], "seed": 0, "measure": False,
    "title": "Film", "prompts": ["A cat."], "name": "x.mp4", "op": {"do": "edit_story", "changes": {}}, "base": 0,
    "group": "", "index": 0, "data": "", "scenes": None, "rev": 0, "seen": 0, "threshold": None, "again": False,
    "without": {"history": True}, "w1": [1.0], "w2": [1.0], "steps": 4, "ids": [], "format": "mp4",
    "fit": "fit", "across": 0.5, "down": 0.5, "texts": ["A cat."], "variants": 1, "boxes": [], "chosen": [],
    "which": "first", "source": "a", "text_weight": 2.0, "history_weight": 3.0, "casting": False,
}  # fmt: skip
NOT_TYPED: list[Any] = [
    None, True, 3, -1, 2.5, 10**30, "", "x", "\ud800", "a" * 5000, [], [[]], [1], ["a"], {}, {"a": 1}, {"": [None]},
    "../../etc/passwd", "\x00\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def desk(pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A story with one take, which is not to be changed."""
    studio = open_studio(Watched(pipeline), tmp_path_factory.mktemp("home"), vocabulary=frozenset(["dog", "snow"]))
    desk = Desk.new(studio, TEN[0], TEN[3])
    desk.render(0)
    yield desk
    studio.close()


def parameters(verb: str) -> list[str]:
    return [name for name in inspect.signature(getattr(Studio, verb)).parameters if name not in ("self", "owner")]


def right(desk: Desk, verb: str) -> dict[str, Any]:
    """Arguments with which a verb works, or nearly."""
    ids = {"story": desk.story, "scene": desk.ids[0], "take": desk.takes(0)[0].id}
    return {name: ids.get(name, VALUES.get(name)) for name in parameters(verb)}


def call(studio: Studio, message: Any) -> dict[str, Any]:
    """A reply, which is fit to be sent; errors are one line that is no excuse."""
    reply = page.answer(studio, message)
    json.dumps(reply, allow_nan=False).encode()
    if not reply["ok"]:
        assert set(reply) == {"ok", "error"} and reply["error"].isprintable(), reply
        assert "Something went wrong" not in reply["error"] and len(reply["error"]) < 1000, reply
    return reply


def refused(studio: Studio, message: Any) -> str:
    reply = call(studio, message)
    assert not reply["ok"], reply
    return str(reply["error"])


# --- who and what ----------------------------------------------------------------------------------------------------

OF_A_STORY = sorted(verb for verb in page.VERBS if "story" in parameters(verb))


def test_every_verb_of_the_page_is_there_and_checked() -> None:
    assert len(OF_A_STORY) == len(page.VERBS) - 9
    for verb in page.VERBS:
        assert hasattr(getattr(Studio, verb), "__wrapped__"), f"{verb} does not check its arguments"
    assert all(operation.arguments.model_fields for operation in EDITS.values())


@pytest.mark.parametrize("verb", OF_A_STORY)
def test_a_story_of_others_does_not_exist(desk: Desk, verb: str) -> None:
    rev, arguments = desk.rev, right(desk, verb)
    theirs = refused(desk.studio, {"verb": verb, "owner": YOU, **arguments})
    nowhere = refused(desk.studio, {"verb": verb, "owner": YOU, **arguments, "story": "0" * len(desk.story)})
    assert theirs.replace(desk.story, "STORY") == nowhere.replace("0" * len(desk.story), "STORY")
    assert "does not exist" in theirs and desk.rev == rev


@pytest.mark.parametrize(
    "owner", ["", "short", "a" * 15, "a" * 65, "a" * 31 + "\n", "ä" * 32, "a b" * 10, None, 5, [], {}]
)
def test_owners_are_secrets(desk: Desk, owner: Any) -> None:
    for verb in sorted(page.VERBS - {"samples", "open_sample"}):
        assert "owner" in refused(desk.studio, {"verb": verb, **right(desk, verb), "owner": owner})


@pytest.mark.parametrize(
    "message",
    [None, [], "stories", {}, {"verb": None}, {"verb": []}, {"verb": "close"}, {"verb": "__init__"}, {"verb": "_head"},
     {"verb": "import_file"}, {"verb": "follow"}, {"verb": "renderer"}, {"verb": "stories\x00"}],
)  # fmt: skip
def test_unknown_verbs(desk: Desk, message: Any) -> None:
    assert refused(desk.studio, message) == "the page asked for something unknown: reload it"


def test_arguments_that_do_not_exist_or_lack(desk: Desk) -> None:
    for more in ({"x": 1}, {"self": 1}, {"studio": 1}, {"__class__": 1}):
        assert "stories: " in refused(desk.studio, {"verb": "stories", "owner": ME, **more})
    assert "missing a required argument: 'story'" in refused(desk.studio, {"verb": "get_story", "owner": ME})


@pytest.mark.parametrize("verb", sorted(page.VERBS))
def test_wrong_types_are_told(desk: Desk, verb: str) -> None:
    expensive = {"story": "0"} if verb in ("render", "sheet", "what_if", "film", "meter", "sketch") else {}
    for name in parameters(verb):
        for value in NOT_TYPED:
            call(desk.studio, {"verb": verb, "owner": ME, **right(desk, verb), **expensive, name: value})
    if desk.story not in [entry["id"] for entry in call(desk.studio, {"verb": "stories", "owner": ME})["stories"]]:
        call(desk.studio, {"verb": "restore_story", "owner": ME, "story": desk.story})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["scene", "changes", "fields", "index", "word", "muted", "on", "take", "copy_id", "instead", "story"]
NAMES = [
    "prompt", "guidance", "seed", "steps", "threshold", "seam", "locked", "title", "width", "scene_id", "id", "text",
    "history", "kind", "seconds", "pins", "chosen", "model", "story",
]  # fmt: skip


@settings(max_examples=300)
@given(data=st.data())
def test_any_edit_is_done_or_refused_in_one_line(desk: Desk, data: st.DataObject) -> None:
    changes = st.dictionaries(st.sampled_from(NAMES), anything, max_size=3) | anything
    known = {"scene": st.sampled_from(desk.ids), "changes": changes, "fields": changes, "take": st.just("nothing")}
    chosen = data.draw(st.lists(st.sampled_from(FIELDS), unique=True, max_size=4))
    op = {name: data.draw(known.get(name, anything) | anything) for name in chosen}
    op["do"] = data.draw(st.sampled_from(sorted(EDITS)) | anything)
    before = desk.rev
    reply = call(desk.studio, {"verb": "edit", "owner": ME, "story": desk.story, "op": op})
    if reply["ok"] and desk.rev != before:
        call(desk.studio, {"verb": "undo", "owner": ME, "story": desk.story})


def test_an_edit_reaches_no_other_scene_through_its_changes(desk: Desk) -> None:
    op = {"do": "edit_scene", "scene": desk.ids[0], "changes": {"scene_id": desk.ids[1], "prompt": "x"}}
    assert "'scene_id' of a scene can't be edited" in refused(desk.studio, message(desk, "edit", op=op))
    op = {"do": "add_scene", "fields": {"chosen": desk.takes(0)[0].id}}
    assert "'chosen' of a scene can't be edited" in refused(desk.studio, message(desk, "edit", op=op))


def test_what_goes_wrong_inside_is_not_told(desk: Desk, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(desk.studio.library, "stories", broken)
    reply = page.answer(desk.studio, {"verb": "stories", "owner": ME})
    assert reply == {"ok": False, "error": "Something went wrong (RuntimeError): try again"}
    assert "/secret/path" in caplog.text


# --- polling ---------------------------------------------------------------------------------------------------------


def message(desk: Desk, verb: str, **arguments: Any) -> dict[str, Any]:
    return {"verb": verb, "owner": ME, "story": desk.story, **arguments}


def ask(desk: Desk, verb: str, **arguments: Any) -> dict[str, Any]:
    reply = call(desk.studio, message(desk, verb, **arguments))
    assert reply["ok"], reply
    return reply


def test_poll_tells_what_is_new_and_nothing_else(desk: Desk) -> None:
    first = ask(desk, "poll")
    rev = first["story"]["rev"]
    assert first["standing"]["rev"] == first["seen"] == rev
    assert {place["state"] for place in first["standing"]["scenes"].values()} == {"fresh", "new"}
    assert ask(desk, "poll", rev=rev, seen=rev) == {"ok": True, "jobs": {}, "seen": rev}
    assert "story" in ask(desk, "poll", rev=rev - 1, seen=rev)
    assert first["standing"]["unknown_words"][desk.ids[0]]


def test_standings_wait_for_the_filter(pipeline, tmp_path: Path) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk = Desk.new(studio, TEN[0])
    news = ask(desk, "poll")
    assert "standing" not in news and news["seen"] == -1 and "story" in news
    assert not studio.renderer.ready, "looking at a story loads nothing"
    _ = studio.renderer.filter
    assert "standing" in ask(desk, "poll", rev=news["story"]["rev"], seen=news["seen"])
    studio.close()


def test_a_poll_does_not_wait_for_long_standings(pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = open_studio(pipeline, tmp_path)
    desk, go, standings = Desk.new(studio, TEN[0]), threading.Event(), plan.standings

    def slow(*arguments: Any) -> Any:
        assert go.wait(SECONDS)
        return standings(*arguments)

    _ = studio.renderer.filter
    monkeypatch.setattr(studio.renderer.standings_soon.__func__, "__defaults__", (0.01,))
    monkeypatch.setattr(plan, "standings", slow)
    news = ask(desk, "poll")
    assert "standing" not in news and news["seen"] == -1 and news["story"]
    go.set()
    wait_for(lambda: "standing" in ask(desk, "poll", rev=desk.rev, seen=-1))
    studio.close()


def test_two_windows_see_each_other_and_are_told(desk: Desk) -> None:
    rev, scene = desk.rev, desk.ids[1]

    def prompt(text: str) -> dict[str, Any]:
        return {"do": "edit_scene", "scene": scene, "changes": {"prompt": text}}

    mine = ask(desk, "edit", base=rev, op=prompt("Mia is skiing."), group="typing")
    assert mine["note"] == "" and mine["story"]["undo_label"] == "prompt"
    theirs = ask(desk, "poll", rev=rev, seen=rev)
    assert theirs["story"]["scenes"][1]["prompt"] == "Mia is skiing."
    wait_for(lambda: "standing" in theirs or theirs.update(ask(desk, "poll", rev=rev, seen=rev)))  # it may come later
    assert theirs["standing"]["rev"] == desk.rev
    clash = ask(desk, "edit", base=rev, op=prompt("Mia is dancing."), group="typing")
    assert "undo brings their version back" in clash["note"]
    more = ask(desk, "edit", base=clash["story"]["rev"], op=prompt("Mia is dancing a waltz."), group="typing")
    assert more["note"] == "" and more["story"]["scenes"][1]["prompt"] == "Mia is dancing a waltz."
    assert ask(desk, "undo")["story"]["scenes"][1]["prompt"] == "Mia is skiing.", "whatever its group"
    elsewhere = {"do": "edit_scene", "scene": scene, "changes": {"seed": 5}}
    assert ask(desk, "edit", base=rev, op=elsewhere)["note"] == "", "another field is no conflict"
    for title in ("A", "B"):
        reply = ask(desk, "edit", base=rev, op={"do": "edit_story", "changes": {"title": title}})
    assert reply["note"]


def test_a_typing_session_is_one_step_of_undo(desk: Desk) -> None:
    before = desk.scenes[1].prompt
    for text in ("M", "Mi", "Mia", "Mia sleeps."):
        rev = ask(desk, "edit", base=desk.rev, group="g1", op={"do": "edit_scene", "scene": desk.ids[1],
                                                               "changes": {"prompt": text}})  # fmt: skip
        assert rev["note"] == ""
    assert ask(desk, "undo")["story"]["scenes"][1]["prompt"] == before


def test_a_prompt_that_is_too_long_is_refused_when_it_is_written(desk: Desk) -> None:
    before = desk.rev
    op = {"do": "edit_scene", "scene": desk.ids[1], "changes": {"prompt": "word " * 390}}
    assert "token" in refused(desk.studio, message(desk, "edit", op=op)) and desk.rev == before


def test_remembers_and_maps_are_cut_for_the_page(desk: Desk) -> None:
    told = ask(desk, "remembers", scene=desk.ids[1])
    assert "".join(piece["text"] for piece in told["past"][0]["pieces"]) == TEN[0]
    assert ask(desk, "remembers", scene=desk.ids[1], threshold=1)["threshold"] == 1
    assert "threshold" in refused(desk.studio, message(desk, "remembers", scene=desk.ids[1], threshold=2))
    assert ask(desk, "maps", scene=desk.ids[0]) == {"ok": True, "maps": []}


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=page.options(desk.studio)["app_kwargs"]["routes"])) as client:
        yield client


def test_a_clip_is_served_for_good(client: TestClient, desk: Desk) -> None:
    take = desk.takes(0)[0]
    reply = client.get(f"/media/{take.clip}.mp4")
    assert reply.status_code == 200 and reply.content == desk.studio.media.path(take.clip, "mp4").read_bytes()
    assert reply.headers["content-type"] == "video/mp4" and reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "private, max-age=31536000, immutable"
    part = client.get(f"/media/{take.clip}.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, reply.content[10:20])
    assert client.get(f"/media/{take.clip}.mp4", headers={"Range": "bytes=99999999-"}).status_code == 416
    assert client.head(f"/media/{take.preview}.webp").headers["content-type"] == "image/webp"


def test_a_file_is_saved_under_a_name(client: TestClient, desk: Desk) -> None:
    digest = desk.takes(0)[0].clip
    reply = client.get(f"/media/{digest}.mp4", params={"name": 'Mia "1"\r\nX-Evil: 1' + "ü" * 300})
    assert reply.status_code == 200 and "x-evil" not in reply.headers
    assert reply.headers["content-disposition"].startswith("attachment") and len(reply.headers) < 12


def test_nothing_else_is_served(client: TestClient, desk: Desk) -> None:
    take = desk.takes(0)[0]
    (desk.studio.folder / "media" / "secret.png").write_bytes(b"secret")
    wrong = [
        f"{take.clip}", f"{take.clip}.", f"{take.clip}.png", f"{take.clip}.mp4.mp4", f"{take.clip.upper()}.mp4",
        f"{take.clip[:-1]}.mp4", f"{'0' * 64}.mp4", f"{take.trace}.json", f"{take.trace}.mp4", "secret.png",
        "..%2f..%2flibrary.sqlite3", "%2e%2e/library.sqlite3", f"..%2f{take.clip}.mp4", f"{take.clip}.mp4%00",
        f"{take.clip[:2]}/{take.clip[2:]}.mp4", "%00.png", ".png", "",
    ]  # fmt: skip
    for name in wrong:
        reply = client.get(f"/media/{name}")
        assert reply.status_code == 404 and b"secret" not in reply.content, name
    assert client.post(f"/media/{take.clip}.mp4").status_code == 405
    for name in ("../page.py", "%2e%2e/page.py", "..%2fpage.py", "../../studio.py"):
        assert client.get(f"/throughline/{name}").status_code == 404
    assert "javascript" in client.get("/throughline/main.js").headers["content-type"]


def test_the_page_can_be_built(desk: Desk) -> None:
    blocks = page.build(desk.studio)
    (component,) = [block for block in blocks.blocks.values() if isinstance(block, Board)]
    (call_server,) = component.server_fns if hasattr(component, "server_fns") else component.server_functions
    with ThreadPoolExecutor(1) as thread:  # of its own: a browser test may have left an event loop in this one
        reply = thread.submit(lambda: asyncio.run(call_server({"verb": "stories", "owner": ME}))).result()
    assert json.loads(reply.body)["ok"]
    assert component.preprocess("x") == Place() and component.postprocess("x") is None


def test_a_script_is_sent_for_together_with_all_that_it_imports() -> None:
    names = list(imported("main.js"))
    assert names[0] == "main.js" and {"store.js", "strip.js", "card.js"} < set(names) and len(names) == len(set(names))
    said = {line for name in names for line in (STATIC / name).read_text().split("'") if line.startswith("./")}
    assert {line.removeprefix("./") for line in said} <= set(names)
