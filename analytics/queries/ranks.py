"""What there was most of: rooms, people, emoji, words."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from analytics.models import ALL_ROOMS
from analytics.periods import Period, pieces
from analytics.queries.people import _parameters
from analytics.queries.rows import rows
from analytics.queries.sums import split

DIRECT = "direct"

# A look into each room for what sticks out of the whole days; the rooms' rows of days in one go.
ROOMS = f"""
    WITH parts AS (
        SELECT room, messages, characters, reactions FROM analytics_dayrollup
        WHERE room <> {ALL_ROOMS} AND day BETWEEN %(first)s AND %(last)s
        UNION ALL
        SELECT edge.room, edge.messages, edge.characters, edge.reactions
        FROM analytics_countedroom AS counted CROSS JOIN LATERAL (
            SELECT room, messages, characters, reactions FROM analytics_quarterrollup
            WHERE room = counted.room AND (
                (start >= %(begin)s AND start < %(days_begin)s)
                OR (start >= %(days_end)s AND start < %(end)s))
        ) AS edge
        WHERE counted.last_at >= %(begin)s
    )
    SELECT room, name, archived, sum(messages)::bigint AS messages,
        sum(characters)::bigint AS characters, sum(reactions)::bigint AS reactions
    FROM parts JOIN analytics_countedroom AS counted USING (room)
    WHERE kind NOT IN ('', '{DIRECT}')
    GROUP BY room, name, archived HAVING sum(messages) > 0
    ORDER BY messages DESC, room LIMIT %(limit)s
"""  # noqa: S608 - made of constants

# A UTC day has a row for each person; two slots that share a day share no quarter of it.
PEOPLE = """
    SELECT person,
        sum(bit_count((am_quarters & piece.am)::bit(64))
            + bit_count((pm_quarters & piece.pm)::bit(64)))::bigint AS quarters,
        count(DISTINCT slot) AS days
    FROM analytics_personday
    JOIN unnest(%(days)s::date[], %(slots)s::int[], %(am)s::bigint[], %(pm)s::bigint[])
        AS piece(day, slot, am, pm) USING (day)
    WHERE room = %(room)s AND day BETWEEN %(first)s AND %(last)s
        AND (am_quarters & piece.am <> 0 OR pm_quarters & piece.pm <> 0)
    GROUP BY person ORDER BY quarters DESC, person LIMIT %(limit)s
"""

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
    return rows(PEOPLE, {"room": room, **_parameters(pieces(days.edges())), "limit": limit})


def whole_utc_days(begin: datetime, end: datetime) -> tuple[date, date]:
    """First and last UTC day that a stretch of time touches."""
    return begin.date(), (end - timedelta(microseconds=1)).date()


def top_emoji(room: int, first: date, last: date, limit: int) -> list[tuple[str, int, int]]:
    """(emoji, times added, times removed) on whole UTC days, most often added first."""
    return rows(EMOJI, {"room": room, "first": first, "last": last, "limit": limit})


def top_words(room: int, first: date, last: date, limit: int) -> list[tuple[str, int]]:
    """(word, messages with it) in the weeks that begin on the Mondays from `first` to `last`."""
    return rows(WORDS, {"room": room, "first": first, "last": last, "limit": limit})
