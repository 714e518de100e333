"""A search over a story: which scenes are asked, what is told of a hit, and that clips are looked at once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.encoders.image import small_vision_model
from pipeline.errors import ThroughlineError
from pipeline.grounding.film import FilmLocator
from pipeline.grounding.tubes import SeenClip, Tube, TubeLocator
from storyboard.finding import finder
from storyboard.interfaces import verbs  # noqa: F401  defines them
from storyboard.media.previews import with_boxes
from storyboard.operations.registry import VERBS
from tests.storyboard.studios import ME, Desk, Watched, open_studio

PROMPTS = ("Mia, a girl in a red coat, is running.", "A robot is waving.", "Mia is walking.", "Not rendered yet.")


class Locator:
    """Finds in the first frames of a clip everything but dragons; counts what it looks at."""

    def __init__(self) -> None:
        self.seen, self.asked = 0, list[str]()

    def see(self, frames: np.ndarray) -> tuple[SeenClip, ...]:
        self.seen += 1
        return (SeenClip(torch.zeros(len(frames), 2, 2), torch.zeros(2, 2, 2)),)

    def find(self, clip: tuple[SeenClip, ...], words: str) -> Tube | None:
        self.asked.append(words)
        boxes = np.array([[-0.1, 0.2, 0.5, 0.6]] * 2, np.float32)
        return None if "dragon" in words else Tube(1, 2, boxes, 0.9 if "girl" in words else 0.7)


@pytest.fixture(scope="module")
def desk(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    studio = open_studio(Watched(pipeline), tmp_path_factory.mktemp("studio"))
    desk = Desk.new(studio, *PROMPTS)
    desk.render(0, 1, 2)
    yield desk
    studio.close()


@pytest.fixture
def locator(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Locator:
    locator = Locator()
    desk.studio.finder = finder.Finder(desk.studio.media)
    monkeypatch.setattr("pipeline.grounding.film.load", lambda: locator)
    return locator


def test_hits_say_where_and_when(desk: Desk, locator: Locator) -> None:
    hits = desk.ask("find", "the girl running")["hits"]
    assert [hit["number"] for hit in hits] == [1, 2, 3] and hits[0]["scene"] == desk.ids[0]
    rate = desk.shown[0].frames_per_second  # type: ignore[union-attr]
    assert (hits[0]["first"], hits[0]["last"]) == (1, 2)
    assert (hits[0]["start"], hits[0]["end"]) == (1 / rate, 3 / rate)
    assert hits[0]["boxes"] == ((0.0, 0.2, 0.5, 0.6),) * 2, "inside the picture"
    digest = hits[0]["preview"].split("/")[-1].partition(".")[0]
    with Image.open(desk.studio.media.path(digest, "webp")) as shown:
        assert shown.n_frames == 2 and shown.size == (144, 96)  # type: ignore[attr-defined]


def test_a_box_is_drawn_around_what_was_found() -> None:
    frames = np.zeros((2, 20, 30, 3), np.uint8)
    marked = with_boxes(frames, [(0.2, 0.25, 0.6, 0.75), (0.0, 0.0, 1.0, 1.0)])
    assert marked.shape == (2, 40, 60, 3)
    assert marked[0, 10, 12].any() and not marked[0, 20, 24].any() and not marked[0, 2, 2].any()


def test_the_likeliest_comes_first_and_a_name_is_asked_where_it_is(desk: Desk, locator: Locator) -> None:
    hits = desk.ask("find", "Mia walking")["hits"]
    assert [hit["number"] for hit in hits] == [1, 3] and locator.asked == ["the girl walking"] * 2


def test_what_is_not_there_has_no_hits(desk: Desk, locator: Locator) -> None:
    assert desk.ask("find", "a dragon") == {"hits": []}


def test_a_clip_is_looked_at_once(desk: Desk, locator: Locator) -> None:
    desk.ask("find", "robot")
    desk.ask("find", "girl")
    assert locator.seen == 3


def test_what_was_looked_at_is_kept_up_to_a_number_of_bytes(
    desk: Desk, locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "MOST_BYTES", 1)
    desk.ask("find", "robot")
    desk.ask("find", "girl")
    assert locator.seen == 6 and len(desk.studio.finder._seen) == 1


@pytest.mark.parametrize("words", ["", "  ", "x" * 201])
def test_no_words_and_too_many_are_refused(desk: Desk, locator: Locator, words: str) -> None:
    with pytest.raises(ThroughlineError, match=r"words are .*: expected 1 to 200 characters"):
        desk.ask("find", words)


def test_programs_can_search(desk: Desk, locator: Locator) -> None:
    answer = VERBS["find"].function(desk.studio, ME, desk.story, "robot")
    assert [hit["number"] for hit in answer["hits"]] == [1, 2, 3]


def test_long_clips_are_searched_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.grounding.film.MOST_FRAMES", 4)
    torch.manual_seed(0)

    class Text:
        def encode(self, words: str) -> Any:
            return type("Encoded", (), {"hidden": torch.randn(3, 8)})

    network = TubeLocator(image_dim=64, text_dim=8, dim=32, heads=2, encoder_layers=1, decoder_layers=1, channels=8)
    film = FilmLocator(network.eval(), small_vision_model(64, 1).eval(), Text())  # type: ignore[arg-type]
    seen = film.see(np.random.default_rng(0).integers(0, 256, (10, 96, 144, 3), np.uint8))
    assert [window.frames for window in seen] == [4, 4, 2]
    monkeypatch.setattr("pipeline.grounding.film.LEAST_SCORE", 0.0)
    tube = film.find(seen, "anything")
    assert tube is not None and 0 <= tube.first <= tube.last < 10 and len(tube.boxes) == tube.last - tube.first + 1
