"""Captions of shots: from files beside the video, from a local image-text model, or from an OpenAI-compatible service.

A person must be called the same in every clip of a video, or there is nothing to remember: a captioner is told who
was named so far, and how they look, and answers with the caption and whoever is new.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from ...errors import ThroughlineError
from .shots import Film, Shot

PEOPLE_MOST, CAPTION_MOST = 40, 400  # people of a video, characters of a caption
TRIES, WAIT = 4, 2.0  # of a request, and seconds before the second one, doubled each time
INSTRUCTIONS = """These are frames of one clip of a film, in order. Describe the clip in one plain sentence in the \
present tense: who is there, what they do, where. Call a person or animal by the same name in every clip of the film. \
{people} Whoever is new gets a new name such as "Actor 1", "Actor 2", or the kind of animal. Leave out looks that the \
story does not need. Answer with JSON alone: {{"caption": "...", "people": {{"name": "how they look, in a few \
words"}}}}, where people are all who can be seen."""


@dataclass
class Cast:
    """Who was named in a video so far, and how they look."""

    people: dict[str, str] = field(default_factory=dict)

    def instructions(self) -> str:
        known = "; ".join(f"{name}: {look}" for name, look in self.people.items())
        return INSTRUCTIONS.format(people=f"So far there are: {known}." if known else "Nobody is named so far.")

    def take(self, answer: str) -> str:
        """The caption in an answer; whoever is new joins the cast. Raises ThroughlineError for an answer without."""
        found = re.search(r"\{.*\}", answer, re.DOTALL)
        try:
            data = json.loads(found.group()) if found else {}
        except json.JSONDecodeError:
            data = {}
        caption = data.get("caption") if isinstance(data, dict) else None
        if not isinstance(caption, str) or not caption.strip():
            raise ThroughlineError(f'the captioner answered {answer[:80]!r}: expected JSON with a "caption"')
        people = data.get("people")
        for name, look in people.items() if isinstance(people, dict) else ():
            if len(self.people) < PEOPLE_MOST and isinstance(look, str):
                self.people.setdefault(str(name), look)
        return " ".join(caption.split())[:CAPTION_MOST]


class Captioner(Protocol):
    needs_pictures: bool

    def __call__(self, film: Film, index: int, pictures: Sequence[np.ndarray], cast: Cast) -> str:
        """The caption of shot `index`, of which `pictures` are frames, uint8 (H, W, 3). Raises ThroughlineError."""


class Sidecar:
    """Captions from FILM.json beside FILM.mp4: a list of {"start", "end" (seconds), "caption"}, of which the one that
    covers most of a shot counts, or a list of captions, one a shot; or from FILM.txt, one line a shot."""

    needs_pictures = False

    def __call__(self, film: Film, index: int, pictures: Sequence[np.ndarray], cast: Cast) -> str:
        entries = read_sidecar(film.path)
        if all(isinstance(entry, str) for entry in entries):
            if len(entries) != len(film.shots):
                raise ThroughlineError(
                    f"beside {film.path.name} are {len(entries)} captions: expected {len(film.shots)}, one a shot"
                )
            return str(entries[index])
        best = max(entries, key=lambda entry: _overlap(entry, film.shots[index], film.frames_per_second))
        if _overlap(best, film.shots[index], film.frames_per_second) <= 0:
            raise ThroughlineError(f"beside {film.path.name} is no caption for shot {index + 1}")
        return str(best["caption"])


def read_sidecar(path: Path) -> list:
    """Raises ThroughlineError if there is none, or one that is not as `Sidecar` says."""
    text = path.with_suffix(".txt")
    if text.is_file():
        return [line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        entries = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ThroughlineError(f"{path.with_suffix('.json')} is missing: expected the captions of its shots") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ThroughlineError(f"{path.with_suffix('.json')} cannot be read: {error}") from None
    wanted = all(isinstance(e, str) for e in entries) if isinstance(entries, list) else False
    timed = isinstance(entries, list) and all(
        isinstance(e, dict) and {"start", "end", "caption"} <= set(e) for e in entries
    )
    if not entries or not (wanted or timed):
        raise ThroughlineError(f"{path.with_suffix('.json')} holds no list of captions as python -m ... --help says")
    return entries


def _overlap(entry: dict, shot: Shot, rate: float) -> float:
    return min(float(entry["end"]), shot.end / rate) - max(float(entry["start"]), shot.start / rate)


class Service:
    """An OpenAI-compatible endpoint: OPENAI_BASE_URL (such as http://localhost:8000/v1) and OPENAI_API_KEY."""

    needs_pictures = True

    def __init__(self, model: str) -> None:
        address = os.environ.get("OPENAI_BASE_URL", "")
        if not address.startswith(("http://", "https://")):
            raise ThroughlineError(f"OPENAI_BASE_URL is {address!r}: expected an address such as http://host:8000/v1")
        if not model:
            raise ThroughlineError("caption model is '': expected the name of a model that the service has")
        self.model, self.address = model, address.rstrip("/") + "/chat/completions"

    def __call__(self, film: Film, index: int, pictures: Sequence[np.ndarray], cast: Cast) -> str:
        images = [{"type": "image_url", "image_url": {"url": _data_url(picture)}} for picture in pictures]
        content = [{"type": "text", "text": cast.instructions()}, *images]
        body = {"model": self.model, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        answer = self._ask(json.dumps(body).encode())
        try:
            return cast.take(str(answer["choices"][0]["message"]["content"]))
        except (KeyError, IndexError, TypeError):
            raise ThroughlineError(
                f"{self.address} answered {str(answer)[:80]!r}: expected a chat completion"
            ) from None

    def _ask(self, body: bytes) -> dict:
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get("OPENAI_API_KEY"):
            headers["Authorization"] = f"Bearer {key}"
        for attempt in range(TRIES):
            try:
                request = urllib.request.Request(self.address, body, headers)
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                reason = f"{error.code} {error.reason}"
                if error.code != 429 and error.code < 500:
                    break
            except (urllib.error.URLError, TimeoutError, ConnectionError, json.JSONDecodeError) as error:
                reason = str(getattr(error, "reason", error))
            if attempt + 1 < TRIES:
                time.sleep(WAIT * 2**attempt)
        raise ThroughlineError(f"{self.address} cannot be asked: {reason}")


def _data_url(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


class LocalModel:
    """An image-text model of transformers with a chat template, from a folder or the hub."""

    needs_pictures = True

    def __init__(self, model: str, device: str | None = None) -> None:
        from transformers import pipeline

        if not model:
            raise ThroughlineError("caption model is '': expected a folder or a hub id")
        try:
            self.pipeline = pipeline("image-text-to-text", model=model, device=device)
        except (OSError, ValueError) as error:
            raise ThroughlineError(f"caption model {model!r} cannot be loaded: {str(error).splitlines()[0]}") from None

    def __call__(self, film: Film, index: int, pictures: Sequence[np.ndarray], cast: Cast) -> str:
        images = [{"type": "image", "image": Image.fromarray(picture)} for picture in pictures]
        message = {"role": "user", "content": [*images, {"type": "text", "text": cast.instructions()}]}
        answer = self.pipeline(text=[message], max_new_tokens=200, return_full_text=False)
        return cast.take(str(answer[0]["generated_text"]))


CAPTIONERS: dict[str, Callable[[str], Captioner]] = {
    "sidecar": lambda model: Sidecar(),
    "local": LocalModel,
    "service": Service,
}
