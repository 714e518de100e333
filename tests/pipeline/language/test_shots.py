"""Words that say how a scene is filmed are never remembered; a camera that somebody holds is."""

from __future__ import annotations

import pytest

from pipeline.language.mentions import analyse
from pipeline.language.shots import shot_terms
from pipeline.text_filter import TextFilter

TERMS = {
    "tracking shot following Mia": ["tracking shot following"],
    "A tracking shot follows Mia": ["A tracking shot follows"],
    "A medium shot frames Mia": ["A medium shot frames"],
    "Crane shot rising over the farm": ["Crane shot rising"],
    "Arc shot around Mia": ["Arc shot"],
    "FPV drone shot flying through": ["FPV drone shot flying"],
    "In this wide shot, Mia": ["In this wide shot"],
    "The camera slowly dollies in on Mia": ["The camera slowly dollies in"],
    "The camera is fixed on Mia": ["The camera is fixed"],
    "The camera remains static": ["The camera remains static"],
    "Static camera": ["Static camera"],
    "Mia runs, camera tracking, farm": ["camera tracking"],
    "The camera pans to the right": ["The camera pans to the right"],
    "Cinematic wide shot of Mia": ["Cinematic wide shot"],
    "A beautiful wide shot": ["A beautiful wide shot"],
    "A slow tracking shot": ["A slow tracking shot"],
    "A dramatic low-angle shot": ["A dramatic low-angle shot"],
    "A detailed close-up": ["A detailed close-up"],
    "Macro close-up": ["Macro close-up"],
    "Slow-motion shot of Mia": ["Slow-motion shot"],
    "Mia runs in slow motion.": ["in slow motion"],
    "First-person view of the farm": ["First-person view"],
    "Drone footage of the farm": ["Drone footage"],
    "We see a wide shot of the farm": ["We see a wide shot"],
    "Cut to black.": ["Cut to black"],
    "Cut to Mia in the snow.": ["Cut to"],
    "Close shot of Mia waving.": ["Close shot"],
    "Extreme close-up: Mia": ["Extreme close-up"],
    "Medium close up of Lena": ["Medium close up"],
    "Mia waves. A wide shot of the beach.": ["A wide shot"],
    "The camera pans slowly over the beach.": ["The camera pans slowly"],
    "The camera is following Mia.": ["The camera is following"],
    "A two-shot of Mia and Tom.": ["A two-shot"],
    "POV: a cat.": ["POV"],
    "A shot of Tom. Shot of a dog.": ["A shot", "Shot"],
    "Cut to: Mia": ["Cut to"],
    "Zoom in on the robot.": ["Zoom in on"],
    "Low angle shot of a robot.": ["Low angle shot"],
    "Bird’s-eye view of the farm": ["Bird’s-eye view"],
    "INT. KITCHEN - DAY. Mia waves. EXT. BEACH": ["INT", "EXT"],
    "Nahaufnahme: Mia winkt.": ["Nahaufnahme"],
    "Gros plan sur Mia": ["Gros plan"],
    "Primer plano de Mia": ["Primer plano"],
    "Крупный план: Мия": ["Крупный план"],
    "特写镜头：米娅": ["特写镜头"],
    "A close-up shot of Mia in a red coat.": ["A close-up shot"],
    "Medium close-up shot of Mia": ["Medium close-up shot"],
    "Panning shot of a farm": ["Panning shot"],
    "Steadicam shot: Mia": ["Steadicam shot"],
    "Full body shot of Mia": ["Full body shot"],
    "Aerial view of the farm": ["Aerial view"],
    "Top-down view of the table": ["Top-down view"],
    "ECU of Mia": ["ECU"],
    "OTS, Tom": ["OTS"],
    "Insert: a ball": ["Insert"],
    "Slow motion: Mia": ["Slow motion"],
    "Wide: the beach": ["Wide"],
    "Angle on Mia": ["Angle on"],
    "Zoom on Mia": ["Zoom on"],
    "Camera pans over": ["Camera pans"],
    "A camera pans over the sea": ["A camera pans"],
    "Low-angle view of Mia": ["Low-angle view"],
    "Shot 3: Mia": ["Shot 3"],
    "Scene 3: Mia": ["Scene 3"],
    "Fade in on Mia": ["Fade in"],
    "MS of Tom": ["MS"],
    "Over-shoulder shot of Tom": ["Over-shoulder shot"],
    "Whip pan to Mia": ["Whip pan to"],
    "Zooming in on Mia": ["Zooming in on"],
    "We pan to Mia": ["We pan to"],
    "Pan along the beach": ["Pan along"],
    "Rack focus: Mia": ["Rack focus"],
    "Dutch tilt": ["Dutch tilt"],
    "Fade to black.": ["Fade to black"],
    "Mia runs.\n\nCut to: Tom": ["Cut to"],
    "  Cut to: Tom": ["Cut to"],
    " EXT. BEACH": ["EXT"],
    "- Cut to: Tom": ["Cut to"],
    '"Cut to: Tom"': ["Cut to"],
    "*Cut to:* Tom": ["Cut to"],
    "Scene 1 - EXT. BEACH": ["EXT"],
    "1 INT. KITCHEN": ["INT"],
    "_wide shot_ of Mia": ["wide shot"],
    "Mia running on the beach, wide shot, cinematic": ["wide shot"],
    "In a wide shot, Tom dances": ["In a wide shot"],
    "Ultra wide shot of Mia": ["Ultra wide shot"],
    "The camera glides over": ["The camera glides"],
    "In der Totale: Mia": ["In der Totale"],
    "Eine Totale des Strands.": ["Eine Totale"],
    "Plan rapproché sur Mia": ["Plan rapproché"],
    "Plan americain de Mia": ["Plan americain"],
    "Крупным планом Мия": ["Крупным планом"],
    "特寫：米娅": ["特寫"],
    "ミディアムショット": ["ミディアムショット"],
    "EXTREME CLOSE-UP: Orla waves.": ["EXTREME CLOSE-UP"],
    "Wide shot – Mia": ["Wide shot"],
    "Wide shot. Mia runs.": ["Wide shot"],
    "Medium shot, Mia waves.": ["Medium shot"],
    "Close up on Mia": ["Close up"],
    "Mia is shown in close-up.": ["close-up"],
}
THINGS = (
    "Iris in white dances in the ballroom.",
    "Dolly in a red dress sings on the stage.",
    "Dolly on the shelf",
    "Tilting to one side, the ship sinks.",
    "Panning over the river bed for gold",
    "Tracking across the snow, the hunter",
    "Cut to the bone",
    "Cut to length",
    "Cut to fit",
    "Close on his heels runs the wolf.",
    "Wide on the horizon stands a ship.",
    "The camera flies off the cliff.",
    "The camera starts smoking",
    "The camera rises from the ashes",
    "Crane over the harbour lifts a container.",
    "Track along the coast",
    "Pan over a fire",
    "The big shot on the stage",
    "The striker sends in a wide shot.",
    "The actor holds a head shot of himself",
    "kills the wolf in a single shot",
    "A shot of bourbon",
    "The shot of a rifle echoes",
    "a close-up magician",
    "Overhead, the moon shines",
    "Aerial on the roof",
    "Eine amerikanische, alte Flagge weht.",
    "The cowboy shot Tom.",
    "The American shot the bear.",
    "The archery master shot the arrow.",
    "A drone shot down by the soldier falls.",
    "A crane shot by a hunter falls into the lake.",
    "One shot the dog, the other ran.",
    "The boy with the camera follows Mia.",
    "The camera truck is parked outside.",
    "The camera crane falls.",
    "The soldier fires a long shot",
    "Tom is a big shot",
    "Tom is a big shot.",
    "Two shot glasses",
    "A one shot rifle",
    "a static shot put",
    "A shot of vodka stands on the bar.",
    "The shops close up at night.",
    "Mia puts the cup close up.",
    "A low angle grinder",
    "A wide angle lens",
    "Pull up the anchor!",
    "Pull out the sword.",
    "Push down the lever.",
    "Push over the tower!",
    "Tom shouts: push out the boat!",
    "Cut to pieces, the cake",
    "Pan in the forest plays the flute.",
    "Mia abita al primo piano.",
    "Il primo piano della casa brucia.",
    "Totale Finsternis",
    "远景公司",
    "Il a un gros plan d'eau",
    "Mia holds the camera.",
    "A camera records them.",
    "Two shots are fired.",
    "Mia takes a shot of whisky.",
    "A frying pan in the kitchen.",
    "Close to the house, Mia waves.",
    "A full moon over a long street.",
    "He closes up the shop.",
    "Tom zooms in on a bike.",
    "Une éclipse totale.",
    "The head shots it",
    "Wide street: empty",
    "Tom pans for gold.",
)


