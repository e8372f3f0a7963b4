"""Records of the event bus, and which of them are events that can be counted. Pure.

Nothing that passes here makes PostgreSQL refuse a row: numbers are in range, texts can be stored
and times are plausible.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from analytics.models import MAX_EMOJI_CHARACTERS
from chat.events import (
    EventData,
    MemberJoined,
    MemberMuted,
    MessagePosted,
    Reaction,
    ReplyPosted,
    RoomCreated,
    RoomEvent,
    RoomUpdated,
    decode_data,
    envelope,
    thread_of,
)

# Veche is younger than this; an older time comes from a clock that was never set.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
# More than the clocks of maintained servers differ.
MAX_AHEAD = timedelta(hours=1)
LARGEST_NUMBER = 2**53
_SURROGATE_OR_NUL = re.compile("[\0\ud800-\udfff]")


class Record(msgspec.Struct, frozen=True, gc=False):
    """What a reader returns. `position` is where reading its partition continues after it."""

    position: str
    key: bytes
    value: bytes | None


class BadReason(StrEnum):
    """Why a record cannot be counted."""

    UNREADABLE = "unreadable"  # not an event that Veche writes; no later version can read it either
    INVALID = "invalid"  # an event, but not one that these analytics understand or believe


class Countable(msgspec.Struct, frozen=True, gc=False):
    """An event that can be counted. `second` is its time in whole seconds since 1970."""

    position: str
    value: bytes
    event: RoomEvent
    data: EventData
    second: int


class Bad(msgspec.Struct, frozen=True):
    """A record that cannot be counted. `room` and `seq` are set if it names a plausible place."""

    position: str
    key: bytes
    value: bytes
    reason: BadReason
    error: str
    room: int | None = None
    seq: int | None = None


Read = Countable | Bad


class _Refused(Exception):
    """The text says why, without anything that somebody wrote."""


def read(record: Record, now: datetime) -> Read:
    """The event in a record, or what is wrong with it. `now` is for judging times in the future."""
    if record.value is None:
        return Bad(
            record.position, record.key, b"", BadReason.UNREADABLE, "The record has no value."
        )
    try:
        event = envelope.decode(record.value)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return _not_an_event(record, record.value, error)
    place: tuple[int | None, int | None] = (None, None)
    try:
        _check_place(event, record.key)
        place = event.room, event.seq
        _check_numbers_and_time(event, now)
        data = decode_data(event.type, event.data)
        _check_texts(data)
    except _Refused as refusal:
        error_text = str(refusal)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        # Not its text, which can contain a value.
        error_text = f"The data is not what {event.type} holds: {type(error).__name__}."
    else:
        return Countable(record.position, record.value, event, data, int(event.at.timestamp()))
    return Bad(record.position, record.key, record.value, BadReason.INVALID, error_text, *place)


def _not_an_event(record: Record, value: bytes, error: Exception) -> Bad:
    """JSON of an unknown type or version may be an event after an upgrade; nothing else may."""
    named = b"chat." in value[:1_000] and isinstance(error, msgspec.ValidationError)
    reason = BadReason.INVALID if named else BadReason.UNREADABLE
    text = f"Not an event of a known type and version: {type(error).__name__}."
    return Bad(record.position, record.key, value, reason, text)


def _check_place(event: RoomEvent, key: bytes) -> None:
    if key != b"%d" % event.room:
        raise _Refused("The key of the record is not the event's room.")
    if not (0 < event.room <= LARGEST_NUMBER and 0 < event.seq <= LARGEST_NUMBER):
        raise _Refused("Room or seq is out of range.")


def _check_numbers_and_time(event: RoomEvent, now: datetime) -> None:
    if event.actor is not None and not 0 < event.actor <= LARGEST_NUMBER:
        raise _Refused("The actor is out of range.")
    if event.at < EARLIEST:
        raise _Refused(f"Its time is before {EARLIEST:%Y}.")
    if event.at > now + MAX_AHEAD:
        raise _Refused(f"Its time is more than {MAX_AHEAD} ahead.")


def _check_texts(data: EventData) -> None:
    """The kept parts of these texts must be something that PostgreSQL accepts."""
    match data:
        case Reaction():
            if not 0 < len(data.emoji) <= MAX_EMOJI_CHARACTERS:
                raise _Refused("The emoji is empty or too long.")
            _check_text(data.emoji)
        case RoomCreated():
            _check_text(data.slug)
            _check_text(data.name)
        case RoomUpdated():
            _check_text(data.name or "")
        case MemberJoined() | MemberMuted():
            pass
        case MessagePosted() | ReplyPosted():
            for target in (data.reply_to, thread_of(data)):
                if target is not None and not 0 < target <= LARGEST_NUMBER:
                    raise _Refused("The message that it answers is out of range.")


def _check_text(text: str) -> None:
    if _SURROGATE_OR_NUL.search(text):
        raise _Refused("A text holds characters that cannot be stored.")
