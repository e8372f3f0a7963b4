"""What the analytics have counted: this module is a `chat.verify.rollups.Rollups`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from analytics.verification import is_counted, totals, unequal_totals
from chat.verify.rollups import CountedRoom

__all__ = ["counted_rooms", "is_counted", "read_all_again", "unequal_totals"]


def counted_rooms(rooms: Sequence[int], since: datetime | None) -> list[CountedRoom]:
    return [
        CountedRoom(one.room, one.seq, one.open, one.missing, one.sums)
        for one in totals(rooms, since)
    ]


def read_all_again() -> None:
    # This also imports the metrics of counting, which no other process should show.
    from analytics.counting import rebuilding

    rebuilding.read_all_again()
