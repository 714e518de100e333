"""What components load in the browser: their scripts and styles, and how a script is started."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def imported(script: str, known: set[str] | None = None) -> Iterator[str]:
    """A script of `static/` and all that it imports, each once."""
    known = set() if known is None else known
    if script not in known:
        known.add(script)
        yield script
        for name in re.findall(r"^(?:import|export) .*?from '\./([^']+)'", (STATIC / script).read_text(), re.M | re.S):
            yield from imported(name, known)


def preloading(script: str) -> str:
    """For the head of a page that will mount a script: the browser has it and what it imports by then, not one after
    another."""
    return "".join(f'<link rel="modulepreload" href="throughline/{name}">' for name in imported(script))


def launch_options(*routes: Any) -> dict[str, Any]:
    """What the `launch` of a page with such components needs; `routes`: more of them."""
    return {"head": HEAD, "app_kwargs": {"routes": [scripts(), *routes]}}


def mounting(script: str, arguments: str = "") -> str:
    """JavaScript for `js_on_load`: calls `mount(component, arguments)` of a file in `static/`.

    Events have to be named in it, in quotes: that is where Gradio finds them.
    """
    return START.replace("SCRIPT", f"'{script}'").replace("ARGUMENTS", arguments)
