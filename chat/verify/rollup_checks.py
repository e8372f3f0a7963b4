"""The sums of the analytics against the stored events they were made of.

The analytics are another application: the setting `DELIVERY_ROLLUPS` names a function that tells
what they have counted (`CountedRooms`). Being behind is no difference, it is a lag: only events are
compared that they say they have counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from chat.events import EventType
from chat.verify.checks.findings import Check, Finding
from chat.verify.deadline import Deadline
from chat.verify.readers import stored_reader

# Of which the analytics are asked together.
ROOMS = 500
# Of one statement, so that none comes near PostgreSQL's time-out.
EVENTS = 200_000
# Of the events before `since` by seq, some may be later by time, if a clock was set back.
SLACK = 5_000

# What is counted → the event types that it counts.
COUNTS: dict[str, tuple[EventType, ...]] = {
    "messages": (EventType.MESSAGE_POSTED,),
    "edits": (EventType.MESSAGE_EDITED,),
    "deletions": (EventType.MESSAGE_DELETED,),
    "restorations": (EventType.MESSAGE_RESTORED,),
    "reactions": (EventType.REACTION_ADDED,),
    "reactions_removed": (EventType.REACTION_REMOVED,),
    "joins": (EventType.MEMBER_JOINED,),
    "departures": (EventType.MEMBER_LEFT, EventType.MEMBER_REMOVED),
}
CHARACTERS = "characters"


class CountedRoom(msgspec.Struct, frozen=True):
    """What was counted of a room: all its events up to `seq`, but for the `open` stretches.

    `counts` has, for each table that keeps them, the sums by the names of `COUNTS` and
    `CHARACTERS`: of everything, or of what happened since the moment that was asked for.
    """

    room: int
    seq: int
    open: list[tuple[int, int]]
    missing: list[tuple[int, int]]  # those of `open` of which it is not known why
    counts: dict[str, dict[str, int]]


# Called with rooms and a full minute, or None for everything; rooms of which nothing was counted
# are left out. All in one answer is of one moment.
CountedRooms = Callable[[Sequence[int], datetime | None], list[CountedRoom]]
# Sums that should be equal and are not: (what, of the rooms, of all together).
UnequalTotals = Callable[[], list[tuple[str, int, int]]]


def check_rollups(
    rooms: Sequence[int], since: datetime | None, deadline: Deadline
) -> Iterator[Finding]:
    """Compares at most `ROOMS` rooms: all of them, or none.

    Raises: NoTimeLeft when the deadline comes first; DatabaseError.
    """
    source = settings.DELIVERY_ROLLUPS
    if not source:
        return
    deadline.check()
    counted_rooms: CountedRooms = import_string(f"{source}.counted_rooms")
    minute = None if since is None else since.replace(second=0, microsecond=0)
    counted = counted_rooms(rooms, minute)
    before = {} if minute is None else stored_reader.last_before(rooms, minute)
    expected = _expected(counted, before, minute, deadline)
    for room in counted:
        # What went missing long ago is the full verification's affair.
        yield from _check_room(room, expected[room.room], before.get(room.room, 1))


def check_totals(deadline: Deadline) -> Iterator[Finding]:
    """Whether the sums of all rooms together are those of the rooms.

    Raises: NoTimeLeft when there is no time to begin; DatabaseError.
    """
    source = settings.DELIVERY_ROLLUPS
    if not source:
        return
    deadline.check()
    unequal_totals: UnequalTotals = import_string(f"{source}.unequal_totals")
    for what, of_rooms, together in unequal_totals():
        yield Finding(Check.ROLLUP, None, None, what, str(of_rooms), str(together))


def _check_room(room: CountedRoom, expected: Counter[str], first_seq: int) -> Iterator[Finding]:
    for table, counts in room.counts.items():
        for name in (*COUNTS, CHARACTERS):
            if counts.get(name, 0) != expected[name]:
                found = str(counts.get(name, 0))
                what = f"{name} in {table}"
                yield Finding(Check.ROLLUP, room.room, None, what, str(expected[name]), found)
    for first, last in room.missing:
        if last < first_seq:
            continue
        places = f"seq {first}" if first == last else f"seq {first} to {last}"
        yield Finding(Check.ROLLUP, room.room, first, "counted events", places, "nothing")


def _expected(
    rooms: Sequence[CountedRoom],
    before: Mapping[int, int],
    since: datetime | None,
    deadline: Deadline,
) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {room.room: Counter() for room in rooms}
    names = {kind.value: name for name, kinds in COUNTS.items() for kind in kinds}
    for spans in _portions(rooms, before):
        deadline.check()
        open_places = [
            (room.room, first, last)
            for room in rooms
            if room.room in {span[0] for span in spans}
            for first, last in room.open
        ]
        for room, kind, number, characters in stored_reader.count_types(spans, open_places, since):
            if kind in names:
                found[room][names[kind]] += number
                found[room][CHARACTERS] += characters
    return found


def _portions(
    rooms: Sequence[CountedRoom], before: Mapping[int, int]
) -> Iterator[list[tuple[int, int, int]]]:
    """(room, first seq, last seq) of everything that is to be counted, so much at a time.

    Of a room in `before`, what comes after that seq is, but for the slack.
    """
    portion: list[tuple[int, int, int]] = []
    size = 0
    for room in rooms:
        first = max(1, before.get(room.room, 0) + 1 - SLACK)
        while first <= room.seq:
            last = min(room.seq, first + EVENTS - size - 1)
            portion.append((room.room, first, last))
            size += last - first + 1
            first = last + 1
            if size >= EVENTS:
                yield portion
                portion, size = [], 0
    if portion:
        yield portion
