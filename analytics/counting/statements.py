"""The SQL of `analytics.counting.rollups` and `analytics.counting.replies`.

Statements take whole batches as one array per column, because a round trip costs more than a
row. Table names have no schema, because `rebuild_rollups` fills tables in another one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection

from analytics.counting.batch_sums import COUNTERS
from analytics.models import WORD_FROM_MESSAGES


def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows that a statement returns; [] for one that returns nothing. Lists become arrays."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [array(one) if isinstance(one, list) else one for one in values])
        return cursor.fetchall() if cursor.description else []


def array(values: list[Any]) -> str:
    """PostgreSQL's text of an array; the statement says what type it is.

    The driver's own conversion applies a regular expression to each element, which took a third
    of the consumer's time.
    """
    example = next((one for one in values if one is not None), None)
    if isinstance(example, str):
        texts = [None if one is None else _quoted(one) for one in values]
    elif isinstance(example, datetime):
        texts = [None if one is None else f'"{one.isoformat()}"' for one in values]
    else:
        texts = [None if one is None else str(one) for one in values]
    return "{" + ",".join("NULL" if one is None else one for one in texts) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


ENSURE_PARTITIONS = """
    INSERT INTO analytics_consumedpartition (bus, partition, position, stopped_reason)
    SELECT %s, partition, '', '' FROM unnest(%s::int[]) AS new (partition)
    ON CONFLICT DO NOTHING
"""

READ_PARTITIONS = """
    SELECT partition, position, stopped_at IS NOT NULL FROM analytics_consumedpartition
    WHERE bus = %s AND partition = ANY(%s::int[])
"""

LOCK_PARTITIONS = READ_PARTITIONS + " ORDER BY partition FOR UPDATE"

MOVE_PARTITIONS = """
    UPDATE analytics_consumedpartition AS old
    SET position = new.position, moved_at = now(), waiting = new.waiting,
        event_at = GREATEST(old.event_at, new.event_at)
    FROM (
        SELECT %s AS bus, moved.* FROM unnest(
            %s::int[], %s::text[], %s::timestamptz[], %s::bigint[]
        ) AS moved (partition, position, event_at, waiting)
    ) AS new
    WHERE old.bus = new.bus AND old.partition = new.partition
"""

STOP_PARTITION = """
    UPDATE analytics_consumedpartition SET stopped_at = now(), stopped_reason = %s
    WHERE bus = %s AND partition = %s AND position = %s AND stopped_at IS NULL
"""

RESUME_PARTITIONS = """
    UPDATE analytics_consumedpartition SET stopped_at = NULL, stopped_reason = ''
    WHERE stopped_at IS NOT NULL AND (%s::text IS NULL OR bus = %s)
    RETURNING partition
"""

FORGET_POSITIONS = "UPDATE analytics_consumedpartition SET position = '', waiting = NULL"

LOCK_ROOMS = """
    SELECT room, seq, kind, slug, name, name_seq, archived, archived_seq, first_at, last_at
    FROM analytics_countedroom WHERE room = ANY(%s::bigint[]) ORDER BY room FOR UPDATE
"""

MAKE_ROOMS = """
    INSERT INTO analytics_countedroom
        (room, seq, kind, slug, name, name_seq, archived, archived_seq)
    SELECT room, 0, '', '', '', 0, false, 0 FROM unnest(%s::bigint[]) AS new (room)
    ON CONFLICT DO NOTHING
"""

WRITE_ROOMS = """
    UPDATE analytics_countedroom AS old
    SET seq = new.seq, kind = new.kind, slug = new.slug, name = new.name, name_seq = new.name_seq,
        archived = new.archived, archived_seq = new.archived_seq,
        first_at = new.first_at, last_at = new.last_at
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[],
        %s::boolean[], %s::bigint[], %s::timestamptz[], %s::timestamptz[]
    ) AS new (room, seq, kind, slug, name, name_seq, archived, archived_seq, first_at, last_at)
    WHERE old.room = new.room
"""

READ_PLACES = """
    SELECT room, first, last, reason FROM analytics_openplaces
    WHERE room = ANY(%s::bigint[]) ORDER BY room, first
"""

DELETE_PLACES = """
    DELETE FROM analytics_openplaces
    WHERE (room, first) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
"""

WRITE_PLACES = """
    INSERT INTO analytics_openplaces (room, first, last, reason)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT (room, first) DO UPDATE SET last = EXCLUDED.last, reason = EXCLUDED.reason
