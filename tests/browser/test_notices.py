"""What was repaired at the start stands on the page until it is dismissed."""

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Browser, expect

from storyboard.document import edits
from storyboard.store.library import Library
from tests.browser.visitor import Server, Visitor
from tests.paths import ROOT
from tests.soak.crowd import wait_for


def damaged(folder: Path, owner: str) -> None:
    """A library with a story whose last version can't be read."""
    with closing(Library(folder)) as library:
        story = library.create(owner, edits.new_story("Film", ["Mia runs."])).board.story
        library.edit(owner, story.id, lambda now: edits.edit_story(now, title="<b>Film</b>"), "title")
    with closing(sqlite3.connect(folder / "library.sqlite3")) as other, other:
        other.execute("UPDATE revisions SET doc = x'00' WHERE number = 1")


def test_a_repair_is_told_until_it_is_dismissed(browser: Browser, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    visitor = Visitor(browser, Server(f"http://127.0.0.1:{port}/", {}))
    damaged(tmp_path, visitor.owner)
    command = [sys.executable, "-m", "tests.soak.crowd", "--serve", str(tmp_path), str(port)]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as app:
        try:
            wait_for(f"http://127.0.0.1:{port}", app)
            visitor.page.goto(visitor.server.url)
            notice = visitor.page.get_by_role("region", name="Notices")
            expect(notice).to_have_text("Story '<b>Film</b>' was damaged in version 1: version 0 is shown.")
            notice.get_by_role("button", name="Dismiss the notice").click()
            expect(notice).to_be_hidden()
            visitor.page.reload()
            expect(visitor.page.get_by_role("textbox", name="Title of the story")).to_have_value("Film")
            expect(notice).to_be_hidden()
            assert visitor.problems == []
            visitor.leave()
        finally:
            app.terminate()
            app.wait(30)
