"""What the rollups must hold: the same numbers by SQL over the stored events.

Written without the analytics' code, so that it does not share their faults. `differences`
compares whole tables, row by row, for single rooms and for all of them together (room 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connection

# Every event twice: for its room, and for all rooms.
_EVENTS = """
    WITH event AS (
        SELECT room_id AS room, seq, type, actor_id, at AT TIME ZONE 'UTC' AS at, data
        FROM chat_roomevent
        UNION ALL
        SELECT 0, seq, type, actor_id, at AT TIME ZONE 'UTC', data FROM chat_roomevent
    ),
    active AS (
        SELECT * FROM event WHERE actor_id IS NOT NULL AND type IN (
            'message.posted', 'reply.posted', 'message.edited', 'message.deleted',
            'message.restored', 'reaction.added', 'reaction.removed')
    )
"""

_COUNTERS = """
    count(*) FILTER (WHERE type = 'message.posted') AS messages,
    COALESCE(sum(char_length(data->>'body')) FILTER (WHERE type = 'message.posted'), 0)::bigint,
    count(*) FILTER (WHERE type = 'message.edited'),
    count(*) FILTER (WHERE type = 'message.deleted'),
    count(*) FILTER (WHERE type = 'message.restored'),
    count(*) FILTER (WHERE type = 'reaction.added'),
    count(*) FILTER (WHERE type = 'reaction.removed'),
    count(*) FILTER (WHERE type = 'member.joined'),
    count(*) FILTER (WHERE type IN ('member.left', 'member.removed')),
    count(*) FILTER (WHERE type = 'reply.posted')
"""
# After a role change, or when an outsider is banned or unbanned, nobody joins or leaves.
_COUNTED = """ type IN (
    'message.posted', 'reply.posted', 'message.edited', 'message.deleted', 'message.restored',
    'reaction.added', 'reaction.removed', 'member.joined', 'member.left', 'member.removed')
    AND NOT (type = 'member.joined' AND data ? 'previous')
    AND NOT (type = 'member.removed' AND
        (data ? 'outside' OR data->>'banned' IS NOT DISTINCT FROM 'false'))
"""
_COLUMNS = (
    "messages, characters, edits, deletions, restorations, reactions, reactions_removed, joins,"
    " departures, replies"
)
_QUARTER = "date_bin('15 minutes', at, timestamp '2000-01-01')"
_BIT = "(1::bigint << (floor(extract(epoch FROM at - date_trunc('day', at)))::int / 900 % 48))"
_MORNING, _AFTERNOON = "extract(hour FROM at) < 12", "extract(hour FROM at) >= 12"

# The first reply of each message, as the definition says.
_FIRST_REPLIES = """
    WITH posted AS (
        SELECT room_id AS room, seq, actor_id, at,
            COALESCE(data->>'reply_to', data->>'thread', data->>'root')::bigint AS reply_to
        FROM chat_roomevent WHERE type IN ('message.posted', 'reply.posted')
    ),
    first_reply AS (
        SELECT DISTINCT ON (target.room, target.seq) target.room, reply.at AS reply_at,
            extract(epoch FROM reply.at - target.at)::double precision AS seconds
        FROM posted AS target JOIN posted AS reply
            ON reply.room = target.room AND reply.reply_to = target.seq
                AND reply.actor_id <> target.actor_id
                AND reply.at - target.at <= interval '7 days'
        ORDER BY target.room, target.seq, reply.seq
    ),
    both_scopes AS (
        SELECT * FROM first_reply UNION ALL SELECT 0, reply_at, seconds FROM first_reply
    )
