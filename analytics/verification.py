"""What has been counted, for comparing it with what has happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import msgspec
from django.db import connection, transaction

from analytics.counting.batch_sums import COUNTERS
from analytics.counting.places import MISSING
from analytics.counting.statements import run
from analytics.models import CountedRoom

_SUMS = ", ".join(f"sum({name})::bigint" for name in COUNTERS)


class RoomTotals(msgspec.Struct, frozen=True):
    """All events of a room up to `seq` are counted, except for those in `open`.

    `sums` has the counters' sums for each table.
    """

    room: int
    seq: int
    open: list[tuple[int, int]]
    missing: list[tuple[int, int]]
    sums: dict[str, dict[str, int]]


def is_counted(room: int, seq: int) -> bool:
    """Whether the event at (room, seq) is in the rollups. Raises: DatabaseError."""
    return CountedRoom.objects.filter(room=room, seq__gte=seq).exists()


def totals(rooms: Sequence[int], since: datetime | None) -> list[RoomTotals]:
    """The totals of those of `rooms` of which anything is counted, as of the same moment.

    `since`, a full minute, leaves out what happened before it. Raises: DatabaseError.
    """
    wanted = list(rooms)
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = run("SELECT room, seq FROM analytics_countedroom WHERE room = ANY(%s)", wanted)
        places = run(
            "SELECT room, first, last, reason FROM analytics_openplaces WHERE room = ANY(%s)"
            " ORDER BY room, first",
            wanted,
        )
        sums = _sums(wanted, since)
    open_: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    missing: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for room, first, last, reason in places:
        open_[room].append((first, last))
        if reason == MISSING:
            missing[room].append((first, last))
    return [
        RoomTotals(
            room=room,
            seq=seq,
            open=open_[room],
            missing=missing[room],
            sums={table: of.get(room, {}) for table, of in sums.items()},
        )
        for room, seq in found
    ]


def _sums(rooms: list[int], since: datetime | None) -> dict[str, dict[int, dict[str, int]]]:
    """Table → room → sums. Minutes are the finest, but old minutes are not kept."""
    tables = (
        {"days": "analytics_dayrollup", "quarters": "analytics_quarterrollup"}
        if since is None
        else {"minutes": "analytics_minuterollup"}
    )
    found: dict[str, dict[int, dict[str, int]]] = {}
    for name, table in tables.items():
        # Only names from this module go into the text.
        statement = f"SELECT room, {_SUMS} FROM {table} WHERE room = ANY(%s)"  # noqa: S608
        values: list[object] = [rooms]
        if since is not None:
            statement += " AND start >= %s"
            values.append(since)
        found[name] = {
            row[0]: dict(zip(COUNTERS, row[1:], strict=True))
            for row in run(statement + " GROUP BY room", *values)
        }
    return found


def unequal_totals() -> list[tuple[str, int, int]]:
    """(what, its sum over the rooms, its sum in the rows for all rooms), if the two differ.

    Raises: DatabaseError.
    """
    found = []
    for name, table in (
        ("days", "analytics_dayrollup"),
        ("quarters", "analytics_quarterrollup"),
    ):
        of_rooms = ", ".join(
            f"COALESCE(sum({one}) FILTER (WHERE room <> 0), 0)::bigint" for one in COUNTERS
        )
        together = of_rooms.replace("room <> 0", "room = 0")
        [row] = run(f"SELECT {of_rooms}, {together} FROM {table}")  # noqa: S608
        number = len(COUNTERS)
        found += [
            (f"{counter} of all rooms in {name}", one, other)
            for counter, one, other in zip(COUNTERS, row[:number], row[number:], strict=True)
            if one != other
        ]
    return found
