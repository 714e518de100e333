"""The film: it plays with scene marks, seams and captions, and every export is what it says."""

import io
import re
import zipfile
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import imageio.v3 as iio
import pytest
from PIL import Image
from playwright.sync_api import Download, Locator, Page, expect

from storyboard.interchange.format_names import FORMATS as SERVED
from storyboard.ui.panels.film.dialog import FORMATS
from tests.browser.visitor import CAST, Visitor, card, expect_prompts, saved, tab, until

WORDS = {name: words for names in FORMATS.values() for name, words in names.items()}


def film(page: Page) -> Locator:
    page.get_by_role("button", name="Film", exact=True).click()
    dialog = page.get_by_role("dialog", name="Film")
    expect(dialog).to_be_visible()
    return dialog


def close(dialog: Locator) -> None:
    dialog.get_by_role("button", name="Close", exact=True).click()
    expect(dialog).to_be_hidden()


def save(dialog: Locator, format: str) -> Download:
    """What a button of the film gives."""
    dialog.get_by_role("button", name="Pause the film").click()  # playing costs what writing needs
    with dialog.page.expect_download(timeout=180_000) as coming:
        dialog.get_by_role("button", name=WORDS[format], exact=True).click()
    return coming.value


def seam(dialog: Locator, first: int) -> None:
    """Looks at the seam after a scene."""
    dialog.get_by_label("Seam", exact=True).click()
    dialog.page.get_by_role("option", name=f"Seam between scenes {first} and {first + 1}").click()
    expect(dialog.get_by_label("Seam", exact=True)).to_have_value(f"Seam between scenes {first} and {first + 1}")


def join(dialog: Locator, first: int, kind: str) -> None:
    seam(dialog, first)
    dialog.get_by_role("radio", name=kind).check()


def place(dialog: Locator) -> float:
    return float(dialog.get_by_role("slider", name="Place in the film").input_value())


def test_exports_are_sorted_by_what_they_are_for(shown: Page) -> None:
    dialog = film(shown)
    assert list(WORDS) == [name for names in FORMATS.values() for name in names] and set(WORDS) == set(SERVED)
    expect(dialog.locator(".film-options h4")).to_have_text(list(FORMATS))
    shown = dialog.locator(".formats button.export").evaluate_all("all => all.map(one => one.innerText.trim())")
    assert shown == list(WORDS.values())
    button = dialog.get_by_role("button", name=WORDS["finished.mp4"], exact=True)
    assert button.evaluate("one => getComputedStyle(one).flexWrap") == "nowrap"  # its sign stands beside its words
    close(dialog)


def test_it_plays_all_takes_in_order_with_marks(shown: Page) -> None:
    dialog = film(shown)
    marks = dialog.locator(".marks button")
    expect(marks.locator("b")).to_have_text(["1", "2", "3", "4", "5"])
    expect(dialog.get_by_role("button", name="Pause the film")).to_be_visible()  # it plays by itself
    for number in range(1, 6):
        expect(dialog.locator(".marks [aria-current] b")).to_have_text(str(number))
    expect(dialog.get_by_role("button", name="Play the film")).to_be_visible()
    total = float(dialog.get_by_role("slider", name="Place in the film").get_attribute("max") or 0)
    assert abs(total - 5 * 9 / 8) < 0.1 and abs(place(dialog) - total) < 0.1
    close(dialog)


def test_marks_and_the_bar_go_to_a_scene(shown: Page) -> None:
    dialog = film(shown)
    dialog.get_by_role("button", name="Pause the film").click()
    dialog.locator(".marks").get_by_role("button", name=re.compile("^Scene 4:")).click()
    expect(dialog.locator(".marks [aria-current] b")).to_have_text("4")
    shown = dialog.locator("video:not([hidden])")
    expect(shown).to_have_count(1)
    source = shown.get_attribute("src")
    dialog.get_by_role("button", name="The scene before").click()
    expect(dialog.locator(".marks [aria-current] b")).to_have_text("3")
    assert dialog.locator("video:not([hidden])").get_attribute("src") != source
    dialog.get_by_role("slider", name="Place in the film").fill("0.2")
    expect(dialog.locator(".marks [aria-current] b")).to_have_text("1")
    close(dialog)


