"""The records of the event bus against the stored events. Pure.

`EventBusCheck` takes the records in the order of the event bus. It remembers a few numbers for each
room, so a topic of any length fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from chat.events import RoomEvent
from chat.verify.checks.content import content_of, differences
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.seq_ranges import SeqRanges
from chat.verify.checks.sequence import StoredRow, as_content


class ExpectedRecords(msgspec.Struct, frozen=True):
    """What the event bus must have of a room: seq `first` to `last`."""

    shard: int
    first: int
    last: int


class EventBusRecord(msgspec.Struct, frozen=True):
    partition: int
    key: bytes
    event: RoomEvent


class _Room(msgspec.Struct):
    """The records of a room so far; `begin` is the seq of the first that was not late."""

    partition: int
    seen: SeqRanges
    begin: int | None = None
    highest: int = 0


class EventBusCheck:
    """Compares records with rows.

    `trimmed` says that the event bus may have dropped its oldest records, as it is allowed to, and
    `windowed` that there are records before the first that is fed in. `excuse` says whether a
    record that differs from its row is a legitimate placeholder: of an event that the event bus
    refused, or that was stored after its placeholder was published. For rooms that are not
    expected, it only checks that each record has a row.
    """

    def __init__(
        self,
        rooms: Mapping[int, ExpectedRecords],
        *,
        trimmed: bool,
        windowed: bool = False,
        excuse: Callable[[EventBusRecord, StoredRow], bool],
    ) -> None:
        self._expected = rooms
        self._trimmed = trimmed
        self._from_the_middle = trimmed or windowed
        self._excuse = excuse
        self._rooms: dict[int, _Room] = {}
        self._oldest: dict[tuple[int, int], int] = {}  # (partition, shard) → first row id
        self.excused: dict[tuple[int, int], RoomEvent] = {}
        """(room, seq) → the placeholder, where nothing else has come yet: see the caller."""

    def feed(
        self, record: EventBusRecord, row: StoredRow | None, *, late: bool = False
    ) -> Iterator[Finding]:
        """Check the next record; `row` is the stored event at its place.

        `late`: the row replaced a placeholder, so its record may come again long after its turn.
        """
        event = record.event
        if row is not None and not late:
            # A late record says nothing about which earlier ones remain.
            self._oldest.setdefault((record.partition, row.shard), row.id)
        expected = self._expected.get(event.room)
        if expected is not None and event.seq < expected.first:
            return
        if record.key != str(event.room).encode():
            key = record.key[:40].decode(errors="backslashreplace")
            yield _finding(event.room, event.seq, "key of the record", str(event.room), key)
        if row is None:
            yield _finding(event.room, event.seq, "record", "a stored event", "no row")
            return
        if expected is None:
            return
        yield from self._check_content(record, row)
        yield from self._check_order(record, late)

    def end(self, first_from: Callable[[int, int], int]) -> Iterator[Finding]:
        """Report missing records. `first_from` gives a room's lowest seq with at least a row id."""
        for room, expected in self._expected.items():
            found = self._rooms.get(room)
            first = expected.first
            if self._trimmed:
                oldest = self._oldest_of(expected.shard, found)
                if oldest is None:
                    continue  # nothing is left of the whole shard
                first = max(first, first_from(room, oldest))
            seen = found.seen if found else SeqRanges()
            for low, high in seen.missing(first, expected.last):
                places = f"seq {low}" if low == high else f"seq {low} to {high}"
                yield _finding(room, low, "records", places, "nothing")

    def _check_content(self, record: EventBusRecord, row: StoredRow) -> Iterator[Finding]:
        place = (row.room, row.seq)
        found = list(differences(as_content(row), content_of(record.event)))
        if not found:
            self.excused.pop(place, None)
        elif self._excuse(record, row):
            self.excused[place] = record.event
        else:
            for what, one, other in found:
                yield _finding(row.room, row.seq, f"{what} of the record", one, other)

    def _check_order(self, record: EventBusRecord, late: bool) -> Iterator[Finding]:
        room, seq = record.event.room, record.event.seq
        known = self._rooms.get(room)
        if known is None:
            known = self._rooms[room] = _Room(record.partition, SeqRanges())
        if record.partition != known.partition:
            yield _finding(room, seq, "partition", str(known.partition), str(record.partition))
        is_new = known.seen.add(seq)
        if late and self._from_the_middle:
            return  # its placeholder came in its turn, in the part that is not read
        if known.begin is None:
            known.begin = seq
        highest, known.highest = known.highest, max(known.highest, seq)
        # Where the beginning is not known, repeats of earlier records look out of order.
        judged = seq > known.begin or not self._from_the_middle
        if is_new and seq < highest and judged:
            yield _finding(
                room, seq, "order of the records", "before later ones", f"after seq {highest}"
            )

    def _oldest_of(self, shard: int, found: _Room | None) -> int | None:
        if found is not None:
            return self._oldest.get((found.partition, shard))
        oldest = [row_id for (_, of), row_id in self._oldest.items() if of == shard]
        return max(oldest, default=None)


def _finding(room: int, seq: int, what: str, expected: str, found: str) -> Finding:
    return Finding(Check.EXPORTED, room, seq, what, expected, found)
