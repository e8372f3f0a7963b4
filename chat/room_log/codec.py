"""What goes into the append script and what comes back. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chat import events
from chat.errors import ClientError, RefusalReason
from chat.events import EventType, RoomEvent
from chat.room_log import keys

# What the script's refusals mean, for the person or program that sent the event.
REFUSALS = {
    "not_found": "There is no such room or message.",
    "not_member": "You are not a member of this room.",
    "forbidden": "You may not do this here.",
    "muted": "You are muted in this room.",
    "archived": "This room is archived.",
    "rate_limited": "Slow mode is on: wait before you write again.",
    "key_conflict": "This key was used before for something else.",
    "too_many": "A message can have at most 50 different reactions, 20 of them from one person.",
    "deleted": "This message was deleted.",
    "reply_to": "There is no message to reply to there, or it was deleted.",
    "last_owner": "Nobody else owns this room. Make another member its owner first.",
    "mentions_all": "In a room of over 100 people, its owners and moderators mention everybody.",
    "mentions_all_often": "You have mentioned everybody 10 times within an hour.",
}
# Refusals that differ from their error code only in the text: name → the protocol's error code.
CODES = {
    "deleted": "not_found",
    "reply_to": "not_found",
    "last_owner": "forbidden",
    "mentions_all": "forbidden",
    "mentions_all_often": "too_many",
}


def refused(name: str, wait_ms: int | None = None) -> ClientError:
    """The error for a refusal by its name, as the script and the checks in its stead use it."""
    wait_seconds = None if wait_ms is None else wait_ms / 1000
    reason = RefusalReason(name) if name in CODES else None
    return ClientError(CODES.get(name, name), REFUSALS[name], wait_seconds, reason=reason)


# The largest values that the columns of the event table hold; times end with the year 9999.
MAX_BIGINT = 2**63 - 1
MAX_EPOCH = 2**53 - 1  # an exact number in JSON and in Lua
MAX_AT_MS = 253_402_300_799_000


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has no place yet.

    `actor` is None for what Veche itself does. `trusted` skips the room's ACL; it is for callers
    that have checked a right above the ACL (staff, the system). `known` is what PostgreSQL holds of
    the messages that the event is about or replies to, if they were looked up (see `append.lua`).
    """

    room: int
    type: EventType
    data: events.EventData
    actor: int | None
    key: str | None
    trusted: bool = False
    known: bytes = b""


class Appended(msgspec.Struct, frozen=True, kw_only=True):
    """An event at its place; `repeat` when the same request had been accepted before."""

    event: RoomEvent
    repeat: bool


def script_arguments(event: NewEvent, encoded: bytes) -> list[str | bytes]:
    """The 14 values that `append.lua` expects for one event."""
    data = event.data
    subject = role = value = target = reply_to = thread = ""
    if isinstance(data, events.MemberJoined):
        subject, role = str(data.user), data.role
        value = "" if data.previous is msgspec.UNSET else str(data.previous)
    elif isinstance(data, events.MemberMuted):
        subject = str(data.user)
        # A mute in every room is not kept in this room's ACL: see `chat.room_log.restrictions`.
        value = "" if data.everywhere else str(max(0, int(data.until.timestamp() * 1000)))
    elif isinstance(data, events.Member):
        subject = str(data.user)
        if isinstance(data, events.MemberRemoved) and data.banned is not None:
            value = str(int(data.banned))
        elif event.type is EventType.MEMBER_UNMUTED:
            value = "" if isinstance(data, events.MemberUnmuted) and data.everywhere else "0"
    elif isinstance(data, events.RoomUpdated):
        value = "" if data.slow_mode_seconds is None else str(data.slow_mode_seconds)
    elif isinstance(data, events.RoomArchived):
        value = "1" if data.archived else "0"
    elif isinstance(data, events.MessagePosted | events.ReplyPosted):
        reply_to = "" if data.reply_to is None else str(data.reply_to)
        root = events.thread_of(data)
        thread = "" if root is None else str(root)
        value = _mentions_all(data)
    elif isinstance(data, events.MessageEdited | events.MessageTarget | events.Reaction):
        target = str(data.target)
        if isinstance(data, events.Reaction):
            value = data.emoji
        elif isinstance(data, events.MessageEdited):
            value = _mentions_all(data)
    return [
        str(event.room),
        event.type,
        "" if event.actor is None else str(event.actor),
        event.key or "",
        events.content_hash(event.room, event.type, _as_asked(data, encoded)),
        encoded,
        "1" if event.trusted or event.actor is None else "0",
        target,
        subject,
        role,
        value,
        reply_to,
        thread,
        event.known,
    ]


def _mentions_all(data: events.MessagePosted | events.ReplyPosted | events.MessageEdited) -> str:
    return "" if data.mentions is msgspec.UNSET or data.mentions.all is None else "all"


def _as_asked(data: events.EventData, encoded: bytes) -> bytes:
    """What makes a repeat the same request: not what its names mean by now."""
    texts = events.MessagePosted | events.ReplyPosted | events.MessageEdited
    if isinstance(data, texts) and data.mentions is not msgspec.UNSET:
        return events.encode_data(events.as_asked(data))
    return encoded


def batch_arguments(
    shard: int, shards: int, batch: Sequence[list[str | bytes]]
) -> list[str | bytes]:
    """All arguments of one script call."""
    head: list[str | bytes] = [
        str(shard),
        str(shards),
        str(keys.KEY_LIFETIME_MS),
        str(keys.WAKE_LIFETIME_MS),
    ]
    for values in batch:
        head += values
    return head


def appended(event: NewEvent, encoded: bytes, answer: Sequence[bytes | int]) -> Appended:
    """The event at the place that the script gave it (or had given it before)."""
    status, epoch, seq, n, at_ms, *added = answer
    if added:
        encoded = events.encode_data(events.with_additions(event.data, [int(one) for one in added]))
    return Appended(
        event=RoomEvent(
            room=event.room,
            epoch=int(epoch),
            seq=int(seq),
            n=int(n),
            type=event.type,
            key=event.key,
            actor=event.actor,
            at=events.at_from_ms(int(at_ms)),
            data=msgspec.Raw(encoded),
        ),
        repeat=status == b"repeat",
    )


def event_of(fields: Mapping[bytes, bytes]) -> RoomEvent:
    """The event in a stream entry. Its `data` is not decoded.

    Raises: KeyError or ValueError when the entry is not one that `append.lua` wrote.
    """
    return RoomEvent(
        room=_number(fields[b"room"], MAX_BIGINT),
        epoch=_number(fields[b"epoch"], MAX_EPOCH),
        seq=_number(fields[b"seq"], MAX_BIGINT),
        n=_number(fields[b"n"], MAX_BIGINT),
        type=EventType(fields[b"type"].decode()),
        key=fields[b"key"].decode() or None,
        actor=_number(fields[b"actor"], MAX_BIGINT) if fields[b"actor"] else None,
        at=events.at_from_ms(_number(fields[b"at"], MAX_AT_MS)),
        data=msgspec.Raw(fields[b"data"]),
    )


def _number(text: bytes, largest: int) -> int:
    """A number from 0 to `largest`. Raises: ValueError."""
    number = int(text)
    if not 0 <= number <= largest:
        raise ValueError("A number is out of range.")
    return number