@pytest.fixture(scope="module")
def text_filter() -> TextFilter:
    return TextFilter.from_backbone()


@pytest.mark.parametrize("text", TERMS)
def test_terms_of_shot_lists_are_found(text: str) -> None:
    assert [text[start:end] for start, end in shot_terms(text)] == TERMS[text]


@pytest.mark.parametrize("text", THINGS)
def test_things_and_deeds_are_no_shots(text: str) -> None:
    assert not shot_terms(text)


@pytest.mark.parametrize(
    ("past", "prompt"),
    [
        ("Close shot of Mia waving in the kitchen.", "Close shot of Tom running on the beach."),
        ("A medium shot of a dog on the farm.", "A medium shot of a robot in the snow."),
        ("The camera pans over the desert.", "The camera pans over the beach."),
        ("Gros plan sur une fille.", "Gros plan sur un chien."),
        ("特写镜头：女孩", "特写镜头：狗"),
    ],
)
def test_two_scenes_in_one_shot_have_nothing_in_common(text_filter: TextFilter, past: str, prompt: str) -> None:
    assert not text_filter([past], prompt).contributing


def test_who_is_filmed_is_remembered_from_any_shot(text_filter: TextFilter) -> None:
    result = text_filter(["Wide shot: Mia is waving in the kitchen."], "Close-up of Mia in the kitchen.")
    assert [mention.text for mention in result.scenes[0].kept_mentions] == ["Mia", "kitchen"]
    assert {w.reason for w in result.scenes[0].words[:2]} == {"says how it is filmed"}
    assert {w.reason for w in result.current if w.text == "Close-up"} == {"says how it is filmed"}


