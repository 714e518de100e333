"""The film as it plays on the page is the film that is written: pictures by the frame, words, and sound."""

import base64
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Locator, Page, expect

from storyboard.document.story import Board, Seam
from storyboard.film.cut import cut_of
from storyboard.operations.views import timeline_view
from tests.browser.test_film import close, film
from tests.browser.visitor import CAST, Visitor, until
from tests.storyboard.film.cuts import RATE, board_of, filmed, shot
from tests.storyboard.media.test_sound import tone

SIZE = (24, 36)  # rows, columns
PLAN = """async film => {
  const {seenAt, momentIn} = await import(new URL('throughline/reel.js', document.baseURI).href);
  const rate = film.frames_per_second;
  return Array.from({length: film.frames}, (_, frame) => {
    const {seen, black} = seenAt(film, frame);
    return {black, seen: seen.map(({index, opacity}) => {
      const part = film.parts[index], since = frame - Math.round(part.start * rate);
      return [index, opacity, part.clip ? momentIn(part, since, rate).at : -1];
    })};
  });
}"""


def ramp(frames: int, first: int) -> np.ndarray:
    """A clip whose frame k is all of the level `first` + k."""
    levels = np.arange(first, first + frames, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (frames, *SIZE, 3)).copy()


def board_with_everything(clips: list[np.ndarray]) -> Board:
    fade, dip = Seam(kind="cross-fade", seconds=0.6), Seam(kind="dip to black", seconds=1.0)
    end = {"text": ".", "seconds": 1.0, "seam": {"kind": "dip to black", "seconds": 0.5}}
    title = {"text": ".", "seconds": 0.5}
    board = board_of(clips, [Seam(kind="cross-fade", seconds=0.25), fade, dip, Seam()], title=title, end=end)
    board = shot(shot(board, 0, skip=0.25, cut=0.25), 1, speed=2.0, hold=0.5)
    return shot(board, 2, speed=0.5)


def test_every_frame_is_composed_as_in_an_export(guest: Visitor, page: Page) -> None:
    clips = [ramp(17, 10), ramp(24, 60), ramp(9, 120), ramp(9, 200)]
    board = board_with_everything(clips)
    written = filmed(board, clips)[:, 0, 0, 0].astype(float)  # the corner of a card is black
    plan: list[dict[str, Any]] = page.evaluate(PLAN, timeline_view(cut_of(board), board.story))
    shown = []
    for frame in plan:
        level = 0.0
        for index, opacity, at in frame["seen"]:
            own = 0.0 if at < 0 else clips[index - 1][int(at * RATE)][0, 0, 0]
            level = level * (1 - opacity) + own * opacity
        shown.append(level * (1 - frame["black"]))
    assert len(plan) == len(written) and np.abs(np.array(shown) - written).max() <= 2, (shown, written)


def test_trim_speed_hold_and_words_are_played(guest: Visitor, page: Page) -> None:
    story = guest.story(guest.opened[-1])
    first, second = (scene["id"] for scene in story["scenes"][:2])
    guest.edit(story["id"], "edit_shot", scene=first, changes={"skip": 0.5, "hold": 1.0, "caption": "It begins."})
    guest.edit(story["id"], "edit_shot", scene=second, changes={"speed": 0.5})
    guest.edit(story["id"], "edit_film", changes={"title": {"text": "Snow", "seconds": 1.0}, "captions": "beside"})
    guest.edit(story["id"], "edit_story", changes={"captions": True})
    told = guest.call("timeline", story=story["id"])
    dialog = film(page)
    bar = dialog.get_by_role("slider", name="Place in the film")
    until(lambda: abs(float(bar.get_attribute("max") or 0) - told["seconds"]) < 1e-6)
    expect(dialog.locator(".marks b")).to_have_text(["Title", "1", "2", "3", "4", "5"])
    dialog.get_by_role("button", name="Pause the film").click()
    bar.fill("0.5")
    expect(dialog.locator(".card-words:not([hidden])")).to_have_text("Snow")
    expect(dialog.locator("video:not([hidden])")).to_have_count(0)
    for place, second_of_take, words in ((1.26, 0.75, "It begins."), (2.1, 1.0, "It begins."), (3.2, 0.25, CAST[1])):
        bar.fill(str(place))
        video = dialog.locator("video:not([hidden])")
        expect(video).to_have_count(1)
        until(partial(is_at, video, second_of_take))
        expect(dialog.locator(".caption")).to_have_text(words)
    close(dialog)


def is_at(video: Locator, second: float) -> bool:
    return abs(float(video.evaluate("video => video.currentTime")) - second) < 0.13  # a frame of eight in a second


def test_music_and_voices_sound_where_they_are(guest: Visitor, page: Page, tmp_path: Path) -> None:
    story = guest.story(guest.opened[-1])
    sound = base64.b64encode(tone(tmp_path / "a.wav", 8.0).read_bytes()).decode()
    voice = base64.b64encode(tone(tmp_path / "b.wav", 0.5).read_bytes()).decode()
    guest.call("import_music", story=story["id"], data=sound, name="song.wav")
    guest.call("import_voice", story=story["id"], scene=story["scenes"][1]["id"], data=voice, name="voice.wav")
    guest.edit(story["id"], "edit_film", changes={"music": {"level": -6.0, "skip": 1.0}, "ducking": 12.0})
    dialog = film(page)
    expect(dialog.locator(".sounds audio")).to_have_count(2)
    playing = "audios => audios.map(audio => [!audio.paused, audio.currentTime, audio.volume])"
    sounds = dialog.locator(".sounds audio")
    until(lambda: any(heard and at > 1 for heard, at, _ in sounds.evaluate_all(playing)))
    dialog.get_by_role("button", name=re.compile("(Pause|Play) the film")).click()
    until(lambda: not any(heard for heard, _, _ in sounds.evaluate_all(playing)))
    level = """async film => {
      const {loudness} = await import(new URL('throughline/sounds.js', document.baseURI).href);
      const music = film.sounds.find(({kind}) => kind === 'music');
      const voice = film.sounds.find(({kind}) => kind === 'voice'), span = [voice.start, voice.start + voice.seconds];
      const times = [0.5, span[0] + 0.2, span[1] + 1];
      return times.map(time => 20 * Math.log10(loudness(music, time, [span], 12)));
    }"""
    levels = page.evaluate(level, guest.call("timeline", story=story["id"]))
    assert np.allclose(levels, [-6, -18, -6], atol=0.1), "softer under the voice, by the decibels that are asked for"
    close(dialog)
