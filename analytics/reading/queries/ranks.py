"""Rankings: rooms, people, emoji, words."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from analytics.models import ALL_ROOMS
from analytics.reading.periods import Period, pieces
from analytics.reading.queries.people import piece_parameters
from analytics.reading.queries.rows import rows
from analytics.reading.queries.sums import split

DIRECT = "direct"

# The rows of whole days are read at once. The quarters at both ends are looked up room by room:
# OFFSET 0 keeps PostgreSQL from reading all quarters of all rooms for it.
ROOMS = f"""
    WITH parts AS (
        SELECT room, messages, characters, reactions FROM analytics_dayrollup
        WHERE room <> {ALL_ROOMS} AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT edge.room, edge.messages, edge.characters, edge.reactions
        FROM analytics_countedroom AS counted CROSS JOIN LATERAL (
            SELECT room, messages, characters, reactions FROM analytics_quarterrollup
            WHERE room = counted.room AND start >= %(begin)s AND start < %(days_begin)s
            UNION ALL
            SELECT room, messages, characters, reactions FROM analytics_quarterrollup
            WHERE room = counted.room AND start >= %(days_end)s AND start < %(end)s
            OFFSET 0
        ) AS edge
        WHERE counted.last_at >= %(begin)s
    ), summed AS (
        SELECT room, sum(messages)::bigint AS messages, sum(characters)::bigint AS characters,
            sum(reactions)::bigint AS reactions
        FROM parts GROUP BY room
    )
    SELECT room, name, archived, messages, characters, reactions
    FROM summed JOIN analytics_countedroom AS counted USING (room)
    WHERE kind NOT IN ('', '{DIRECT}') AND messages > 0 AND room <> ALL(%(own_rooms)s::bigint[])
    ORDER BY messages DESC, room LIMIT %(limit)s
"""  # noqa: S608 - made of constants

_PIECES = """
    unnest(%(days)s::date[], %(slots)s::int[], %(am)s::bigint[], %(pm)s::bigint[])
        AS piece(day, slot, am, pm)
"""

# Quarters decide the ranking; the days are then counted only for people in it.
PEOPLE = f"""
    WITH most AS MATERIALIZED (
        SELECT person, sum(
            bit_count((am_quarters & coalesce(edge.am, -1))::bit(64))
            + bit_count((pm_quarters & coalesce(edge.pm, -1))::bit(64)))::bigint AS quarters
        FROM analytics_personday
        LEFT JOIN unnest(%(edge_days)s::date[], %(edge_am)s::bigint[], %(edge_pm)s::bigint[])
            AS edge(day, am, pm) USING (day)
        WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s AND person <> %(own_person)s
        GROUP BY person ORDER BY quarters DESC, person LIMIT %(limit)s
    )
    SELECT person, quarters, count(DISTINCT slot)
    FROM most JOIN analytics_personday USING (person) JOIN {_PIECES} USING (day)
    WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s AND quarters > 0
        AND (am_quarters & piece.am <> 0 OR pm_quarters & piece.pm <> 0)
    GROUP BY person, quarters ORDER BY quarters DESC, person
"""  # noqa: S608

EMOJI = """
    SELECT emoji, sum(added)::bigint AS added, sum(removed)::bigint AS removed
    FROM analytics_emojiday
    WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s
    GROUP BY emoji HAVING sum(added) > 0 ORDER BY added DESC, emoji LIMIT %(limit)s
"""

WORDS = f"""
    SELECT word, sum(messages)::bigint AS messages
    FROM analytics_wordweek
    WHERE room = %(room)s AND week BETWEEN %(first)s AND %(last)s AND word IS NOT NULL
        AND room IN (SELECT room FROM analytics_countedroom WHERE kind NOT IN ('', '{DIRECT}'))
    GROUP BY word ORDER BY messages DESC, word LIMIT %(limit)s
"""  # noqa: S608


def top_rooms(period: Period, limit: int) -> list[tuple[int, str, bool, int, int, int]]:
    """(id, name, archived, messages, characters, reactions), most messages first."""
    return rows(ROOMS, {**split(period.begin, period.end), "limit": limit})


def top_people(room: int, days: Period, limit: int) -> list[tuple[int, int, int]]:
    """(user id, quarters of an hour, days) in which they were active, most quarters first."""
    covered = pieces([days.begin, days.end])
    edges = covered if len(covered) < 2 else [covered[0], covered[-1]]
    parameters = {
        "room": room,
        "limit": limit,
        "edge_days": [edge.day for edge in edges],
        "edge_am": [edge.am for edge in edges],
        "edge_pm": [edge.pm for edge in edges],
    }
    return rows(PEOPLE, {**parameters, **piece_parameters(pieces(days.edges()))})


def whole_utc_days(begin: datetime, end: datetime) -> tuple[date, date]:
    """First and last UTC day that a period of time touches."""
    return begin.date(), (end - timedelta(microseconds=1)).date()


def top_emoji(room: int, first: date, last: date, limit: int) -> list[tuple[str, int, int]]:
    """(emoji, times added, times removed) on whole UTC days, most often added first."""
    return rows(EMOJI, {"room": room, "first": first, "last": last, "limit": limit})


def top_words(room: int, first: date, last: date, limit: int) -> list[tuple[str, int]]:
    """(word, messages with it) in the weeks that begin on the Mondays from `first` to `last`."""
    return rows(WORDS, {"room": room, "first": first, "last": last, "limit": limit})
