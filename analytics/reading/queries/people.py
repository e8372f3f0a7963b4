"""Active people, counted exactly: in a period, in each step, and from week to week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from analytics.models import ALL_ROOMS
from analytics.reading.periods import Period, Piece, pieces
from analytics.reading.queries.rows import distinct_rows, rows

# What a period of time covers on each UTC day, as sets of quarters.
_PIECES = """
    unnest(%(days)s::date[], %(slots)s::int[], %(am)s::bigint[], %(pm)s::bigint[])
        AS piece(day, slot, am, pm)
"""
_TOUCHES = "(am_quarters & piece.am <> 0 OR pm_quarters & piece.pm <> 0)"

# Whoever was last active after `begin` counts: no need to look at each day.
SINCE = """
    SELECT count(*) FROM analytics_personseen WHERE room = %(room)s AND last_at >= %(begin)s
        AND person <> %(own_person)s
"""

BETWEEN = f"""
    SELECT count(*) FROM (
        SELECT DISTINCT person FROM analytics_personday JOIN {_PIECES} USING (day)
        WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s AND {_TOUCHES}
            AND person <> %(own_person)s
    ) AS active
"""  # noqa: S608 - made of the texts above

PEOPLE_BY_STEP = f"""
    SELECT slot, count(*) FROM (
        SELECT DISTINCT slot, person FROM analytics_personday JOIN {_PIECES} USING (day)
        WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s AND {_TOUCHES}
            AND person <> %(own_person)s
    ) AS active GROUP BY slot
"""  # noqa: S608

ROOMS_BY_STEP = f"""
    SELECT slot, count(*) FROM (
        SELECT DISTINCT slot, room FROM analytics_dayrollup JOIN {_PIECES} USING (day)
        WHERE room <> ALL(%(own_rooms)s::bigint[] || {ALL_ROOMS}::bigint)
            AND day BETWEEN %(first)s AND %(last)s AND {_TOUCHES}
    ) AS active GROUP BY slot
"""  # noqa: S608

# A look into each room that has anything so new, until the first day with a message: EXISTS would
# be planned as reading every day of every room.
ROOMS_BETWEEN = f"""
    SELECT count(*) FROM analytics_countedroom AS counted
    WHERE last_at >= %(begin)s AND first_at < %(end)s
        AND room <> ALL(%(own_rooms)s::bigint[]) AND (
        (
            SELECT true FROM analytics_dayrollup
            WHERE room = counted.room AND day BETWEEN %(inner_first)s AND %(inner_last)s
                AND messages > 0
            LIMIT 1
        ) OR (
            SELECT true FROM analytics_dayrollup JOIN {_PIECES} USING (day)
            WHERE room = counted.room AND {_TOUCHES}
            LIMIT 1
        )
    )
"""  # noqa: S608

# For each week: active people, those active for the first time ever, those who came back after
# missing the week before, and those who were active in the week before and are gone.
BY_WEEK = f"""
    WITH active AS (
        SELECT DISTINCT slot, person FROM analytics_personday JOIN {_PIECES} USING (day)
        WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s AND {_TOUCHES}
            AND person <> %(own_person)s
    ), known AS (
        SELECT slot, active.person, width_bucket(first_at, %(edges)s::timestamptz[]) AS came,
            lead(slot) OVER (PARTITION BY active.person ORDER BY slot) AS next
        FROM active JOIN analytics_personseen AS seen
            ON seen.room = %(room)s AND seen.person = active.person
    )
    SELECT 'week', slot, 0, count(*), count(*) FILTER (WHERE came = slot),
        count(*) FILTER (WHERE next IS DISTINCT FROM slot + 1)
    FROM known GROUP BY slot
    UNION ALL
    SELECT 'stayed', came, slot, count(*), 0, 0 FROM known WHERE came > 0 GROUP BY came, slot
"""  # noqa: S608


# An empty period: it ends before it begins.
NO_DAYS = (date.max, date.min)


@dataclass(frozen=True)
class Week:
    """`lost` were active in the week before and not in this one.

    It is None for the first week, before which nothing was counted, and for the current week.
    """

    begin: datetime
    active: int
    new: int
    lost: int | None

    @property
    def returning(self) -> int:
        return self.active - self.new


@dataclass(frozen=True)
class Newcomers:
    """How many of a week's newcomers were active in it and in each week since then."""

    begin: datetime
    active: list[int]


def piece_parameters(found: Sequence[Piece]) -> dict[str, object]:
    return {
        "days": [piece.day for piece in found],
        "slots": [piece.slot for piece in found],
        "am": [piece.am for piece in found],
        "pm": [piece.pm for piece in found],
        "first": found[0].day,
        "last": found[-1].day,
    }


def people(room: int, begin: datetime, end: datetime, now: datetime) -> int:
    """How many people were active in a range of quarters."""
    if end > now:
        return int(rows(SINCE, {"room": room, "begin": begin})[0][0])
    return int(
        distinct_rows(BETWEEN, {"room": room, **piece_parameters(pieces([begin, end]))})[0][0]
    )


def rooms(begin: datetime, end: datetime) -> int:
    """In how many rooms messages were posted in a range of quarters."""
    covered = pieces([begin, end])
    middle = covered[1:-1]
    inner = (middle[0].day, middle[-1].day) if middle else NO_DAYS
    parameters = {"inner_first": inner[0], "inner_last": inner[1], "begin": begin, "end": end}
    return int(
        rows(ROOMS_BETWEEN, {**parameters, **piece_parameters([covered[0], covered[-1]])})[0][0]
    )


def people_by_step(room: int, period: Period) -> list[int]:
    """How many people were active in each step of the period."""
    return _by_step(PEOPLE_BY_STEP, room, period)


def rooms_by_step(period: Period) -> list[int]:
    """In how many rooms messages were posted in each step of the period."""
    return _by_step(ROOMS_BY_STEP, ALL_ROOMS, period)


def _by_step(sql: str, room: int, period: Period) -> list[int]:
    edges = period.edges()
    counted = dict(distinct_rows(sql, {"room": room, **piece_parameters(pieces(edges))}))
    return [counted.get(slot, 0) for slot in range(1, len(edges))]


def by_week(room: int, weeks: Period, now: datetime) -> tuple[list[Week], list[Newcomers]]:
    """How many people came, stayed and left, for each of the period's weeks that has begun."""
    edges = [edge for edge in weeks.edges()[:-1] if edge <= now]
    if not edges:  # all of it is in the future
        return [], []
    edges.append(weeks.edges()[len(edges)])
    found = distinct_rows(
        BY_WEEK, {"room": room, "edges": edges, **piece_parameters(pieces(edges))}
    )
    counts = {slot: numbers for kind, slot, _, *numbers in found if kind == "week"}
    stayed = {(came, slot): active for kind, came, slot, active, *_ in found if kind == "stayed"}
    slots = range(1, len(edges))
    table = []
    for slot in slots:
        active, new, _ = counts.get(slot, (0, 0, 0))
        is_over = slot > 1 and edges[slot] <= now
        lost = counts.get(slot - 1, (0, 0, 0))[2] if is_over else None
        table.append(Week(begin=edges[slot - 1], active=active, new=new, lost=lost))
    newcomers = [
        Newcomers(edges[came - 1], [stayed.get((came, slot), 0) for slot in slots if slot >= came])
        for came in slots
    ]
    return table, newcomers
