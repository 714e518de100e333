"""What the page shows of an edit before the server has answered, by its very script, against what the server makes."""

import json
import random
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.former import FormerTake
from storyboard.document.story import Board, RememberedScene, Scene, ScenePicture, Take, WordRef, new_id
from storyboard.operations.edits import brought_take
from storyboard.operations.registry import EDITS, read_edit
from storyboard.operations.views import new_scene_view, story_view
from storyboard.ui.page import STATIC
from tests.storyboard.stories import made_from, take_of

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")
STORIES, EDITS_EACH = 120, 12
WORDS = ["Mia in a red coat", "Mia in a blue coat", "a dog", "Mia and a dog", "the snow 🌊", ""]
FILM_CHANGES: list[dict[str, Any]] = [
    {}, {"title": {"text": "Snow"}}, {"end": {"seam": {"kind": "dip to black"}}}, {"captions": "beside"},
    {"music": {"level": -6}}, {"music": None, "loudness": None}, {"rate": 24}, {"rate": None},
]  # fmt: skip
SHOT_CHANGES: list[dict[str, Any]] = [{}, {"skip": 0.25, "speed": 2}, {"caption": "Later."}, {"voice": {"delay": 1}}]
PROGRAM = """
import {readFileSync} from 'node:fs';
import {apply, known} from './edits.mjs';
const {fresh, stories} = JSON.parse(readFileSync(0));
const copy = value => JSON.parse(JSON.stringify(value));
console.log(JSON.stringify({known, stories: stories.map(({first, steps}) => ({
  once: steps.map(({before, op}) => apply(before, op, fresh)),
  twice: steps.map(({before, op}) => apply(apply(before, op, fresh), op, fresh)),
  all: steps.reduce((story, {op}) => apply(story, op, fresh), first),
}))}));
"""


