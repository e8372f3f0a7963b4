"""Consecutive events of one room, encoded once for all recipients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from chat.events import EventType, Member, RoomEvent
from chat.hints.to_hubs import events_message

LEAVING = frozenset({EventType.MEMBER_REMOVED, EventType.MEMBER_LEFT})


class _Head(msgspec.Struct):
    """The fields of an event that the hub itself reads."""

    seq: int
    type: str
    data: msgspec.Raw


_items = msgspec.json.Decoder(list[msgspec.Raw])
_head = msgspec.json.Decoder(_Head)
_member = msgspec.json.Decoder(Member)


class Batch(msgspec.Struct, frozen=True):
    """Events `first` … `last` of a room. `body` is their JSON, separated by commas.

    `special` says that events other than messages and reactions may be among them. `at_ms` is
    when the first one was logged, in ms since 1970; 0 when that is not known.
    """

    room: int
    epoch: int
    first: int
    last: int
    special: bool
    body: bytes
    at_ms: int = 0

    def after(self, seq: int) -> Batch:
        """The part of the batch after `seq`, which lies within the batch."""
        items = _items.decode(b"[" + self.body + b"]")
        body = b",".join(map(bytes, items[seq - self.first + 1 :]))
        return Batch(self.room, self.epoch, seq + 1, self.last, self.special, body, self.at_ms)

    def split_where_people_leave(self) -> Iterator[tuple[Batch, int | None]]:
        """Its parts in order, each with the id of the user whom its last event removes, if any."""
        items = _items.decode(b"[" + self.body + b"]")
        start = 0
        for index, item in enumerate(items):
            head = _head.decode(item)
            if head.type in LEAVING:
                yield self._part(items, start, index + 1), _member.decode(head.data).user
                start = index + 1
        if start < len(items):
            yield self._part(items, start, len(items)), None

    def _part(self, items: Sequence[msgspec.Raw], start: int, end: int) -> Batch:
        body = b",".join(map(bytes, items[start:end]))
        first = self.first + start
        return Batch(self.room, self.epoch, first, self.first + end - 1, True, body, self.at_ms)


def who_leaves(event: RoomEvent) -> int | None:
    """The id of the user whom the event removes from the room, if any."""
    return _member.decode(event.data).user if event.type in LEAVING else None


def batch_of_message(message: dict[str, Any]) -> Batch:
    """The events in a channel-layer message of type `events`.

    Raises: KeyError, TypeError or ValueError when the message is not of that type.
    """
    first, last = int(message["first"]), int(message["last"])
    if not 1 <= first <= last:
        raise ValueError("not a range of events")
    return Batch(
        int(message["room"]),
        int(message["epoch"]),
        first,
        last,
        bool(message["special"]),
        bytes(message["events"])[1:-1],
        int(message.get("at_ms", 0)),
    )


def batch_of_events(events: Sequence[RoomEvent]) -> Batch:
    """A batch of consecutive events (see `chat.hints.to_hubs.runs`)."""
    return batch_of_message(events_message(events))


def events_frame_rest(room: int, bodies: Sequence[bytes]) -> tuple[str, int]:
    """The text of an `events` frame after its number, and its size in bytes."""
    rest = b'"room":%d,"events":[%b]}' % (room, b",".join(bodies))
    return rest.decode(), len(rest)
