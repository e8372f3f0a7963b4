"""Counts events into PostgreSQL: rollups, places and positions in one transaction.

The only writer of the tables of `analytics.models`. Every transaction takes its locks in the same
order, so that there are no deadlocks: the partitions by number, the rooms by id, then table by
table in the order of this module, rows by their key. The rows for all rooms together, which every
transaction needs, come last, so that they are held only for a moment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection, transaction

from analytics.counting import places, replies, statements
from analytics.counting.batch_sums import DAY, MINUTE, QUARTER, RoomFacts, Sums
from analytics.counting.places import Places
from analytics.counting.records import Bad, Countable, Read
from analytics.counting.statements import run
from analytics.counting.words import digest
from analytics.models import ALL_ROOMS
from chat.events import EventQuarantined

# A process that is paused in the middle blocks all others: PostgreSQL ends its session.
PAUSED_TRANSACTION_MS = 5_000

MINUTES_OF_QUARTER = QUARTER // MINUTE
MINUTES_OF_DAY = DAY // MINUTE
QUARTERS_OF_HALF_A_DAY = DAY // 2 // QUARTER


class Batch(msgspec.Struct, frozen=True):
    """What was read from one partition, in order. `begin` is where reading began."""

    partition: int
    begin: str
    read: Sequence[Read]
    waiting: int | None = None

    @property
    def end(self) -> str:
        return self.read[-1].position


class Counted(msgspec.Struct):
    """The outcome of some batches. Nothing of the partitions in `fenced` was counted: another
    process has moved their position, or they were stopped."""

    events: int = 0
    repeats: int = 0
    placeholders: int = 0
    bad: int = 0
    newest: datetime | None = None
    fenced: set[int] = msgspec.field(default_factory=set)


class _Room(msgspec.Struct):
    facts: RoomFacts
    places: Places


def count(bus: str, batches: Sequence[Batch], schema: str | None = None) -> Counted:
    """Counts what is new in `batches`, one per partition, and moves the partitions' positions.

    `schema` is where the tables are, unless they are the ones in use.

    Raises: DatabaseError; then nothing was counted, or the answer was lost: read the positions
    again (`positions`) before anything else.
    """
    counted = Counted()
    with transaction.atomic(durable=True):
        set_up_transaction(schema)
        theirs = _lock_partitions(bus, [batch.partition for batch in batches])
        valid = []
        for batch in sorted(batches, key=lambda one: one.partition):
            if theirs.get(batch.partition) == (batch.begin, False):
                valid.append(batch)
            else:
                counted.fenced.add(batch.partition)
        if valid:
            _count_read([one for batch in valid for one in batch.read], counted)
            _move_partitions(bus, valid)
    return counted


def count_late(one: Countable, schema: str | None = None) -> bool:
    """Counts the event of a dead letter out of order, unless it has been counted.

    Raises: DatabaseError.
    """
    counted = Counted()
    with transaction.atomic(durable=True):
        set_up_transaction(schema)
        _count_read([one], counted)
    return counted.events > 0


def set_up_transaction(schema: str | None) -> None:
    """For every transaction on these tables."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {PAUSED_TRANSACTION_MS}")
        if schema is not None:
            cursor.execute(f"SET LOCAL search_path = {connection.ops.quote_name(schema)}")


def positions(bus: str, partitions: Iterable[int], schema: str | None = None) -> dict[int, str]:
    """Where to continue in those of `partitions` that are not stopped. Creates their rows.

    Raises: DatabaseError.
    """
    wanted = sorted(partitions)
    with transaction.atomic(durable=True):
        set_up_transaction(schema)
        run(statements.ENSURE_PARTITIONS, bus, wanted)
        return {
            partition: position
            for partition, position, stopped in run(statements.READ_PARTITIONS, bus, wanted)
            if not stopped
        }


def stop(bus: str, partition: int, position: str, reason: str, schema: str | None = None) -> None:
    """Stops a partition that is still at `position`, until a person resumes it.

    Raises: DatabaseError.
    """
    with transaction.atomic(durable=True):
        set_up_transaction(schema)
        run(statements.STOP_PARTITION, reason, bus, partition, position)


