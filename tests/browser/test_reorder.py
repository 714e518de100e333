"""Moving scenes by mouse, by finger and by keyboard."""

from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.browser.visitor import Visitor, card, expect_prompts, ready, saved

LETTERS = ("A", "B", "C", "D", "E", "F")


def middle(node: Locator) -> tuple[float, float]:
    box = node.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: tuple[float, float], goal: tuple[float, float]) -> None:
    """With the button still down at the end."""
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*goal, steps=6)
    expect(page.locator(".drop-bar")).to_be_visible()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def order_lasts(page: Page, *wanted: str) -> None:
    expect_prompts(page, *wanted)
    saved(page)
    page.reload()
    ready(page)
    expect_prompts(page, *wanted)


def test_by_mouse_at_the_grip(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*LETTERS))
    x, y = middle(card(page, 5))
    drag(page, middle(card(page, 1).locator(".grip")), (x + 60, y))
    page.mouse.up()
    order_lasts(page, "B", "C", "D", "E", "A", "F")


def test_by_mouse_at_the_picture_and_back_by_undo(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*LETTERS))
    x, y = middle(card(page, 2))
    drag(page, middle(card(page, 4).locator(".shot")), (x - 60, y))
    page.mouse.up()
    expect_prompts(page, "A", "D", "B", "C", "E", "F")
    page.get_by_role("button", name="Undo: move").click()
    expect_prompts(page, *LETTERS)


def test_a_drag_can_be_given_up(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*LETTERS))
    drag(page, middle(card(page, 1).locator(".grip")), middle(card(page, 5)))
    expect(page.locator(".ghost")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".ghost")).to_be_hidden()
    page.mouse.up()
    expect_prompts(page, *LETTERS)


def touch(session: CDPSession, kind: str, *place: float) -> None:
    points = [{"x": place[0], "y": place[1]}] if place else []
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_by_finger(finger: Visitor) -> None:
    page = finger.open(finger.new_story(*LETTERS))
    session = finger.context.new_cdp_session(page)
    x, y = middle(card(page, 1).locator(".grip"))
    goal = middle(card(page, 2))[1] + 30
    touch(session, "touchStart", x, y)
    for part in range(1, 7):
        touch(session, "touchMove", x + 10, y + (goal - y) * part / 6)
    expect(page.locator(".ghost")).to_be_visible()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    touch(session, "touchEnd")
    order_lasts(page, "B", "A", *LETTERS[2:])


def test_a_finger_at_the_edge_scrolls(finger: Visitor) -> None:
    page = finger.open(finger.new_story(*LETTERS))
    session = finger.context.new_cdp_session(page)
    x, y = middle(card(page, 1).locator(".grip"))
    touch(session, "touchStart", x, y)
    touch(session, "touchMove", x + 5, y + 100)
    touch(session, "touchMove", x + 5, 835)
    page.wait_for_function("() => scrollY + innerHeight >= document.documentElement.scrollHeight - 2")
    touch(session, "touchEnd")
    order_lasts(page, *LETTERS[1:], "A")


def test_by_keyboard(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*LETTERS))
    card(page, 1).focus()
    page.keyboard.press("Alt+ArrowRight")
    expect_prompts(page, "B", "A", *LETTERS[2:])
    expect(card(page, 2)).to_be_focused()
    expect(page.locator(".spoken")).to_have_text("Scene moved to place 2 of 6")
    page.keyboard.press("Alt+ArrowRight")
    page.keyboard.press("Alt+ArrowLeft")
    order_lasts(page, "B", "A", *LETTERS[2:])


def test_from_the_menu(guest: Visitor) -> None:
    page = guest.open(guest.new_story(*LETTERS))
    for item, wanted in (("Move to the end", "BCDEFA"), ("Move earlier", "CBDEFA")):
        card(page, 1 if item == "Move to the end" else 2).locator("[data-act=more]").click()
        page.get_by_role("menuitem", name=item).click()
        expect_prompts(page, *wanted)
    card(page, 1).locator("[data-act=more]").click()
    expect(page.get_by_role("menuitem", name="Move earlier")).to_be_disabled()
    page.keyboard.press("Escape")
