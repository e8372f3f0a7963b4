"""Wake-ups do not pile up on the bus while no worker takes them (I8)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import cast

import msgspec
import pytest
import redis
from django.conf import settings
from redis import Redis

from chat import dead_letters, tasks
from chat.hints import queue_limit, to_workers
from chat.hints.queue_limit import MAX_QUEUED, QUEUE
from chat.hints.queues import DRAINS, QUEUES
from chat.room_log import keys
from chat.task_queue import beat_heartbeat
from chat.task_queue.expiry import UNTIL_HEADER
from chatsite.celery import app
from chatsite.worker.beat import Scheduler

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broker(bus_redis: redis.Redis) -> Iterator[redis.Redis]:
    """The database of the queue, empty, with no worker anywhere."""
    client = Redis.from_url(settings.CELERY_BROKER_URL)
    client.delete(*QUEUES)
    yield client
    client.delete(*QUEUES)
    client.close()


def fill(broker: redis.Redis, messages: int, *names: str) -> None:
    for name in names or [QUEUE]:
        broker.rpush(name, *[b"{}"] * messages)


def lengths(broker: redis.Redis) -> tuple[int, int]:
    return broker.llen(DRAINS), broker.llen(QUEUE)


def send_all_wake_ups() -> None:
    tasks.persist_shard.delay(1)
    tasks.export_shard.apply_async(args=(1,), expires=60)
    to_workers.ask(1)


def scheduler() -> Scheduler:
    return Scheduler(app=app)


def test_wake_ups_are_sent_until_the_queue_is_full_and_again_when_it_is_not(
    broker: redis.Redis,
) -> None:
    fill(broker, MAX_QUEUED - 2, DRAINS)
    fill(broker, MAX_QUEUED - 1, QUEUE)

    send_all_wake_ups()
    full = lengths(broker)
    send_all_wake_ups()
    still_full = lengths(broker)
    broker.rpop(DRAINS)
    to_workers.ask(1)

    assert full == still_full == lengths(broker) == (MAX_QUEUED, MAX_QUEUED)


def test_beat_that_runs_without_a_worker_fills_the_queue_no_further_and_shows_that_it_lives(
    broker: redis.Redis, bus_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_limit, "MAX_QUEUED", 20)
    beat = scheduler()

    for _ in range(10):
        for entry in beat.schedule.values():
            beat.apply_entry(entry)

    assert len(beat.schedule) > 2
    assert lengths(broker) == (20, 20)
    assert beat_heartbeat.read(bus_redis) > 0


def test_sweep_sends_drains_that_expire(broker: redis.Redis, log_redis: redis.Redis) -> None:
    log_redis.xadd(keys.ingest(1), {"anything": "to drain"})

    tasks.sweep_shards()

    messages = cast(list[bytes], broker.lrange(DRAINS, 0, -1))
    headers = [msgspec.json.decode(message)["headers"] for message in messages]
    assert [one["task"] for one in headers] == ["chat.tasks.persist_shard"]
    assert headers[0]["expires"] is not None
    seconds, _ = broker.time()
    assert headers[0][UNTIL_HEADER] == pytest.approx(seconds + tasks.EXPIRES_SECONDS, abs=10)


def test_task_of_a_dead_letter_is_sent_in_any_case(
    broker: redis.Redis, log_redis: redis.Redis
) -> None:
    fill(broker, MAX_QUEUED)
    letter_id = dead_letters.add(
        source="task:test.bystander",
        reason=dead_letters.Reason.TASK_FAILED,
        error="",
        origin=dead_letters.DeadLetterOrigin(call="failed"),
        payload=b'{"task":"test.bystander","args":[1]}',
    )

    [result] = dead_letters.retry([letter_id], by="olga")

    assert result.outcome == dead_letters.Outcome.SENT
    assert broker.llen(QUEUE) == MAX_QUEUED + 1


def test_broker_that_keeps_its_connections_and_says_nothing_is_given_up(
    bus_redis: redis.Redis,
) -> None:
    to_workers.ask(0)  # connected, so that nothing but the answer is waited for
    server = bus_redis.info("server")["process_id"]
    asking = threading.Thread(target=to_workers.ask, args=[0], daemon=True)
    os.kill(server, signal.SIGSTOP)
    try:
        asking.start()
        asking.join(30)
        gave_up = not asking.is_alive()
    finally:
        os.kill(server, signal.SIGCONT)

    assert gave_up
