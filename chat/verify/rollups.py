"""What the chat asks the analytics: what they have counted. They are another application, unknown
to `chat`; the installation registers one `Rollups` at its start."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class CountedRoom(msgspec.Struct, frozen=True):
    """What was counted of a room: all its events up to `seq`, except the `open` stretches.

    `counts` has, for each table that keeps sums, those sums by the names of `rollup_checks.COUNTS`
    and `CHARACTERS`: of all events, or of those since the requested moment.
    """

    room: int
    seq: int
    open: list[tuple[int, int]]
    missing: list[tuple[int, int]]  # stretches of `open` without a known reason
    counts: dict[str, dict[str, int]]


class Rollups(Protocol):
    """All methods use the database and block, and raise DatabaseError."""

    def is_counted(self, room: int, seq: int) -> bool:
        """Whether the event at (room, seq) is counted."""
        ...

    def counted_rooms(self, rooms: Sequence[int], since: datetime | None) -> list[CountedRoom]:
        """Those of `rooms` of which anything was counted, all from one snapshot.

        `since` is a full minute, or None for everything.
        """
        ...

    def unequal_totals(self) -> list[tuple[str, int, int]]:
        """Sums that should be equal but are not: (what, of the single rooms, of all together)."""
        ...

    def read_all_again(self) -> None:
        """Have the event bus read from its beginning: it was emptied and gets everything again."""
        ...


_registered: Rollups | None = None


def register(rollups: Rollups) -> None:
    """Make `rollups` the ones that this process asks."""
    global _registered
    _registered = rollups


def rollups() -> Rollups:
    if _registered is None:
        raise RuntimeError("No rollups are registered.")
    return _registered
