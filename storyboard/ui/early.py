"""What the page shows before Gradio has started: its head and, as soon as the server says them, the scenes."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .components.board import OPENING
from .components.scripts import HEAD, preloading
from .panels.header import BRAND
from .security import may_see, path_of

SCRIPT = "early.js"
ANSWERS = "/gradio_api/component_server"
LONG = 1 << 14  # bytes: shorter answers are not worth the time
FAST = 3  # of nine levels of gzip: half a megabyte, how 100 scenes stand, takes milliseconds
# Laid out as the page will be, which takes its place.
LAYOUT = f"""<div class="tl early">
<div class="topbar row"><div class="brand"><div class="html-container"><div>{BRAND}</div></div></div></div>
<div class="desk"><div class="writing"><div class="board">{OPENING}</div></div><div class="side"></div></div></div>
"""


class Early:
    """ASGI middleware: the page brings its first view along, and comes compressed, as long answers to the board do.
    Nothing of it needs Gradio's scripts, which take a second to start."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._pages = GZipMiddleware(self._page, compresslevel=FAST)
        self._answers = GZipMiddleware(app, minimum_size=LONG, compresslevel=FAST)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope).rstrip("/") if scope["type"] == "http" else ""
        if path == ANSWERS:
            await self._answers(scope, receive, send)
        elif scope["type"] == "http" and not path and scope["method"] == "GET":
            await self._pages(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        shown = _parts(scope["app"].get_blocks().theme_hash) if may_see(Request(scope)) else {}
        await self.app(scope, receive, adding(shown, send))


def _parts(theme: str) -> dict[bytes, bytes]:
    """What to add to the page, by what it stands before."""
    styles = f'<link rel="stylesheet" href="theme.css?v={theme}">{HEAD}'
    script = f'{preloading(SCRIPT)}<script type="module" src="throughline/{SCRIPT}"></script>'
    return {b"<meta property": script.encode(), b"</head>": styles.encode(), b"<gradio-app": LAYOUT.encode()}


def adding(parts: Mapping[bytes, bytes], send: Send) -> Send:
    """With `parts` in a page that comes in one piece: each before the first place where its key stands."""
    begun: list[Message] = []

    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            begun.append(message)
            return
        if begun:
            start = begun.pop()
            headers = MutableHeaders(scope=start)
            body = message.get("body", b"")
            if headers.get("content-type", "").startswith("text/html") and not message.get("more_body", False):
                for place, part in parts.items():
                    body = body.replace(place, part + place, 1)
                message = {**message, "body": body}
                headers["content-length"] = str(len(body))
            await send(start)
        await send(message)

    return added
