"""Names in what is searched for: nobody can see that a figure is called Mia, but prompts say in which scenes she is.

A scene that names everybody who is asked for is searched for what they are ("the girl", if the story says so of Mia),
any other scene is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.language.mentions import Analysis, MentionParts, analyse

ANYBODY = "somebody"
WORN = re.compile(r"\b(in|with|wearing|holding)\b")


def names_in(text: str) -> tuple[str, ...]:
    """The names in `text`, in order."""
    return tuple(dict.fromkeys(segment.text for segment in analyse(text).segments if segment.tag == "name"))


def asked_of(words: str, prompt: str, story: Sequence[str]) -> str | None:
    """What to look for in the scene of `prompt` when `words` are asked of a film with the prompts `story`; None if the
    scene does not name somebody whom they name. A name of nobody in the film may be a word like any other."""
    for name in names_in(words):
        if not any(name in names_in(other) for other in story):
            continue
        if name not in names_in(prompt):
            return None
        words = re.sub(rf"\b{re.escape(name)}\b", what_is(name, story), words)
    return words


def what_is(name: str, story: Sequence[str]) -> str:
    """What the prompts say that somebody is, "the girl" for Mia; "somebody" if they don't."""
    for prompt in story:
        analysis = analyse(prompt)
        for mention in analysis.mentions:
            if name in (analysis.segments[i].text for i in mention.words):
                noun = _noun(analysis, mention)
                if noun:
                    return f"the {noun}"
    return ANYBODY


def _noun(analysis: Analysis, mention: MentionParts) -> str | None:
    """The head of the first phrase that is neither a name nor worn or held."""
    for phrase in mention.phrases:
        head, first = analysis.segments[phrase.head], analysis.segments[phrase.words[0]]
        before = analysis.text[: first.start].rstrip()
        between = re.split(r"[,.;]", before)[-1].split()[-2:]
        if head.tag == "content" and not phrase.verb and not WORN.search(" ".join(between)):
            return head.text
    return None
