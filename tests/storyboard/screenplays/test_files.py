"""Files of scripts from anybody: what they may be, how long, what becomes of other text, and errors of one line."""

import time
from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from storyboard.document import edits
from storyboard.document.story import Board
from storyboard.interchange.shot_list import shots_csv
from storyboard.screenplays.adaptation import Adaptation, adapted
from storyboard.screenplays.fountain import read_fountain
from storyboard.screenplays.names import written
from storyboard.screenplays.reading import read_script, story_of

FDX = '<?xml version="1.0"?><FinalDraft><Content>{}</Content></FinalDraft>'
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + FDX.format("&b;")


def fits(text: str) -> bool:
    return len(text) <= 400


def read(folder: Path, name: str, content: str | bytes) -> Adaptation:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_script(folder / name, fits)


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("a.pdf", "%PDF-1.4", "'a.pdf' has an unknown ending: expected .fountain"),
        ("a.fountain", b"\x00\x01\x02", "script is no text, it begins with b'\\x00\\x01\\x02'"),
        ("a.fountain", "", "'a.fountain' has no scene: expected action or dialogue"),
        ("a.fountain", "INT. KITCHEN - NIGHT", "has no scene"),
        ("a.txt", "x" * (2 * 2**20 + 1), "'a.txt' is too large: expected at most 2 MB"),
        ("a.fountain", "x" * 5000, "line 1 of the script has 5000 letters: expected at most 4000"),
        ("a.fountain", "He [[a]] goes.\n" * 6000, "script has 6000 notes: expected at most 5000"),
        ("a.fountain", "INT. ROOM\n\nMia runs.\n\n" * 501, "501 scenes: expected at most 500"),
        ("a.fdx", "INT. KITCHEN", "script is no Final Draft file: syntax error: line 1"),
        ("a.fdx", "<html/>", "script is XML of kind 'html': expected FinalDraft"),
        ("a.fdx", BOMB, "script has a document type or entities: expected a file as Final Draft writes it"),
        ("a.fdx", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><FinalDraft/>', "document type or entities"),
        ("a.fdx", "<FinalDraft>" + "<a>" * 5000 + "</a>" * 5000 + "</FinalDraft>", "more than 100 levels"),
        ("a.fdx", b"<?xml version='1.0' encoding='nonsense'?><FinalDraft/>", "script is no Final Draft file"),
        ("a.csv", "Action", "shot list has 1 rows: expected 2 to 2000, names of columns first"),
        ("a.csv", "Lens,Camera\n50,A", "shot list has the columns 'Lens', 'Camera': expected one called Action"),
        ("a.csv", "Action\n" + "x" * 30_000, "a cell of more than 20000 letters"),
        ("a.csv", "Action\n" + "x" * 200_000, "shot list is no comma-separated table"),
        ("a.csv", "Action\n" + "Mia runs.\n" * 2001, "rows: expected 2 to 2000"),
    ],
)  # fmt: skip
def test_what_is_no_script_is_told_in_a_line(name: str, content: str | bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError) as caught:
        read(tmp_path, name, content)
    assert told in str(caught.value) and "\n" not in str(caught.value)