def test_a_verb_behind_a_shot_is_read_as_without_it() -> None:
    plain, framed = analyse("Mia runs on the beach."), analyse("Close-up: Mia runs on the beach.")
    words = [[found.segments[i].text for m in found.mentions for i in m.words] for found in (plain, framed)]
    assert words[0] == words[1] and len(plain.verbs) == len(framed.verbs) == 1


@pytest.mark.parametrize("piece", ["wide ", "wide - ", "- ", "the camera ", "close ", "in a ", ", a", ". ", "1 "])
def test_in_what_a_term_might_begin_for_ever_there_is_none(piece: str) -> None:
    assert not shot_terms(piece * 4000)


def test_capitals_of_a_shot_hide_no_name(text_filter: TextFilter) -> None:
    assert not text_filter(["EXTREME CLOSE-UP: Orla waves."], "EXTREME CLOSE-UP: Orna sleeps.").contributing


@pytest.mark.parametrize("name", ["Sally", "Emily", "Molly", "Nelly", "Dolly"])
def test_a_name_that_ends_like_an_adverb_is_remembered(text_filter: TextFilter, name: str) -> None:
    (scene,) = text_filter([f"Mia meets {name}."], f"Mia hugs {name}.").scenes
    assert name in [mention.text for mention in scene.kept_mentions]


@pytest.mark.parametrize(
    ("past", "prompt"),
    [
        ("Mia Happily Dancing", "Mia Slowly Walking"),
        ("Close-Up: Mia Happily Dancing", "Wide Shot: Mia Slowly Walking"),
        ("Nelly, a girl in a red coat, runs through the rain.", "Nelly sleeps in a bed."),
    ],
)
def test_who_is_named_is_remembered_in_any_spelling(text_filter: TextFilter, past: str, prompt: str) -> None:
    assert text_filter([past], prompt).contributing


def test_an_adverb_in_quoted_speech_is_no_thing(text_filter: TextFilter) -> None:
    assert not text_filter(['Tom shouts "Really?" at the dog'], 'Mia asks "Really?" in a kitchen').contributing
