"""Sums of the counters: for a period, its steps, its minutes, and the hours of the week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from analytics.counting.batch_sums import COUNTERS
from analytics.models import QUARTER_SECONDS
from analytics.reading.periods import Period, changes_of_offset, whole_days
from analytics.reading.queries.rows import rows, without_own

_SUMS = ", ".join(f"coalesce({without_own(name)}, 0) AS {name}" for name in COUNTERS)
_NAMES = ", ".join(("room", *COUNTERS))

# Whole UTC days come from the rows of days; only the remainders at both ends need quarters.
TOTALS = f"""
    SELECT {_SUMS} FROM (
        SELECT {_NAMES} FROM analytics_dayrollup
        WHERE room = ANY(%(rooms)s) AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT {_NAMES} FROM analytics_quarterrollup
        WHERE room = ANY(%(rooms)s) AND start >= %(begin)s AND start < %(days_begin)s
        UNION ALL
        SELECT {_NAMES} FROM analytics_quarterrollup
        WHERE room = ANY(%(rooms)s) AND start >= %(days_end)s AND start < %(end)s
    ) AS parts
"""  # noqa: S608 - made of the names above

BY_STEP = f"""
    SELECT width_bucket(start, %(edges)s::timestamptz[]) AS slot, {_SUMS}
    FROM analytics_quarterrollup
    WHERE room = ANY(%(rooms)s) AND start >= %(begin)s AND start < %(end)s
    GROUP BY slot
"""  # noqa: S608

BY_MINUTE = f"""
    SELECT start, {without_own("messages")} FROM analytics_minuterollup
    WHERE room = ANY(%(rooms)s) AND start >= %(begin)s AND start < %(end)s
    GROUP BY start
"""  # noqa: S608

# Quarters of the UTC week, separate for each offset that the zone had, which is added later.
BY_QUARTER_OF_THE_WEEK = f"""
    SELECT width_bucket(start, %(changes)s::timestamptz[]) AS offset_number,
           (extract(epoch FROM start)::bigint / 900 %% 672)::int AS quarter,
           {without_own("messages")}
    FROM analytics_quarterrollup
    WHERE room = ANY(%(rooms)s) AND start >= %(begin)s AND start < %(end)s
    GROUP BY offset_number, quarter
"""  # noqa: S608

# 1 January 1970 was a Thursday, so the quarters since then begin in the middle of a week.
THURSDAY = 3
QUARTERS_OF_A_DAY = 86_400 // QUARTER_SECONDS
QUARTERS_OF_A_WEEK = 7 * QUARTERS_OF_A_DAY


def split(begin: datetime, end: datetime) -> Mapping[str, object]:
    """Parameters that divide a period of time into whole UTC days and a remainder at each end."""
    days = whole_days(begin, end)
    if days is None:
        nowhere = (begin + timedelta(days=1)).date()
        return {
            "begin": begin,
            "end": end,
            "first": nowhere,
            "last": nowhere - timedelta(days=1),
            "days_begin": end,
            "days_end": end,
        }
    first, last = days
    return {
        "begin": begin,
        "end": end,
        "first": first,
        "last": last,
        "days_begin": datetime(first.year, first.month, first.day, tzinfo=UTC),
        "days_end": datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1),
    }


def totals(room: int, begin: datetime, end: datetime) -> dict[str, int]:
    """Each of `COUNTERS` over a range of quarters."""
    found = rows(TOTALS, {"room": room, **split(begin, end)})
    return dict(zip(COUNTERS, found[0], strict=True))


def by_step(room: int, period: Period) -> list[dict[str, int]]:
    """Each of `COUNTERS` for every step of the period, in order; zeros where there was nothing."""
    edges = period.edges()
    found = rows(BY_STEP, {"room": room, "edges": edges, "begin": period.begin, "end": period.end})
    counted = {slot: dict(zip(COUNTERS, sums, strict=True)) for slot, *sums in found}
    nothing = dict.fromkeys(COUNTERS, 0)
    return [counted.get(slot, nothing) for slot in range(1, len(edges))]


def minutes(room: int, now: datetime, count: int) -> list[tuple[datetime, int]]:
    """Messages in the last `count` minutes, including the current one, oldest first."""
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    begin = end - timedelta(minutes=count)
    found = dict(rows(BY_MINUTE, {"room": room, "begin": begin, "end": end}))
    every = (begin + timedelta(minutes=number) for number in range(count))
    return [(minute, found.get(minute, 0)) for minute in every]


def hours_of_the_week(room: int, period: Period) -> list[list[int]]:
    """Messages by weekday (Monday first) and hour (0 … 23) of the zone's clock."""
    changes = changes_of_offset(period.begin, period.end, period.zone)
    found = rows(
        BY_QUARTER_OF_THE_WEEK,
        {"room": room, "changes": changes, "begin": period.begin, "end": period.end},
    )
    since = [period.begin, *changes]
    offsets = [moment.astimezone(period.zone).utcoffset() or timedelta() for moment in since]
    table = [[0] * 24 for _ in range(7)]
    for number, quarter, messages in found:
        shift = offsets[number] // timedelta(seconds=QUARTER_SECONDS)
        local = (quarter + THURSDAY * QUARTERS_OF_A_DAY + shift) % QUARTERS_OF_A_WEEK
        table[local // QUARTERS_OF_A_DAY][local % QUARTERS_OF_A_DAY // 4] += messages
    return table
