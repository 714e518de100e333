"""What components load in the browser: their scripts and styles, and how a script is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent.parent / "static"
STYLES = ("board.css", "panel.css", "gradio.css")
HEAD = "".join(f'<link rel="stylesheet" href="throughline/{name}">' for name in STYLES)  # before the page is drawn
START = """
const at = (name) => new URL('throughline/' + name, document.baseURI).href;
import(at(SCRIPT)).then((script) => script.mount({element, props, trigger, watch, server}, ARGUMENTS));
"""


def scripts() -> Mount:
    """The route on which they are served."""
    return Mount("/throughline", StaticFiles(directory=STATIC))


def launch_options(*routes: Any) -> dict[str, Any]:
    """What the `launch` of a page with such components needs; `routes`: more of them."""
    return {"head": HEAD, "app_kwargs": {"routes": [scripts(), *routes]}}


def mounting(script: str, arguments: str = "") -> str:
    """JavaScript for `js_on_load`: calls `mount(component, arguments)` of a file in `static/`.

    Events have to be named in it, in quotes: that is where Gradio finds them.
    """
    return START.replace("SCRIPT", f"'{script}'").replace("ARGUMENTS", arguments)