"""


def _counters(table: str, key: str, moment: str, united_columns: tuple[str, ...] = ()) -> str:
    """Adds to the counters of `table`. `moment` turns a number of units since 1970 into the key;
    `united_columns` are combined bit by bit."""
    summed = ", ".join(COUNTERS)
    united = "".join(f", {column}" for column in united_columns)
    arrays = ", ".join(["%s::bigint[]"] * (2 + len(COUNTERS) + len(united_columns)))
    changes = [f"{column} = old.{column} + EXCLUDED.{column}" for column in COUNTERS]
    changes += [f"{column} = old.{column} | EXCLUDED.{column}" for column in united_columns]
    # Only names from this module get into the text.
    return f"""
    INSERT INTO {table} AS old (room, {key}, {summed}{united})
    SELECT room, {moment}, {summed}{united}
    FROM unnest({arrays}) AS new (room, unit, {summed}{united})
    ON CONFLICT (room, {key}) DO UPDATE SET {", ".join(changes)}
"""  # noqa: S608


_DAY = "date '1970-01-01' + unit::int"

WRITE_MINUTES = _counters("analytics_minuterollup", "start", "to_timestamp(unit * 60)")
WRITE_QUARTERS = _counters("analytics_quarterrollup", "start", "to_timestamp(unit * 900)")
WRITE_DAYS = _counters("analytics_dayrollup", "day", _DAY, ("am_quarters", "pm_quarters"))

WRITE_PEOPLE = f"""
    INSERT INTO analytics_personday AS old (room, day, person, am_quarters, pm_quarters)
    SELECT room, {_DAY}, person, am, pm
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS new (room, unit, person, am, pm)
    ON CONFLICT (room, day, person) DO UPDATE
    SET am_quarters = old.am_quarters | EXCLUDED.am_quarters,
        pm_quarters = old.pm_quarters | EXCLUDED.pm_quarters
    WHERE old.am_quarters <> old.am_quarters | EXCLUDED.am_quarters
       OR old.pm_quarters <> old.pm_quarters | EXCLUDED.pm_quarters
"""  # noqa: S608

WRITE_SEEN = """
    INSERT INTO analytics_personseen AS old (room, person, first_at, last_at)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
    ON CONFLICT (room, person) DO UPDATE
    SET first_at = LEAST(old.first_at, EXCLUDED.first_at),
        last_at = GREATEST(old.last_at, EXCLUDED.last_at)
"""

WRITE_EMOJI = f"""
    INSERT INTO analytics_emojiday AS old (room, day, emoji, added, removed)
    SELECT room, {_DAY}, emoji, added, removed
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])
        AS new (room, unit, emoji, added, removed)
    ON CONFLICT (room, day, emoji) DO UPDATE
    SET added = old.added + EXCLUDED.added, removed = old.removed + EXCLUDED.removed
"""  # noqa: S608

# Returns which words can be shown from now on.
WRITE_WORDS = f"""
    WITH written AS (
        INSERT INTO analytics_wordweek AS old (room, week, digest, messages, person, shared)
        SELECT room, {_DAY}, digest, messages, person, shared
        FROM unnest(
            %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::boolean[]
        ) AS new (room, unit, digest, messages, person, shared)
        ON CONFLICT (room, week, digest) DO UPDATE
        SET messages = old.messages + EXCLUDED.messages,
            shared = old.shared OR EXCLUDED.shared OR old.person <> EXCLUDED.person
        RETURNING room, week, digest, word, messages, shared
    )
    SELECT room, week - date '1970-01-01', digest FROM written
    WHERE word IS NULL AND shared AND messages >= {WORD_FROM_MESSAGES}
"""  # noqa: S608

SHOW_WORDS = f"""
    UPDATE analytics_wordweek AS old SET word = new.word
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
        AS new (room, unit, digest, word)
    WHERE old.room = new.room AND old.week = {_DAY} AND old.digest = new.digest
"""  # noqa: S608

READ_POSTED = """
    SELECT room, seq, at, author, reply_seq, reply_at FROM analytics_postedmessage
    WHERE (room, seq) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
"""

WRITE_POSTED = """
    INSERT INTO analytics_postedmessage (room, seq, at, author, reply_seq, reply_at)
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::timestamptz[]
    )
    ON CONFLICT (room, seq) DO UPDATE
    SET reply_seq = EXCLUDED.reply_seq, reply_at = EXCLUDED.reply_at
"""

WRITE_EARLY = """
    INSERT INTO analytics_earlyreply (room, target, seq, at, author)
    SELECT * FROM unnest(
        %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[]
    )
    ON CONFLICT DO NOTHING
"""

TAKE_EARLY = """
    DELETE FROM analytics_earlyreply
    WHERE (room, target) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
    RETURNING room, target, seq, at, author
"""

WRITE_REPLY_TIMES = """
    INSERT INTO analytics_replytimes AS old (room, start, bucket, replies)
    SELECT room, to_timestamp(unit * 900), bucket, replies
    FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[])
        AS new (room, unit, bucket, replies)
    ON CONFLICT (room, start, bucket) DO UPDATE SET replies = old.replies + EXCLUDED.replies
"""
