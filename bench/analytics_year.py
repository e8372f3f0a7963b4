"""Fills the rollups with a year of a busy installation, for viewing and for measuring.

Done in SQL, inside PostgreSQL: some million rows in a minute or two. Which rooms are busy, when and
with whom is made up. Everything else, such as days, all rooms together and when people were first
seen, is derived from it, so the numbers are consistent.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from analytics.models import ALL_ROOMS, CountedRoom
from chat.models import Room, User

COUNTERS = (
    "messages, characters, edits, deletions, restorations, reactions, reactions_removed, "
    "joins, departures"
)
SUMS = ", ".join(f"sum({name})" for name in COUNTERS.split(", "))

# Room r has about 50 / r^0.4 busy quarter-hours a day: a few rooms are busy and most are quiet.
# People work from 06:00 to 20:00 UTC, less at weekends.
QUARTERS = f"""
    INSERT INTO analytics_quarterrollup (room, start, {COUNTERS})
    SELECT room, start, messages, messages * (40 + (random() * 60)::int),
        (messages * random() * 0.15)::int, (messages * random() * 0.05)::int, 0,
        (messages * random() * 0.5)::int, (random() * 0.4)::int, (random() * 0.55)::int, 0
    FROM (
        SELECT room, start, ceil(-ln(1 - random()) * (1 + 12 * loudness))::bigint AS messages
        FROM generate_series(%(begin)s::timestamptz, %(end)s, interval '15 min') AS start
        CROSS JOIN LATERAL (SELECT start AT TIME ZONE 'UTC') AS clock(utc)
        CROSS JOIN LATERAL (
            SELECT greatest(0.04, 1 - abs(extract(hour FROM utc)::float8 - 12) / 8)
                * CASE WHEN extract(isodow FROM utc) > 5 THEN 0.15::float8 ELSE 1 END
        ) AS mood(wakeful)
        CROSS JOIN (
            SELECT room, room::float8 ^ -0.4::float8 AS loudness
            FROM generate_series(1, %(rooms)s) AS room
        ) AS rooms
        WHERE random() < wakeful * 1.6 * loudness
    ) AS busy
"""

ALL_QUARTERS = f"""
    INSERT INTO analytics_quarterrollup (room, start, {COUNTERS})
    SELECT {ALL_ROOMS}, start, {SUMS} FROM analytics_quarterrollup GROUP BY start
"""

DAYS = f"""
    INSERT INTO analytics_dayrollup (room, day, {COUNTERS}, am_quarters, pm_quarters)
    SELECT room, day, {SUMS},
        bit_or(CASE WHEN number < 48 THEN 1::bigint << number ELSE 0 END),
        bit_or(CASE WHEN number >= 48 THEN 1::bigint << (number - 48) ELSE 0 END)
    FROM (
        SELECT *, (start AT TIME ZONE 'UTC')::date AS day,
            (extract(epoch FROM start)::bigint / 900 %% 96)::int AS number
        FROM analytics_quarterrollup
    ) AS quarters GROUP BY room, day
"""

MINUTES = f"""
    INSERT INTO analytics_minuterollup (room, start, {COUNTERS})
    SELECT room, start + (random() * 14)::int * interval '1 min', {COUNTERS}
    FROM analytics_quarterrollup WHERE start >= %(end)s::timestamptz - interval '8 days'
"""

# Some of a room's people are active on a day: busy rooms have more of them.
PERSON_DAYS = """
    INSERT INTO analytics_personday (room, day, person, am_quarters, pm_quarters)
    SELECT room, day, 1 + (room * 7 + member * 13) %% %(people)s,
        am_quarters & mask, pm_quarters & (mask | (1::bigint << member %% 40))
    FROM (
        SELECT room, day, am_quarters, pm_quarters, member,
            (random() * 281474976710655)::bigint AS mask
        FROM analytics_dayrollup
        CROSS JOIN generate_series(1, 60) AS member
        WHERE room <> 0 AND member <= 4 + 60 * room::float8 ^ -0.5::float8 AND random() < 0.5
            -- People come and go: each is there for a part of the year.
            AND sin(day - %(begin)s::date + room * 7 + member * 13) > -0.6
            AND (day - %(begin)s::date) >= (room * 7 + member * 13) %% 331 - 60
    ) AS there
    WHERE am_quarters & mask <> 0 OR pm_quarters & (mask | (1::bigint << member %% 40)) <> 0
    ON CONFLICT DO NOTHING
"""

ALL_PERSON_DAYS = f"""
    INSERT INTO analytics_personday (room, day, person, am_quarters, pm_quarters)
    SELECT {ALL_ROOMS}, day, person, bit_or(am_quarters), bit_or(pm_quarters)
    FROM analytics_personday GROUP BY day, person
"""

SEEN = """
    INSERT INTO analytics_personseen (room, person, first_at, last_at)
    SELECT room, person, min(day) + time '10:00', max(day) + time '12:00'
    FROM analytics_personday GROUP BY room, person
"""

REPLIES = """
    INSERT INTO analytics_replytimes (room, start, bucket, replies)
    SELECT room, start, bucket, count(*) FROM (
        SELECT room, start, least(300, greatest(0, (90 + 30 * (random() + random() + random() - 1.5)
            + extract(hour FROM start) / 2)::int)) AS bucket
        FROM analytics_quarterrollup CROSS JOIN generate_series(1, 2)
        WHERE room <> 0 AND random() < 0.25
    ) AS answered GROUP BY room, start, bucket
