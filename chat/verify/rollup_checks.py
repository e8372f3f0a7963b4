"""The sums of the analytics against the stored events they were made of.

The analytics are another application, which says what it has counted (`chat.verify.rollups`).
Being behind is a lag, not a difference: only events that it says it has counted are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from chat.events import EventType
from chat.verify.checks.findings import Check, Finding
from chat.verify.deadline import Deadline
from chat.verify.readers import stored_reader
from chat.verify.rollups import CountedRoom, rollups

# How many rooms the analytics are asked about at a time.
ROOMS = 500
# Events per statement, so that none comes near PostgreSQL's time-out.
EVENTS = 200_000
# If a clock was set back, some events at or after `since` by time come before it by seq.
SLACK = 5_000

# What is counted → the event types that it counts.
COUNTS: dict[str, tuple[EventType, ...]] = {
    "messages": (EventType.MESSAGE_POSTED,),
    "replies": (EventType.REPLY_POSTED,),
    "edits": (EventType.MESSAGE_EDITED,),
    "deletions": (EventType.MESSAGE_DELETED,),
    "restorations": (EventType.MESSAGE_RESTORED,),
    "reactions": (EventType.REACTION_ADDED,),
    "reactions_removed": (EventType.REACTION_REMOVED,),
    "joins": (EventType.MEMBER_JOINED,),
    "departures": (EventType.MEMBER_LEFT, EventType.MEMBER_REMOVED),
}
CHARACTERS = "characters"


def check_rollups(
    rooms: Sequence[int], since: datetime | None, deadline: Deadline
) -> Iterator[Finding]:
    """Compare at most `ROOMS` rooms: all of them, or none.

    Raises: NoTimeLeft when the deadline comes first; DatabaseError.
    """
    deadline.check()
    minute = None if since is None else since.replace(second=0, microsecond=0)
    counted = rollups().counted_rooms(rooms, minute)
    before = {} if minute is None else stored_reader.last_before(rooms, minute)
    expected = _expected(counted, before, minute, deadline)
    for room in counted:
        # Events that went missing long ago are left to the full verification.
        yield from _check_room(room, expected[room.room], before.get(room.room, 1))


def check_totals(deadline: Deadline) -> Iterator[Finding]:
    """Whether the sums over all rooms equal the sums of the single rooms.

    Raises: NoTimeLeft when there is no time to begin; DatabaseError.
    """
    deadline.check()
    for what, of_rooms, together in rollups().unequal_totals():
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
    """(room, first seq, last seq) of everything to be counted, `EVENTS` events at a time.

    In a room in `before` that is what comes after that seq, and the slack before it.
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
