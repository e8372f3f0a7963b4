"""How long first replies took. From histograms, so within `REPLY_ERROR` of the exact times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from analytics.counting.sketches import percentile
from analytics.reading.periods import Period
from analytics.reading.queries.rows import rows

BY_STEP = """
    SELECT width_bucket(start, %(edges)s::timestamptz[]) AS slot, bucket, sum(replies)::bigint
    FROM analytics_replytimes
    WHERE room = %(room)s AND start >= %(begin)s AND start < %(end)s
    GROUP BY slot, bucket
"""

MEDIAN = 0.5
P95 = 0.95


@dataclass(frozen=True)
class Replies:
    """How many messages got their first reply, and how long these took; None if none did."""

    count: int
    median_seconds: float | None
    p95_seconds: float | None


def by_step(room: int, period: Period) -> tuple[Replies, list[Replies]]:
    """The replies of the whole period, and those of each of its steps."""
    edges = period.edges()
    found = rows(BY_STEP, {"room": room, "edges": edges, "begin": period.begin, "end": period.end})
    whole: dict[int, int] = defaultdict(int)
    steps: dict[int, dict[int, int]] = defaultdict(dict)
    for slot, bucket, count in found:
        whole[bucket] += count
        steps[slot][bucket] = count
    return _replies(whole), [_replies(steps.get(slot, {})) for slot in range(1, len(edges))]


def _replies(histogram: Mapping[int, int]) -> Replies:
    return Replies(
        sum(histogram.values()),
        _rounded(percentile(histogram, MEDIAN)),
        _rounded(percentile(histogram, P95)),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
