"""An order: everything that a take is made from, as a value that can go to another machine.

Files are named by the SHA-256 of what they hold, and travel beside it in a parcel. The same order makes the same clip,
bit for bit, on a like processor with the same number of threads; so an order may be carried out twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from pipeline.errors import ThroughlineError

from ...store.blobs import BlobStore

if TYPE_CHECKING:  # they load torch
    from pipeline.guidance import Guidance
    from pipeline.text_filter import FilterResult


@dataclass(frozen=True)
class Remembered:
    """A past scene: its prompt, and the digest of its keyframe, a PNG."""

    prompt: str
    keyframe: str


@dataclass(frozen=True)
class WornAdapter:
    """The digest of an adapter's file, and its strength."""

    file: str
    strength: float


@dataclass(frozen=True, eq=False)
class Order:
    """decision: what the filter said about `past`. first, last: digests of the frames with which the clip begins and
    ends, as `keep_known` keeps them. threads: of the processor; None for as many as there are."""

    model: str  # digest of its weights
    speed: str
    guidance: Guidance
    decision: FilterResult
    settings: dict[str, Any]  # what `StoryPipeline.generate` is given, the seed too
    past: tuple[Remembered, ...] = ()
    first: str | None = None
    last: str | None = None
    adapters: tuple[WornAdapter, ...] = field(default=())
    threads: int | None = None

    def files(self) -> list[tuple[str, str]]:
        """Digests and suffixes of all that it needs, each once."""
        found = [(one.keyframe, "png") for one in self.past]
        found += [(frames, "npz") for frames in (self.first, self.last) if frames]
        return list(dict.fromkeys([*found, *((one.file, "safetensors") for one in self.adapters)]))

    def to_json(self) -> bytes:
        """The same bytes for the same order."""
        return json.dumps(asdict(self), sort_keys=True, default=float).encode()  # scores may be numpy's

    @classmethod
    def of(cls, data: bytes) -> Order:
        """From what `to_json` gave. Raises ThroughlineError for anything else."""
        from pipeline.guidance import Guidance
        from pipeline.text_filter import FilterResult

        try:
            told = json.loads(data)
            told |= {
                "guidance": Guidance(**told["guidance"]),
                "decision": TypeAdapter(FilterResult).validate_python(told["decision"]),
                "past": tuple(Remembered(**one) for one in told["past"]),
                "adapters": tuple(WornAdapter(**one) for one in told["adapters"]),
            }
            return cls(**told)
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0][:200]
            raise ThroughlineError(f"an order of {len(data)} bytes can't be read: {reason}") from error


# --- parcels ---------------------------------------------------------------------------------------------------------


def packed(head: bytes, bodies: list[bytes]) -> bytes:
    """A head and some files in one piece."""
    lengths = json.dumps([len(head), *map(len, bodies)]).encode()
    return b"\n".join([lengths, b"".join([head, *bodies])])


def unpacked(data: bytes) -> Iterator[bytes]:
    """What `packed` was given. Raises ThroughlineError for anything else."""
    line, _, rest = data.partition(b"\n")
    lengths = _lengths(line)
    if sum(lengths) != len(rest):
        raise ThroughlineError(f"a parcel has {len(rest)} bytes: expected {sum(lengths)}")
    start = 0
    for length in lengths:
        yield rest[start : start + length]
        start += length


def _lengths(line: bytes) -> list[int]:
    try:
        lengths = json.loads(line)
    except ValueError:
        lengths = None
    if not isinstance(lengths, list) or not all(isinstance(one, int) and one >= 0 for one in lengths):
        raise ThroughlineError(f"a parcel begins with {line[:40]!r}: expected lengths")
    return lengths


def parcel(order: Order, media: BlobStore) -> bytes:
    """An order with all its files. Raises ThroughlineError if one is missing or damaged."""
    return packed(order.to_json(), [_read(media, *name) for name in order.files()])


def _read(media: BlobStore, digest: str, suffix: str) -> bytes:
    data = media.read(digest, suffix)
    if data is None:
        raise ThroughlineError(f"file {digest[:12]}….{suffix} is missing or damaged")
    return data


def opened(data: bytes, media: BlobStore) -> Order:
    """The order of a parcel, once its files are kept. Raises ThroughlineError if one is not what its name says."""
    head, *bodies = unpacked(data)
    order = Order.of(head)
    names = order.files()
    if len(bodies) != len(names):
        raise ThroughlineError(f"a parcel has {len(bodies)} files: expected {len(names)}")
    for body, (digest, suffix) in zip(bodies, names, strict=True):
        if hashlib.sha256(body).hexdigest() != digest:
            raise ThroughlineError(f"file {digest[:12]}….{suffix} of a parcel is not what its name says")
        media.put(body, suffix)
    return order
