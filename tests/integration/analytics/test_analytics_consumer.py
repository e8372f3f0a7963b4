"""From the event bus to the rollups: each event once, whatever happens (I4)."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import connection

from analytics.counting.consumer import Consumer
from analytics.counting.records import BadReason
from analytics.models import ALL_ROOMS, ConsumedPartition, DayRollup, OpenPlaces
from analytics.reading.queries.freshness import freshness
from chat import dead_letters
from chat.events.envelope import STREAM
from chat.export import exporter
from chat.resilience.backoff import delay_seconds
from chatsite.analytics_wiring.dead_letters import AnalyticsDeadLetters
from tests.integration.export.test_export import url_of_test_database
from tests.support import analytics_truth, buses
from tests.support.analytics_events import bad_records, post, record_of
from tests.support.analytics_process import Nursery, kill
from tests.support.analytics_world import KeptDeadLetters, World, new_consumer, new_reader, publish
from tests.support.buses import EventBusUnderTest
from tests.support.servers import OwnServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

DEADLINE_SECONDS = 100.0
PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def on_redis(bus_log_server: OwnServer) -> Iterator[EventBusUnderTest]:
    yield from buses.redis_stream_bus(bus_log_server)


def counted_events() -> int:
    """Events that are in the rollups, of all rooms; those that are only passed over included."""
    rows = analytics_truth.rows("SELECT COALESCE(sum(seq), 0) FROM analytics_countedroom")
    return int(next(iter(rows))[0])


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def consume(consumer: Consumer, events: int) -> None:
    """Steps until so many events more have been done with, counted or passed over."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    done = 0
    while done < events:
        assert time.monotonic() < deadline, f"only {done} of {events} came"
        counted = consumer.step(1.0)
        done += counted.events + counted.repeats + counted.placeholders + counted.bad


class Running:
    """A consumer in a thread of this process."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self._thread = threading.Thread(target=consumer.run, args=(delay_seconds,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.consumer.stopping.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture
def running() -> Iterator[Callable[[Consumer], Running]]:
    started: list[Running] = []

    def run(consumer: Consumer) -> Running:
        started.append(Running(consumer))
        return started[-1]

    yield run
    for one in started:
        one.stop()


def test_killed_again_and_again_while_events_flow_and_repeat_each_counts_once(
    on: EventBusUnderTest,
) -> None:
    """Two processes share the work, so the partitions go to and fro between them, too."""
    world = World(rooms=9)
    world.happen(3_000)
    events = sorted(world.events(), key=lambda one: (one.at, one.seq))
    publish(on, events[:500])
    rest, repeated = events[500:], events[:400]
    names = ["one", "two"]
    with Nursery(on, url_of_test_database(), batch_records=150) as nursery:
        workers = [nursery.start(name) for name in names]
        for round_ in range(5):
            reached = counted_events()
            again = repeated[round_ * 80 : (round_ + 1) * 80]
            publish(on, rest[round_ * 500 : (round_ + 1) * 500] + again)
            wait_until(lambda reached=reached: counted_events() > reached)  # type: ignore[misc]
            kill(workers[round_ % 2])
            workers[round_ % 2] = nursery.start(names[round_ % 2])
        publish(on, rest[2_500:])
        wait_until(lambda: counted_events() == len(events) and not OpenPlaces.objects.exists())

    assert analytics_truth.differences() == []
    assert analytics_truth.totals()["minutes"] > 1_000


def test_positions_set_back_and_events_published_again_in_another_order_change_nothing(
    on: EventBusUnderTest, running: Callable[[Consumer], Running]
) -> None:
    world = World()
    world.happen(400)
    events = list(world.events())
    publish(on, events)
    running(new_consumer(on, batch_records=100))
    wait_until(lambda: counted_events() == len(events))

    mixed = list(events)
    random.Random(5).shuffle(mixed)
    # Before they are published: what has read everything looks at its position no more.
    ConsumedPartition.objects.update(position="")
    publish(on, mixed)
    ends = {partition: end for partition, end in on.bus.ends().items() if end != "0"}

    def all_read() -> bool:
        found = dict(ConsumedPartition.objects.values_list("partition", "position"))
        return all(found.get(partition) == end for partition, end in ends.items())

    wait_until(all_read)
    assert analytics_truth.differences() == []
    assert sum(analytics_truth.totals().values()) > 100


def test_bus_that_goes_away_and_comes_back_is_read_on_without_a_restart(
    on: EventBusUnderTest, running: Callable[[Consumer], Running]
) -> None:
    world = World()
    world.happen(100)
    first = list(world.events())
    publish(on, first)
    running(new_consumer(on))
    wait_until(lambda: counted_events() == len(first))

    on.server.kill()
    on.server.start()
    world.happen(100)
    everything = list(world.events())
    on.bus.close()
    publish(on, everything)

    wait_until(lambda: counted_events() == len(everything))
    assert analytics_truth.differences() == []


@pytest.mark.parametrize("with_more", [False, True], ids=["shorter", "longer"])
def test_topic_made_anew_under_a_living_consumer_is_counted_to_the_end(
    on_kafka: EventBusUnderTest, running: Callable[[Consumer], Running], with_more: bool
) -> None:
    """Positions on the old topic mean nothing on the new one, which is shorter than they are, or
    longer, and then what lies before them would be passed over."""
    world = World()
    world.happen(200)
    known = list(world.events())
    publish(on_kafka, known)
    running(new_consumer(on_kafka))
    wait_until(lambda: counted_events() == len(known))

    buses.delete(on_kafka)
    room = world.new_room("public")
    world.happen(400 if with_more else 20, [room])
    # What is new comes first on the new topic, where the consumer has been already.
    new = [one for one in world.events() if one.room == room.pk]
    publish(on_kafka, [*new, *known] if with_more else new)

    wait_until(lambda: counted_events() == len(known) + len(new))
    assert analytics_truth.differences() == []
    assert freshness().waiting == 0


def test_database_that_ends_the_connection_is_waited_for(
    on_redis: EventBusUnderTest, running: Callable[[Consumer], Running]
) -> None:
    world = World()
    world.happen(300)
    events = list(world.events())
    publish(on_redis, events[:100])
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [began] = cursor.fetchone()
    running(new_consumer(on_redis, batch_records=20))
    wait_until(lambda: counted_events() > 0)

    for _ in range(3):
        with connection.cursor() as cursor:
            # Those of the consumer: what other threads hold is older.
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_start > %s",
                [began],
            )
    publish(on_redis, events[100:])

    wait_until(lambda: counted_events() == len(events))
    assert analytics_truth.differences() == []


class PausedDeadLetters(KeptDeadLetters):
    """Holds the process up between reading a batch and counting it."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.go_on = threading.Event(), threading.Event()

    def check(self, partition: int, bad: int, entries: int) -> None:
        self.read.set()
        assert self.go_on.wait(60)


