"""Checks one room's stored events by themselves: gapless, once each, in order, numbered. Pure.

`SequenceCheck` takes the rows in seq order, one by one, so a room of any size fits.
"""

from __future__ import annotations

from collections.abc import Iterator

from chat import events
from chat.events import EventType
from chat.verify.checks.content import Content, data_digest
from chat.verify.checks.findings import Check, Finding


class StoredRow(Content, frozen=True, gc=False, kw_only=True):
    """A row of the event table. `data` is its text as PostgreSQL returns it, not a digest."""

    id: int
    shard: int


def as_content(row: StoredRow) -> Content:
    """The row in the form that is compared with copies elsewhere."""
    return Content(
        room=row.room,
        epoch=row.epoch,
        seq=row.seq,
        n=row.n,
        type=row.type,
        key=row.key,
        actor=row.actor,
        at=row.at,
        data=data_digest(row.data),
    )


def typed_data(row: StoredRow) -> tuple[EventType, events.EventData]:
    """Raises: ValueError (like all of msgspec's errors) when the data does not fit its type."""
    kind = EventType(row.type)
    return kind, events.decode_data(kind, row.data)


class SequenceCheck:
    """Follows a room from seq `start` on. Each call of `feed` gives the findings of one row."""

    def __init__(self, room: int, shard: int, start: int, before: StoredRow | None) -> None:
        """`before` is the row at `start` - 1; None when there is none, or at the beginning."""
        self._room = room
        self._shard = shard
        self._seq = start - 1
        self._id = before.id if before else 0
        self._epoch = before.epoch if before else 0
        self._n: int | None = 0
        if start > 1:
            self._n = before.n if before else None
        # How many places may or may not have held a message.
        self._uncertain = 0

    def _finding(
        self, check: Check, seq: int | None, what: str, expected: object, found: object
    ) -> Finding:
        return Finding(check, self._room, seq, what, str(expected), str(found))

    def feed(self, row: StoredRow, data: events.EventData | None) -> Iterator[Finding]:
        """`data` is None for a row whose data cannot be read, which the caller reports."""
        if row.seq <= self._seq:
            yield self._finding(Check.SEQ, row.seq, "event at this place", "one", "another one")
            return
        if row.seq > self._seq + 1:
            yield self._gap(self._seq + 1, row.seq - 1)
            self._uncertain += row.seq - self._seq - 1
        if row.id <= self._id:
            yield self._finding(
                Check.SEQ, row.seq, "order of storing", f"a row id above {self._id}", row.id
            )
        if row.epoch < self._epoch:
            yield self._finding(Check.SEQ, row.seq, "epoch", f"{self._epoch} or more", row.epoch)
        if row.shard != self._shard:
            yield self._finding(Check.SEQ, row.seq, "shard", self._shard, row.shard)
        yield from self._check_n(row, data)
        self._seq, self._id, self._epoch = row.seq, max(row.id, self._id), row.epoch

    def end(self, stored_seq: int, stored_n: int) -> Iterator[Finding]:
        """The watermarks in the room's row must match its last event."""
        if stored_seq > self._seq:
            yield self._gap(self._seq + 1, stored_seq)
        elif stored_seq < self._seq:
            yield self._finding(
                Check.WATERMARK, None, "stored_seq of the room", self._seq, stored_seq
            )
        elif self._n is not None and stored_n != self._n:
            yield self._finding(Check.WATERMARK, None, "stored_n of the room", self._n, stored_n)

    def _gap(self, first: int, last: int) -> Finding:
        places = f"seq {first}" if first == last else f"seq {first} to {last}"
        return self._finding(Check.SEQ, first, "events", places, "nothing")

    def _check_n(self, row: StoredRow, data: events.EventData | None) -> Iterator[Finding]:
        posted = row.type == EventType.MESSAGE_POSTED
        if isinstance(data, events.EventQuarantined):
            posted = data.original_type == EventType.MESSAGE_POSTED
            if not data.original_type:
                self._uncertain += 1
        if self._n is not None:
            lowest = self._n + (1 if posted else 0)
            highest = lowest + self._uncertain
            if not lowest <= row.n <= highest:
                expected = lowest if lowest == highest else f"{lowest} to {highest}"
                yield self._finding(Check.N, row.seq, "n", expected, row.n)
        if not isinstance(data, events.EventQuarantined) or data.original_type:
            self._uncertain = 0
        self._n = row.n
