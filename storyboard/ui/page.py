"""The page: its layout, and what the server around it serves."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.components.api_component import Api
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipeline.errors import ThroughlineError

from ..interfaces import http
from ..interfaces.admission import sender
from ..interfaces.health import health
from ..interfaces.pools import Pools, kind_of
from ..operations.registry import PAGE
from ..studio import Studio
from .components.board import Board
from .components.scripts import HEAD, STATIC, STYLES, scripts
from .connections import be_impatient
from .desk import QUIET, VERBS, Desk, Window, answer
from .early import Early
from .logins import Logins
from .panels.cast.dialog import Cast
from .panels.change.dialog import Changes
from .panels.film.dialog import Film
from .panels.header import Header
from .panels.keys import Keys
from .panels.models import Models
from .panels.panel import Page
from .panels.side import Side
from .panels.stories import Stories
from .panels.writing.palette import Palette
from .panels.writing.welcome import Welcome
from .security import Guard, may_see
from .theme import make_theme

__all__ = ["HEAD", "STATIC", "STYLES", "VERBS", "answer", "build", "options", "serve_health", "serve_media"]

WAITING_EVENTS = 64
MEDIA_TYPES = {"mp4": "video/mp4", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
               "zip": "application/zip", "pdf": "application/pdf", "m4a": "audio/mp4",
               "srt": "application/x-subrip", "vtt": "text/vtt", "csv": "text/csv; charset=utf-8",
               "html": "text/html; charset=utf-8"}  # fmt: skip
DRAFTS = "throughline-fields"  # in a browser's storage, which is no secret to whoever uses that browser


class Served(gr.Blocks):
    """Served by a server that waits for nobody for ever, to programs that may leave out arguments that have a default,
    so that one which is added later breaks none."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        left_out = block_fn.inputs[len(inputs) :]
        if left_out and all(isinstance(part, Api) for part in left_out):
            inputs = [*inputs, *(part.value for part in left_out)]
        return await super().preprocess_data(block_fn, inputs, state, explicit_call)  # type: ignore[no-any-return]

    def get_config_file(self) -> Any:
        """With what programs hand over hidden: a browser would make 245 empty components of it, before the page."""
        config = super().get_config_file()
        for part in config["components"]:
            if part["type"] == "api":
                part["props"]["visible"] = False
        return config

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
    desk = Desk(studio)
    blocks: gr.Blocks = Served(title="Throughline", analytics_enabled=False, fill_width=True)
    with blocks:
        http.offer(studio, desk.throttle)  # first: what programs call has its own name
        with gr.Column(elem_classes="tl"):
            header = Header(desk)
            with gr.Row(elem_classes="desk"):
                with gr.Column(elem_classes="writing", min_width=0):
                    welcome, palette = Welcome(desk), Palette(desk)
                    board = Board(_calls(desk), desk.served, elem_id="application", elem_classes="board")
                side = Side(desk)
            film, stories, models, keys = Film(desk), Stories(desk), Models(desk), Keys(desk)
            change, cast = Changes(desk), Cast(desk)
        here = gr.Textbox(visible=False)
        drafts = gr.BrowserState({}, storage_key=DRAFTS, secret=DRAFTS)
        panels = [header, welcome, palette, side, film, stories, models, keys, change, cast]
        page = Page(desk, board, here, gr.State(Window()), drafts, panels)
        for panel in panels:
            panel.wire(page)
        film.opens(page, header.film, welcome.play)
        for overlay, button in (
            (stories, header.stories),
            (models, header.model),
            (keys, header.keys),
            (change, side.scene.change),
            (cast, header.cast),
        ):
            overlay.opens(page, button)
        board.look(page.look, page.looking, page.under, **QUIET)  # panels show what is chosen there
        board.over(page.repaint, page.looking, page.shown, **QUIET)
    blocks.queue(max_size=WAITING_EVENTS)
    return blocks


def _calls(desk: Desk) -> Any:
    """What the board calls, which holds a thread of its pool while it works."""
    pools = Pools()

    def respond(message: Any, address: str) -> Response:
        return JSONResponse(desk.answer(message, address))  # written here, not in the thread that all wait for

    async def call(message: Any, request: gr.Request | None = None) -> Response:
        verb = message.get("verb") if isinstance(message, dict) else None
        known = isinstance(verb, str) and verb in PAGE
        kind = kind_of(str(verb), PAGE[str(verb)].slow) if known else "quick"
        return await pools.run(kind, respond, message, sender(request.scope) if request else "")

    return call


def options(studio: Studio) -> dict[str, Any]:
    """What `launch` needs."""
    pools = Pools()

    async def tell_health(request: Request) -> Response:
        return await pools.run("health", serve_health, studio)

    return {
        "theme": make_theme(), "ssr_mode": False, "run_history": False, "max_file_size": "20mb",
        "footer_links": ["api"], "enable_monitoring": False,
        "max_threads": http.CALLS_AT_ONCE,
        "app_kwargs": {"exception_handlers": {RequestValidationError: _tell_shape},
                       "middleware": [Middleware(Guard), Middleware(Early), Middleware(Logins)],
                       "routes": [scripts(),
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
