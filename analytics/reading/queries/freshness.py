"""How fresh the numbers are: what has been counted, and what still waits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from analytics.reading.queries.rows import rows

# On an abandoned bus, or in a deleted topic, nothing waits and nothing is stopped.
PARTITIONS = """
    WITH present AS (
        SELECT bus FROM analytics_consumedpartition
        ORDER BY GREATEST(moved_at, stopped_at) DESC NULLS LAST LIMIT 1
    )
    SELECT one.bus, partition, position, event_at, moved_at,
           CASE WHEN one.bus = present.bus THEN waiting END,
           stopped_at IS NOT NULL AND one.bus = present.bus
    FROM analytics_consumedpartition AS one, present ORDER BY one.bus, partition
"""


@dataclass(frozen=True)
class Freshness:
    """`version` changes whenever anything is counted; the rest is for people.

    `last_event_at`: time of the newest event in the numbers; `counted_at`: when the numbers last
    changed; `waiting`: how many events followed as far as was known then, None if it never was.
    """

    version: str
    last_event_at: datetime | None
    counted_at: datetime | None
    waiting: int | None
    stopped: bool


def freshness() -> Freshness:
    found = rows(PARTITIONS, {})
    places = repr([(bus, partition, position) for bus, partition, position, *_ in found])
    waiting = [row[5] for row in found if row[5] is not None]
    return Freshness(
        version=hashlib.blake2b(places.encode(), digest_size=12).hexdigest(),
        last_event_at=max((row[3] for row in found if row[3] is not None), default=None),
        counted_at=max((row[4] for row in found if row[4] is not None), default=None),
        waiting=sum(waiting) if waiting else None,
        stopped=any(row[6] for row in found),
    )
