"""Other sites' pages can't act with a visitor's cookies, and where people log in, nothing says what there is before."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from storyboard.studio import Studio
from storyboard.ui.security import Guard
from tests.storyboard.studios import ME, served

COOKIE = {"Cookie": "any=thing"}
EVIL = {"Origin": "https://evil.example"}
CALL = "gradio_api/call/list_stories"
WITH_COOKIES = [
    ({}, 200),  # gradio_client, curl
    ({"Origin": "http://HOST"}, 200),
    ({"Origin": "https://HOST"}, 200),  # a proxy has ended TLS
    ({"Origin": "http://host.example", "Host": "HOST.example"}, 200),
    (EVIL, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://HOST.evil.example"}, 403),
    ({"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}, 403),
    ({**EVIL, "Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "http://HOST", "Sec-Fetch-Site": "same-site"}, 403),  # such as another port of this machine
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Origin": "https://story.example", "Sec-Fetch-Site": "same-origin"}, 200),  # behind a proxy with its own name
]
LISTINGS = [
    "openapi.json", "openapi.json/", "docs", "docs/oauth2-redirect", "redoc", "gradio_api/openapi.json",
    "gradio_api/info", "gradio_api/mcp", "gradio_api/mcp/", "gradio_api/mcp/schema", "gradio_api/mcp/sse",
    "gradio_api/mcp/messages/",
]  # fmt: skip


@pytest.mark.parametrize(("headers", "status"), WITH_COOKIES)
def test_with_cookies_only_a_page_of_this_server_may_change_things(
    address: str, headers: dict[str, str], status: int
) -> None:
    host = address.removeprefix("http://")
    sent = {name: value.replace("HOST", host) if name == "Origin" else value for name, value in headers.items()}
    answer = httpx.post(f"{address}/{CALL}", json={"data": [ME]}, headers=sent | COOKIE)
    assert answer.status_code == status, answer.text[:200]
    if status == 403:
        assert "\n" not in answer.text and answer.headers["x-content-type-options"] == "nosniff"


def test_without_cookies_there_is_nothing_to_misuse(address: str) -> None:
    assert httpx.post(f"{address}/{CALL}", json={"data": [ME]}, headers=EVIL).status_code == 200


def test_a_link_from_elsewhere_opens_the_page(address: str) -> None:
    assert httpx.get(address, headers=COOKIE | {"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_before_the_login_nothing_is_listed(studio: Studio) -> None:
    with served(studio, auth=[("mia", "secret")]) as address, httpx.Client(base_url=address) as visitor:
        assert {path: visitor.get(path).status_code for path in LISTINGS} == dict.fromkeys(LISTINGS, 401)
        assert visitor.post("gradio_api/mcp/", json={}).status_code == 401
        assert visitor.get("healthz").status_code == 200 and visitor.get("").status_code == 200
        assert visitor.post("login", data={"username": "mia", "password": "secret"}).status_code == 200
        for path in ("openapi.json", "gradio_api/openapi.json", "gradio_api/info"):
            assert visitor.get(path).status_code == 200, path


def test_without_logins_all_is_listed(address: str) -> None:
    for path in ("openapi.json", "gradio_api/openapi.json", "gradio_api/info"):
        assert httpx.get(f"{address}/{path}").status_code == 200, path


async def tools(request: Request) -> Response:
    return PlainTextResponse("tools")


@pytest.mark.parametrize("root", ["", "/story"])
def test_tools_need_the_login_wherever_the_application_is_served(root: str) -> None:
    app = Starlette(routes=[Route("/gradio_api/mcp/schema", tools)], middleware=[Middleware(Guard)])
    names = {"auth": {"mia": "secret"}, "cookie_id": "x", "tokens": {"t": "mia"}}
    for name, value in names.items():
        setattr(app, name, value)
    visitor = TestClient(app, root_path=root)
    for path in ("/gradio_api/mcp/schema", f"{root}/gradio_api/mcp/schema"):
        assert visitor.get(path).status_code == 401
        assert visitor.get(path, headers={"Cookie": "access-token-x=t"}).text == "tools"
    for path in ("/gradio_api/upload", f"{root}/gradio_api/upload"):
        assert visitor.post(path).status_code == 404