def run(folder: Path, given: dict[str, Any], script: str = "") -> Any:
    """What the script gives for stories and edits."""
    source = script or (STATIC / "edits.js").read_text(encoding="utf-8")
    (folder / "edits.mjs").write_text(source, encoding="utf-8")
    (folder / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    command = [str(NODE), str(folder / "program.mjs")]
    return json.loads(subprocess.run(command, input=json.dumps(given).encode(), capture_output=True, check=True).stdout)


# --- random stories and edits ----------------------------------------------------------------------------------------


MORE = ["remove_take", *["edit_scene"] * 4]  # words that are edited, and edited back
SCRIPTS = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
OF_THE_BOARD = set(re.findall(r"\bdo: '(\w+)'", SCRIPTS))  # what it sends itself; all others are made in Python
SEEN = {"id", "prompt", "locked", "takes", "chosen"}
OF_THE_PAGE = sorted(name for name in EDITS if not name.startswith("cast_"))  # those of the panels, too


def any_board(rng: random.Random) -> Board:
    """Up to four scenes, some with takes, one of which was chosen, and perhaps a keyframe of its own."""
    story, takes = edits.new_story("Film", rng.choices(WORDS, k=rng.randint(0, 4))), dict[str, Take]()
    story = edits.set_music(story, "8" * 64, "song.mp3", 90.0) if rng.random() < 0.5 else story
    for scene in story.scenes:
        story = edits.set_voice(story, scene.id, "7" * 64, "voice.wav", 2.0) if rng.random() < 0.5 else story
        picture = ScenePicture(file="6" * 64, source="sea.png") if rng.random() < 0.5 else None
        story = edits.set_picture(story, scene.id, rng.choice(["first", "last"]), picture)
        own = [any_take(scene, rng) for _ in range(rng.randint(0, 3))]
        takes |= {take.id: take for take in own}
        if own and rng.random() < 0.8:
            story = edits.choose_take(story, scene.id, rng.choice(own).id)
        if own and rng.random() < 0.3:
            story = edits.choose_keyframe(story, scene.id, own[0].id, 2, "9" * 64)
        if own and rng.random() < 0.4:
            before = FormerTake(take=own[0].id, prompt=rng.choice(WORDS[:5]), keyframe="d" * 64)
            story = edits.set_keep(story, scene.id, before)
            story = edits.mute_word(story, scene.id, WordRef(scene=scene.id, text="Mia"))
    return Board(story, takes)


def any_take(scene: Scene, rng: random.Random) -> Take:
    """Imported, or of the scene's words or others; some kept the rest of another take."""
    prompt, letter = rng.choice([scene.prompt, scene.prompt, *WORDS]), rng.choice("abcdef")
    if not prompt or rng.random() < 0.2:
        return take_of(scene.id, letter)
    own = RememberedScene(scene=scene.id, prompt=rng.choice(WORDS[:4]), kept=((0, 1),), keyframe="e" * 64)
    memories = (own,) if rng.random() < 0.3 else ()
    return take_of(scene.id, letter, conditioning=made_from(prompt, memories))


def any_op(board: Board, rng: random.Random) -> dict[str, Any]:
    """An edit as the page may send it; the server refuses some."""
    ids = [scene.id for scene in board.story.scenes] or ["none"]
    scene, other, do = rng.choice(ids), rng.choice(ids), rng.choice([*OF_THE_PAGE, *MORE])
    takes = [take.id for take in board.takes_of(scene)] if board.story.scenes else []
    word: dict[str, Any] = {"scene": other, "text": rng.choice(["Mia", "dog"])}
    word |= {"occurrence": rng.randint(0, 1)} if rng.random() < 0.7 else {}
    arguments: dict[str, dict[str, Any]] = {
        "edit_story": {"changes": rng.choice([{"title": "New"}, {"captions": True}, {"width": 72, "height": 48}, {}])},
        "add_scene": {"index": rng.choice([None, 0, len(ids), 9]), "fields": {"id": new_id(), **any_changes(rng)}},
        "duplicate_scene": {"scene": scene, "copy_id": new_id()},
        "move_scene": {"scene": scene, "index": rng.randint(0, len(ids))},
        "edit_scene": {"scene": scene, "changes": any_changes(rng)},
        "edit_film": {"changes": rng.choice(FILM_CHANGES)},
        "edit_shot": {"scene": scene, "changes": rng.choice(SHOT_CHANGES)},
        "keep_rest": {"scene": scene, **rng.choice([{}, {"on": True}, {"on": False}])},
        "mute_scene": {"scene": scene, "muted": other, **rng.choice([{}, {"on": True}, {"on": False}])},
        "remove_scene_picture": {"scene": scene, "which": rng.choice(["first", "last"])},
        "choose_take": {"scene": scene, "take": rng.choice(takes or ["none"])},
        "remove_take": {"scene": scene, "take": rng.choice(takes or ["none"])},
    }
    rest = {"scene": scene, "word": word} if do.endswith("_word") else {"scene": scene}
    return {"do": do, **arguments.get(do, rest)}


def any_changes(rng: random.Random) -> dict[str, Any]:
    return rng.choice(
        [
            {}, {"guidance": {"history": rng.randint(0, 9)}}, {"locked": True}, *({"prompt": words} for words in WORDS),
            {"guidance": {"start": 0.25, "end": 0.5}, "steps": 8}, {"seam": {"kind": "cross-fade"}}, {"threshold": 0.4},
            {"seed": rng.choice([3, 2**53 - 1]), "new_seed": True}, {"negative_prompt": "rain", "num_frames": 33},
        ]
    )  # fmt: skip


def view(board: Board) -> Any:
    head: Any = SimpleNamespace(board=board, rev=1, can_undo=True, can_redo=False, undo_label="", redo_label="")
    return json.loads(json.dumps(story_view(head, None)))


def seen(story: Any) -> Any:
    """What the scripts read of a story: the panels are painted by the server, after its answer."""
    return {**story, "scenes": [{name: scene[name] for name in SEEN} for scene in story["scenes"]]}


def history(rng: random.Random) -> list[dict[str, Any]]:
    """A story and the edits of the board that the server took, with the view before and after each. Where one of the
    panels came between, another begins."""
    board, steps, done = any_board(rng), list[dict[str, Any]](), list[dict[str, Any]]()
    first = view(board)
    for _ in range(EDITS_EACH):
        op = any_op(board, rng)
        try:
            edit, given = read_edit(op)
            story = edit.apply(board, given)
            brought = brought_take(board, story, edit.name, given)
            takes = {**board.takes, brought.id: brought} if brought else board.takes
            story = edits.choose_take(story, brought.scene, brought.id) if brought else story
            after = Board(story, takes)
        except ThroughlineError:
            continue
        if op["do"] in OF_THE_BOARD:
            steps.append({"op": op, "before": view(board), "after": view(after)})
        else:
            done.append({"first": first, "steps": steps, "last": view(board)})
            first, steps = view(after), []
        board = after
    return [*done, {"first": first, "steps": steps, "last": view(board)}]


@cache
def histories() -> list[dict[str, Any]]:
    rng = random.Random(0)
    return [part for _ in range(STORIES) for part in history(rng)]


def differing(folder: Path, fresh: dict[str, Any] | None = None, script: str = "") -> list[Any]:
    """What is shown otherwise than the server has it: the edits, and the stories after all of them."""
    stories = histories()
    found = run(folder, {"fresh": fresh or new_scene_view(), "stories": stories}, script)
    wrong: list[Any] = []
    for story, shown in zip(stories, found["stories"], strict=True):
        for step, once, twice in zip(story["steps"], shown["once"], shown["twice"], strict=True):
            wrong += [(step["op"], which) for which in (once, twice) if seen(which) != seen(step["after"])]
        wrong += [(story["steps"], shown["all"])] if seen(shown["all"]) != seen(story["last"]) else []
    return wrong


def test_the_page_shows_what_the_server_makes_of_an_edit(tmp_path: Path) -> None:
    assert differing(tmp_path) == []


def test_the_random_edits_are_of_every_kind() -> None:
    done = {step["op"]["do"] for story in histories() for step in story["steps"]}
    assert done == OF_THE_BOARD and done < set(OF_THE_PAGE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("{...scene, id, locked: false,", "{...scene, id,"),
        ("({...take, id})", "take"),
        (".filter(take => take.id === scene.chosen)", ""),
        ("index ?? story.scenes.length", "index ?? 0"),
        ("if (sceneOf(story, scene.id)) return story;", ""),
        ("{...fresh, ...fields}", "{...fields, ...fresh}"),
    ],
)
def test_a_mistake_in_the_script_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    script = (STATIC / "edits.js").read_text(encoding="utf-8")
    assert right in script
    assert differing(tmp_path, script=script.replace(right, wrong))


def test_other_defaults_than_the_servers_are_found(tmp_path: Path) -> None:
    assert differing(tmp_path, {**new_scene_view(), "locked": True})


def test_the_scripts_read_nothing_else_of_a_scene() -> None:
    """Of what only the server changes, the page would show what was before until the answer is there."""
    scripts = {path.name: path.read_text(encoding="utf-8") for path in STATIC.glob("*.js")}
    read = {name for text in scripts.values() for name in re.findall(r"\bscene\.(\w+)", text)}
    assert read & {*new_scene_view()} <= SEEN and read >= SEEN


def test_an_edit_that_the_script_does_not_know_changes_nothing_until_the_answer_is_there(tmp_path: Path) -> None:
    story = view(any_board(random.Random(1)))
    steps = [{"op": {"do": "something new", "scene": "x"}, "before": story}]
    found = run(tmp_path, {"fresh": {}, "stories": [{"first": story, "steps": steps}]})
    assert found["stories"][0]["once"] == [story] and set(found["known"]) == OF_THE_BOARD
