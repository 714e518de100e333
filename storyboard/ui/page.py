"""The page: one component that starts the application in `static/`, and the one function it calls."""

from __future__ import annotations

import importlib
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.errors import ThroughlineError

from ..interfaces import http
from ..interfaces.admission import Throttle, calling_from, sender
from ..interfaces.health import health
from ..interfaces.pools import Pools, kind_of
from ..interfaces.served import served
from ..logs import event
from ..operations.registry import PAGE
from ..studio import Studio
from .connections import be_impatient
from .logins import Logins
from .security import Guard, may_see
from .theme import make_theme

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
WAITING_EVENTS = 64
VERBS = PAGE.keys()  # what it may call
MEDIA_TYPES = {"mp4": "video/mp4", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
               "zip": "application/zip", "pdf": "application/pdf", "m4a": "audio/mp4",
               "srt": "application/x-subrip", "vtt": "text/vtt", "csv": "text/csv; charset=utf-8",
               "html": "text/html; charset=utf-8"}  # fmt: skip
START = """
const at = (name) => new URL('throughline/' + name, document.baseURI).href;
const root = element.querySelector('.throughline');
import(at('main.js')).then((app) => { root.replaceChildren(); app.mount(root, server, SERVED); });
"""  # SERVED: what `storyboard.interfaces.served` gives


class Application(gr.HTML):
    """The place where the application lives. What it shows comes from `call` alone."""

    def __init__(self, call: Callable[..., Any], **options: Any) -> None:
        super().__init__(
            value=None,
            html_template='<div class="throughline"><p class="loading">Opening the storyboard…</p></div>',
            js_on_load=START.replace("SERVED", json.dumps(served(PAGE))),
            apply_default_css=False,
            server_functions=[call],
            elem_id="application",
            **options,
        )

    def preprocess(self, payload: object) -> None:
        """Nothing that a browser says about it is read."""

    def postprocess(self, value: object) -> None:
        """Nothing is shown through its value."""


class Page(gr.Blocks):
    """Served by a server that waits for nobody for ever."""

    def launch(self, *, prevent_thread_lock: bool = False, **options: Any) -> Any:  # type: ignore[override]
        launched = super().launch(prevent_thread_lock=True, **options)
        be_impatient(self.server)
        threading.Thread(target=_import_ahead, name="imports", daemon=True).start()
        if not prevent_thread_lock:
            self.block_thread()
        return launched


def _import_ahead() -> None:
    """What Gradio imports when a program first calls: in the thread that all wait for, a second of work."""
    with suppress(ImportError):
        importlib.import_module("matplotlib").use("agg")


def build(studio: Studio) -> gr.Blocks:
    """The whole page over `studio`."""
    page: gr.Blocks = Page(title="Throughline", analytics_enabled=False, fill_width=True)

    throttle, pools = Throttle(), Pools()

    def respond(message: Any, address: str) -> Response:
        admit = partial(throttle, address=address)
        with calling_from(address):
            return JSONResponse(answer(studio, message, admit))  # written here, not in the thread that all wait for

    async def call(message: Any, request: gr.Request | None = None) -> Response:
        verb = message.get("verb") if isinstance(message, dict) else None
        known = isinstance(verb, str) and verb in PAGE
        kind = kind_of(str(verb), PAGE[str(verb)].slow) if known else "quick"
        return await pools.run(kind, respond, message, sender(request.scope) if request else "")

    with page:
        Application(call)
        http.offer(studio, throttle)
    page.queue(max_size=WAITING_EVENTS)
    return page


def answer(studio: Studio, message: Any, throttle: Callable[[object], None] = lambda owner: None) -> dict[str, Any]:
    """The reply to {"verb": one of VERBS, "owner": ..., and its arguments}. Errors are one line for the user."""
    verb = message.get("verb") if isinstance(message, dict) else None
    known, began = isinstance(verb, str) and verb in VERBS, time.perf_counter()
    reply = _reply(studio, message, throttle) if known else _refused("the page asked for something unknown: reload it")
    if known and not (reply["ok"] and PAGE[str(verb)].often):  # those are told to the log only if they fail
        took = round((time.perf_counter() - began) * 1000, 1)
        event("call", verb=verb, story=_id_of(message), ok=reply["ok"], milliseconds=took, error=reply.get("error"))
    return reply


def _reply(studio: Studio, message: dict[str, Any], throttle: Callable[[object], None]) -> dict[str, Any]:
    try:
        throttle(message.get("owner"))
        arguments = {name: value for name, value in message.items() if name != "verb"}
        return {"ok": True, **getattr(studio, message["verb"])(**arguments)}
    except ThroughlineError as error:
        return _refused(" ".join(str(error).split()))
    except Exception as error:  # the boundary to the browser, which is told no more than it needs
        log.exception("a request failed")
        return _refused(f"Something went wrong ({type(error).__name__}): try again")


def _refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


def _id_of(message: dict[str, Any]) -> str | None:
    story = message.get("story")
    return story[:64] if isinstance(story, str) else None


def options(studio: Studio) -> dict[str, Any]:
    """What `launch` needs."""
    pools = Pools()

    async def tell_health(request: Request) -> Response:
        return await pools.run("health", serve_health, studio)

    return {
        "theme": make_theme(), "ssr_mode": False, "run_history": False, "max_file_size": "20mb",
        "footer_links": ["api"], "enable_monitoring": False, "max_threads": http.CALLS_AT_ONCE,
        "app_kwargs": {"exception_handlers": {RequestValidationError: _tell_shape},
                       "middleware": [Middleware(Guard), Middleware(Logins)],
                       "routes": [Mount("/throughline", StaticFiles(directory=STATIC)),
                                  Route("/media/{name}", lambda request: serve_media(studio, request)),
                                  Route("/healthz", tell_health)]},
        "blocked_paths": [str(studio.folder)],
        "_frontend": False,  # no request to ourselves at the start, which fails behind a proxy or on a busy machine
    }  # fmt: skip


async def _tell_shape(request: Request, error: Exception) -> Response:
    """FastAPI itself would send the whole body back."""
    return JSONResponse({"detail": "the body is not what this address expects"}, 422)


def serve_health(studio: Studio) -> Response:
    found = health(studio)
    return JSONResponse(found, 200 if found["ok"] else 503, {"Cache-Control": "no-store"})


def serve_media(studio: Studio, request: Request) -> Response:
    """A file by its digest, which can't be guessed and never changes."""
    digest, _, suffix = request.path_params["name"].partition(".")
    try:
        served = suffix in MEDIA_TYPES and may_see(request)  # traces are not for browsers
        path = studio.media.path(digest, suffix) if served else None
    except ThroughlineError:
        path = None
    if path is None:
        return PlainTextResponse("not found", 404)
    headers = {"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    name = request.query_params.get("name")
    return FileResponse(path, media_type=MEDIA_TYPES[suffix], headers=headers, filename=name[:200] if name else None)
