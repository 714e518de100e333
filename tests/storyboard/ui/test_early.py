"""The page brings its first view along, for those who may see it."""

from pathlib import Path

import httpx

from storyboard.ui.early import SCRIPT
from tests.soak.fakes import open_fake
from tests.storyboard.studios import served

MARK = 'class="tl early"'


def test_the_page_comes_compressed_and_with_its_first_view(address: str) -> None:
    with httpx.stream("GET", address) as answer:
        sent = sum(len(part) for part in answer.iter_raw())
    page = httpx.get(address).text
    assert answer.headers["content-encoding"] == "gzip" and sent < len(page) / 5
    assert MARK in page and f'src="throughline/{SCRIPT}"' in page
    assert page.index(f'src="throughline/{SCRIPT}"') < page.index("assets/index-"), "it runs before Gradio's"
    assert page.index(MARK) < page.index("<gradio-app")
    plain = httpx.get(address, headers={"Accept-Encoding": "identity"})
    assert plain.text == page and int(plain.headers["content-length"]) == len(plain.content)


def test_who_is_not_logged_in_gets_the_login_alone(tmp_path: Path) -> None:
    studio = open_fake(tmp_path)
    with served(studio, auth=[("mia", "secret")]) as address, httpx.Client(base_url=address) as visitor:
        assert MARK not in visitor.get("/").text
        assert visitor.post("/login", data={"username": "mia", "password": "secret"}).status_code == 200
        assert MARK in visitor.get("/").text
    studio.close()