HOSTILE = (
    "MIA ^\nb\n\n",
    "[[[[",
    "[[a ",
    "/*",
    "*a ",
    "_*a*_",
    "(a)\n",
    "MIA (",
    "MIA\n(",
    "@a\n",
    "~a\n",
    "INT. ",
    "Title: a\n",
    "A\n",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_script_takes_long(piece: str) -> None:
    """CPU seconds, for the machine has other work. The parser needs more than linear time for some of these."""
    lines = (piece * 20_000)[:20_000] if "\n" in piece else "\n".join([(piece * 1000)[:1000]] * 20)
    start = time.process_time()
    adapted(read_fountain(lines), fits)
    assert time.process_time() - start < 10


def test_plain_text_is_a_scene_a_paragraph(tmp_path: Path) -> None:
    text = "1. Mia walks in the snow.\nShe is cold.\n\nTom waits.\nTom (softly): Come in.\nMia: Thank you.\n\nTHE END\n"
    first, second, third = read(tmp_path, "a.txt", text).scenes
    assert first.prompt == "Mia walks in the snow. She is cold."
    assert second.prompt == "Tom waits." and second.cast == ("Tom", "Mia")
    assert [(line.speaker, line.manner, line.text) for line in second.dialogue] == [
        ("Tom", "softly", "Come in."), ("Mia", "", "Thank you."),
    ]  # fmt: skip
    assert third.prompt == "THE END"


def test_plain_text_without_paragraphs_is_a_scene_a_line(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "Scene 1: Mia runs.\nScene 2: Tom skis.\n猫が雪の上にいる。\n")
    assert [scene.prompt for scene in found.scenes] == ["Mia runs.", "Tom skis.", "猫が雪の上にいる。"]


def test_plain_text_with_headings_is_a_script(tmp_path: Path) -> None:
    (scene,) = read(tmp_path, "a.txt", "INT. KITCHEN - NIGHT\n\nMia runs.\n\nMIA\nHello.\n").scenes
    assert (scene.prompt, scene.cast) == ("Mia runs in the kitchen at night.", ("Mia",))


def test_a_scene_that_is_too_long_goes_on_in_another(tmp_path: Path) -> None:
    action = " ".join(f"Mia walks past house number {number}." for number in range(40))
    found = read(tmp_path, "a.fountain", f"INT. CAVE - NIGHT\n\n{action}\n\nMIA\nThere.\n\n" + "雪" * 900)
    prompts = [scene.prompt for scene in found.scenes]
    assert all(map(fits, prompts)) and not found.unused
    assert all("in the cave at night" in prompt for prompt in prompts)
    told = " ".join(prompts).replace(" in the cave at night", "")
    assert all(f"house number {number}." in told for number in range(40)) and told.count("雪") == 900
    assert [line.text for scene in found.scenes for line in scene.dialogue] == ["There."]


def test_our_own_shot_list_comes_back(tmp_path: Path) -> None:
    story = edits.new_story("Snow", ['=Mia says "hi", & leaves.\nThen snow.', "Tom: alone."])
    first, second = (scene.id for scene in story.scenes)
    script = {"heading": "INT. KITCHEN - NIGHT", "cast": ["Mia", "Tom"], "notes": "red; door",
              "dialogue": [{"speaker": "Mia", "text": "Hi: you.", "manner": "softly"}, {"text": "Bang!"}]}  # fmt: skip
    story = edits.edit_scene(story, first, script=script, shot={"caption": "Later."}, num_frames=33)
    story = edits.edit_scene(story, second, seam={"kind": "cross-fade", "seconds": 0.75})
    shots_csv(tmp_path / "a.csv", Board(story))
    back = story_of(read_script(tmp_path / "a.csv", fits), "Snow")
    for old, new in zip(story.scenes, back.scenes, strict=True):
        assert (new.prompt, new.script, new.seam, new.num_frames) == (old.prompt, old.script, old.seam, old.num_frames)
        assert new.shot.caption == (old.shot.caption or "")


def test_shot_lists_of_others_are_read_by_their_columns(tmp_path: Path) -> None:
    head = "Shot;Description;Characters;Duration;Lens;Transition"
    rows = ["1;Mia runs;MIA/Tom;0:04;50;Cut", "2;Tom skis;;1,5 s;;Wipe", ";;;;85;", ""]
    found = read(tmp_path, "a.csv", "\n".join([head, *rows]))
    first, second = found.scenes
    assert (first.prompt, first.cast, first.seconds, first.seam) == ("Mia runs", ("MIA", "Tom"), 4, {"kind": "cut"})
    assert (second.seconds, second.seam) == (1.5, {})
    assert found.unused == ("column: Lens", "row 3: seam Wipe", "row 4: '', '', '', '', '85', ''")
    assert [scene.num_frames for scene in story_of(found, "").scenes] == [33, 13]


@pytest.mark.parametrize(
    "name, shown",
    [("MIA", "Mia"), ("O'BRIEN", "O'Brien"), ("MIA'S MOTHER", "Mia's Mother"), ("R2D2", "R2D2"), ("McCLANE", "McCLANE"),
     ("MR. SMITH", "Mr. Smith"), ("ÉLISE", "Élise"), ("JEAN-LUC", "Jean-Luc")],
)  # fmt: skip
def test_names_are_written_as_people_do(name: str, shown: str) -> None:
    assert written(name) == shown
