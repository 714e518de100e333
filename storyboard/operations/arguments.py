"""The types of arguments, with the descriptions that shells, programs and agents are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..document.story import WordRef
from ..interchange.format_names import FORMATS
from ..media.fit import FitMode


def written(value: Any) -> Any:
    """An object or a list as JSON text, for arguments that shells give as text. All else as it is."""
    return json.dumps(value) if isinstance(value, dict | list) else value


AsText = BeforeValidator(written)
Key = Annotated[str, Field(max_length=64)]  # an id
Line = Annotated[str, Field(max_length=400)]
Weight = Annotated[float, Field(ge=0, le=30)]
Share = Annotated[float, Field(ge=0, le=1)]
TextWeight = Annotated[Weight, Field(description="Text guidance, w1")]
HistoryWeight = Annotated[Weight, Field(description="History guidance, w2")]
Pause = Annotated[float, Field(ge=0, le=60)]  # seconds
Typed = Annotated[str, Field(max_length=4000)]
Json = dict[str, Any]  # programs may give it as text
PAGE_ONLY = "an argument that programs do not have"

OWNER = "A secret of your own, 16 to 64 letters, digits, - and _: always the same one, for it opens your stories"
STORIES = "a story archive (zip), a script (fountain, fdx, txt) or a shot list (csv)"
STORY, SCENE, TAKE = "Id of a story", "Id of a scene", "Id of a take of the scene"

Owner = Annotated[Line, Field(description=OWNER)]
StoryId = Annotated[Key, Field(description=STORY)]
SceneId = Annotated[Key, Field(description=SCENE)]
TakeId = Annotated[Key, Field(description=TAKE)]
PastId = Annotated[Key, Field(description="Id of an earlier scene")]
Title = Annotated[str, Field(description="Name of the story")]
Prompts = Annotated[list[str], Field(description="One prompt a scene, in order")]
Prompt = Annotated[str, Field(description="What the scene shows, in a sentence")]
Scenes = Annotated[list[str], Field(description="Ids of scenes; an empty list for all that are stale")]
FilmScenes = Annotated[list[str], Field(description="Ids of scenes; an empty list for all that are in the film")]
Place = Annotated[int, Field(description="A place among the scenes, from 0")]
Word = Annotated[str, Field(description="A word or several, as written in the earlier scene's prompt")]
Sought = Annotated[str, Field(description="What to look for in the film, such as: the robot waving")]
WordOfScene = Annotated[WordRef, Field(description="A word of an earlier scene")]
Changes = Annotated[Json, Field(description="JSON object of the settings to change")]
NewId = Annotated[Key | None, Field(description="Id of the copy; one is made up for none"), PAGE_ONLY]
EntryId = Annotated[Key, Field(description="Id of an entry of the cast")]
EntryNewId = Annotated[Key | None, Field(description="Id of the new entry; one is made up for none"), PAGE_ONLY]
PictureId = Annotated[Key, Field(description="Id of a picture of the entry")]
CastName = Annotated[Line, Field(description="What prompts call it")]
TaughtStrength = Annotated[float, Field(ge=0, le=2, description="From 0 to 2; 1 is as it was taught")]
CastStory = Annotated[Key, Field(description="Id of a story; '' for your own cast, which all stories may use")]
EntryOrName = Annotated[Line, Field(description="Id of an entry of the cast, or a name for a new one")]
REGIONS = "whole: the frame as it is; left,top,right,bottom: a box; across,down: the figure there, cut out"
KeepRegion = Annotated[Line, Field(description=f"{REGIONS} (shares of the frame, 0 to 1)")]
KeepFrame = Annotated[int, Field(description="A frame of the take, from 0; -1 for its keyframe")]
KeepWord = Annotated[Line, Field(description="What the scene's prompt calls it; '' for the entry's name")]
PictureSays = Annotated[Typed, Field(description="What the picture shows, as a prompt would say it")]
PictureState = Annotated[str, Field(max_length=200, description="The costume state that it shows; '' for as usual")]
PictureData = Annotated[str, Field(description="Content of a picture, in base64")]
PictureFile = Annotated[str, Field(description="Path of a picture")]
WhichPicture = Annotated[Literal["first", "last"], Field(description="Whether the scene begins or ends with it")]
PictureFrame = Annotated[int, Field(ge=-1, description="A frame of the take, from 0; -1 for its last one")]
PictureTake = Annotated[Key, Field(description="Id of a take of that scene; '' for the chosen one")]
PictureScene = Annotated[Key, Field(description="Id of the scene that shows it")]
Format = Annotated[Line, Field(description=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}")]
Archive = Annotated[str, Field(description=f"Content of {STORIES}, in base64")]
ArchiveFile = Annotated[str, Field(description=f"Path of {STORIES}")]
SoundData = Annotated[str, Field(description="Content of a sound file, or of a video with sound, in base64")]
SoundFile = Annotated[str, Field(description="Path of a sound file, or of a video with sound")]
FitInto = Annotated[
    FitMode, Field(description="fit: all of it, with bars; fill: no bars, cut; stretch: neither bars nor cut")
]
Across = Annotated[Share, Field(description="Where fill cuts, from 0 (the left is kept) to 1 (the right)")]
Down = Annotated[Share, Field(description="Where fill cuts, from 0 (the top is kept) to 1 (the bottom)")]
Clip = Annotated[str, Field(description="Content of a clip or a picture, in base64")]
ClipFile = Annotated[str, Field(description="Path of a clip or a picture")]

REGIONS = (
    'JSON list of regions: each has a "word" of the prompt, a "box" (left, top, right, bottom as shares), a "brush" '
    'or "rest": true, and the "words" of what is to be seen there; for some "strength" and "upper" too'
)
Regions = Annotated[str, Field(description=REGIONS), AsText]
EditSeed = Annotated[int, Field(ge=0, lt=2**53, description="Another one gives another outcome")]

# --- of the page alone -----------------------------------------------------------------------------------------------

NewTitle = Annotated[str, Field(description="Name of the story")]
Casts = Annotated[
    bool, Field(description="Whether the model casts whom no prompt describes; else looks come by chance")
]
FirstPrompts = Annotated[Sequence[str], Field(description="One prompt a scene, in order")]
Texts = Annotated[Sequence[Typed], Field(max_length=500, description="Prompts, as they are typed")]
SampleName = Annotated[Line, Field(description="Name of an example")]
ModelName = Annotated[Line, Field(description="Name, hub id or folder of a model")]
FileName = Annotated[Line, Field(description="What the file is called, for its ending and for messages")]
Upload = Annotated[str, Field(description="Content of a file, in base64")]
EditOp = Annotated[Mapping[str, Any], Field(description='{"do": the name of an edit, and its arguments}')]
Base = Annotated[int | None, Field(description="Revision that the editor saw, to be told of others' changes since")]
Group = Annotated[Line, Field(description="Edits of one group that follow one another are one step of undo")]
RegionList = Annotated[Sequence[Json], Field(description=REGIONS)]
FrameIndex = Annotated[int, Field(description="A frame of the take, from 0")]
Box = Annotated[Sequence[Share], Field(min_length=4, max_length=4)]
Boxes = Annotated[Sequence[Box], Field(max_length=100, description="Left, top, right, bottom as shares")]
SomeScenes = Annotated[Sequence[Key] | None, Field(description="Ids of scenes; none for all that are stale")]
FinishedScenes = Annotated[Sequence[Key] | None, Field(description="Ids of scenes; none for all in the film")]
CancelScenes = Annotated[Sequence[Key] | None, Field(description="Ids of scenes; none for all")]
Revision = Annotated[int, Field(description="Revision of the story that the page has; -1 for none")]
Seen = Annotated[int, Field(description="Revision of the standing that the page has; -1 for none")]
Threshold = Annotated[float | None, Field(description="Similarity from which a word is kept, 0 to 1")]
Patience = Annotated[Pause | None, Field(description="Seconds to wait for measurements; none for all of them")]
Measure = Annotated[bool, Field(description="False for what is measured already; then nothing is loaded")]
Again = Annotated[bool, Field(description="Another take with a new seed, even of fresh scenes")]
Variants = Annotated[int, Field(ge=1, le=8, description="So many takes of each scene named, with new seeds")]
LeftOut = Annotated[
    Mapping[str, Any],
    Field(description='{"history": true}, or {"word": {"scene": id, "start": and "end": characters of its prompt}}'),
]
Weights = Annotated[Sequence[Weight], Field(description="Weights to try, each with each of the other kind")]
SheetSteps = Annotated[int, Field(description="Denoising steps of each cell, 4 to 50")]
TrialIds = Annotated[Sequence[Key], Field(description="Ids of trials")]
SomeTrials = Annotated[Sequence[Key] | None, Field(description="Ids of trials; none for all of the story")]
