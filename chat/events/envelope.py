"""How an event is written on the event bus: CloudEvents 1.0, structured JSON.

`room`, `seq`, `n`, `epoch`, `key` and `actor` are CloudEvents extension attributes, so a reader
sees from the envelope alone what it has seen before (`room`, `seq`) and what is missing (the next
`seq` is one higher). CloudEvents integers have 32 bits, which no room's seq will use up.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from chat.events import EventType, RoomEvent

# Where consumers find the events: on Kafka, or on a Redis Stream of the log server.
TOPIC = "chat.events.v1"
STREAM = f"veche:bus:{TOPIC}"

SOURCE = "/veche/chat"
CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"

# The version of an event type goes up when its data changes in a way that old readers would
# misread (see `chat.event_bus.schemas`); both versions are then written for a while.
VERSIONS: dict[EventType, int] = dict.fromkeys(EventType, 1)
TYPE_NAMES = {kind: f"chat.{kind.value}.v{version}" for kind, version in VERSIONS.items()}
SCHEMA_NAMES = {kind: f"urn:veche:schema:{name}" for kind, name in TYPE_NAMES.items()}
EVENT_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event on the event bus. `id` is the same however often the event is published."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    datacontenttype: Literal["application/json"]
    dataschema: str
    room: int
    seq: int
    n: int
    epoch: int
    # CloudEvents has no null: what Veche itself did has neither of these.
    key: str | None = None
    actor: int | None = None
    # W3C trace context, for messages that are traced (CloudEvents' distributed tracing extension).
    traceparent: str | None = None
    data: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Envelope)


class _Traced(msgspec.Struct):
    traceparent: str | None = None


_traced = msgspec.json.Decoder(_Traced)


def encode(event: RoomEvent, traceparent: str | None = None) -> bytes:
    """The bytes of `event` on the bus; `traceparent` when it is traced."""
    # A placeholder may be followed by the event itself, which is no repeat of it.
    suffix = "-placeholder" if event.type is EventType.EVENT_QUARANTINED else ""
    return _encoder.encode(
        Envelope(
            specversion="1.0",
            id=f"{event.room}-{event.seq}{suffix}",
            source=SOURCE,
            type=TYPE_NAMES[event.type],
            subject=f"room/{event.room}",
            time=event.at,
            datacontenttype="application/json",
            dataschema=SCHEMA_NAMES[event.type],
            room=event.room,
            seq=event.seq,
            n=event.n,
            epoch=event.epoch,
            key=event.key,
            actor=event.actor,
            traceparent=traceparent,
            data=event.data,
        )
    )


def traceparent(value: bytes) -> str | None:
    """The trace context of a record of the bus; None when it has none, or is no event."""
    try:
        return _traced.decode(value).traceparent
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def decode(value: bytes) -> RoomEvent:
    """The event in a record of the bus. Its `data` is not looked into.

    Raises: msgspec.ValidationError or msgspec.DecodeError when it is none that Veche wrote.
    """
    found = _decoder.decode(value)
    kind = EVENT_TYPES.get(found.type)
    if kind is None:
        raise msgspec.ValidationError(f"unknown event type {found.type[:100]!r}")
    return RoomEvent(
        room=found.room,
        epoch=found.epoch,
        seq=found.seq,
        n=found.n,
        type=kind,
        key=found.key,
        actor=found.actor,
        at=found.time,
        data=found.data,
    )
