"""Counts events that had become dead letters."""

from __future__ import annotations

from datetime import UTC, datetime

from analytics.counting import rebuilding, records, rollups
from analytics.counting.errors import NotAnEvent, NotYet
from analytics.counting.records import Bad, BadReason, Record


def count(record: Record) -> bool:
    """Counts the event in a record at its place; False if it had been counted already.

    Raises: NotAnEvent if it will never be one; NotYet if it cannot be counted yet, but may be
    after an upgrade or once its time has come; DatabaseError.
    """
    found = records.read(record, datetime.now(UTC))
    if isinstance(found, Bad):
        if found.reason is BadReason.UNREADABLE:
            raise NotAnEvent(found.error)
        raise NotYet(found.error)
    counted = rollups.count_late(found)
    if rebuilding.exists():
        # The tables that will replace these must have it too.
        rollups.count_late(found, rebuilding.SCHEMA)
    return counted
