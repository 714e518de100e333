"""Final Draft files to elements. They may come from anybody: defusedxml refuses entities and document types.

Does not cover: revisions, locked pages, styles.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element as Node

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from pipeline.errors import ThroughlineError

from .elements import Element, Kind, Screenplay, one_line

KINDS: dict[str, Kind] = {
    "Scene Heading": "heading",
    "Action": "action",
    "General": "action",
    "Shot": "action",
    "Character": "cue",
    "Parenthetical": "manner",
    "Dialogue": "dialogue",
    "Lyrics": "lyric",
    "Transition": "transition",
}
EXPECTED = "expected a file as Final Draft writes it"
DEEPEST = 100  # nodes within nodes


def read_fdx(content: bytes) -> Screenplay:
    """Raises ThroughlineError for what is no such file."""
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise ThroughlineError(f"script has a document type or entities: {EXPECTED}") from None
    except (ParseError, ValueError, LookupError) as error:
        raise ThroughlineError(f"script is no Final Draft file: {one_line(str(error))[:200]}") from None
    if root.tag != "FinalDraft":
        raise ThroughlineError(f"script is XML of kind {root.tag[:40]!r}: expected FinalDraft")
    _check_depth(root)
    content_node = root.find("Content")
    found = () if content_node is None else tuple(_elements(content_node))
    return Screenplay(_title(root), found, tuple(_told(root)))


def _check_depth(root: Node) -> None:
    """Without recursion, which a deep file would break."""
    level, depth = [root], 0
    while level := [child for node in level for child in node]:
        depth += 1
        if depth > DEEPEST:
            raise ThroughlineError(f"script has more than {DEEPEST} levels: {EXPECTED}")


def _elements(content: Node) -> Iterator[Element]:
    for number, node in enumerate(_paragraphs(content), 1):
        text = _text(node)
        kind = node.get("Type", "Action")
        if text and kind in KINDS:
            yield Element(KINDS[kind], text, number)
        elif text:
            yield Element("other", f"{kind.lower()}: {text}", number)
        for child in node.findall("ScriptNote"):
            if note := one_line(" ".join(child.itertext())):
                yield Element("note", note, number)
        summary = node.find("SceneProperties/Summary")
        if summary is not None and (told := one_line(" ".join(summary.itertext()))):
            yield Element("synopsis", told, number)


def _paragraphs(node: Node) -> Iterator[Node]:
    """In order, also those of dual dialogue, which are paragraphs of a paragraph; not those of notes."""
    for child in node:
        if child.tag == "Paragraph":
            yield child
        if child.tag in ("Paragraph", "DualDialogue"):
            yield from _paragraphs(child)


def _text(node: Node) -> str:
    """What a paragraph itself says: it may hold notes and, where two speak at once, paragraphs."""
    return "".join("".join(child.itertext()) for child in node.findall("Text")).strip()


def _title(root: Node) -> str:
    """The first words of the title page, which has no fields."""
    return next(_title_page(root), "")


def _title_page(root: Node) -> Iterator[str]:
    for node in root.findall("TitlePage/Content/Paragraph"):
        if text := one_line(_text(node)):
            yield text


def _told(root: Node) -> Iterator[str]:
    for text in list(_title_page(root))[1:]:
        yield f"title page: {text}"