def test_paused_process_that_wakes_up_after_another_has_taken_over_goes_on_after_it(
    on: EventBusUnderTest,
) -> None:
    """Like a zombie after a rebalance, it holds a batch of a partition that it has lost."""
    world = World()
    world.happen(200)
    events = list(world.events())
    publish(on, events)
    letters = PausedDeadLetters()
    paused = Consumer(lambda: new_reader(on, "paused"), letters, batch_records=20)
    outcomes: list[Any] = []
    enough = threading.Event()

    def step() -> None:
        try:
            while not enough.is_set():
                counted = paused.step(1.0)
                if counted.events or counted.fenced:
                    outcomes.append(counted)
        finally:
            paused.close()

    thread = threading.Thread(target=step)
    thread.start()
    assert letters.read.wait(60)
    other = new_consumer(on)
    while counted_events() < len(events):
        other.step(1.0)
    other.close()
    letters.go_on.set()
    wait_until(lambda: bool(outcomes))
    world.happen(100)
    everything = list(world.events())
    publish(on, everything)
    try:
        wait_until(lambda: counted_events() == len(everything))
    finally:
        enough.set()
        thread.join(60)

    first, *_ = outcomes
    assert first.events == 0
    assert first.fenced
    assert analytics_truth.differences() == []


def test_process_that_stands_by_takes_over_when_the_other_one_ends(
    on_redis: EventBusUnderTest, running: Callable[[Consumer], Running]
) -> None:
    world = World()
    world.happen(100)
    first = list(world.events())
    publish(on_redis, first)
    one, _ = running(new_consumer(on_redis)), running(new_consumer(on_redis))
    wait_until(lambda: counted_events() == len(first))

    one.stop()
    world.happen(100)
    publish(on_redis, list(world.events()))

    wait_until(lambda: counted_events() == len(first) + 100)
    assert analytics_truth.differences() == []


def put(on: EventBusUnderTest, key: bytes, value: bytes | None) -> None:
    """Puts in a record that Veche did not write."""
    client = redis.Redis.from_url(on.server.url)
    fields: dict[Any, Any] = {"key": key} if value is None else {"key": key, "value": value}
    client.xadd(on.topic, fields)
    client.close()


def test_bad_records_become_dead_letters_and_hold_nothing_up(on_redis: EventBusUnderTest) -> None:
    letters = KeptDeadLetters()
    publish(on_redis, [post(1)])
    for record in bad_records(5).values():
        put(on_redis, record.key, record.value)
    publish(on_redis, [post(3)])

    consumer = new_consumer(on_redis, letters)
    consume(consumer, 2 + len(bad_records(5)))
    consumer.close()

    assert len(letters.kept) == len(bad_records(5))
    assert {one.reason for one in letters.kept} == set(BadReason)
    assert DayRollup.objects.get(room=ALL_ROOMS).messages == 2


