"""What stands between the page and whoever calls it: headers, limits on requests, other sites'
pages, and routes that nobody needs or that need a login."""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .bodies import Body, refusal_of_body

# Gradio writes its page's start into the HTML and makes functions of text, so that scripts can't be stricter. Only
# Hugging Face may show the page in a frame: that is how a Space is shown.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: https://cdnjs.cloudflare.com; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space"
)
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; img-src 'self'; sandbox"
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy":
           "same-origin-allow-popups", "Permissions-Policy": "camera=(), microphone=(), geolocation=()"}  # fmt: skip

# What Gradio serves besides, and this page does not use: files by their path, other servers' pages, uploads to disk.
CLOSED = re.compile(
    r"/(?:(?:gradio_api/)?(?:upload|upload_progress|file=.*|file/.*|proxy=.*|stream/.*|deep_link|process_recording"
    r"|custom_component/.*|vibe-.*|undo-vibe-.*|run-history.*|runs|monitoring.*|profiling.*|dev/.*))/?",
    re.DOTALL,
)

# What tells what the app can do, and is not behind Gradio's own login: the schema, its pages, and the tools over MCP.
PRIVATE = re.compile(
    r"/(?:openapi\.json|docs(?:/.*)?|redoc|gradio_api/(?:openapi\.json|info|mcp(?:/.*)?))/?", re.DOTALL
)
TOOLS = re.compile(r"/gradio_api/mcp(?:/.*)?", re.DOTALL)
READING = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = self._headed(path_of(scope), send)
        refusal = _refusal(scope)
        if refusal:
            await refusal(scope, receive, told)
            return
        if TOOLS.fullmatch(path_of(scope)):
            scope = _with_true_address(scope)
        async with Body(receive, told) as body:
            await self.app(scope, body.receive, body.send)
        if body.refusal:
            await body.refusal(scope, receive, told)

    def _headed(self, path: str, send: Send) -> Send:
        policy = FILE_POLICY if path.startswith("/media/") else PAGE_POLICY

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | {"Content-Security-Policy": policy}).items():
                    headers[name] = value
            await send(message)

        return headed


def _refusal(scope: Scope) -> Response | None:
    """The answer to what is not to reach the application; None for all else."""
    path = path_of(scope)
    if CLOSED.fullmatch(path):
        return PlainTextResponse("not found", 404)
    if scope["method"] not in READING and _of_another_site(Headers(scope=scope)):
        return PlainTextResponse("this page is not of this server: open it at its own address", 403)
    if PRIVATE.fullmatch(path) and not may_see(Request(scope)):
        return JSONResponse({"detail": "Not authenticated"}, 401)
    return refusal_of_body(scope)


def _with_true_address(scope: Scope) -> Scope:
    """Gradio answers tools by a request to this server, with the headers of the one that came: from there, forwarded
    addresses are believed. So the one that is known here takes the place of what the caller said."""
    headers = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-for"]
    if scope.get("client"):
        headers.append((b"x-forwarded-for", str(scope["client"][0]).encode("latin-1")))
    return {**scope, "headers": headers}


def path_of(scope: Scope) -> str:
    """The path as routes see it: without the one that the application is served under."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _of_another_site(headers: Headers) -> bool:
    """Whether a browser sends a request with this server's cookies for another site's page.

    Browsers say so themselves (Sec-Fetch-Site, which no script can set) but over plain HTTP. There the page's host has
    to be the one that was asked. What a proxy says about the host (X-Forwarded-Host) is not believed: a script can say
    so too.
    """
    origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
    if "cookie" not in headers:
        return False
    if fetched is not None:
        return fetched not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def may_see(request: Request) -> bool:
    """Whether a request comes from somebody who has logged in, where that is asked for."""
    app = request.app
    if getattr(app, "auth", None) is None:
        return True
    names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
    return any(app.tokens.get(request.cookies.get(name)) for name in names)
