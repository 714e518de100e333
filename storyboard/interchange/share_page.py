"""A page to share: one HTML file with the film, the board and its words. It opens without a server and asks for nothing
from anywhere: film and pictures are in it, and its policy forbids requests.

Everything that users wrote is escaped. Does not cover: takes that the film does not show; films of hundreds of
megabytes, which browsers may refuse to open.
"""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup
from PIL import Image

from ..document.story import Board
from ..export import film
from ..export.contact_sheet import mark_words
from ..film.cut import cut_of
from ..media.temporary import temporary_folder
from ..store.blobs import BlobStore
from ..store.clips import stream_frames
from ..store.files import whole_file
from .shots import clean, shot_rows

TEMPLATE = "share_page.html"
SCRIPT = """
const film = document.querySelector('video');
for (const button of document.querySelectorAll('button[data-at]')) button.addEventListener('click', () => {
  film.currentTime = Number(button.dataset.at) + 0.001;
  film.scrollIntoView({block: 'nearest'});
  film.play();
});
"""  # the same for every story: the page's policy allows this text alone, by its digest
JPEG_QUALITY = 85


def share_page(path: Path, board: Board, media: BlobStore) -> None:
    """Raises OSError if the file can't be written."""
    pictures = [panel.picture for panel in film.panels(board, lambda take: stream_frames(media, take))]
    shown = [_picture(picture) if picture else "" for picture in pictures]
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=select_autoescape(default=True), trim_blocks=True)
    environment.filters["mark"] = mark_words
    page = environment.get_template(TEMPLATE).render(
        title=clean(board.story.title) or "Storyboard",
        facts=film.facts(board),
        shape=f"{board.story.width} / {board.story.height}",
        film=_film(board, media),
        poster=next(filter(None, shown), ""),
        scenes=list(zip(shot_rows(board), shown, strict=True)),
        script=Markup(SCRIPT),
        script_digest=base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
    )
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8", newline="")


def _film(board: Board, media: BlobStore) -> str:
    """The film as a URL that holds it, with captions in the picture; "" if no scene has a clip."""
    if not cut_of(board).shots:
        return ""
    settings = board.story.film.model_copy(update={"captions": "burnt in"})
    shown = replace(board, story=board.story.model_copy(update={"film": settings}))
    with temporary_folder() as folder:
        path = folder / "film.mp4"
        film.film_mp4(path, shown, lambda take: stream_frames(media, take), lambda digest: media.path(digest, "m4a"))
        return _data("video/mp4", path.read_bytes())


def _picture(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=JPEG_QUALITY)
    return _data("image/jpeg", content.getvalue())


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
