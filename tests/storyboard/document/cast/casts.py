"""What the tests of the cast share: entries with pictures, and stories that have them."""

from typing import Any

from storyboard.document import edits
from storyboard.document.cast import edits as cast_edits
from storyboard.document.cast.entries import CastEntry, CastPicture
from storyboard.document.story import Story


def picture(name: str, letter: str = "", **fields: Any) -> CastPicture:
    """letter: of which its digest is made."""
    return CastPicture(id=name, file=(letter or name[0]) * 64, width=144, height=96, **fields)


def entry(name: str, *pictures: CastPicture, **fields: Any) -> CastEntry:
    return CastEntry(id="".join(c for c in name.lower() if c.isalnum()) + "0", name=name, pictures=pictures, **fields)


def story_with(prompts: list[str], *entries: CastEntry) -> Story:
    """Its scenes have the ids a, b, c..."""
    story = edits.new_story("x", prompts)
    named = tuple(scene.model_copy(update={"id": "abcdefghij"[i]}) for i, scene in enumerate(story.scenes))
    story = story.model_copy(update={"scenes": named})
    for one in entries:
        story = cast_edits.put_entry(story, one)
    return story
