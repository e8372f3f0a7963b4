"""The log's view of a room against PostgreSQL's. Pure.

What may differ on a live system follows from the order in which the caller reads: first the room's
state and hot tail, then the ingest stream to its end, then the head once more, then PostgreSQL. So
events that the log called stored are in PostgreSQL, and so are those trimmed from the ingest stream
before they were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from chat import events
from chat.verify.checks.content import Content, differences
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.sequence import StoredRow, as_content


class IngestEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry of the ingest stream; `content` is None when it cannot be read."""

    stream_id: tuple[int, int]
    content: Content | None


class RoomInLog(msgspec.Struct, frozen=True):
    """A room as the log holds it, at the epoch of its shard.

    `pages` are parts of the hot tail, each read in one step, keyed by the seq in the stream id;
    None stands for an unreadable entry. The first page was read in one step with the numbers.
    """

    epoch: int
    head: int
    n: int
    stored: int
    pages: list[dict[int, Content | None]]


class StoredUpTo(msgspec.Struct, frozen=True):
    """How far PostgreSQL had got, in the snapshot in which its rows were read."""

    seq: int
    epoch: int
    position: tuple[int, int]  # of the persist cursor in the ingest stream


class LogCheck:
    """Compares one room's hot tail and ingest entries with the rows that are fed in.

    `later_head` is the head after the ingest entries were read, None when the room was not in the
    log then; `has_dead_letter` says whether an ingest entry was moved to the dead letters.
    """

    def __init__(
        self,
        room: int,
        log: RoomInLog | None,
        ingest: Sequence[IngestEntry],
        later_head: int | None,
        has_dead_letter: Callable[[IngestEntry], bool],
    ) -> None:
        self._room = room
        self._log = log
        self._later_head = later_head
        self._has_letter = has_dead_letter
        self._tail: dict[int, Content | None] = {}
        for page in log.pages if log else ():
            self._tail |= page
        self._ingest: dict[int, list[IngestEntry]] = {}
        for entry in ingest:
            if entry.content is not None:
                self._ingest.setdefault(entry.content.seq, []).append(entry)
        self._seen: set[int] = set()

    @property
    def first(self) -> int | None:
        """The lowest seq whose row is needed; None when no row is."""
        return min((*self._tail, *self._ingest), default=None)

    def feed(self, row: StoredRow, data: events.EventData | None) -> Iterator[Finding]:
        """Compare a row with what the log has at its place."""
        if row.seq not in self._tail and row.seq not in self._ingest:
            return
        self._seen.add(row.seq)
        stored = as_content(row)
        logged = self._tail.get(row.seq)
        if logged is not None:
            yield from _stands_for(logged, stored, data)
        elif row.seq in self._tail and not isinstance(data, events.EventQuarantined):
            yield self._finding(Check.LOGGED, row.seq, "hot tail entry", "an event", "no event")
        for entry in self._ingest.get(row.seq, ()):
            assert entry.content is not None
            found = list(_stands_for(entry.content, stored, data))
            if found and not self._has_letter(entry):
                yield from found

    def end(self, stored: StoredUpTo) -> Iterator[Finding]:
        """Check entries without a row: fine while they are on their way and in both streams."""
        if self._log is not None and self._log.epoch == stored.epoch:
            yield from self._check_numbers(self._log, stored)
            for seq in self._missing_in_tail(self._log, stored):
                yield self._finding(Check.LOGGED, seq, "hot tail entry", "an event", "nothing")
            for seq in sorted(self._tail.keys() - self._seen):
                yield from self._check_tail_entry(seq, stored)
        for seq in sorted(self._ingest.keys() - self._seen):
            for entry in self._ingest[seq]:
                if not self._has_letter(entry):
                    yield from self._check_ingest_entry(seq, entry, stored)

    def _check_numbers(self, log: RoomInLog, stored: StoredUpTo) -> Iterator[Finding]:
        if log.stored > stored.seq:
            yield self._finding(
                Check.STORED,
                None,
                "events that the log calls stored",
                f"rows up to seq {log.stored}",
                f"rows up to seq {stored.seq}",
            )
        highest = max(log.stored, *self._tail, 0) if self._tail else log.stored
        if highest > log.head:
            yield self._finding(Check.WATERMARK, None, "head in the log", highest, log.head)
        last = self._tail.get(log.head)
        if last is not None and last.n != log.n:
            yield self._finding(Check.WATERMARK, None, "n in the log", last.n, log.n)

    def _missing_in_tail(self, log: RoomInLog, stored: StoredUpTo) -> Iterator[int]:
        covered: set[int] = set()
        for page in log.pages:
            if page:
                covered.update(range(min(page), max(page) + 1))
                yield from (seq for seq in range(min(page), max(page)) if seq not in page)
        first = stored.seq + 1
        if len(log.pages) == 1:
            first = min(first, *covered) if covered else first
        # With several pages, stored entries may have been trimmed between reading two of them.
        yield from (seq for seq in range(first, log.head + 1) if seq not in covered)

    def _check_tail_entry(self, seq: int, stored: StoredUpTo) -> Iterator[Finding]:
        if seq <= stored.seq:
            yield self._finding(Check.STORED, seq, "event", "a row", "nothing")
        elif self._tail[seq] is None:
            yield self._finding(Check.LOGGED, seq, "hot tail entry", "an event", "no event")
        elif seq not in self._ingest:
            yield self._finding(Check.LOGGED, seq, "ingest entry", "the event", "nothing")

    def _check_ingest_entry(
        self, seq: int, entry: IngestEntry, stored: StoredUpTo
    ) -> Iterator[Finding]:
        content = entry.content
        assert content is not None
        current = content.epoch == stored.epoch
        if entry.stream_id <= stored.position or (current and seq <= stored.seq):
            yield self._finding(
                Check.STORED, seq, "ingest entry", "a row or a dead letter", "nothing"
            )
        elif current and (self._later_head is None or seq > self._later_head):
            given_out = f"a seq up to the head, {self._later_head}"
            if self._later_head is None:
                given_out = "a room that is in the log"
            yield self._finding(Check.INGEST, seq, "ingest entry", given_out, "an event beyond it")
        elif current and (logged := self._tail.get(seq)) is not None:
            for what, one, other in differences(logged, content):
                yield Finding(Check.LOGGED, self._room, seq, what, one, other)
        # Entries of a log that was lost and came back: the drain compares them with what is stored.

    def _finding(
        self, check: Check, seq: int | None, what: str, expected: object, found: object
    ) -> Finding:
        return Finding(check, self._room, seq, what, str(expected), str(found))


def _stands_for(
    logged: Content, stored: Content, data: events.EventData | None
) -> Iterator[Finding]:
    """A row must equal the logged event, or be that event's placeholder."""
    if isinstance(data, events.EventQuarantined):
        if data.original_type != logged.type:
            yield Finding(
                Check.STORED,
                logged.room,
                logged.seq,
                "type",
                logged.type,
                f"a placeholder of {data.original_type or 'something unknown'}",
            )
        return
    for what, expected, found in differences(logged, stored):
        yield Finding(Check.STORED, logged.room, logged.seq, what, expected, found)
