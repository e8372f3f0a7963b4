"""Verifies one room between log and PostgreSQL. Reads in the order that `log_checks` states."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from chat import events
from chat.events import EventQuarantined, EventType
from chat.verify.checks.event_bus_checks import ExpectedRecords
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.log_checks import LogCheck
from chat.verify.checks.placeholders import Placeholder, check_placeholders
from chat.verify.checks.projection_checks import (
    RoomRow,
    check_bans,
    check_members,
    check_mentions,
    check_messages,
    check_reactions,
    check_room,
    check_threads,
)
from chat.verify.checks.replay import Replay
from chat.verify.checks.sequence import SequenceCheck, StoredRow, typed_data
from chat.verify.deadline import Deadline
from chat.verify.readers import dead_letter_reader, log_reader, stored_reader
from chat.verify.readers.log_reader import IngestIndex

DEADLINE_EACH_EVENTS = 1_000


class RoomVerification:
    """One room, from its beginning or from the first event at or after `since`.

    `run` gives the findings. Afterwards `events` says how many events were read, and `exported`
    what the event bus must have, if anything.
    """

    def __init__(self, room: int, shard: int, since: datetime | None, deadline: Deadline) -> None:
        self._room = room
        self._shard = shard
        self._since = since
        self._deadline = deadline
        self.events = 0
        self.exported: ExpectedRecords | None = None

    def run(self, ingest: IngestIndex) -> Iterator[Finding]:
        """Raises: NoTimeLeft when the deadline comes first; RedisError, DatabaseError."""
        in_log = log_reader.read_room(self._shard, self._room)
        ingest.extend()
        log_check = LogCheck(
            self._room,
            in_log,
            ingest.of_room(self._room),
            log_reader.read_head(self._shard, self._room),
            partial(dead_letter_reader.has_dead_letter, self._shard),
        )
        with stored_reader.snapshot():
            row = stored_reader.read_room(self._room)
            if row is None:
                return  # its entries in the ingest stream are strays
            yield from self._check_stored(row, log_check)
        ingest.finish(self._room)
        later_head = log_reader.read_head(self._shard, self._room)
        if in_log is not None and later_head is not None and row.stored_seq > later_head:
            yield Finding(
                Check.WATERMARK,
                self._room,
                None,
                "head in the log",
                f"{row.stored_seq} or more",
                str(later_head),
            )

    def _check_stored(self, row: RoomRow, log_check: LogCheck) -> Iterator[Finding]:
        window = self._window(row.id)
        # Entries that the log still has are compared from the first on, however old it is.
        start = window if log_check.first is None else max(1, min(window, log_check.first))
        before = stored_reader.event_at(row.id, start - 1) if start > 1 else None
        sequence = SequenceCheck(row.id, self._shard, start, before)
        replay = Replay(start)
        placeholders: list[Placeholder] = []
        for event in stored_reader.events(row.id, start):
            if self.events % DEADLINE_EACH_EVENTS == 0:
                self._deadline.check()
            self.events += 1
            try:
                kind, data = typed_data(event)
            except (ValueError, RecursionError) as error:
                yield _unreadable(event, error)
                yield from sequence.feed(event, None)
                yield from log_check.feed(event, None)
                continue
            yield from sequence.feed(event, data)
            yield from log_check.feed(event, data)
            _replay(replay, kind, event, data)
            if isinstance(data, EventQuarantined):
                placeholders.append(Placeholder(row.id, event.seq, event.id, data))
        yield from sequence.end(row.stored_seq, row.stored_n)
        yield from self._check_exported(row, window)
        yield from log_check.end(stored_reader.read_persist_cursor(self._shard, row.stored_seq))
        yield from self._check_projections(row, replay)
        yield from _check_placeholders(placeholders)

    def _check_exported(self, row: RoomRow, first: int) -> Iterator[Finding]:
        """Check the exported seq, and set what the event bus must have.

        The event bus is read from `since` on, so nothing before seq `first` is expected of it. Nor
        are events that a rewound export, as after a restore, has still to publish again: the event
        bus may have lost them, and that is why the export was rewound.
        """
        watermark = stored_reader.exported_seq(row.id)
        last = stored_reader.last_up_to_export_cursor(row.id, self._shard)
        if not last <= watermark <= row.stored_seq:
            expected = f"{last} to {row.stored_seq}"
            yield Finding(
                Check.WATERMARK, row.id, None, "exported seq of the room", expected, str(watermark)
            )
        if first <= last:
            self.exported = ExpectedRecords(self._shard, first, last)

    def _window(self, room: int) -> int:
        """The first seq at or after `since`."""
        return (
            1 if self._since is None else stored_reader.last_before([room], self._since)[room] + 1
        )

    def _check_projections(self, row: RoomRow, replay: Replay) -> Iterator[Finding]:
        start = replay.start
        yield from check_room(replay, row)
        yield from check_messages(row.id, replay, stored_reader.messages(row.id, start))
        yield from check_threads(row.id, replay, stored_reader.threads(row.id, start))
        yield from check_reactions(row.id, replay, stored_reader.reactions(row.id, start))
        yield from check_mentions(row.id, replay, stored_reader.mentions(row.id, start))
        members = stored_reader.members(row.id)
        absent = {user for user, one in replay.members.items() if one.present} - {
            member.user for member in members
        }
        # A deleted account took its memberships with it.
        for user in absent - stored_reader.existing_users(absent) if absent else ():
            del replay.members[user]
        banned = stored_reader.banned(row.id)
        absent = {user for user, one in replay.members.items() if one.banned is True} - banned
        for user in absent - stored_reader.existing_users(absent) if absent else ():
            del replay.members[user]
        yield from check_members(row.id, replay, members)
        yield from check_bans(row.id, replay, banned)


def _replay(replay: Replay, kind: EventType, event: StoredRow, data: events.EventData) -> None:
    replay.apply(
        kind, data, seq=event.seq, n=event.n, key=event.key, actor=event.actor, at=event.at
    )


def _check_placeholders(placeholders: list[Placeholder]) -> Iterator[Finding]:
    if not placeholders:
        return
    ids = [one.data.dead_letter for one in placeholders if one.data.dead_letter is not None]
    repeats = {
        one.id: one.data.duplicate_of for one in placeholders if one.data.duplicate_of is not None
    }
    yield from check_placeholders(
        placeholders,
        dead_letter_reader.known_dead_letters(ids),
        stored_reader.events_at(list(repeats.values())),
        stored_reader.replaced(repeats),
    )


def _unreadable(event: StoredRow, error: Exception) -> Finding:
    # The error's own text may quote the data.
    return Finding(
        Check.SEQ, event.room, event.seq, "data", f"data of {event.type}", type(error).__name__
    )