def test_dead_letters_of_the_analytics_can_be_retried_like_all_others(
    on_redis: EventBusUnderTest, log_redis: redis.Redis
) -> None:
    bad = bad_records(5)
    publish(on_redis, [post(1)])
    for name in ("tomorrow", "not JSON"):
        put(on_redis, bad[name].key, bad[name].value)
    consumer = new_consumer(on_redis, AnalyticsDeadLetters())
    consume(consumer, 3)
    consumer.close()

    kept = {one.reason: one for one in dead_letters.page(limit=10).letters}
    [waits] = dead_letters.retry([kept["invalid_data"].id])
    [never] = dead_letters.retry([kept["unreadable"].id])

    assert {one.source for one in kept.values()} == {"analytics"}
    assert (kept["invalid_data"].origin.room, kept["invalid_data"].origin.seq) == (5, 2)
    assert (waits.outcome, never.outcome) == ("waiting", "parked")
    assert "ahead" in waits.detail


def test_letter_that_has_become_countable_is_counted_when_it_is_retried(
    on_redis: EventBusUnderTest, log_redis: redis.Redis
) -> None:
    """A check of the database stands for whatever PostgreSQL may refuse."""
    publish(on_redis, [post(1), post(2, "x" * 77), post(3)])
    refuse = "ALTER TABLE analytics_minuterollup ADD CONSTRAINT refuse CHECK (characters < 77)"
    with connection.cursor() as cursor:
        cursor.execute(refuse)
    try:
        consumer = new_consumer(on_redis, AnalyticsDeadLetters())
        consume(consumer, 3)
        consumer.close()
        before = DayRollup.objects.get(room=ALL_ROOMS).messages
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE analytics_minuterollup DROP CONSTRAINT refuse")
    [letter] = dead_letters.page(limit=10).letters
    [retried] = dead_letters.retry([letter.id])

    assert before == 2
    assert (letter.source, letter.origin.seq, retried.outcome) == ("analytics", 2, "done")
    assert DayRollup.objects.get(room=ALL_ROOMS).messages == 3
    assert not OpenPlaces.objects.exists()


def test_topic_full_of_bad_records_stops_the_partition_and_is_not_emptied(
    on_redis: EventBusUnderTest, running: Callable[[Consumer], Running], log_redis: redis.Redis
) -> None:
    for _ in range(60):
        put(on_redis, b"5", b"{}")
    publish(on_redis, [post(1)])
    running(new_consumer(on_redis, AnalyticsDeadLetters()))
    wait_until(lambda: ConsumedPartition.objects.filter(stopped_at__isnull=False).exists())

    stopped = ConsumedPartition.objects.get()
    letters = dead_letters.counts().total
    redis.Redis.from_url(on_redis.server.url).xtrim(on_redis.topic, maxlen=1, approximate=False)
    call_command("consume_events", "--resume")

    wait_until(lambda: counted_events() == 1)
    assert (stopped.position, letters) == ("", 0)
    assert "60 of 61" in stopped.stopped_reason


def test_stream_keeps_what_is_not_counted_and_lets_go_of_what_is(
    on_redis: EventBusUnderTest,
) -> None:
    client = redis.Redis.from_url(on_redis.server.url)
    publish(on_redis, [post(1), post(2)])
    consumer = new_consumer(on_redis, batch_records=1)

    consume(consumer, 1)
    [before] = client.xinfo_groups(on_redis.topic)
    consume(consumer, 1)
    consumer.close()
    [after] = client.xinfo_groups(on_redis.topic)

    newest = client.xinfo_stream(on_redis.topic)["last-generated-id"]
    assert before["last-delivered-id"] < newest
    assert after["last-delivered-id"] == newest


def test_stream_that_was_lost_and_begun_anew_is_read_from_its_beginning(
    on_redis: EventBusUnderTest, running: Callable[[Consumer], Running]
) -> None:
    client = redis.Redis.from_url(on_redis.server.url)
    client.xadd(
        on_redis.topic, {"key": b"5", "value": record_of(post(1)).value or b""}, id="9" * 13
    )
    consumer = new_consumer(on_redis)
    consume(consumer, 1)
    consumer.close()
    client.delete(on_redis.topic)

    publish(on_redis, [post(1), post(2)])
    running(new_consumer(on_redis))

    wait_until(lambda: counted_events() == 2)
    assert DayRollup.objects.get(room=ALL_ROOMS).messages == 2


def test_command_counts_what_is_exported_and_ends_cleanly_when_it_is_told_to(
    log_redis: redis.Redis, tmp_path: Path
) -> None:
    world = World()
    world.happen(200)
    total = len(list(world.events()))
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "consume_events", "--instance", "test"],
            env={**os.environ, "DATABASE_URL": url_of_test_database()},
            cwd=PROJECT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            for shard in range(4):
                while exporter.of_process().export(shard).published:
                    pass
            wait_until(lambda: counted_events() == total)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()

    assert analytics_truth.differences() == []
    assert log_redis.xinfo_groups(STREAM)[0]["lag"] == 0
    text = log.read_text()
    assert "stopped" in text
    assert not any(word in text for word in ("wolf", "winter", "water"))
