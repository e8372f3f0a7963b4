"""What PostgreSQL, the log and the event bus hold, read without any of Veche's code."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg
import redis
from redis.asyncio import Redis

from tests.drill.history import Seen, digest

STREAM = "veche:bus:chat.events.v1"
LETTERS = "veche:dead-letters"
TOPIC = "chat.events.v1"
EVENTS = """
    SELECT room_id, seq, n, type, key::text, actor_id, data FROM chat_roomevent
    ORDER BY room_id, seq, id
"""
WATERMARKS = """
    SELECT (SELECT sum(stored_seq) FROM chat_room WHERE id = ANY (%(rooms)s))::bigint,
           (SELECT sum(seq) FROM chat_exportedroom WHERE room_id = ANY (%(rooms)s))::bigint
"""
SAMPLE_SECONDS = 1.5
READ_MS = 3_000


def stored_events(database: str) -> dict[int, list[Seen]]:
    """Every event in PostgreSQL, by room, in order of seq."""
    found: defaultdict[int, list[Seen]] = defaultdict(list)
    with psycopg.connect(database) as connection:
        for room, seq, n, kind, key, actor, data in connection.execute(EVENTS):
            found[room].append(Seen(seq, n, kind, key, actor, digest(data)))
    return dict(found)


def heads(database: str) -> dict[int, int]:
    with psycopg.connect(database) as connection:
        return dict(connection.execute("SELECT id, stored_seq FROM chat_room").fetchall())


class DeadLetter(NamedTuple):
    reason: str
    key: str | None  # of the event, if it is known


def dead_letters(log: str) -> list[DeadLetter]:
    with redis.Redis.from_url(log) as client:
        return [
            DeadLetter(
                fields.get(b"reason", b"").decode(),
                json.loads(fields.get(b"origin", b"{}")).get("key"),
            )
            for _, fields in client.xrange(LETTERS)
        ]


def stream_records(log: str) -> dict[int, list[Seen]]:
    """The records of the Redis Stream that is the event bus where there is no Kafka."""
    found: defaultdict[int, list[Seen]] = defaultdict(list)
    with redis.Redis.from_url(log) as client:
        start = b"-"
        while entries := client.xrange(STREAM, min=start, count=2_000):
            for _, fields in entries:
                _add(found, fields[b"value"])
            start = b"(" + entries[-1][0]
    return dict(found)


def kafka_records(servers: str) -> dict[int, list[Seen]]:
    """The records of the topic, each room's in order of their offsets."""
    from kafka import KafkaConsumer, TopicPartition

    found: defaultdict[int, list[Seen]] = defaultdict(list)
    with closing(
        KafkaConsumer(bootstrap_servers=[servers], enable_auto_commit=False, group_id=None)
    ) as consumer:
        partitions = [
            TopicPartition(TOPIC, number) for number in consumer.partitions_for_topic(TOPIC) or ()
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(one) < end for one, end in ends.items()):
            for records in consumer.poll(timeout_ms=READ_MS).values():
                for record in records:
                    _add(found, record.value)
    return dict(found)


def _add(found: Mapping[int, list[Seen]], value: bytes) -> None:
    event = json.loads(value)
    kind = event["type"].removeprefix("chat.").rpartition(".")[0]
    found[event["room"]].append(
        Seen(
            event["seq"],
            event["n"],
            kind,
            event.get("key"),
            event.get("actor"),
            digest(event["data"]),
        )
    )


class Watermarks:
    """Regularly asks how far the rooms have got; gives None for servers that do not answer."""

    def __init__(self, database: str, log: str, shards: int, rooms: Sequence[int]) -> None:
        self._database = database
        self._rooms = list(rooms)
        self._keys = [f"veche:{{{room % shards}}}:room:{room}" for room in rooms]
        self._log = Redis.from_url(
            log, socket_timeout=SAMPLE_SECONDS, socket_connect_timeout=SAMPLE_SECONDS
        )
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def head(self) -> int | None:
        try:
            pipeline = self._log.pipeline(transaction=False)
            for key in self._keys:
                pipeline.hget(key, "head")
            return sum(int(value) for value in await pipeline.execute() if value is not None)
        except (redis.RedisError, OSError):
            return None

    async def stored_and_exported(self) -> tuple[int | None, int | None]:
        try:
            async with asyncio.timeout(SAMPLE_SECONDS):
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(
                        self._database, autocommit=True, application_name="drill"
                    )
                row = await (
                    await self._connection.execute(WATERMARKS, {"rooms": self._rooms})
                ).fetchone()
        except (psycopg.Error, OSError, TimeoutError):
            self._connection = None
            return None, None
        assert row is not None
        return row[0] or 0, row[1] or 0

    async def close(self) -> None:
        await self._log.aclose()
        if self._connection is not None:
            await self._connection.close()
