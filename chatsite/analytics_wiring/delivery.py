"""Tells `manage.py verify_delivery` what the analytics have counted; see `chat.verify`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from analytics import verification
from chat.verify.rollup_checks import CountedRoom


def counted_rooms(rooms: Sequence[int], since: datetime | None) -> list[CountedRoom]:
    return [
        CountedRoom(one.room, one.seq, one.open, one.missing, one.sums)
        for one in verification.totals(rooms, since)
    ]


unequal_totals = verification.unequal_totals
