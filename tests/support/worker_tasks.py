"""Tasks that fail in every way, for a real worker: `celery -A chatsite worker -I` this module."""

from __future__ import annotations

import os
import signal

from celery import shared_task
from django.db import OperationalError

from chat.errors import PermanentError
from chat.servers import redis_bus

RUNS = "test:runs:"
DONE = "test:done"
AWAY = "test:away"
BEGUN = "test:long:begun"
GO_ON = "test:long:go-on"


def _run(name: str, number: int) -> None:
    redis_bus.blocking_client().incr(f"{RUNS}{name}:{number}")


def _done(name: str, number: int) -> None:
    redis_bus.blocking_client().rpush(DONE, f"{name}:{number}")


@shared_task(name="test.killer")
def killer(number: int) -> None:
    """Kills the process that runs it."""
    _run("killer", number)
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="test.bystander")
def bystander(number: int) -> None:
    _run("bystander", number)
    _done("bystander", number)


@shared_task(name="test.refused")
def refused(number: int) -> None:
    _run("refused", number)
    raise PermanentError("never")


@shared_task(name="test.waits")
def waits(number: int) -> None:
    """Fails because a server that it needs is down."""
    _run("waits", number)
    if redis_bus.blocking_client().exists(AWAY):
        raise OperationalError("away")
    _done("waits", number)


@shared_task(name="test.stumbles")
def stumbles(number: int) -> None:
    """A wake-up task with a bug."""
    _run("stumbles", number)
    if not redis_bus.blocking_client().exists("test:mended"):
        raise KeyError("somebody's words")
    _done("stumbles", number)


@shared_task(name="test.long")
def long(number: int) -> None:
    """Works until it is released, like an export while Kafka is down."""
    _run("long", number)
    redis_bus.blocking_client().rpush(BEGUN, number)
    while not redis_bus.blocking_client().exists(GO_ON):
        # This list is always empty: a pause timed by the server.
        redis_bus.blocking_client().blpop(["test:nothing"], timeout=0.1)
    _done("long", number)
