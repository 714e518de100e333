"""The page brings its first view along, for those who may see it."""

from pathlib import Path

import httpx

from storyboard.studio import Studio
from storyboard.ui import page
from storyboard.ui.desk import Place, Window
from storyboard.ui.early import SCRIPT
from tests.soak.fakes import open_fake
from tests.storyboard.studios import ME, served

MARK = 'class="tl early"'


def test_the_page_comes_compressed_and_with_its_first_view(address: str) -> None:
    with httpx.stream("GET", address) as answer:
        sent = sum(len(part) for part in answer.iter_raw())
    html = httpx.get(address).text
    assert answer.headers["content-encoding"] == "gzip" and sent < len(html) / 5
    assert MARK in html and f'src="throughline/{SCRIPT}"' in html
    assert html.index(f'src="throughline/{SCRIPT}"') < html.index("assets/index-"), "it runs before Gradio's"
    assert html.index(MARK) < html.index("<gradio-app")
    plain = httpx.get(address, headers={"Accept-Encoding": "identity"})
    assert plain.text == html and int(plain.headers["content-length"]) == len(plain.content)


def test_who_is_not_logged_in_gets_the_login_alone(tmp_path: Path) -> None:
    studio = open_fake(tmp_path)
    with served(studio, auth=[("mia", "secret")]) as address, httpx.Client(base_url=address) as visitor:
        assert MARK not in visitor.get("/").text
        assert visitor.post("/login", data={"username": "mia", "password": "secret"}).status_code == 200
        assert MARK in visitor.get("/").text
    studio.close()


def test_looks_leave_out_what_lies_over_the_board_and_are_asked_for_again_when_they_can_tell_nothing(
    studio: Studio,
) -> None:
    blocks = page.build(studio)
    heard = {event: fn for fn in blocks.fns.values() for _, event in fn.targets if event in ("look", "over")}
    look, over = heard["look"], heard["over"]
    assert set(look.outputs) < set(over.outputs) and 2 * len(look.outputs) < len(over.outputs)
    reply = studio.new_story(ME, prompts=["Mia runs."])["story"]
    place, board = Place(ME, reply["id"], reply["scenes"][0]["id"]), look.outputs[0]
    told = look.fn(place, Window(), {})
    assert board not in told and len(told) > 20
    for again, here, window in (("over", place, Window(open="Film")), ("look", Place(), Window())):
        (update,) = look.fn(here, window, {}).values()
        assert update["news"]["again"] == again
    assert {part._id for part in over.fn(place, Window(open="Film"), {})} - {part._id for part in look.outputs}


def test_long_answers_to_the_board_come_compressed(address: str) -> None:
    config = httpx.get(f"{address}/config").json()
    (board,) = [part["id"] for part in config["components"] if part["props"].get("elem_id") == "application"]

    def ask(**message: object) -> httpx.Response:
        body = {"session_hash": "x", "component_id": board, "fn_name": "call", "data": {"owner": ME, **message}}
        return httpx.post(f"{address}/gradio_api/component_server/", json=body)

    long = ask(verb="new_story", title="Long", prompts=[f"Mia runs to place {number}." for number in range(100)])
    assert long.headers["content-encoding"] == "gzip" and len(long.json()["story"]["scenes"]) == 100
    assert int(long.headers["content-length"]) < len(long.content) / 5
    assert "content-encoding" not in ask(verb="stories").headers
