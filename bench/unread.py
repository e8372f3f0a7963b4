"""What counting unread messages as a person would costs: at a welcome, and for each message.

    python -m bench.unread --rooms 1000 --messages 1000

One person is in all the rooms and has read nothing. Every 50th message is theirs, every 100th was
deleted. Their rooms are looked up as for `welcome`, alternately with and without looking for
messages that are no news to them. The cost of index entries comes from inserting messages with and
without the two indexes. Starts its own PostgreSQL and log, and throws them away.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from bench.servers import own_servers

REPEATS = 15
INSERTED = 50_000
INDEXES = {"message_of_author_in_room", "deleted_in_room"}
INSERT = """
    INSERT INTO chat_message (room_id, seq, n, author_id, at, body, deleted_at, deleted_by_id)
    SELECT room.id, number, number,
        CASE WHEN number %% 50 = 0 THEN %(reader)s ELSE %(writer)s END, now(),
        'the quick brown fox jumps over the lazy dog ' || number,
        CASE WHEN number %% 100 = 1 THEN now() END, CASE WHEN number %% 100 = 1 THEN %(writer)s END
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS number, chat_room AS room
    WHERE room.kind = 'private' ORDER BY number, room.id
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", type=int, default=1_000)
    parser.add_argument("--messages", type=int, default=1_000, help="unread in each room")
    options = parser.parse_args()
    with own_servers(DB_STATEMENT_TIMEOUT_MS="600000"):
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        reader, writer = fill(options.rooms, options.messages)
        asyncio.run(measure(reader, options.rooms, options.messages))
        insert(reader, writer, options.rooms, options.messages)


def fill(rooms: int, messages: int) -> tuple[int, int]:
    """Fill the tables; returns the ids of the reader and the writer."""
    from django.db import connection

    from chat.models import Membership, Room, User

    reader = User.objects.create_user("reader")
    writer = User.objects.create_user("writer")
    Room.objects.bulk_create(
        Room(slug=f"r{number}", name=f"Room {number}", kind="private") for number in range(rooms)
    )
    private = Room.objects.filter(kind="private")
    Membership.objects.bulk_create(
        Membership(room=room, user=reader, role="member", joined_at=room.created_at)
        for room in private
    )
    with connection.cursor() as cursor:
        people = {"reader": reader.pk, "writer": writer.pk}
        for first in range(1, messages + 1, 100):
            last = min(first + 99, messages)
            cursor.execute(INSERT, {**people, "first": first, "last": last})
        cursor.execute(
            "UPDATE chat_room SET stored_seq = %s, stored_n = %s, last_stored_at = now()"
            " WHERE kind = 'private'",
            [messages, messages],
        )
        cursor.execute("VACUUM ANALYZE")
    return reader.pk, writer.pk


async def measure(reader: int, rooms: int, messages: int) -> None:
    from chat.queries import room_list, unread

    async def as_they_are(lists: Any) -> Any:
        return lists

    async def seconds() -> float:
        begun = time.perf_counter()
        found = await room_list.rooms_of(reader)
        taken = time.perf_counter() - begun
        assert len(found) >= min(rooms, room_list.EVERYTHING_UP_TO)
        return taken

    times: dict[str, list[float]] = {"without": [], "with": []}
    for _ in range(REPEATS):
        with mock.patch.object(unread, "counted", as_they_are):
            times["without"].append(await seconds())
        times["with"].append(await seconds())
    without, counted = (statistics.median(times[name]) for name in ("without", "with"))
    print(f"{rooms} rooms with {messages} unread: {without * 1000:.0f} ms without,", end=" ")
    print(f"{counted * 1000:.0f} ms with: {counted / without:.2f} times")


def insert(reader: int, writer: int, rooms: int, messages: int) -> None:
    from django.db import connection, transaction

    from chat.models import Message

    each = max(1, INSERTED // rooms)
    indexes = [index for index in Message._meta.indexes if index.name in INDEXES]

    def once() -> float:
        """The time of an insertion that is rolled back, so that each finds the same table."""
        begun = time.perf_counter()
        with transaction.atomic(), connection.cursor() as cursor:
            values = {"reader": reader, "writer": writer}
            numbers = {"first": messages + 1, "last": messages + each}
            cursor.execute(INSERT, {**values, **numbers})
            taken = time.perf_counter() - begun
            transaction.set_rollback(True)
        return taken

    def median(of: Callable[[], float]) -> float:
        return statistics.median(of() for _ in range(5))

    with_them = median(once)
    with connection.schema_editor() as editor:
        for index in indexes:
            editor.remove_index(Message, index)
    without = median(once)
    per_message = 1e6 / (each * rooms)
    print(f"a message inserted: {without * per_message:.0f} µs without the indexes,", end=" ")
    print(f"{with_them * per_message:.0f} µs with: {with_them / without:.2f} times")


if __name__ == "__main__":
    main()
