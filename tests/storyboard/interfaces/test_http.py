"""The HTTP API as gradio_client sees it: every verb, progress while a story is rendered, and nothing else."""

import ast
import asyncio
import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_function_description
from gradio_client import Client
from gradio_client.exceptions import AppError

from storyboard.operations.registry import VERBS
from storyboard.studio import Studio
from storyboard.ui import page
from tests.storyboard.studios import ME, TEN, YOU, Watched, open_studio, served, small

SCRIPT = b"INT. KITCHEN - NIGHT\n\nMia runs.\n\nMIA\nHello.\n# Act Two\n"


@pytest.fixture(scope="module")
def watched(pipeline) -> Watched:
    return Watched(pipeline)


@pytest.fixture(scope="module")
def studio(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    studio = open_studio(watched, tmp_path_factory.mktemp("home"))
    yield studio
    watched.go()
    studio.close()


@pytest.fixture(scope="module")
def client(studio: Studio) -> Iterator[Client]:
    with served(studio) as address:
        client = Client(address, verbose=False)
        yield client
        client.close()


def ask(client: Client, verb: str, *arguments: Any, owner: str = ME) -> Any:
    return client.predict(owner, *arguments, api_name=f"/{verb}")


def new(client: Client, studio: Studio, *prompts: str) -> tuple[str, list[str]]:
    story = ask(client, "new_story", "Film", list(prompts))["story"]
    studio.library.edit(ME, story["id"], small)
    return story["id"], [scene["id"] for scene in story["scenes"]]


def test_only_the_verbs_are_offered(client: Client) -> None:
    offered = client.view_api(return_format="dict", print_info=False)
    assert set(offered["named_endpoints"]) == {f"/{name}" for name in VERBS} and not offered["unnamed_endpoints"]
    for name, verb in VERBS.items():
        told = offered["named_endpoints"][f"/{name}"]
        assert [p["parameter_name"] for p in told["parameters"]] == [
            "owner",
            *(p.name for p in verb.parameters),
        ]
        said, meant = (" ".join(text.split()) for text in (told["description"], verb.__doc__ or ""))
        assert said.startswith(meant.split(".")[0])


def test_every_argument_is_described_to_the_callers_of_tools(studio: Studio) -> None:
    for function in page.build(studio).fns.values():
        if function.api_visibility == "public":
            described = get_function_description(function.fn)[1]
            assert described and all(described.values()), (function.api_name, described)


def test_agents_can_use_the_verbs_as_tools(studio: Studio) -> None:
    pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
    told = asyncio.run(use_tools(studio))
    assert told["tools"] == set(VERBS)
    assert [scene["prompt"] for scene in told["story"]["scenes"]] == [TEN[0], TEN[1]]
    assert "does not exist" in told["error"]


async def use_tools(studio: Studio) -> dict[str, Any]:
    """What a client of the Model Context Protocol gets: the names of the tools, a story, and an error."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    with served(studio, mcp_server=True) as address:
        async with (
            streamable_http_client(f"{address}/gradio_api/mcp/") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):

            async def use(tool: str, **arguments: Any) -> str:
                return str((await session.call_tool(tool, {"owner": ME, **arguments})).content[0].text)  # type: ignore[union-attr]

            await session.initialize()
            tools = {tool.name for tool in (await session.list_tools()).tools}
            story = ast.literal_eval(await use("new_story", title="Film", prompts=[TEN[0]]))["story"]["id"]
            changed = ast.literal_eval(await use("add_scene", story=story, prompt=TEN[1]))
            return {"tools": tools, **changed, "error": await use("get_story", story="nothing")}


def test_every_verb_works(client: Client, studio: Studio) -> None:
    story, (first, second) = new(client, studio, TEN[0], TEN[3])
    assert story in [entry["id"] for entry in ask(client, "list_stories")["stories"]]
    assert len(ask(client, "add_scene", story, TEN[1], 1)["story"]["scenes"]) == 3
    third = ask(client, "get_story", story)["story"]["scenes"][1]["id"]
    assert ask(client, "move_scene", story, third, 0)["story"]["scenes"][0]["id"] == third
    assert len(ask(client, "duplicate_scene", story, third)["story"]["scenes"]) == 4
    assert len(ask(client, "remove_scene", story, third)["story"]["scenes"]) == 3
    assert ask(client, "edit_scene", story, first, '{"seed": 8}')["story"]["undo_label"] == "scene settings"
    assert ask(client, "pin_word", story, second, first, "desert")["story"]["undo_label"] == "pin"
    assert ask(client, "mute_word", story, second, first, "desert")["story"]["undo_label"] == "mute"
    assert ask(client, "undo", story)["story"]["redo_label"] == "mute"
    assert ask(client, "redo", story)["story"]["can_redo"] is False
    assert ask(client, "plan", story)["scenes"][second]["needs"] == [first]
    ask(client, "render", story, [first])
    take = studio.get_story(ME, story)["story"]["scenes"]
    chosen = next(scene["chosen"] for scene in take if scene["id"] == first)
    assert ask(client, "choose_take", story, first, chosen)["story"]["id"] == story
    assert ask(client, "cancel", story) == {"jobs": {}}
    for verb, arguments in (("film", (story, "mp4")), ("export_story", (story,))):
        made = ask(client, verb, *arguments)
        assert set(made) == {"url", "name"}, "a caller learns nothing about our disk"
        with urllib.request.urlopen(f"{client.src.rstrip('/')}/{made['url']}", timeout=20) as reply:
            content = reply.read()
    copy = ask(client, "import_story", base64.b64encode(content).decode())["story"]
    assert copy["id"] != story and [s["prompt"] for s in copy["scenes"]] == [
        s["prompt"] for s in studio.get_story(ME, story)["story"]["scenes"]
    ]
    script = ask(client, "import_story", base64.b64encode(SCRIPT).decode(), "ferry.fountain")
    assert script["unused"] == ["line 7: section: Act Two"] and script["note"].startswith("The script is 1 scene now.")
    (scene,) = script["story"]["scenes"]
    assert (scene["script"]["cast"], scene["shot"]["caption"]) == (["Mia"], "Mia: Hello.")


def test_a_render_tells_how_it_goes(client: Client, studio: Studio) -> None:
    story, ids = new(client, studio, TEN[0], TEN[1])
    news = list(client.submit(ME, story, [], api_name="/render"))
    assert [step["scene"] for step in news[0]["plan"]["steps"]] == ids
    seen = {job["state"] for part in news for job in part.get("jobs", {}).values()}
    assert "running" in seen and len(news) > 3
    assert [scene["state"] for scene in news[-1]["scenes"].values()] == ["fresh"] * 2


def test_a_render_can_be_cancelled_from_elsewhere(client: Client, studio: Studio, watched: Watched) -> None:
    story, _ = new(client, studio, TEN[0], TEN[1])
    watched.hold()
    rendering = client.submit(ME, story, [], api_name="/render")
    while not studio.renderer.queue.jobs(ME, story):
        threading.Event().wait(0.005)
    ask(client, "cancel", story)
    watched.go()
    last = rendering.result(timeout=60)
    news = rendering.outputs()
    assert news and {job["state"] for job in news[-2]["jobs"].values()} == {"cancelled"} and last is not None
    assert {scene["state"] for scene in news[-1]["scenes"].values()} == {"new"}


@pytest.mark.parametrize(
    ("verb", "arguments", "message"),
    [
        ("get_story", ("nothing",), "story 'nothing' does not exist"),
        ("get_story", (5,), "story is 5: input should be a valid string"),
        ("new_story", ("Film", "a prompt"), "prompts"),
        ("move_scene", ("nothing", "x", "first"), "index is 'first'"),
        ("edit_scene", ("nothing", "x", "{"), "expected JSON"),
        ("import_story", ("/etc/passwd",), "did not arrive whole"),
        ("render", ("nothing", []), "'nothing' does not exist"),
    ],
)
def test_errors_reach_the_caller_in_words(client: Client, verb: str, arguments: tuple, message: str) -> None:
    with pytest.raises(AppError, match=message) as caught:
        ask(client, verb, *arguments)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize("changes", [{"steps": 7}, '{"steps": 7}'])
def test_changes_are_an_object_or_its_text(client: Client, studio: Studio, changes: object) -> None:
    story, (scene,) = new(client, studio, TEN[0])
    assert ask(client, "edit_scene", story, scene, changes)["story"]["scenes"][0]["steps"] == 7


def test_stories_of_others_do_not_exist(client: Client, studio: Studio) -> None:
    story, _ = new(client, studio, TEN[0])
    with pytest.raises(AppError, match=f"story '{story}' does not exist"):
        ask(client, "get_story", story, owner=YOU)
    with pytest.raises(AppError, match="owner is no secret"):
        ask(client, "get_story", story, owner="me")


def test_the_page_and_its_files_are_served(client: Client, studio: Studio) -> None:
    address = client.src.rstrip("/")
    with urllib.request.urlopen(address, timeout=20) as reply:
        assert reply.status == 200 and b"main.js" in reply.read()
    with urllib.request.urlopen(f"{address}/throughline/main.js", timeout=20) as reply:
        assert b"export" in reply.read()
    home = json.dumps(str(Path(studio.folder)))[1:-1]
    with urllib.request.urlopen(f"{address}/config", timeout=20) as reply:
        assert home not in reply.read().decode(), "our folders are nobody's business"
