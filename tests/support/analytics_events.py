"""Good and bad events for the analytics' tests, as on the event bus. No database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from analytics.counting.records import Record
from chat.events import (
    EventQuarantined,
    EventType,
    MessagePosted,
    Reaction,
    RoomCreated,
    RoomEvent,
    RoomKind,
    encode_data,
    envelope,
)

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def record_of(event: RoomEvent, **changes: object) -> Record:
    return Record("", b"%d" % event.room, envelope.encode(event))


def event(
    seq: int,
    data: object,
    kind: EventType = EventType.MESSAGE_POSTED,
    *,
    room: int = 5,
    actor: int | None = 1,
    at: datetime = NOON,
) -> RoomEvent:
    return RoomEvent(
        room=room,
        epoch=1,
        seq=seq,
        n=seq,
        type=kind,
        key=None,
        actor=actor,
        at=at,
        data=msgspec.Raw(encode_data(data)),  # type: ignore[arg-type]
    )


def post(seq: int, body: str = "hello", reply_to: int | None = None, **more: object) -> RoomEvent:
    return event(seq, MessagePosted(body=body, reply_to=reply_to), **more)  # type: ignore[arg-type]


def created(kind: RoomKind = RoomKind.PUBLIC, room: int = 5) -> RoomEvent:
    data = RoomCreated(slug="tea", name="Tea", kind=kind)
    return event(1, data, EventType.ROOM_CREATED, room=room)


def placeholder(seq: int, room: int = 5) -> RoomEvent:
    data = EventQuarantined(reason="refused", original_type="message.posted", dead_letter="1-0")
    return event(seq, data, EventType.EVENT_QUARANTINED, room=room, actor=None)


def bad_records(room: int) -> dict[str, Record]:
    """Records for place 2 of a room that no consumer may count."""
    key = b"%d" % room
    good = envelope.encode(post(2, room=room))

    def of(event: RoomEvent) -> Record:
        return Record("", key, envelope.encode(event))

    def reaction(emoji: str) -> Record:
        return of(event(2, Reaction(target=1, emoji=emoji), EventType.REACTION_ADDED, room=room))

    nul = RoomCreated(slug="a", name="\0", kind=RoomKind.PUBLIC)
    return {
        "no value": Record("", key, None),
        "not JSON": Record("", key, b"\xff{"),
        "an array": Record("", key, b"[1, 2]"),
        "nested without end": Record("", key, b"[" * 100_000),
        "number of 5,000 digits": Record("", key, b'{"room": ' + b"9" * 5_000 + b"}"),
        "unknown version": Record("", key, good.replace(b"posted.v1", b"posted.v2")),
        "unknown type": Record("", key, good.replace(b"message.posted", b"cat.sat")),
        "other data": Record("", key, good.replace(b'"body"', b'"corpse"')),
        "wrong key": Record("", b"4", good),
        "no key": Record("", b"", good),
        "room 0": Record("", b"0", envelope.encode(post(2, room=0))),
        "room beyond all": Record("", b"%d" % 2**62, envelope.encode(post(2, room=2**62))),
        "negative seq": of(post(-2, room=room)),
        "actor beyond all": of(post(2, room=room, actor=2**63)),
        "1970": of(post(2, room=room, at=datetime(1970, 1, 1, tzinfo=UTC))),
        "9999": of(post(2, room=room, at=datetime(9999, 12, 31, tzinfo=UTC))),
        "tomorrow": of(post(2, room=room, at=datetime.now(UTC) + timedelta(days=1))),
        "time without a zone": Record("", key, good.replace(b"00Z", b"00")),
        "long emoji": reaction("x" * 33),
        "NUL in an emoji": reaction("\0"),
        "NUL in a name": of(event(2, nul, EventType.ROOM_CREATED, room=room)),
        "reply to nowhere": of(post(2, room=room, reply_to=2**63)),
    }
