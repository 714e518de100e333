"""Subjects that the world never draws: how they are painted, and what is measured of them."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import ThroughlineError
from pipeline.picturebook import renderer, world
from pipeline.picturebook.localiser import load_localiser
from pipeline.picturebook.paints import Paint, paint
from pipeline.picturebook.taught import (
    PICTURES,
    SUBJECTS,
    facts_of,
    facts_shown,
    lookalike,
    settings_of,
    taught_subject,
)


def test_a_look_is_a_colour_of_the_world_or_one_of_its_own() -> None:
    assert paint("red") == Paint(world.COLOURS["red"])
    assert paint("cone #102030/white") == Paint((16, 32, 48), world.COLOURS["white"], "cone")


@pytest.mark.parametrize("look", ["pink", "#12345", "cube red", "red/", ""])
def test_other_looks_are_refused(look: str) -> None:
    with pytest.raises(ThroughlineError, match="expected"):
        paint(look)


def test_no_two_subjects_are_alike_and_no_figure_of_the_world_has_what_they_have() -> None:
    subjects = [taught_subject(index) for index in range(SUBJECTS)]
    assert len(set(subjects)) == SUBJECTS and {actor.kind for actor in subjects} == set(world.KINDS)
    for actor in subjects:
        colours = {paint(getattr(actor.look, slot)).colour for slot in ("top", "bottom", "hat")}
        assert len(colours) == 3 and not colours & set(world.COLOURS.values())


def test_new_scenes_show_other_places_and_actions_than_the_pictures() -> None:
    for index in range(SUBJECTS):
        actor = taught_subject(index)
        pictures, new = settings_of(actor, index)
        assert len(pictures) == PICTURES and len(new) == 3
        seen, asked = ({(s.scene.place.kind, s.scene.actions[0]) for s in part} for part in (pictures, new))
        assert not {place for place, _ in seen} & {place for place, _ in asked}
        assert not {action for _, action in seen} & {action for _, action in asked}
        assert all(actor.name in setting.prompt for setting in (*pictures, *new))


@pytest.mark.parametrize("index", [0, 5, 10])
def test_a_drawing_shows_the_facts_and_the_most_similar_figure_of_the_world_none(index: int) -> None:
    actor = taught_subject(index)
    setting = settings_of(actor, index)[1][0]
    drawn, alike = (
        list(renderer.render(scene, masks=False, frames=(4, 12)).frames)
        for scene in (setting.scene, replace(setting.scene, cast=(lookalike(actor),)))
    )
    assert facts_shown(actor, drawn, drawn, load_localiser()) == dict.fromkeys(facts_of(actor), True)
    shown = facts_shown(actor, alike, drawn, load_localiser())
    assert not any(shown[name] for name in ("top", "bottom", "hat"))
    nothing = [np.full_like(picture, 120) for picture in drawn]
    assert not any(facts_shown(actor, nothing, drawn, load_localiser()).values())
