"""Somebody with a browser: a profile of their own, stories of their own, and what went wrong on their pages."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

CAST = (
    "Mia in a red coat is running on the playground.",
    "A robot is dancing in the desert.",
    "Mia is skiing on the snow.",
    "The robot is walking on the playground.",
    "Mia and the robot are waving in the desert.",
)
FEW = {"steps": 4, "num_frames": 9}  # of a scene: as little as can be rendered and still moves
LONG = {"steps": 400, "num_frames": 17}  # longer than a test looks at it
HARMLESS = ("AbortError", "Connection errored out")  # Chromium's own; streams cut by a reload
PATIENCE = 60_000  # milliseconds: how long anything on a page may take to come true
SECONDS = 120  # for what goes on behind it
PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True)
class Server:
    """The app, and the road on which its page calls it."""

    url: str
    config: Any

    def call(self, owner: str, verb: str, **arguments: Any) -> dict[str, Any]:
        (number,) = [c["id"] for c in self.config["components"] if c["props"].get("elem_id") == "application"]
        message = {"verb": verb, "owner": owner, **arguments}
        body = {"session_hash": "test", "component_id": number, "fn_name": "call", "data": message}
        request = Request(f"{self.url}gradio_api/component_server", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=SECONDS) as reply:
            return dict(json.load(reply))


class Visitor:
    def __init__(self, browser: Browser, server: Server, **options: Any) -> None:
        self.server, self.owner = server, secrets.token_hex(16)
        self.problems: list[str] = []
        self.forgiven: list[str] = []  # parts of problems that a test brings about itself
        self.opened: list[str] = []  # ids of stories
        self.foreign: list[str] = []  # requests to anywhere else
        self.context: BrowserContext = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self.context.add_init_script(f"localStorage.setItem('throughline-owner', '{self.owner}')")
        self.page = self.new_page()

    def new_page(self) -> Page:
        """One more tab."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        own = (self.server.url, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else self.foreign.append(r.url))
        return page

    def leave(self) -> None:
        for story in self.opened:
            self.server.call(self.owner, "cancel", story=story)
        self.context.close()
        known = (*HARMLESS, *self.forgiven)
        assert not [text for text in self.problems if not any(part in text for part in known)], self.problems
        assert not self.foreign, self.foreign

    # --- behind the page ---

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """What the page would get; it must be no error."""
        reply = self.server.call(self.owner, verb, **arguments)
        assert reply["ok"], reply
        return reply

    def edit(self, story: str, do: str, **arguments: Any) -> dict[str, Any]:
        return dict(self.call("edit", story=story, op={"do": do, **arguments})["story"])

    def new_story(self, *prompts: str, title: str = "Test", casting: bool = False, **changes: Any) -> dict[str, Any]:
        """A story; `changes` to every scene of it. casting: whether the model casts whom nobody describes."""
        story = self.call("new_story", title=title, prompts=prompts, casting=casting)["story"]
        for scene in story["scenes"] if changes else ():
            story = self.edit(story["id"], "edit_scene", scene=scene["id"], changes=changes)
        return dict(story)

    def rendered(self, archive: str) -> dict[str, Any]:
        return dict(self.call("import_story", data=archive)["story"])

    def story(self, story: str) -> dict[str, Any]:
        return dict(self.call("get_story", story=story)["story"])

    def render(self, story: str, scenes: list[str] | None = None, again: bool = False) -> None:
        """Renders and waits for it."""
        self.call("render", story=story, scenes=scenes, again=again)
        until(lambda: not self.jobs(story))

    def jobs(self, story: str) -> dict[str, Any]:
        return dict(self.call("poll", story=story)["jobs"])

    def download(self, path: str) -> str:
        """A file that the server has, in base64."""
        with urlopen(self.server.url + path, timeout=60) as reply:
            return base64.b64encode(reply.read()).decode()

    # --- on the page ---

    def open(self, story: dict[str, Any], query: str = "") -> Page:
        """Opens a story from the shelf; the page itself too, if this is the first one: it opens what was changed last,
        or seen last."""
        self.opened.append(story["id"])
        story = self.story(story["id"])  # it may have been edited since
        fresh = self.page.url == "about:blank"
        if query or fresh:
            self.page.goto(self.server.url + query)
            ready(self.page)
        if not fresh or len(self.opened) > 1 or self._place(story) > 0:
            self._take_from_shelf(story)
        expect(self.page.get_by_label("Title of the story")).to_have_value(story["title"])
        expect(self.page.locator(".slot")).to_have_count(len(story["scenes"]))
        ready(self.page)
        return self.page

    def show(self, story: dict[str, Any]) -> Page:
        """Opens a story unless it is open; for tests that change none."""
        return self.page if self.opened[-1:] == [story["id"]] else self.open(story)

    def _place(self, story: dict[str, Any]) -> int:
        """On the shelf, by when stories were changed."""
        return [entry["id"] for entry in self.call("stories")["stories"]].index(story["id"])

    def _take_from_shelf(self, story: dict[str, Any]) -> None:
        if self.page.locator(".overlay").count():
            self.page.keyboard.press("Escape")
            expect(self.page.locator(".overlay")).to_have_count(0)
        self.page.get_by_role("button", name="Stories").click()
        place = self._place(story)  # what was being written in another one is saved by now
        self.page.locator(".shelf-list.stories button.thumbnail-item").nth(place).click()
        expect(self.page.locator(".overlay")).to_have_count(0)

    def reload(self) -> None:
        """The present story again, as somebody finds it who comes back."""
        self.page.reload()
        ready(self.page)


def until(check: Callable[[], Any]) -> Any:
    """What `check` gives, as soon as that is true."""
    deadline = time.monotonic() + SECONDS
    while not (found := check()):
        assert time.monotonic() < deadline, f"not in {SECONDS} s"
        time.sleep(PAUSE)
    return found


def ready(page: Page) -> None:
    """Waits until the story is there, and what the server says about its scenes."""
    expect(page.locator(".topbar .saved")).to_have_attribute("data-kind", "saved")
    expect(page.locator(".plan-line")).not_to_have_text("Looking at what depends on what…")
    expect(page.locator(".plan-line")).not_to_be_empty()


def saved(page: Page) -> None:
    """Waits until the server has every edit that the page shows."""
    expect(page.locator(".topbar .saved")).to_have_attribute("data-kind", "saved")


def card(page: Page, number: int) -> Locator:
    """The card of a scene, from 1."""
    return page.locator(".slot").nth(number - 1).locator(".card")


def expect_prompts(page: Page, *wanted: str) -> None:
    boxes = page.locator(".cards .prompt")
    expect(boxes).to_have_count(len(wanted))
    for box, text in zip(boxes.all(), wanted, strict=True):
        expect(box).to_have_value(text)


def table(where: Locator) -> list[list[str]]:
    """The lines of a table, without its head."""
    cells = "rows => rows.map(row => [...row.querySelectorAll('[role=gridcell]')].map(cell => cell.innerText.trim()))"
    found: list[list[str]] = where.locator(".virtual-row").evaluate_all(cells)
    return found


def tab(page: Page, name: str, scene: int = 0) -> Locator:
    """Turns the panel to a tab, of a scene if one is named. Gives what it shows."""
    if scene:
        card(page, scene).locator(".number").click()
        expect(page.locator(".side h2")).to_have_text(f"Scene {scene}")
    button = page.locator(f".side [role=tab][data-tab-id={name}]")
    button.click()
    expect(button).to_have_attribute("aria-selected", "true")
    return page.locator(".side [role=tabpanel]:visible")
