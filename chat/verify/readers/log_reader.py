"""Reads rooms, hot tails and ingest streams for a verification. Changes nothing in the log."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from chat.events.positions import as_pair
from chat.room_log import codec, keys
from chat.servers import streams
from chat.servers.redis_log import blocking_client
from chat.verify.checks.content import Content, content_of
from chat.verify.checks.log_checks import IngestEntry, RoomInLog

# One step blocks the log server for about a millisecond.
PAGE_ENTRIES = 500


def active_rooms(shard: int, since_ms: int) -> list[int]:
    """Rooms of the log in which something happened at or after `since_ms`."""
    found = blocking_client().zrange(keys.active(shard), since_ms, "+inf", byscore=True)
    return [int(room) for room in cast(list[bytes], found)]


def read_room(shard: int, room: int) -> RoomInLog | None:
    """The room's numbers and hot tail; None when it is not in the log at the shard's epoch."""
    pipeline = blocking_client().pipeline(transaction=True)
    pipeline.get(keys.epoch(shard))
    pipeline.hmget(keys.room(shard, room), "epoch", "head", "n", "stored")
    pipeline.xrange(keys.log(shard, room), count=PAGE_ENTRIES)
    epoch, numbers, entries = pipeline.execute()
    if epoch is None or numbers[0] != epoch:
        return None
    room_epoch, head, n, stored = map(int, numbers)
    pages = [_page(entries)]
    while len(entries) == PAGE_ENTRIES:
        entries = streams.entries(
            blocking_client(),
            keys.log(shard, room),
            first=f"({entries[-1][0].decode()}",
            last=f"{head}-0",  # later entries came after the numbers were read
            count=PAGE_ENTRIES,
        )
        pages.append(_page(entries))
    return RoomInLog(room_epoch, head, n, stored, pages)


def read_head(shard: int, room: int) -> int | None:
    """The room's head; None when it is not in the log at the shard's epoch."""
    pipeline = blocking_client().pipeline(transaction=True)
    pipeline.get(keys.epoch(shard))
    pipeline.hmget(keys.room(shard, room), "epoch", "head")
    epoch, (room_epoch, head) = pipeline.execute()
    return int(head) if epoch is not None and room_epoch == epoch else None


class IngestIndex:
    """The entries of a shard's ingest stream, by room, read once from beginning to end.

    `extend` reads on to the present end; entries of rooms that are `done` are not kept.
    """

    def __init__(self, shard: int) -> None:
        self._shard = shard
        self._last = "-"
        self._by_room: dict[int, list[IngestEntry]] = {}
        self._done: set[int] = set()
        self.unreadable: list[IngestEntry] = []

    @property
    def rooms(self) -> Collection[int]:
        """Rooms whose entries are kept."""
        return self._by_room.keys()

    def extend(self) -> None:
        while True:
            entries = streams.entries(
                blocking_client(), keys.ingest(self._shard), first=self._last, count=PAGE_ENTRIES
            )
            for raw_id, fields in entries:
                entry = IngestEntry(as_pair(raw_id.decode()), _content(fields))
                if entry.content is None:
                    self.unreadable.append(entry)
                elif entry.content.room not in self._done:
                    self._by_room.setdefault(entry.content.room, []).append(entry)
            if len(entries) < PAGE_ENTRIES:
                break
            self._last = f"({entries[-1][0].decode()}"
        if entries:
            self._last = f"({entries[-1][0].decode()}"

    def of_room(self, room: int) -> list[IngestEntry]:
        return self._by_room.get(room, [])

    def finish(self, room: int) -> None:
        """Forget a room that has been compared."""
        self._done.add(room)
        self._by_room.pop(room, None)


def _page(entries: streams.Entries) -> dict[int, Content | None]:
    return {int(raw_id.partition(b"-")[0]): _content(fields) for raw_id, fields in entries}


def _content(fields: streams.Fields) -> Content | None:
    try:
        return content_of(codec.event_of(fields))
    except (KeyError, ValueError, OverflowError):
        return None
