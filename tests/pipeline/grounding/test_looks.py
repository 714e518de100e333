"""What figures look like, and what words say of that."""

import random

import numpy as np
import pytest
import torch

from pipeline.errors import WeightsError
from pipeline.grounding.film import FilmLocator
from pipeline.grounding.looks import FLOOR, LENIENT, SIZES, Looks, load_looks
from pipeline.grounding.tubes import closely, locator_folder
from pipeline.picturebook import renderer, world
from pipeline.picturebook.facts import ACTOR_FACTS
from pipeline.picturebook.said import LOOKS, looks_said
from pipeline.picturebook.world import SLOT_VALUES
from pipeline.training.models.looks import figures, fit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("the girl in the red coat", {"top": "red"}),
        ("A cat in a blue sweater with a green hat", {"top": "blue", "hat": "green"}),
        ("the gold robot with blue legs", {"skin": "gold", "bottom": "blue"}),
        ("person with blond hair", {"hair": "blond"}),
        ("the cat in yellow trousers left of the grey dog", {"bottom": "yellow"}),
        ("the dog left of the robot with the red lamp", {}),
        ("a boy whose coat is blue, in a green cap", {"top": "blue", "hat": "green"}),
        ("the girl in the red winter jacket", {"top": "red"}),
        ("somebody waving", {}),
        ("the purple cat", {}),
    ],
)
def test_words_say_looks(text: str, said: dict[str, str]) -> None:
    assert looks_said(text) == said


def test_looks_are_numbered_as_facts_are() -> None:
    assert all(ACTOR_FACTS[slot] == SLOT_VALUES[slot] for slot in LOOKS)


def test_a_fit_tells_looks_that_features_tell() -> None:
    generator = torch.Generator().manual_seed(0)
    looks = torch.stack([torch.randint(n, (400,), generator=generator) for n in SIZES], dim=1)
    features = torch.cat([torch.nn.functional.one_hot(looks[:, i], n) for i, n in enumerate(SIZES)], 1).float()
    found = fit(features + 0.1 * torch.randn(features.shape, generator=generator), looks)
    rows = (features @ found.weight.T + found.bias).split(SIZES, dim=1)
    assert all(bool((row.argmax(1) == looks[:, i]).all()) for i, row in enumerate(rows))


def test_what_speaks_against_looks_is_bounded() -> None:
    weight, bias = torch.zeros(sum(SIZES), 2), torch.full((sum(SIZES),), -50.0)
    bias[0] = 0.0  # the first value of the first slot, whatever is seen
    looks, (first, second, *_) = Looks(weight, bias), SLOT_VALUES[LOOKS[0]]
    patches, cells = torch.ones(1, 144, 2), torch.full((1, 216), 0.9)
    assert looks.fits(patches, cells, {LOOKS[0]: first}) == pytest.approx(LENIENT)
    assert looks.fits(patches, cells, {LOOKS[0]: second}) == pytest.approx(LENIENT + FLOOR)


def test_frames_of_a_moment_that_are_looked_at_closely() -> None:
    assert closely(3, 9, 5) == [1, 2] and closely(5, 6, 5) == [1] and closely(16, 16, 4) == [3]


def test_looks_that_are_not_there_are_named(tmp_path) -> None:
    with pytest.raises(WeightsError, match="no looks in"):
        load_looks(tmp_path / "looks.safetensors")


def test_a_fit_is_kept(tmp_path) -> None:
    looks = Looks(torch.randn(sum(SIZES), 3), torch.randn(sum(SIZES)))
    looks.save(tmp_path / "there" / "looks.safetensors")
    found = load_looks(tmp_path / "there" / "looks.safetensors")
    assert torch.equal(found.weight, looks.weight) and torch.equal(found.bias, looks.bias)


# --- as shipped ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film() -> FilmLocator:
    if not (locator_folder() / "config.json").is_file():
        pytest.skip("the locator is not there")
    return FilmLocator.shipped()


def scenes(count: int) -> list[tuple[world.Actor, np.ndarray]]:
    found = []
    for index in range(count):
        rng = random.Random(f"test looks/{index}")
        actor = world.draw_actor(rng, "cat")
        scene = world.draw_scene(rng, (actor,), world.draw_place(rng, rng.choice(world.PLACES)))
        found.append((actor, renderer.render(scene, masks=False).frames))
    return found


def test_figures_are_drawn_to_fit_to(film: FilmLocator) -> None:
    features, looks = figures(film.vision, 3, 0)
    assert 3 <= len(features) == len(looks) <= 6 and looks.shape[1] == len(LOOKS)


def test_another_colour_of_who_is_there_is_not_there(film: FilmLocator) -> None:
    right, wrong = 0, 0
    for actor, frames in scenes(6):
        clip = film.see(frames)
        other = next(colour for colour in world.COLOURS if colour not in (actor.look.top, actor.look.bottom))
        right += film.find(clip, f"the cat in the {actor.look.top} sweater") is not None
        wrong += film.find(clip, f"the cat in the {other} sweater") is not None
    assert right >= 5 and wrong <= 1


def test_words_without_looks_are_left_to_the_locator(film: FilmLocator) -> None:
    [(_, frames)] = scenes(1)
    [window] = film.see(frames)
    alone = FilmLocator(film.locator, film.vision, film.text)
    assert film.tube(window, "the cat").score == alone.tube(window, "the cat").score
    with_look = "the cat in the red sweater"
    assert film.tube(window, with_look).score != alone.tube(window, with_look).score