"""

TABLES: dict[str, tuple[str, str]] = {
    "minutes": (
        f"{_EVENTS} SELECT room, date_trunc('minute', at), {_COUNTERS} FROM event"
        f" WHERE {_COUNTED} GROUP BY 1, 2",
        f"SELECT room, start AT TIME ZONE 'UTC', {_COLUMNS} FROM analytics_minuterollup",
    ),
    "quarters": (
        f"{_EVENTS} SELECT room, {_QUARTER}, {_COUNTERS} FROM event WHERE {_COUNTED} GROUP BY 1, 2",
        f"SELECT room, start AT TIME ZONE 'UTC', {_COLUMNS} FROM analytics_quarterrollup",
    ),
    "days": (
        f"{_EVENTS} SELECT room, at::date, {_COUNTERS},"
        f" COALESCE(bit_or({_BIT}) FILTER (WHERE type = 'message.posted' AND {_MORNING}), 0),"
        f" COALESCE(bit_or({_BIT}) FILTER (WHERE type = 'message.posted' AND {_AFTERNOON}), 0)"
        f" FROM event WHERE {_COUNTED} GROUP BY 1, 2",
        f"SELECT room, day, {_COLUMNS}, am_quarters, pm_quarters FROM analytics_dayrollup",
    ),
    "people by day": (
        f"{_EVENTS} SELECT room, at::date, actor_id,"
        f" COALESCE(bit_or({_BIT}) FILTER (WHERE {_MORNING}), 0),"
        f" COALESCE(bit_or({_BIT}) FILTER (WHERE {_AFTERNOON}), 0)"
        " FROM active GROUP BY 1, 2, 3",
        "SELECT room, day, person, am_quarters, pm_quarters FROM analytics_personday",
    ),
    "people seen": (
        f"{_EVENTS} SELECT room, actor_id, min(at), max(at) FROM active GROUP BY 1, 2",
        "SELECT room, person, first_at AT TIME ZONE 'UTC', last_at AT TIME ZONE 'UTC'"
        " FROM analytics_personseen",
    ),
    "emoji": (
        f"{_EVENTS} SELECT room, at::date, data->>'emoji',"
        " count(*) FILTER (WHERE type = 'reaction.added'),"
        " count(*) FILTER (WHERE type = 'reaction.removed') FROM event"
        " WHERE type IN ('reaction.added', 'reaction.removed') GROUP BY 1, 2, 3",
        "SELECT room, day, emoji, added, removed FROM analytics_emojiday",
    ),
    "replies": (
        f"{_FIRST_REPLIES} SELECT room,"
        " date_bin('15 minutes', reply_at AT TIME ZONE 'UTC', timestamp '2000-01-01'),"
        " CASE WHEN seconds <= 1 THEN 0"
        "   ELSE ceil(ln(seconds) / ln(1.02::double precision / 0.98) - 1e-9)::int END,"
        " count(*) FROM both_scopes GROUP BY 1, 2, 3",
        "SELECT room, start AT TIME ZONE 'UTC', bucket, replies FROM analytics_replytimes"
        " WHERE replies <> 0",
    ),
    "rooms": (
        "SELECT room_id, max(seq), min(at), max(at) FROM chat_roomevent GROUP BY 1",
        "SELECT room, seq, first_at, last_at FROM analytics_countedroom",
    ),
    # Latin and Cyrillic words as the tests write them; the other rules have unit tests.
    "words": (
        "SELECT event.room_id, date_trunc('week', at AT TIME ZONE 'UTC')::date, word,"
        " count(DISTINCT seq) FROM chat_roomevent AS event"
        " JOIN chat_room AS room ON room.id = event.room_id AND room.kind <> 'direct',"
        " regexp_split_to_table(lower(data->>'body'), '[^a-zа-я0-9]+') AS word"
        " WHERE event.type IN ('message.posted', 'reply.posted') AND word ~ '^w[a-z]{2,}$'"
        " GROUP BY 1, 2, 3 HAVING count(DISTINCT seq) >= 3 AND count(DISTINCT actor_id) > 1",
        "SELECT room, week, word, messages FROM analytics_wordweek WHERE word ~ '^w[a-z]{2,}$'",
    ),
}


def rows(statement: str) -> set[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return set(cursor.fetchall())


def differences() -> list[str]:
    """One line for each row that is on one side only; [] when the rollups are exact."""
    return list(_differences())


def _differences() -> Iterator[str]:
    for name, (expected_statement, found_statement) in TABLES.items():
        expected, found = rows(expected_statement), rows(found_statement)
        yield from (f"{name}: missing {row}" for row in sorted(expected - found, key=str)[:20])
        yield from (f"{name}: too much {row}" for row in sorted(found - expected, key=str)[:20])


def totals() -> dict[str, int]:
    """Totals of each kind, to show that the comparison was not empty."""
    return {name: len(rows(found)) for name, (_, found) in TABLES.items()}