def resume(bus: str | None = None) -> int:
    """Resumes stopped partitions; returns how many there were. Raises: DatabaseError."""
    with transaction.atomic(durable=True):
        return len(run(statements.RESUME_PARTITIONS, bus, bus))


def _lock_partitions(bus: str, partitions: list[int]) -> dict[int, tuple[str, bool]]:
    """(position, stopped) of each partition, locked until the transaction ends."""
    return {
        partition: (position, stopped)
        for partition, position, stopped in run(statements.LOCK_PARTITIONS, bus, sorted(partitions))
    }


def _move_partitions(bus: str, batches: Sequence[Batch]) -> None:
    newest = [
        max((one.event.at for one in batch.read if isinstance(one, Countable)), default=None)
        for batch in batches
    ]
    run(
        statements.MOVE_PARTITIONS,
        bus,
        [batch.partition for batch in batches],
        [batch.end for batch in batches],
        newest,
        [batch.waiting for batch in batches],
    )


def _count_read(read: Sequence[Read], counted: Counted) -> None:
    rooms = _lock_rooms({number for one in read if (number := _room_of(one)) is not None})
    sums = Sums()
    late: list[tuple[int, int]] = []
    for one in read:
        if isinstance(one, Bad):
            counted.bad += 1
            if one.room is not None and one.seq is not None:
                rooms[one.room].places.take(one.seq, places.REFUSED)
            continue
        event = one.event
        room = rooms[event.room]
        if isinstance(one.data, EventQuarantined):
            counted.placeholders += 1
            room.places.take(event.seq, places.PLACEHOLDER)
            continue
        highest = room.places.seq
        if not room.places.take(event.seq):
            counted.repeats += 1
            continue
        if event.seq <= highest:
            late.append((event.room, event.seq))
        sums.add(one, room.facts)
        if counted.newest is None or event.at > counted.newest:
            counted.newest = event.at
    counted.events = sums.events
    _write_rooms(rooms)
    if sums.events:
        histogram = replies.write(sums, late, {number: one.places for number, one in rooms.items()})
        _write(sums, histogram)


def _room_of(one: Read) -> int | None:
    return one.event.room if isinstance(one, Countable) else one.room


def _lock_rooms(ids: set[int]) -> dict[int, _Room]:
    """Rooms and their open places, locked until the transaction ends; created if they are new."""
    if not ids:
        return {}
    wanted = sorted(ids)
    rows = run(statements.LOCK_ROOMS, wanted)
    if len(rows) < len(wanted):
        missing = sorted(ids - {row[0] for row in rows})
        run(statements.MAKE_ROOMS, missing)
        rows += run(statements.LOCK_ROOMS, missing)
    stretches: dict[int, list[places.Stretch]] = defaultdict(list)
    for room, first, last, reason in run(statements.READ_PLACES, wanted):
        stretches[room].append((first, last, reason))
    return {
        row[0]: _Room(
            RoomFacts(row[0], *row[2:]),
            Places(row[1], stretches.get(row[0], ())),
        )
        for row in rows
    }


def _write_rooms(rooms: Mapping[int, _Room]) -> None:
    if not rooms:
        return
    facts = [rooms[room].facts for room in sorted(rooms)]
    run(
        statements.WRITE_ROOMS,
        [one.room for one in facts],
        [rooms[one.room].places.seq for one in facts],
        [one.kind for one in facts],
        [one.slug[:80] for one in facts],
        [one.name[:80] for one in facts],
        [one.name_seq for one in facts],
        [one.archived for one in facts],
        [one.archived_seq for one in facts],
        [one.first_at for one in facts],
        [one.last_at for one in facts],
    )
    gone = [(one, first) for one, room in rooms.items() for first in sorted(room.places.gone)]
    if gone:
        run(statements.DELETE_PLACES, *columns(gone))
    changed = [
        (one, first, *room.places.open[first])
        for one, room in rooms.items()
        for first in sorted(room.places.changed)
    ]
    if changed:
        run(statements.WRITE_PLACES, *columns(changed))


