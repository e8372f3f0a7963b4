"""Event buses for tests: all of them real, with a server that the test may kill."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat.event_bus import Delivered, EventBus, Record, envelope
from chat.event_bus.kafka import KafkaEventBus, Limits
from chat.event_bus.redis_stream import RedisStreamEventBus
from chat.events import RoomEvent
from chat.events.positions import as_pair
from chat.export.exporter import Exporter
from localstack.kafka import missing_tool, new_kafka
from localstack.ports import free_port
from localstack.valkey import LOG_SETTINGS, Valkey
from tests.support.servers import OwnServer

PARTITIONS = 3
# Short, because the tests wait for each of these to pass.
LIMITS = Limits(connect_ms=2_000, block_ms=1_000, request_ms=800, delivery_ms=1_500, linger_ms=500)
# No call to an event bus that is down may take longer, whatever it waits for internally.
BOUND_SECONDS = 12.0
WARM_UP_SECONDS = 100.0


@dataclass
class EventBusUnderTest:
    """An event bus with an empty topic, and the server behind it."""

    kind: str
    bus: EventBus
    server: OwnServer
    topic: str
    another: Callable[[], EventBus]  # as in a second process
    closed: list[EventBus] = field(default_factory=list)

    @cached_property
    def exporter(self) -> Exporter:
        """The exporter of one process, which remembers how its earlier runs ended."""
        return Exporter(self.bus)

    def read_all(self, after: Mapping[int, str] | None = None) -> list[Delivered]:
        """Everything that is on the event bus now, each partition in order."""
        ends = self.bus.ends()
        positions = self.bus.starts() | dict(after or {})
        reader = self.bus.reader(after)
        found: list[Delivered] = []
        try:
            while any(as_pair(positions.get(at, "")) < as_pair(end) for at, end in ends.items()):
                for one in reader.read(500, 1.0):
                    found.append(one)
                    positions[one.partition] = one.position
        finally:
            reader.close()
        return found

    def events(self) -> list[RoomEvent]:
        return [envelope.decode(one.value or b"") for one in self.read_all()]

    def seqs(self, room: int) -> list[int]:
        """Every seq of `room` on the event bus, in its order, including repeats."""
        return [event.seq for event in self.events() if event.room == room]


def delete(on: EventBusUnderTest) -> None:
    """Delete the topic or the stream, with everything on it, while it is in use."""
    if on.kind == "redis-stream":
        Redis.from_url(on.server.url).delete(on.topic)
        return
    with closing(KafkaAdminClient(bootstrap_servers=[on.server.url])) as admin:
        admin.delete_topics([on.topic])


def first_occurrences(seqs: list[int]) -> list[int]:
    return list(dict.fromkeys(seqs))


def record(room: int, seq: int, value: bytes = b"{}") -> Record:
    return Record(room, seq, value)


def kafka_or_skip() -> None:
    """Skip locally, with the reason, where Kafka cannot run; in CI that is a failure."""
    problem = missing_tool()
    if problem is None:
        return
    if os.environ.get("CI", "").lower() in {"1", "true", "yes"}:
        pytest.fail(f"{problem}, and CI must test with a real Kafka")
    pytest.skip(problem)


def new_kafka_server(folder: Path) -> Iterator[OwnServer]:
    kafka_or_skip()
    server = OwnServer(new_kafka(folder))
    server.start()
    try:
        warm_up(server.url)
        yield server
    finally:
        server.stop()


def warm_up(url: str) -> None:
    """Send a first record: it takes a broker seconds, which `LIMITS` does not allow."""
    bus = KafkaEventBus([url], 1, topic="test.warm-up")
    try:
        deadline = time.monotonic() + WARM_UP_SECONDS
        while bus.publish([record(1, 1)], 20) != [None]:
            assert time.monotonic() < deadline, "Kafka takes nothing"
    finally:
        bus.close()


def new_log_server(folder: Path) -> Iterator[OwnServer]:
    password = secrets.token_urlsafe(16)
    server = OwnServer(Valkey("bus-log", folder, free_port(), password, LOG_SETTINGS))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def kafka_bus(server: OwnServer) -> Iterator[EventBusUnderTest]:
    topic = f"test.{secrets.token_hex(8)}"
    made: list[KafkaEventBus] = []

    def another() -> KafkaEventBus:
        made.append(KafkaEventBus([server.url], PARTITIONS, topic=topic, limits=LIMITS))
        return made[-1]

    server.start()
    first = another()
    first.prepare()
    try:
        yield EventBusUnderTest("kafka", first, server, topic, another)
    finally:
        server.start()
        for bus in made:
            bus.close()


def redis_stream_bus(server: OwnServer, max_bytes: int = 2**30) -> Iterator[EventBusUnderTest]:
    stream = f"test:{secrets.token_hex(8)}"

    def another() -> RedisStreamEventBus:
        client = Redis.from_url(
            server.url,
            socket_timeout=1.5,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        )
        return RedisStreamEventBus(max_bytes=max_bytes, stream=stream, client=lambda: client)

    server.start()
    yield EventBusUnderTest("redis-stream", another(), server, stream, another)
    server.start()
