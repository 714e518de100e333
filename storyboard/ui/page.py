"""The page: its panels and what happens between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from pipeline.errors import ThroughlineError
from storyboard.studio import Job, Studio

from . import form, view
from .panel import Panel
from .theme import STYLESHEET, make_theme

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
LOOKS_A_SECOND = 5  # how often a job is looked at while it is made
WAITING_EVENTS = 64

LAUNCH: dict[str, Any] = {
    "theme": make_theme(), "css_paths": STYLESHEET, "ssr_mode": False, "run_history": False, "max_file_size": "20mb",
    "footer_links": [], "enable_monitoring": False,
    "_frontend": False,  # no request to ourselves at the start, which fails behind a proxy or on a busy machine
}  # fmt: skip

HEADER = """<header class="masthead">
<svg viewBox="0 0 84 32" width="84" height="32" aria-hidden="true"><g class="frames">
<rect x="2" y="7" width="22" height="18" rx="3"/><rect x="31" y="7" width="22" height="18" rx="3"/>
<rect x="60" y="7" width="22" height="18" rx="3"/></g>
<path class="thread" d="M0 21 C 8 8, 16 10, 24 17 S 40 24, 50 15 S 70 10, 84 17"/></svg>
<h1>Throughline</h1><p>A storyboard that remembers</p></header>"""
STATUS = """<div class="status" data-state=""><p class="alarm" role="alert" hidden></p>
<progress class="bar" max="1" value="0" aria-label="Progress of the film" hidden></progress>
<p class="line" aria-hidden="true" hidden></p><p class="spoken" role="status"></p></div>"""
STAGE = """<section class="stage" aria-label="Film"><div class="screen">
<div class="empty"><svg viewBox="0 0 120 60" width="120" height="60" aria-hidden="true"><g class="frames">
<rect x="4" y="12" width="30" height="34" rx="4"/><rect x="45" y="12" width="30" height="34" rx="4"/>
<rect x="86" y="12" width="30" height="34" rx="4"/></g>
<path class="thread" d="M0 38 C 12 14, 24 18, 36 32 S 58 46, 72 28 S 100 18, 120 32"/></svg>
<p>Your film appears here, scene by scene, while it is made.</p></div>
<img alt="" hidden><video controls muted loop playsinline preload="auto" hidden></video>
<span class="badge" hidden></span></div>
<ol class="reel" aria-label="Scenes" hidden></ol>
<a class="save" download="throughline.mp4" hidden>Download film</a></section>"""
MEMORY = """<section class="memory" aria-label="What each scene remembers" hidden><div class="heading">
<div><h2>What each scene remembers</h2>
<p>Marked words were kept, the stronger the closer. Choose one to see where it was looked at.</p></div>
<label class="strength"><span>Heat map</span><input type="range" min="0" max="100" value="80"></label></div>
<div class="recalls"></div><div class="tip" id="word-tip" role="tooltip" hidden></div></section>"""

# The browser keeps the fields at every change and brings them back by itself, without the server. It also makes up the
# secret by which its owner's job is found again.
KEEP = "(saved, ...fields) => ({...saved, form: fields})"
RESTORE = """(saved) => {
  const kept = saved?.form || [];
  const form = %s.map((value, i) => typeof kept[i] === typeof value ? kept[i] : value);
  const secret = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), b => b.toString(16).padStart(2, '0'));
  return [{owner: saved?.owner || secret().join(''), form}, ...form];
}"""


def build(studio: Studio) -> gr.Blocks:
    """The whole page over `studio`."""
    page: gr.Blocks = gr.Blocks(title="Throughline", analytics_enabled=False, delete_cache=(3600, 86400))
    with page:
        saved = gr.BrowserState({}, storage_key="throughline-1", secret="kept in this browser")
        gr.HTML(HEADER, apply_default_css=False, elem_id="masthead")
        with gr.Row(elem_id="desk"):
            with gr.Column(elem_id="script", scale=2, min_width=300):
                prompts, *buttons = form.make_prompts()
                status = Panel("status", STATUS)
                fields = [prompts, *form.make_settings()]
            with gr.Column(elem_id="result", scale=3, min_width=300):
                stage = Panel("stage", STAGE)
        memory = Panel("memory", MEMORY)
        _wire(page, studio, saved, fields, [status, stage, memory, *buttons])
    page.queue(max_size=WAITING_EVENTS)
    return page


def _wire(page: gr.Blocks, studio: Studio, saved: gr.BrowserState, fields: list[Any], shown: list[Any]) -> None:
    """`shown`: the panels and buttons that `Handlers.watch` updates; `fields`: those of the form."""
    handlers, (*_, render, cancel) = Handlers(studio), shown
    streams: dict[str, Any] = {"outputs": shown, "concurrency_limit": None, **QUIET}
    for asked in (render.click, fields[0].submit):
        asked(handlers.render, [saved, *fields], **streams)
    cancel.click(handlers.cancel, saved, None, queue=False, **QUIET)
    for field in fields:
        field.input(None, [saved, *fields], saved, js=KEEP, queue=False, **QUIET)
    restored = page.load(None, saved, [saved, *fields], js=RESTORE % json.dumps(form.DEFAULTS), queue=False, **QUIET)
    restored.then(handlers.watch, saved, **streams)


class Handlers:
    """What the page's events do. `saved` is what the browser keeps: {"owner": secret, "form": values of the fields}."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio

    async def render(self, saved: Any, *fields: Any) -> AsyncIterator[tuple[Any, ...]]:
        """Orders a film and shows it being made."""
        try:
            self.studio.submit(_owner(saved), form.read_form(fields))
        except ThroughlineError as error:
            yield gr.update(runtime=view.complaint(str(error))), *[gr.skip()] * 4
            return
        async for update in self.watch(saved):
            yield update

    def cancel(self, saved: Any) -> None:
        self.studio.cancel(_owner(saved))

    async def watch(self, saved: Any) -> AsyncIterator[tuple[Any, ...]]:
        """Shows the owner's job until it is over: once at least, then whenever something changed."""
        owner, before, said = _owner(saved), None, None
        while True:
            job = self.studio.job(owner)
            status = view.status_view(job, self.studio.position(owner), self.studio.ready)
            if job is not before or job is None:
                yield _drawn(job, before, status)
            elif status != said:
                yield gr.update(runtime=status), *[gr.skip()] * 4
            if job is None or not job.active:
                return
            before, said = job, status
            await asyncio.sleep(1 / LOOKS_A_SECOND)


def _owner(saved: Any) -> str:
    owner = saved.get("owner") if isinstance(saved, dict) else None
    return owner if isinstance(owner, str) and 16 <= len(owner) <= 64 else ""


def _drawn(job: Job | None, before: Job | None, status: view.View) -> tuple[Any, ...]:
    """The updates of all five: status, stage, memory, the two buttons."""
    active = job is not None and job.active
    return (
        gr.update(runtime=status),
        gr.update(runtime=view.stage_view(job)),
        gr.skip() if before and job and _told(before) == _told(job) else gr.update(runtime=view.memory_view(job)),
        gr.update(interactive=not active),
        gr.update(interactive=active and job is not None and job.state != "stopping"),
    )


def _told(job: Job) -> tuple[str, int]:
    """What the memory panel depends on."""
    return job.id, sum(scene.trace is not None for scene in job.scenes)
