"""The parts of an event that must be the same wherever it is kept. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

import msgspec

from chat.events import RoomEvent

DIGEST_BYTES = 16


class Content(msgspec.Struct, frozen=True, gc=False):
    """An event with a digest in place of its data, so that many fit into memory."""

    room: int
    epoch: int
    seq: int
    n: int
    type: str
    key: str | None
    actor: int | None
    at: datetime
    data: bytes


def content_of(event: RoomEvent) -> Content:
    return Content(
        room=event.room,
        epoch=event.epoch,
        seq=event.seq,
        n=event.n,
        type=str(event.type),
        key=event.key,
        actor=event.actor,
        at=event.at,
        data=data_digest(bytes(event.data)),
    )


def data_digest(raw: bytes) -> bytes:
    """The same for all texts of one JSON value: PostgreSQL's jsonb keeps the value, not the text.

    Data that is not JSON gets the digest of its bytes, which no JSON text has.
    """
    try:
        canonical = msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        canonical = b"\xff" + raw
    return hashlib.blake2b(canonical, digest_size=DIGEST_BYTES).digest()


def text_digest(text: str) -> bytes:
    """Stands for a message's body: enough to compare it, without revealing it."""
    # Bodies with half a surrogate pair are refused much earlier; a digest must not fail on one.
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=DIGEST_BYTES).digest()


def differences(expected: Content, found: Content) -> Iterator[tuple[str, str, str]]:
    """(field, expected, found) for each field that differs, without anybody's words."""
    for name in ("epoch", "seq", "n", "type", "key", "actor"):
        one, other = getattr(expected, name), getattr(found, name)
        if one != other:
            yield name, str(one), str(other)
    if expected.at != found.at:
        yield "at", expected.at.isoformat(), found.at.isoformat()
    if expected.data != found.data:
        yield "data", "the same data", "other data"