def _write(sums: Sums, histogram: Mapping[tuple[int, int, int], int]) -> None:
    """Rows about single rooms first, then those about all rooms."""
    counters = _Counters(sums.minutes)
    people = _people(sums)
    emoji = {key: (added, removed) for key, (added, removed) in sums.emoji.items()}
    replied = {cell: (number,) for cell, number in histogram.items() if number}
    _write_counters(counters)
    _upsert(statements.WRITE_PEOPLE, people)
    _upsert(statements.WRITE_SEEN, sums.seen)
    _upsert(statements.WRITE_EMOJI, emoji)
    _upsert(statements.WRITE_REPLY_TIMES, replied)
    _write_words(sums)
    _write_counters(counters.together())
    _upsert(statements.WRITE_PEOPLE, _together(people, _either))
    _upsert(statements.WRITE_SEEN, _together(sums.seen, _hull))
    _upsert(statements.WRITE_EMOJI, _together(emoji, _plus))
    _upsert(
        statements.WRITE_REPLY_TIMES, _together(replied, lambda one, other: (one[0] + other[0],))
    )


class _Counters:
    """The counters by minute, and what is derived from them."""

    def __init__(self, minutes: Mapping[tuple[int, int], list[int]]) -> None:
        self.minutes = minutes
        self.quarters: dict[tuple[int, int], list[int]] = {}
        self.days: dict[tuple[int, int], list[int]] = {}
        self.day_bits: defaultdict[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0])
        for (room, minute), values in minutes.items():
            quarter = minute // MINUTES_OF_QUARTER
            _add_to(self.quarters, (room, quarter), values)
            day = minute // MINUTES_OF_DAY
            _add_to(self.days, (room, day), values)
            if values[0]:
                half, bit = divmod(quarter % (2 * QUARTERS_OF_HALF_A_DAY), QUARTERS_OF_HALF_A_DAY)
                self.day_bits[room, day][half] |= 1 << bit

    def together(self) -> _Counters:
        all_rooms: dict[tuple[int, int], list[int]] = {}
        for (_, minute), values in self.minutes.items():
            _add_to(all_rooms, (ALL_ROOMS, minute), values)
        return _Counters(all_rooms)


def _add_to(
    sums: dict[tuple[int, int], list[int]], key: tuple[int, int], values: list[int]
) -> None:
    known = sums.get(key)
    sums[key] = (
        list(values) if known is None else [a + b for a, b in zip(known, values, strict=True)]
    )


def _write_counters(counters: _Counters) -> None:
    _upsert(statements.WRITE_MINUTES, counters.minutes)
    _upsert(statements.WRITE_QUARTERS, counters.quarters)
    days = {key: (*values, *counters.day_bits[key]) for key, values in counters.days.items()}
    _upsert(statements.WRITE_DAYS, days)


def _people(sums: Sums) -> dict[tuple[int, int, int], tuple[int, int]]:
    """(room, day, person) → bits before and after noon."""
    found: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0])
    for (room, half_day, person), bits in sums.people.items():
        day, half = divmod(half_day, 2)
        found[room, day, person][half] |= bits
    return {key: (am, pm) for key, (am, pm) in found.items()}


def _write_words(sums: Sums) -> None:
    plain = {(room, week, digest(word)): word for room, week, word in sums.words}
    rows = {
        (room, week, digest(word)): (use.messages, use.person, use.shared)
        for (room, week, word), use in sums.words.items()
    }
    to_show = _upsert(statements.WRITE_WORDS, rows)
    if to_show:
        keys = sorted((room, week, number) for room, week, number in to_show)
        run(statements.SHOW_WORDS, *columns([(*key, plain[key]) for key in keys]))


def _together(rows: Mapping[Any, Any], join: Any) -> dict[Any, Any]:
    """The same rows for all rooms together: the first part of a key is the room."""
    found: dict[Any, Any] = {}
    for key, values in rows.items():
        all_rooms = (ALL_ROOMS, *key[1:])
        known = found.get(all_rooms)
        found[all_rooms] = values if known is None else join(known, values)
    return found


def _either(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] | other[0], one[1] | other[1]


def _plus(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _hull(
    one: tuple[datetime, datetime], other: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    return min(one[0], other[0]), max(one[1], other[1])


def _upsert(statement: str, rows: Mapping[Any, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Runs a statement with the rows `key + values` as columns, in the order of the keys."""
    if not rows:
        return []
    return run(statement, *columns([(*key, *rows[key]) for key in sorted(rows)]))


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows as one list per column."""
    return [list(column) for column in zip(*rows, strict=True)]
