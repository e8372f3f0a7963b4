"""What becomes of tasks that fail, in a real worker that is really killed."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from django.db import connection

from chat import dead_letters
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Outcome, Reason, State, store
from chat.hints import queue_limit
from chat.servers import redis_bus
from tests.support import worker_tasks
from tests.support.worker_tasks import AWAY, DONE, RUNS

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = [sys.executable, "-m", "celery", "-A", "chatsite", "worker"]
OPTIONS = ["-I", "tests.support.worker_tasks", "-c", "2", "-l", "INFO"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]


class Worker:
    """A worker of the test's own, with two child processes."""

    def __init__(self, log: Path) -> None:
        base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
        database = f"{base}/{connection.settings_dict['NAME']}"
        self._log = log
        self._process = subprocess.Popen(
            [*WORKER, *OPTIONS, *QUIET],
            env={**os.environ, "DATABASE_URL": database},
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def kill(self) -> None:
        """All of its processes at once: what a test began, it has waited for."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")


@pytest.fixture(scope="module")
def worker(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """One for all tests: each ends when its tasks are done, and what is kept of them is flushed."""
    with django_db_blocker.unblock():
        worker = Worker(tmp_path_factory.mktemp("celery") / "worker.log")
    yield worker
    worker.kill()


def eventually(is_so: Callable[[], object], seconds: float = 60.0) -> None:
    """Checks again and again until it is true. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def runs(bus_redis: redis.Redis, task: str, number: int = 1) -> int:
    return int(bus_redis.get(f"{RUNS}{task}:{number}") or 0)


def done(bus_redis: redis.Redis) -> list[str]:
    return [cast(bytes, name).decode() for name in bus_redis.lrange(DONE, 0, -1)]


def letters() -> list[DeadLetter]:
    return list(dead_letters.every())


def let_letters_be_due(log_redis: redis.Redis) -> None:
    for letter_id, _ in log_redis.zscan_iter(store.DUE):
        log_redis.zadd(store.DUE, {letter_id: 0})


def let_claim_end(log_redis: redis.Redis, letter_id: str) -> None:
    """The time is over in which the task of the letter was to say how it went."""
    let_letters_be_due(log_redis)
    log_redis.delete(store.CLAIM + letter_id)


def test_task_that_kills_its_worker_is_left_to_the_sweep_while_others_flow(
    worker: Worker, bus_redis: redis.Redis
) -> None:
    worker_tasks.killer.delay(1)
    for number in range(20):
        worker_tasks.bystander.delay(number)

    eventually(lambda: runs(bus_redis, "killer"))
    eventually(lambda: len(set(done(bus_redis))) == 20)

    worker_tasks.bystander.delay(99)
    eventually(lambda: "bystander:99" in done(bus_redis))
    assert runs(bus_redis, "killer") == 1
    assert letters() == []


def test_retried_task_that_kills_its_worker_leaves_its_letter_due_again(
    worker: Worker, bus_redis: redis.Redis, log_redis: redis.Redis
) -> None:
    letter_id = dead_letters.add(
        source="task:test.killer",
        reason=Reason.TASK_FAILED,
        error="",
        origin=DeadLetterOrigin(call="killed"),
        payload=b'{"task":"test.killer","args":[1]}',
    )

    [result] = dead_letters.retry([letter_id], by="olga")
    eventually(lambda: runs(bus_redis, "killer") == 1)
    let_claim_end(log_redis, letter_id)
    [again] = letters()
    outcomes = dead_letters.retry_due()

    assert result.outcome == Outcome.SENT
    assert (again.id, again.attempts, again.state) == (letter_id, 1, State.WAITING)
    assert outcomes == {Outcome.SENT: 1}
    eventually(lambda: runs(bus_redis, "killer") == 2)
    assert letters()[0].attempts == 2


def test_task_that_is_refused_is_not_tried_again(worker: Worker, bus_redis: redis.Redis) -> None:
    worker_tasks.refused.delay(1)

    eventually(letters)

    assert (letters()[0].reason, runs(bus_redis, "refused")) == (Reason.TASK_FAILED, 1)


def test_task_whose_infrastructure_is_down_is_left_to_the_sweep(
    worker: Worker, bus_redis: redis.Redis
) -> None:
    bus_redis.set(AWAY, 1)
    for number in range(1, 9):
        worker_tasks.waits.delay(1)
        eventually(lambda number=number: runs(bus_redis, "waits") == number)  # type: ignore[misc]
    bus_redis.delete(AWAY)
    worker_tasks.waits.delay(1)

    eventually(lambda: done(bus_redis) == ["waits:1"])

    assert letters() == []


def test_wake_up_that_fails_each_time_is_one_dead_letter(
    worker: Worker, bus_redis: redis.Redis, log_redis: redis.Redis
) -> None:
    for _ in range(5):
        worker_tasks.stumbles.delay(1)
    worker_tasks.stumbles.delay(2)

    eventually(lambda: runs(bus_redis, "stumbles") == 5 and len(letters()) == 2)
    payloads = {letter.payload for letter in letters()}
    assert payloads == {b'{"task":"test.stumbles","args":[%d]}' % number for number in (1, 2)}
    bus_redis.set("test:mended", 1)
    let_letters_be_due(log_redis)
    dead_letters.retry_due()
    eventually(lambda: not letters())
    assert sorted(done(bus_redis)) == ["stumbles:1", "stumbles:2"]
    # The text of an error may quote what somebody wrote.
    assert "somebody's words" not in worker.output


class Planted:
    """Leaves a trace if a worker unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def envelope(task: object, body: object, **properties: object) -> bytes:
    """A message as it lies in the broker's list, with whatever is wrong with it."""
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), "argsrepr": "()"},
            "properties": {
                "correlation_id": "c",
                "reply_to": "r",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue_limit.QUEUE},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
            **properties,
        }
    ).encode()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_messages_that_are_no_tasks_of_ours_run_nothing_and_stop_nobody(
    worker: Worker, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    good = base64_of(b'[[1], {}, {"callbacks": null}]')
    pickled = {
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
    }
    messages = {
        "unknown task": envelope("chat.tasks.no_such_task", good),
        "task that is no text": envelope(["chat.tasks.persist_shard"], good),
        "no task": envelope(None, good),
        "pickle": envelope(
            "test.bystander", base64_of(pickle.dumps([[Planted(planted)], {}, {}])), **pickled
        ),
        "too many arguments": envelope("test.bystander", base64_of(b"[[1, 2, 3], {}, {}]")),
        "unknown argument": envelope("test.bystander", base64_of(b'[[], {"x": 1}, {}]')),
        "shard that is none": envelope("chat.tasks.persist_shard", base64_of(b"[[99], {}, {}]")),
        "shard that is text": envelope("chat.tasks.persist_shard", base64_of(b'[["x"], {}, {}]')),
        "body that is no list": envelope("test.bystander", base64_of(b'{"a": 1}')),
        "body that is no JSON": envelope("test.bystander", base64_of(b"\xff\x00")),
    }
    broker = redis_bus.broker_client()

    for message in messages.values():
        broker.lpush(queue_limit.QUEUE, message)
    worker_tasks.bystander.delay(7)

    eventually(lambda: "bystander:7" in done(redis_bus.blocking_client()))
    eventually(lambda: broker.llen(queue_limit.QUEUE) == 0)
    worker_tasks.bystander.delay(8)
    eventually(lambda: "bystander:8" in done(redis_bus.blocking_client()))
    # None comes back when the worker ends, which would be the end of the next one.
    eventually(lambda: broker.hlen("unacked") == 0)
    assert not planted.exists()
