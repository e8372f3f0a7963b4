"""Deletes what is no longer needed, a little at a time.

No numbers are lost: minutes are included in the quarters of an hour, messages are needed only for
first replies, and words that were never shown will never be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db import transaction

from analytics.counting import rollups
from analytics.counting.statements import run
from analytics.models import SLOWEST_REPLY_DAYS

MINUTES_KEPT = timedelta(days=35)
# First replies count within `SLOWEST_REPLY_DAYS`; the rest is for late events.
MESSAGES_KEPT = timedelta(days=SLOWEST_REPLY_DAYS + 23)
# For this long after the end of its week, a word may still become visible.
UNSHOWN_WORDS_KEPT = timedelta(days=28)

EACH_SECONDS = 600.0
ROWS = 5_000
# Per run; the next run deletes the rest.
RUN_SECONDS = 2.0

_STATEMENTS = {
    "DELETE FROM analytics_minuterollup WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM analytics_minuterollup WHERE start < %s LIMIT %s))": MINUTES_KEPT,
    "DELETE FROM analytics_postedmessage WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM analytics_postedmessage WHERE at < %s LIMIT %s))": MESSAGES_KEPT,
    "DELETE FROM analytics_earlyreply WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM analytics_earlyreply WHERE at < %s LIMIT %s))": MESSAGES_KEPT,
    "DELETE FROM analytics_wordweek WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM analytics_wordweek WHERE word IS NULL AND week < %s LIMIT %s))": (
        UNSHOWN_WORDS_KEPT + timedelta(days=7)
    ),
}


class Pruner:
    """Prunes at most every `EACH_SECONDS`. Several processes may do so at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + EACH_SECONDS

    def prune_when_due(self) -> None:
        """Raises: DatabaseError."""
        if self._clock() >= self._due:
            self._due = self._clock() + EACH_SECONDS
            prune(datetime.now(UTC))


def prune(now: datetime, seconds: float = RUN_SECONDS) -> int:
    """Deletes what is too old at `now`; returns the number of rows. Raises: DatabaseError."""
    deadline = time.monotonic() + seconds
    total = 0
    for statement, kept in _STATEMENTS.items():
        deleted = ROWS
        while deleted == ROWS and time.monotonic() < deadline:
            with transaction.atomic(durable=True):
                rollups.set_up_transaction(None)
                deleted = len(run(statement + " RETURNING 1", now - kept, ROWS))
            total += deleted
    return total
