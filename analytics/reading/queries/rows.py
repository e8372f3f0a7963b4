"""Runs a query and returns its rows.

What the installation writes to watch itself is counted like everything else, but left out of the
numbers for all rooms together. Each query has `own_rooms` and `own_person` for that; and one about
a `room` has `rooms`, which are several if something has to be subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction

from analytics.host import host
from analytics.models import ALL_ROOMS

# Enough to distinguish the people, or rooms, of each day of a year without using the disk.
WORK_MEM = "32MB"
NOBODY = 0


def rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, _completed(parameters))
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def distinct_rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The same for a query with many distinct values, with the memory that this takes."""
    completed = _completed(parameters)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEM}'")
        cursor.execute(sql, completed)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def without_own(column: str) -> str:
    """SQL for the sum of a counter over `rooms`; for all rooms, without the installation's own."""
    return f"sum(CASE room WHEN %(room)s THEN {column} ELSE -{column} END)::bigint"


def _completed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    own = host().own_traffic()
    room = parameters.get("room")
    is_about_all = room == ALL_ROOMS
    return {
        **parameters,
        "own_rooms": list(own.rooms),
        "own_person": own.user_id if is_about_all and own.user_id is not None else NOBODY,
        "rooms": [room, *own.rooms] if is_about_all else [room],
    }
