"""Tasks that people wait for do not wait behind tasks that take long (`chat.hints.queues`)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from redis import Redis

from chat import room_log, tasks
from chat.hints import queue_limit, queues
from chat.models import Room, RoomEvent
from chatsite.celery import app
from tests.integration.export.test_export import url_of_test_database
from tests.integration.task_queue.test_celery_task import QUIET, WORKER, eventually
from tests.support import rooms, worker_tasks
from tests.support.worker_tasks import BEGUN, DONE, GO_ON

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(200)]

# An export may work for 20 s, the check of recent rooms for 55; a drain takes milliseconds.
PROMPT_SECONDS = 8.0

StartWorker = Callable[..., Path]


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> Path:
        log = tmp_path / f"worker-{len(started)}.log"
        process = subprocess.Popen(
            [*WORKER, "-I", "tests.support.worker_tasks", *options, *QUIET, "-l", "INFO"],
            env={**os.environ, "DATABASE_URL": url_of_test_database()},
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        started.append(process)
        eventually(lambda: " ready." in log.read_text(errors="replace"))
        return log

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def broker(bus_redis: redis.Redis) -> Iterator[redis.Redis]:
    client = Redis.from_url(settings.CELERY_BROKER_URL)
    client.delete(*queues.QUEUES)
    yield client
    client.delete(*queues.QUEUES)
    client.close()


def post_one() -> Room:
    """A room with what makes it and one message, logged; nothing asks for a drain."""

    async def talk() -> Room:
        ann = await rooms.new_person("ann")
        made = await rooms.new_room(ann)
        await rooms.post(made, ann, "is it stored?")
        await room_log.close()
        return made

    return async_to_sync(talk)()


def is_stored(room: Room) -> bool:
    return RoomEvent.objects.filter(room=room, type="message.posted").exists()


def test_drain_is_prompt_while_everything_else_takes_long(
    start_worker: StartWorker, broker: redis.Redis, bus_redis: redis.Redis
) -> None:
    start_worker("-c", "3")
    for number in range(6):
        worker_tasks.long.delay(number)
    eventually(lambda: bus_redis.llen(BEGUN) == 2)
    room = post_one()

    asked = time.monotonic()
    tasks.persist_shard.delay(room.pk % settings.ENV.shards)
    eventually(lambda: is_stored(room), PROMPT_SECONDS)
    seconds = time.monotonic() - asked
    begun = bus_redis.llen(BEGUN)
    bus_redis.set(GO_ON, 1)
    eventually(lambda: bus_redis.llen(DONE) == 6)

    assert seconds < PROMPT_SECONDS
    assert begun == 2  # the third process is for drains alone
    eventually(lambda: broker.llen(queues.DEFAULT) == 0)


def test_task_waits_at_the_broker_and_not_in_a_worker_that_is_busy(
    start_worker: StartWorker, broker: redis.Redis, bus_redis: redis.Redis
) -> None:
    """A task that a busy worker held could not be taken by an idle one."""
    start_worker("-c", "2", "-n", "first@%h")
    for number in range(4):
        worker_tasks.long.delay(number)
    eventually(lambda: bus_redis.llen(BEGUN) == 1)
    waiting = broker.llen(queues.DEFAULT)
    start_worker("-c", "2", "-n", "second@%h")

    eventually(lambda: bus_redis.llen(BEGUN) == 2)
    bus_redis.set(GO_ON, 1)
    eventually(lambda: bus_redis.llen(DONE) == 4)

    assert waiting == 3


def test_worker_with_a_single_process_does_everything(
    start_worker: StartWorker, broker: redis.Redis, bus_redis: redis.Redis
) -> None:
    start_worker("-c", "1")
    room = post_one()
    bus_redis.set(GO_ON, 1)

    worker_tasks.long.delay(1)
    tasks.persist_shard.delay(room.pk % settings.ENV.shards)

    eventually(lambda: is_stored(room) and bus_redis.llen(DONE) == 1)


def test_each_task_goes_to_the_queue_it_belongs_to(broker: redis.Redis) -> None:
    sent = [name for name in app.tasks if name.startswith("chat.tasks.")]
    for name in sent:
        app.send_task(name, args=[1] if name.endswith("_shard") else [])

    assert len(queues.IN_DRAINS & set(sent)) == len(queues.IN_DRAINS)
    assert broker.llen(queues.DRAINS) == len(queues.IN_DRAINS)
    assert broker.llen(queues.DEFAULT) == len(sent) - len(queues.IN_DRAINS)


def test_full_queue_of_the_others_lets_drains_be_asked_for(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_limit, "MAX_QUEUED", 3)
    for shard in range(5):
        tasks.export_shard.delay(shard)
    for shard in range(5):
        tasks.persist_shard.delay(shard)

    assert broker.llen(queues.DEFAULT) == broker.llen(queues.DRAINS) == 3