def test_seams_change_the_film_and_last(guest: Visitor, page: Page) -> None:
    dialog = film(page)
    dialog.get_by_role("button", name="Pause the film").click()
    bar = dialog.get_by_role("slider", name="Place in the film")
    whole = float(bar.get_attribute("max") or 0)
    join(dialog, 1, "Cross-fade")
    until(lambda: float(bar.get_attribute("max") or 0) < whole - 0.3)
    join(dialog, 2, "Dip to black")
    expect(dialog.locator(".marks [aria-current] b")).to_have_text("3")  # the player goes to the seam
    bar.fill("0.9")  # in the middle of the cross-fade: two clips show
    expect(dialog.locator("video:not([hidden])")).to_have_count(2)
    start = 2 * 9 / 8 - 0.5
    bar.fill(f"{start - 0.05:.2f}")  # the frame before the next scene is black, as in the export
    expect(dialog.locator(".black")).to_have_css("opacity", "1")
    seam(dialog, 1)
    lasts = dialog.get_by_role("slider", name="range slider for Lasts")
    expect(lasts).to_have_value("0.5")
    lasts.fill("0.2")
    until(lambda: guest.story(guest.opened[-1])["scenes"][1]["seam"] == {"kind": "cross-fade", "seconds": 0.2})
    saved(page)
    page.reload()
    dialog = film(page)
    expect(dialog.get_by_role("radio", name="Cross-fade")).to_be_checked()
    seam(dialog, 2)
    expect(dialog.get_by_role("radio", name="Dip to black")).to_be_checked()
    close(dialog)


def test_captions_are_the_prompts(page: Page) -> None:
    dialog = film(page)
    dialog.get_by_role("button", name="Pause the film").click()
    expect(dialog.locator(".caption")).to_be_hidden()
    dialog.get_by_role("checkbox", name="Captions").check()
    dialog.get_by_role("slider", name="Place in the film").fill("0.2")
    expect(dialog.locator(".caption")).to_have_text(CAST[0])
    dialog.locator(".marks").get_by_role("button", name=re.compile("^Scene 2:")).click()
    expect(dialog.locator(".caption")).to_have_text(CAST[1])
    close(dialog)
    page.get_by_role("button", name="Undo: story settings").click()
    dialog = film(page)
    expect(dialog.get_by_role("checkbox", name="Captions")).not_to_be_checked()
    close(dialog)


def test_a_film_of_stale_clips_says_so(guest: Visitor, page: Page) -> None:
    story = guest.story(guest.opened[-1])
    changes = {"prompt": "A robot is sleeping in the desert."}
    guest.edit(story["id"], "edit_scene", scene=story["scenes"][1]["id"], changes=changes)
    guest.reload()
    expect(card(page, 2)).to_have_attribute("data-state", "stale")
    page.get_by_role("button", name="Film", exact=True).click()
    expect(page.get_by_role("dialog", name="Film")).to_contain_text("Stale, made before the last changes: scene")


def test_scenes_without_a_take_are_left_out(guest: Visitor, page: Page) -> None:
    guest.edit(guest.opened[-1], "add_scene", index=1, fields={"prompt": "A cat is waving on the beach."})
    expect(page.locator(".slot")).to_have_count(6)
    dialog = film(page)
    expect(dialog.locator(".missing .words-line")).to_contain_text("1 scene without a take is left out.")
    expect(dialog.locator(".marks b")).to_have_text(["1", "3", "4", "5", "6"])
    close(dialog)
    dialog = film(guest.open(guest.new_story("A")))
    expect(dialog).to_contain_text("Render at least one scene.")
    expect(dialog.locator(".film-body")).to_be_hidden()
    close(dialog)


# --- exports ---


