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
# Laid out as the page will be, which takes its place.
LAYOUT = f"""<div class="tl early">
<div class="topbar row"><div class="brand"><div class="html-container"><div>{BRAND}</div></div></div></div>
<div class="desk"><div class="writing"><div class="board">{OPENING}</div></div><div class="side"></div></div></div>
"""


class Early:
    """ASGI middleware: the page brings its first view along, and comes compressed. Nothing of it needs Gradio's
    scripts, which take a second to start."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and path_of(scope) == "/":
            await GZipMiddleware(self._page, compresslevel=5)(scope, receive, send)
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
