"""Clients of the bus server, apart from those of the channel layer and Celery.

Nothing of lasting value is on the bus: each user of it states what happens when it is down. On the
event loop every call goes through one circuit breaker (`ask`), including the channel layer's calls.

Each module that owns a key there lists it at the top.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis
from django.conf import settings
from redis import Redis as BlockingRedis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.retry import Retry as BlockingRetry

from chat.errors import Unavailable
from chat.resilience.circuit_breaker import CircuitBreaker
from chat.resilience.per_loop import PerLoop
from chat.servers.failures import is_redis_down

R = TypeVar("R")

BREAKER = CircuitBreaker("bus", is_redis_down)
MAX_CONNECTIONS = 64

_of_process: dict[tuple[int, str], BlockingRedis] = {}  # by process id and URL


async def ask(work: Callable[[], Awaitable[R]], timeout_seconds: float | None = None) -> R:
    """What the bus answers to `work`, within REDIS_TIMEOUT_SECONDS unless told otherwise.

    Raises: Unavailable when it does not answer, or refuses; at once, with `work` not begun, while
    the bus is known to be down.
    """

    async def in_time() -> R:
        async with asyncio.timeout(timeout_seconds or settings.ENV.redis_timeout_seconds):
            return await work()

    try:
        return await BREAKER.call(in_time)
    except (redis.RedisError, OSError) as error:
        raise Unavailable("The bus does not answer.") from error


def _new_client() -> Redis:
    # Blocking: when many reconnect at once, callers wait for a connection instead of failing.
    pool = BlockingConnectionPool.from_url(
        settings.ENV.bus_redis_url,
        socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
        socket_timeout=settings.ENV.redis_timeout_seconds,
        socket_keepalive=True,
        max_connections=MAX_CONNECTIONS,
        timeout=settings.ENV.redis_timeout_seconds,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


_clients = PerLoop(_new_client)


def client() -> Redis:
    """The running loop's client. It never retries on its own."""
    return _clients.get()


async def close() -> None:
    """Closes the running loop's client, for commands that end their loop."""
    found = _clients.take()
    if found is not None:
        await found.aclose()


def blocking_client() -> BlockingRedis:
    """This process's client for Celery tasks; made after a fork, not before. It never retries."""
    return _blocking(settings.ENV.bus_redis_url)


def broker_client() -> BlockingRedis:
    """Like `blocking_client`, for the database of the bus server that holds Celery's queue."""
    return _blocking(settings.CELERY_BROKER_URL)


def _blocking(url: str) -> BlockingRedis:
    found = _of_process.get((os.getpid(), url))
    if found is None:
        found = _of_process[os.getpid(), url] = BlockingRedis.from_url(
            url,
            socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
            socket_timeout=settings.ENV.redis_timeout_seconds,
            socket_keepalive=True,
            retry=BlockingRetry(NoBackoff(), 0),
        )
    return found
