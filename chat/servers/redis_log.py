"""Clients of the log server: one per event loop, and one per process for its threads.

No client that writes retries on its own: when the answer to an append is lost, the holder of its
key repeats it. On the event loop every call goes through one circuit breaker (`ask`), so that
nobody waits for the log while it is down; Celery tasks wait and are repeated.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import redis
from django.conf import settings
from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from chat.errors import Unavailable
from chat.resilience.circuit_breaker import CircuitBreaker
from chat.resilience.per_loop import PerLoop
from chat.servers.failures import is_redis_down

R = TypeVar("R")

BREAKER = CircuitBreaker("log", is_redis_down)

_of_process: dict[tuple[int, str], Redis] = {}  # by process id and URL


def new_async_client(connections: int) -> AsyncRedis:
    """A client for reading, with at most `connections` connections; when all are in use, callers
    wait."""
    pool = BlockingConnectionPool.from_url(
        settings.ENV.log_redis_url,
        socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
        socket_timeout=settings.ENV.redis_timeout_seconds,
        socket_keepalive=True,
        max_connections=connections,
        timeout=settings.ENV.redis_timeout_seconds,
        # A connection that the server closed by restarting fails only when it is used. Asking once
        # more is harmless here: this client is only for reading and loading.
        retry=AsyncRetry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return AsyncRedis.from_pool(pool)


_clients = PerLoop(lambda: new_async_client(64))


async def ask(work: Callable[[], Awaitable[R]]) -> R:
    """What the log answers to `work`, which calls one of its clients.

    Raises: Unavailable when it does not answer in time, or refuses; at once, with `work` not
    begun, while it is known to be down.
    """
    try:
        return await BREAKER.call(work)
    except (RedisError, OSError) as error:
        raise Unavailable("The log does not answer.") from error


def async_client() -> AsyncRedis:
    """The running loop's client for reading."""
    return _clients.get()


async def close_async_client() -> None:
    """Closes the running loop's client, for commands that end their loop."""
    client = _clients.take()
    if client is not None:
        await client.aclose()


async def drop_idle_connections() -> None:
    """Makes the clients of this loop and of this process reconnect, because the log's address may
    lead to another server now."""
    await async_client().connection_pool.disconnect(inuse_connections=False)
    blocking_client().connection_pool.disconnect(inuse_connections=False)


def blocking_client() -> Redis:
    """This process's client for threads and Celery tasks; made after a fork, not before."""
    key = os.getpid(), settings.ENV.log_redis_url
    client = _of_process.get(key)
    if client is None:
        client = _of_process[key] = Redis.from_url(
            settings.ENV.log_redis_url,
            socket_connect_timeout=settings.ENV.redis_connect_timeout_seconds,
            socket_timeout=settings.ENV.redis_timeout_seconds,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
    return client
