"""Counts what had become a dead letter."""

from __future__ import annotations

from datetime import UTC, datetime

from analytics.counting import rebuilding, records, rollups
from analytics.counting.errors import NotAnEvent, NotYet
from analytics.counting.records import Bad, BadReason, Record


def count(record: Record) -> bool:
    """Counts the event in a record at its place; False when it had been counted.

    Raises: NotAnEvent when it will never be one; NotYet when it still cannot be counted, as it may
    be after an upgrade or when its time has come; DatabaseError.
    """
    found = records.read(record, datetime.now(UTC))
    if isinstance(found, Bad):
        if found.reason is BadReason.UNREADABLE:
            raise NotAnEvent(found.error)
        raise NotYet(found.error)
    counted = rollups.count_late(found)
    if rebuilding.exists():
        # What takes the place of these tables must have it, too.
        rollups.count_late(found, rebuilding.SCHEMA)
    return counted
