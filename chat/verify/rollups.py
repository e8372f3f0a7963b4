"""What the chat asks of the analytics: what they have counted. They are another application, which
`chat` does not know; the installation registers one `Rollups` at its start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class CountedRoom(msgspec.Struct, frozen=True):
    """What was counted of a room: all its events up to `seq`, but for the `open` stretches.

    `counts` has, for each table that keeps them, the sums by the names of `rollup_checks.COUNTS`
    and `CHARACTERS`: of everything, or of what happened since the moment that was asked for.
    """

    room: int
    seq: int
    open: list[tuple[int, int]]
    missing: list[tuple[int, int]]  # those of `open` of which it is not known why
    counts: dict[str, dict[str, int]]


class Rollups(Protocol):
    """All of them use the database and block, and raise DatabaseError."""

    def is_counted(self, room: int, seq: int) -> bool:
        """Whether the event at (room, seq) is counted."""
        ...

    def counted_rooms(self, rooms: Sequence[int], since: datetime | None) -> list[CountedRoom]:
        """Of `rooms` those of which anything was counted, all of one moment.

        `since` is a full minute, or None for everything.
        """
        ...

    def unequal_totals(self) -> list[tuple[str, int, int]]:
        """Sums that should be equal and are not: (what, of the rooms, of all together)."""
        ...

    def read_all_again(self) -> None:
        """Has the event bus read from its beginning: it was emptied and gets everything again."""
        ...


_registered: Rollups | None = None


def register(rollups: Rollups) -> None:
    """Makes `rollups` the ones that are asked, in this process."""
    global _registered
    _registered = rollups


def rollups() -> Rollups:
    if _registered is None:
        raise RuntimeError("No rollups are registered.")
    return _registered