"""

ALL_REPLIES = f"""
    INSERT INTO analytics_replytimes (room, start, bucket, replies)
    SELECT {ALL_ROOMS}, start, bucket, sum(replies) FROM analytics_replytimes GROUP BY start, bucket
"""

EMOJI = """
    INSERT INTO analytics_emojiday (room, day, emoji, added, removed)
    SELECT room, day, emoji, ceil(reactions * weight)::bigint, 0
    FROM analytics_dayrollup CROSS JOIN (VALUES ('👍', 0.4), ('❤️', 0.2), ('😂', 0.15), ('🎉', 0.1),
        ('👀', 0.08), ('🙏', 0.04), ('🔥', 0.02), ('🤔', 0.01)) AS emoji(emoji, weight)
    WHERE reactions > 0 AND random() < weight * 2 + 0.1
"""

WORDS = """
    INSERT INTO analytics_wordweek (room, week, digest, word, messages, person, shared)
    SELECT room, week::date, hashtextextended(word || room, 0), word,
        3 + (40 / number * random())::int, 1, true
    FROM generate_series(1, %(rooms)s) AS room
    CROSS JOIN generate_series(
        date_trunc('week', %(begin)s::timestamptz), %(end)s, interval '7 days') AS week
    CROSS JOIN unnest(%(words)s::text[]) WITH ORDINALITY AS word(word, number)
    WHERE random() < 0.6
"""

STEPS = (
    QUARTERS,
    ALL_QUARTERS,
    DAYS,
    MINUTES,
    PERSON_DAYS,
    ALL_PERSON_DAYS,
    SEEN,
    REPLIES,
    ALL_REPLIES,
    EMOJI,
    WORDS,
)

TABLES = (
    "quarterrollup",
    "dayrollup",
    "minuterollup",
    "personday",
    "personseen",
    "replytimes",
    "emojiday",
    "wordweek",
    "countedroom",
    "consumedpartition",
)

NAMES = ("Release", "Support", "Design", "Дизайн", "Планёрка", "Incidents", "Hiring", "Бухгалтерия")
FIRST_NAMES = ("Anna", "Борис", "Chloé", "Дмитрий", "Priya", "Ирина", "Sergey", "Мария", "Li")
SPOKEN = [
    "deploy",
    "release",
    "review",
    "build",
    "staging",
    "rollback",
    "incident",
    "database",
    "latency",
    "ticket",
    "customer",
    "выкатка",
    "ревью",
    "сборка",
    "релиз",
    "тесты",
    "сервер",
    "ошибка",
    "клиент",
    "задача",
    "отчёт",
    "спринт",
    "дежурный",
]


def fill_year(rooms: int, people: int, days: int = 365) -> dict[str, int]:
    """Empty the rollups and fill them; makes the rooms and people of the chat, too.

    The year ends with this quarter of an hour. Returns the number of rows by table.
    """
    now = datetime.now(UTC)
    end = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    parameters: dict[str, Any] = {
        "begin": end - timedelta(days=days),
        "end": end,
        "rooms": rooms,
        "people": people,
        "words": SPOKEN,
    }
    _make_people(people)
    _make_rooms(rooms)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET work_mem = '256MB'; SELECT setseed(0.5)")
        for table in TABLES:
            cursor.execute(f"TRUNCATE analytics_{table}")
        for step in STEPS:
            cursor.execute(step, parameters)
        _count_rooms(rooms)
        cursor.execute(
            "INSERT INTO analytics_consumedpartition "
            "(bus, partition, position, event_at, moved_at, waiting, stopped_reason) "
            "VALUES ('bench', 0, '1', %(end)s, %(end)s, 0, '')",
            parameters,
        )
        cursor.execute("ANALYZE; RESET statement_timeout; RESET work_mem")
        counted = {}
        for table in TABLES:
            cursor.execute(f"SELECT count(*) FROM analytics_{table}")
            counted[table] = int(cursor.fetchone()[0])
    return counted


def _make_people(people: int) -> None:
    User.objects.bulk_create(
        [
            User(
                id=number,
                username=f"person{number}",
                display_name=f"{FIRST_NAMES[number % len(FIRST_NAMES)]} {number}",
                password="!",
            )
            for number in range(1, people + 1)
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


def _make_rooms(rooms: int) -> None:
    Room.objects.bulk_create(
        [
            Room(id=room, slug=f"room-{room}", name=_name(room), kind="public")
            for room in range(1, rooms + 1)
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


def _name(room: int) -> str:
    return f"{NAMES[room % len(NAMES)]} {room}"


def _count_rooms(rooms: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT room, min(start), max(start) FROM analytics_quarterrollup "
            "WHERE room <> 0 GROUP BY room"
        )
        spans = {room: (first, last) for room, first, last in cursor.fetchall()}
    CountedRoom.objects.bulk_create(
        [
            CountedRoom(
                room=room,
                seq=random.randint(1_000, 100_000),
                kind="public",
                slug=f"room-{room}",
                name=_name(room),
                first_at=first,
                last_at=last,
            )
            for room, (first, last) in spans.items()
        ],
        batch_size=1000,
    )
