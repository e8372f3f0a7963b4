"""Verifies the event bus against PostgreSQL, for rooms whose exported seq was read before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from chat.errors import PermanentError, RetryableError
from chat.event_bus import Delivered, EventBus, Reader, envelope
from chat.events import EventQuarantined, EventType, RoomEvent, decode_data
from chat.events.positions import as_pair
from chat.verify.checks.event_bus_checks import EventBusCheck, EventBusRecord, ExpectedRecords
from chat.verify.checks.findings import Check, Finding
from chat.verify.checks.sequence import StoredRow
from chat.verify.deadline import Deadline, NoTimeLeft
from chat.verify.readers import dead_letter_reader, stored_reader

BATCH_RECORDS = 2_000
# An event bus that delivers nothing for this long, although it has announced more, is down.
SILENT_SECONDS = 15.0
NOTHING = (0, 0)
# Records carry their publisher's time, events the log server's.
CLOCKS_APART = timedelta(minutes=1)


def check_event_bus(
    bus: EventBus,
    rooms: Mapping[int, ExpectedRecords],
    *,
    all_rooms: bool,
    since: datetime | None,
    deadline: Deadline,
    on_records: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding]:
    """Read the event bus to its present end, from its beginning or from `since`.

    `all_rooms` says that rooms not in `rooms` had nothing exported; their records are checked too.

    Raises: NoTimeLeft when the deadline comes before the end; RetryableError when the event bus is
    down; DatabaseError, RedisError.
    """
    if not rooms:
        return  # and before anything was exported there is no event bus to read
    starts = bus.starts()
    window = {} if since is None else bus.positions_at(since - CLOCKS_APART)
    # Records removed before the window are not missed in it. Kafka may name the oldest remaining
    # record both as its start and as the one at `since`: then there may have been earlier ones.
    trimmed = any(
        as_pair(position) > NOTHING
        and (partition not in window or as_pair(position) >= as_pair(window[partition]))
        for partition, position in starts.items()
    )
    starts |= {
        partition: max(starts.get(partition, position), position, key=as_pair)
        for partition, position in window.items()
    }
    check = EventBusCheck(rooms, trimmed=trimmed, windowed=since is not None, excuse=_is_excused)
    for batch in _batches(bus, starts, since is not None, deadline):
        on_records(len(batch))
        records = []
        for delivered in batch:
            if not all_rooms and not _may_be_of(rooms, delivered.key):
                continue
            record = _read(delivered)
            if record is None:
                yield _unreadable(delivered)
            else:
                records.append(record)
        places = sorted({(one.event.room, one.event.seq) for one in records})
        rows = stored_reader.events_at(places)
        late = stored_reader.replaced(row.id for row in rows.values())
        for record in records:
            row = rows.get((record.event.room, record.event.seq))
            yield from check.feed(record, row, late=row is not None and row.id in late)
    yield from check.end(stored_reader.first_from)
    yield from _check_excused(check.excused)


def _batches(
    bus: EventBus, starts: Mapping[int, str], from_the_middle: bool, deadline: Deadline
) -> Iterator[Sequence[Delivered]]:
    ends = {partition: as_pair(end) for partition, end in bus.ends().items()}
    at = {partition: as_pair(position) for partition, position in starts.items()}
    reader = _reader(bus, starts) if from_the_middle else bus.reader()
    try:
        while any(at.get(partition, NOTHING) < end for partition, end in ends.items()):
            deadline.check()
            patience = min(SILENT_SECONDS, deadline.seconds_left)
            batch = reader.read(BATCH_RECORDS, patience)
            if not batch and patience < SILENT_SECONDS:
                raise NoTimeLeft  # before the event bus could be called silent
            if not batch:
                raise RetryableError("The event bus does not give what it has.")
            at |= {one.partition: as_pair(one.position) for one in batch}
            yield batch
    finally:
        reader.close()


def _reader(bus: EventBus, starts: Mapping[int, str]) -> Reader:
    try:
        return bus.reader(starts)
    except PermanentError:
        # Records after these positions were removed. What is left shows which.
        return bus.reader()


def _may_be_of(rooms: Collection[int], key: bytes) -> bool:
    """False for records of other rooms, judged by the key alone; they need not be decoded."""
    return not key.isdigit() or len(key) > 18 or int(key) in rooms


def _read(delivered: Delivered) -> EventBusRecord | None:
    if delivered.value is None:
        return None
    try:
        event = envelope.decode(delivered.value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return EventBusRecord(delivered.partition, delivered.key, event)


def _unreadable(delivered: Delivered) -> Finding:
    what = f"record before position {delivered.position} of partition {delivered.partition}"
    return Finding(Check.EXPORTED, None, None, what, "an event", "something else")


def _is_excused(record: EventBusRecord, row: StoredRow) -> bool:
    """A placeholder may come before its event or instead of it; `_check_excused` decides later."""
    return record.event.type == EventType.EVENT_QUARANTINED


def _check_excused(placeholders: Mapping[tuple[int, int], RoomEvent]) -> Iterator[Finding]:
    """Check placeholders whose event never came: it must be kept, or be due for export."""
    rows = stored_reader.events_at(sorted(placeholders))
    ids = [row.id for row in rows.values()]
    replaced = stored_reader.replaced(ids)
    published = stored_reader.replaced(ids, published=True)
    named = {place: _letter_of(event) for place, event in placeholders.items()}
    kept = dead_letter_reader.known_dead_letters([one for one in named.values() if one is not None])
    for place, row in sorted(rows.items()):
        waits = row.id in replaced and row.id not in published
        if not waits and named[place] not in kept:
            found = "nothing but a placeholder"
            yield Finding(Check.EXPORTED, *place, "record", "the event", found)


def _letter_of(event: RoomEvent) -> str | None:
    try:
        data = decode_data(event.type, event.data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    assert isinstance(data, EventQuarantined)
    return data.dead_letter