def mp4(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and b"avc1" in content


def finished(content: bytes) -> bool:
    with NamedTemporaryFile(suffix=".mp4") as file:
        file.write(content)
        file.flush()
        shape = iio.improps(file.name, plugin="FFMPEG").shape
    return mp4(content) and shape[1:3] == (384, 576)


def gif(content: bytes) -> bool:
    image = Image.open(io.BytesIO(content))
    return image.format == "GIF" and getattr(image, "n_frames", 1) == 45


def png(content: bytes) -> bool:
    image = Image.open(io.BytesIO(content))
    return image.format == "PNG" and image.width > 400 and len(image.convert("RGB").getcolors(1 << 24) or ()) > 500


def pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")


def clips(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".mp4")]
        return len(names) == 5 and all(mp4(archive.read(name)) for name in names)


def story(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "story.json" in archive.namelist() and archive.testzip() is None


EXPORTS: dict[str, Any] = {
    "mp4": mp4,
    "finished.mp4": finished,
    "gif": gif,
    "sheet.png": png,
    "sheet.pdf": pdf,
    "clips.zip": clips,
    "story.zip": story,
}


@pytest.mark.parametrize("format", EXPORTS)
def test_every_export_is_what_it_says(shown: Page, format: str) -> None:
    dialog = film(shown)
    download = save(dialog, format)
    name = download.suggested_filename
    assert name.endswith("." + format.rpartition(".")[2]), name
    assert EXPORTS[format](Path(download.path()).read_bytes())
    expect(dialog.locator(".exports [role=status]")).to_have_text(f"{name} is ready.")
    close(dialog)


def test_a_finished_film_tells_how_far_it_is_and_can_be_cancelled(guest: Visitor, page: Page) -> None:
    guest.edit(
        guest.opened[-1], "edit_film", changes={"rate": 12}
    )  # the same clips may be finished already as they are
    dialog = film(page)
    dialog.get_by_role("button", name="Pause the film").click()
    line, button = dialog.locator(".finishing [role=status]"), dialog.get_by_role("button", name=WORDS["finished.mp4"])
    expect(line).to_have_text(re.compile(r"^Finishing 5 scenes (comes first|takes about .*)\.$"))
    button.click()
    expect(line).to_have_text(
        re.compile(r"^(Waiting to be finished|Finishing scene \d(, frame \d+ of 14)?)\. \d of 5 scenes done")
    )
    dialog.get_by_role("button", name="Cancel", exact=True).click()
    expect(line).to_have_text(re.compile(r"^Cancelled\.( \d of 5 scenes finished, which stay\.)?$"))
    expect(dialog.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    assert not dialog.locator(".exports [role=status]").inner_text().endswith("is ready."), "nothing was written"
    with page.expect_download(timeout=180_000) as coming:
        button.click()
        expect(line).to_have_text(re.compile("^(Waiting|Finishing|All)"))
        close(dialog)  # it comes all the same
    assert finished(Path(coming.value.path()).read_bytes())
    dialog = film(page)
    expect(line).to_have_text("All scenes are finished.")
    close(dialog)
    tab(page, "takes", 2)
    shelf = page.locator(".side [role=tabpanel]:visible")
    shelf.get_by_label("Compare the chosen take with").click()
    page.get_by_role("option", name="Itself, finished").click()
    expect(shelf.get_by_text("Finished · 576 × 384")).to_be_visible()  # the one of the film, not made again
    expect(shelf.locator("video")).to_have_count(2)


def test_an_archive_imports_again(page: Page) -> None:
    dialog = film(page)
    download = save(dialog, "story.zip")
    close(dialog)
    page.get_by_role("button", name="Stories").click()
    shelf = page.get_by_role("dialog", name="Stories")
    with page.expect_file_chooser() as chooser:
        shelf.get_by_role("button", name="Import an archive").click()
    chooser.value.set_files(download.path())
    expect(shelf).to_be_hidden()
    expect_prompts(page, *CAST)
    for number in range(1, 6):
        expect(card(page, number)).to_have_attribute("data-state", "fresh")
