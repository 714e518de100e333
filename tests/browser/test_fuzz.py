"""Prompts that nobody would write, on the page: nothing of them becomes markup, nothing of them runs."""

import random

from tests.browser.visitor import Visitor, tab
from tests.soak.prompts import prompts

SCENES = 40


def test_no_prompt_becomes_markup(guest: Visitor) -> None:
    seed = random.randrange(2**32)
    short = (text[:60] for text in prompts(4000, seed) if "stories" not in text)  # longer ones are refused
    hostile = (text for text in short if ("fuzz" in text or "hit" in text) and text.strip())
    wanted = [text for text in hostile if not any("\ud800" <= letter <= "\udfff" for letter in text)][:SCENES]
    page = guest.open(guest.new_story(*wanted, title="<img src=x class=fuzz onerror=window.hit=1>"))
    for name in ("scene", "remembers", "takes"):
        tab(page, name, 2)
    assert page.locator(".fuzz").count() == 0, seed
    assert page.evaluate("window.hit === undefined"), seed
