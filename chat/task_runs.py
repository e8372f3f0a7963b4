"""How often a task was begun, and which tasks are to be sent again later.

Both lie on the bus, beside the queue: they are worth as
much as the task's own message and are lost with it. Back-off is data here and not a Celery
countdown: a worker would hold such a task in memory, and its message would be given to another
worker when the broker's visibility time-out is over, again and again.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

import msgspec
from celery import current_app

from chat.servers import redis_bus
from chat.servers.lua import Script

LATER = "veche:tasks:later"
CALLS = "veche:tasks:later:calls"
# Longer than any pause between two runs of a task.
STARTS_SECONDS = 24 * 3600
# Longer than sending a hundred calls takes with the broker's time-outs.
LEASE_MS = 60_000
SEND_CALLS = 100

_LEASE = Script(Path(__file__).parent / "lease_calls.lua")


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task and its arguments, which are ids and never anybody's words."""

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    id: str | None = None
    headers: dict[str, Any] = {}


def begin(task_id: str) -> int:
    """Counts a run before it starts; 1 for the first. Raises: redis.RedisError."""
    pipeline = redis_bus.blocking_client().pipeline(transaction=True)
    pipeline.incr(_starts(task_id))
    pipeline.expire(_starts(task_id), STARTS_SECONDS)
    return int(pipeline.execute()[0])


def take_back(task_id: str) -> None:
    """Says that the run which has just ended does not count. Raises: redis.RedisError."""
    redis_bus.blocking_client().decr(_starts(task_id))


def end(task_id: str) -> None:
    """Forgets a task that will not be run again. Raises: redis.RedisError."""
    redis_bus.blocking_client().delete(_starts(task_id))


def send_later(call: Call, delay_seconds: float) -> None:
    """Keeps a call until its time has come. Raises: redis.RedisError."""
    client = redis_bus.blocking_client()
    seconds, microseconds = client.time()
    due_ms = seconds * 1000 + microseconds // 1000 + int(delay_seconds * 1000)
    # A name of its own: the same task may be put off again before this call is removed.
    name = uuid.uuid4().hex
    pipeline = client.pipeline(transaction=True)
    pipeline.hset(CALLS, name, msgspec.json.encode(call))
    pipeline.zadd(LATER, {name: due_ms})
    pipeline.execute()


def send_due(limit: int = SEND_CALLS) -> int:
    """Sends at most `limit` calls whose time has come, and returns how many.

    Safe to run any number of times at once. A crash in between sends a call twice, which tasks
    bear.

    Raises: redis.RedisError or kombu's OperationalError when the bus is away.
    """
    leased = cast(
        list[bytes], _LEASE.call(redis_bus.blocking_client(), [LATER, CALLS], [limit, LEASE_MS])
    )
    for name, raw in zip(leased[::2], leased[1::2], strict=True):
        send(msgspec.json.decode(raw, type=Call))
        pipeline = redis_bus.blocking_client().pipeline(transaction=True)
        pipeline.zrem(LATER, name)
        pipeline.hdel(CALLS, name)
        pipeline.execute()
    return len(leased) // 2


def send(call: Call, expires_seconds: float | None = None) -> None:
    """Sends a call to the workers now. Raises: kombu's OperationalError."""
    current_app.send_task(
        call.task,
        args=call.args,
        kwargs=call.kwargs,
        task_id=call.id,
        headers=call.headers,
        expires=expires_seconds,
        ignore_result=True,
    )


def _starts(task_id: str) -> str:
    return f"veche:task:{task_id}:starts"
