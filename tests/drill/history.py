"""What happened, as the clients saw it: one record per line, in the order of one monotonic clock.

The judge needs nothing else from the clients, so a history can be judged again later, and a bad one
can be written by hand. No record holds what people wrote, only a digest of it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

FLUSH_SECONDS = 1.0


# Stands for the digest of a text that was deleted or replaced before it was shown.
REDACTED = "redacted"


# What the log adds to the data of events; to that of a deletion or restoration `thread` too.
ADDED = frozenset({"count", "root_author", "in_room", "replies"})


def digest(data: dict[str, Any]) -> str:
    """16 hex digits for an event's data, the same for every way of writing it in JSON.

    Leaves out what the log adds to the requested data.
    """
    added = ADDED | {"thread"} if "target" in data else ADDED
    asked = {name: value for name, value in data.items() if name not in added}
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """An event as found somewhere: in a frame, in PostgreSQL, on the event bus."""

    seq: int
    n: int
    type: str
    key: str | None
    actor: int | None
    digest: str


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", omit_defaults=True):
    """`at` is monotonic, in seconds since the drill began."""

    at: float


class Invoke(Record, frozen=True, tag="invoke"):
    """A person makes a request: `key` is about to be sent for the first time."""

    client: str
    actor: int
    key: str
    type: str  # of the event that it asks for
    room: int
    digest: str


class Attempt(Record, frozen=True, tag="attempt"):
    """The request goes out over a connection, as its transmission number `tx`."""

    conn: int
    tx: int
    key: str


class Ok(Record, frozen=True, tag="ok"):
    """The request was acknowledged: it is on disk, at this place."""

    conn: int
    tx: int
    key: str
    room: int
    epoch: int
    seq: int
    n: int


class Fail(Record, frozen=True, tag="fail"):
    """This transmission was refused, and so has no effect."""

    conn: int
    tx: int
    key: str
    code: str


class Info(Record, frozen=True, tag="info"):
    """It is unknown whether this transmission had an effect."""

    conn: int
    tx: int
    key: str
    why: str


class GivenUp(Record, frozen=True, tag="given_up"):
    """The client will not send this request again."""

    key: str


class Opened(Record, frozen=True, tag="opened"):
    """A connection was made and sends `hello`. `positions`: room → (epoch, seq) to resume from."""

    client: str
    conn: int
    web: str
    positions: dict[int, tuple[int, int]]


class Welcomed(Record, frozen=True, tag="welcomed"):
    """`welcome` came. `rooms`: room → (epoch, head) according to the server."""

    conn: int
    rooms: dict[int, tuple[int, int]]


class Frame(Record, frozen=True, tag="frame"):
    """Events that the server pushed."""

    conn: int
    room: int
    events: list[Seen]


class Batch(Record, frozen=True, tag="batch"):
    """Events that the client requested, after seq `after`."""

    conn: int
    room: int
    after: int
    events: list[Seen]


class WasReset(Record, frozen=True, tag="reset"):
    """The server says that the room's log after `head` was lost."""

    conn: int
    room: int
    epoch: int
    head: int


class Heads(Record, frozen=True, tag="heads"):
    conn: int
    rooms: dict[int, tuple[int, int]]


class Stored(Record, frozen=True, tag="stored"):
    conn: int
    rooms: dict[int, int]


class Closed(Record, frozen=True, tag="closed"):
    conn: int
    why: str


class FaultNote(Record, frozen=True, tag="fault"):
    """`phase`: inject, heal, flows, stuck."""

    number: int
    name: str
    phase: str


class Sample(Record, frozen=True, tag="sample"):
    """Watermarks summed over all rooms; None where the server did not answer."""

    head: int | None
    stored: int | None
    exported: int | None


class Ended(Record, frozen=True, tag="ended"):
    """A client's position in each of its rooms when everything had come to rest: room → seq."""

    client: str
    positions: dict[int, int]


AnyRecord = (
    Invoke
    | Attempt
    | Ok
    | Fail
    | Info
    | GivenUp
    | Opened
    | Welcomed
    | Frame
    | Batch
    | WasReset
    | Heads
    | Stored
    | Closed
    | FaultNote
    | Sample
    | Ended
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord, strict=False)


def encode(record: AnyRecord) -> str:
    return _encoder.encode(record).decode()


class Recorder:
    """Writes a history. Used by one thread, so that lines are in the order of time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("wb")
        self._began = time.monotonic()
        self._flushed = self._began

    def now(self) -> float:
        return round(time.monotonic() - self._began, 6)

    def write(self, kind: type[Record], **fields: Any) -> float:
        """Add a record with the present time and return that time."""
        at = self.now()
        self._file.write(_encoder.encode(kind(at=at, **fields)) + b"\n")
        if at - self._flushed > FLUSH_SECONDS:
            self._file.flush()
            self._flushed = at
        return at

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(path: Path) -> Iterator[AnyRecord]:
    """The records of a history, in order. Raises: msgspec.ValidationError."""
    with path.open("rb") as file:
        for line in file:
            yield _decoder.decode(line)
