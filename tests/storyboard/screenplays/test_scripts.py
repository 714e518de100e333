"""Ten scripts, labelled by hand, as scenes: what was found against what is there; and what could not be used."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from storyboard.screenplays.adaptation import Adaptation
from storyboard.screenplays.reading import read_script, story_of

SCRIPTS = Path(__file__).parent / "scripts"
LABELS: dict[str, Any] = json.loads((SCRIPTS / "labels.json").read_text(encoding="utf-8"))
GOOD = 0.95
KINDS = ("scenes", "characters", "dialogue")


def fits(text: str) -> bool:
    return len(text) <= 400


def read(name: str) -> Adaptation:
    return read_script(SCRIPTS / name, fits)


def labelled(name: str) -> dict[str, Counter[Any]]:
    scenes = [tuple(scene) for scene in LABELS[name]["scenes"]]
    return facts((heading, cast, [tuple(line) for line in said]) for heading, cast, said in scenes)


def found(script: Adaptation) -> dict[str, Counter[Any]]:
    return facts(
        (scene.heading, scene.cast, [(line.speaker, line.text) for line in scene.dialogue]) for scene in script.scenes
    )


def facts(scenes: Iterable[tuple[str, Iterable[str], Iterable[tuple[str, str]]]]) -> dict[str, Counter[Any]]:
    """What is counted: headings, who is in which scene, who says what in which, each at the place where it is."""
    kinds: dict[str, Counter[Any]] = {kind: Counter() for kind in KINDS}
    for number, (heading, cast, said) in enumerate(scenes):
        kinds["scenes"][number, heading] += 1
        kinds["characters"].update((number, name) for name in cast)
        kinds["dialogue"].update((number, *line) for line in said)
    return kinds


def f1(right: Counter[Any], made: Counter[Any]) -> float:
    return 2 * (right & made).total() / (right.total() + made.total())


@pytest.mark.parametrize("kind", KINDS)
def test_scenes_characters_and_dialogue_are_as_labelled(kind: str) -> None:
    assert len(LABELS) == 10 and {path.name for path in SCRIPTS.iterdir()} == {*LABELS, "labels.json"}
    right, made = Counter[Any](), Counter[Any]()
    for name in LABELS:
        right.update({(name, fact): count for fact, count in labelled(name)[kind].items()})
        made.update({(name, fact): count for fact, count in found(read(name))[kind].items()})
    assert f1(right, made) >= GOOD, {"missing": right - made, "too many": made - right}


@pytest.mark.parametrize("name", LABELS)
def test_the_title_is_that_of_the_title_page(name: str) -> None:
    assert read(name).title == LABELS[name]["title"]
    assert story_of(read(name), "file name").title == (LABELS[name]["title"] or "file name")


@pytest.mark.parametrize("name", LABELS)
def test_line_ends_and_marks_of_windows_change_nothing(name: str, tmp_path: Path) -> None:
    text = (SCRIPTS / name).read_text(encoding="utf-8").replace("\n", "\r\n")
    for encoding in ("utf-8-sig", "utf-16") if name.endswith("fountain") else ("utf-8-sig",):
        (tmp_path / name).write_bytes(text.encode(encoding))
        assert read_script(tmp_path / name, fits) == read(name)


UNUSED = {
    "lighthouse.fountain": [
        "title page: credit", "title page: author", "title page: draft date", "title page: contact", "THE END",
    ],
    "cutout.fountain": ["2 passages cut out with /* */", "Act One", "The attic", "Act Two", "EST. VILLAGE - MORNING"],
    "ferry.fdx": ["title page: by", "title page: Nobody"],
    "dual.fdx": ["cast list: PELLE, KAJSA", "EXT. COURT - STEPS - DAY"],
    "kitchen.fdx": ["transition: IRIS OUT"],
    "tale.fdx": [],
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSED)
def test_what_could_not_be_used_is_listed(name: str) -> None:
    told = read(name).unused
    assert len(told) == len(UNUSED[name]), told
    for part in UNUSED[name]:
        assert any(part in line for line in told), (part, told)


def test_transitions_are_seams() -> None:
    seams = {scene.heading: scene.seam.get("kind") for name in LABELS for scene in read(name).scenes}
    assert seams["EXT. HARBOUR - DAWN"] == "dip to black" and seams["EXT. BEACH - NIGHT"] == "cross-fade"
    assert seams["EXT. HILLSIDE - NIGHT"] == "cut" and seams["INT. TRAIN - LATER"] is None


def test_notes_and_synopses_are_notes() -> None:
    scenes = {scene.heading: scene.notes for name in LABELS for scene in read(name).scenes}
    assert scenes["INT. LIGHTHOUSE - STAIRS - DAY"] == "the lamp is her mother's"
    attic = ["Two brothers find a map.", "find a better trunk", "A note of its own that goes on."]
    assert scenes["INT. ATTIC - NIGHT"].split("\n") == attic
    assert scenes["EXT. FERRY - DECK - DAY"] == "They meet." and scenes["EXT. PARK - EVENING"] == "Which park?"


def test_prompts_say_where_and_when_it_is() -> None:
    prompts = {scene.heading: scene.prompt for name in LABELS for scene in read(name).scenes}
    assert prompts["EXT. BEACH - NIGHT"] == "A broken mast on the sand on the beach at night. Ada runs to it."
    assert prompts["EXT. RAILWAY STATION - NIGHT"].startswith("Snow outside the railway station at night. A wolf sits")
    assert prompts["INT. FOOD TRUCK - MORNING"] == "Hana is talking in the food truck in the morning."
    assert prompts["INT. LIGHTHOUSE - STAIRS - DAY"].endswith("with a lamp on the stairs of the lighthouse by day.")
    assert prompts["INT. PARLOUR - AFTERNOON"].startswith("Mrs. O'Hara and Mr. Quill sit on one sofa,")


def test_what_is_said_is_the_caption() -> None:
    story = story_of(read("windows.fountain"), "")
    captions = [scene.shot.caption for scene in story.scenes]
    assert story.captions and captions[1:] == [
        "Girl: Why do you look so sad? Wolf: The better to be left alone, my dear.", "",
    ]  # fmt: skip
    headings = [heading for heading, _, _ in LABELS["windows.fountain"]["scenes"]]
    assert [scene.script.heading for scene in story.scenes] == headings
    assert story.scenes[0].shot.hold > 0, "the last frame stays until all is said"
