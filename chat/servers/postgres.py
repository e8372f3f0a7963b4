"""Calls PostgreSQL from the event loop, which itself never waits for it.

Channels' own `database_sync_to_async` shares one thread for the whole process, so one slow
query would hold up every socket; these calls have a small thread pool of their own.

A call that fails or is slow raises only a suspicion, as people can cause that with a search or a
lock. Logging in to PostgreSQL decides whether it is down: if the login succeeds, the circuit
breaker stays closed.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import psycopg
from django.db import (
    InterfaceError,
    OperationalError,
    close_old_connections,
    connections,
)

from chat.errors import Unavailable
from chat.resilience.circuit_breaker import CircuitBreaker

P = ParamSpec("P")
R = TypeVar("R")

# As many threads as one process's connection pool has connections.
THREADS = 8
# Nobody waits longer than this for a page of history. The thread goes on until PostgreSQL's own
# statement time-out ends its statement.
CALL_TIMEOUT_SECONDS = 10.0
# A hundred times what calls take. After this, asking PostgreSQL itself is worth a connection.
SUSPICIOUS_AFTER_SECONDS = 1.0
# The shortest time-out that libpq accepts. A server that takes longer to let us in is useless.
LOG_IN_SECONDS = 2

_threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="database")
_asking_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database answers")
_asked: Future[bool] | None = None


class LogInFailed(Exception):
    """PostgreSQL lets nobody in."""


BREAKER = CircuitBreaker("database", lambda error: isinstance(error, LogInFailed))


def _in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    close_old_connections()
    try:
        return call(*args, **kwargs)
    finally:
        close_old_connections()  # gives the connection back to the pool


async def in_database(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs `call`, a function that uses the ORM, in a thread; returns what it returns.

    Raises: Unavailable when PostgreSQL is down (at once while that is known), or slower than
    `CALL_TIMEOUT_SECONDS`; whatever else `call` raises passes through.
    """
    work = functools.partial(_in_thread, call, *args, **kwargs)
    try:
        return await BREAKER.call(lambda: _watched(work))
    except (LogInFailed, OperationalError, InterfaceError, TimeoutError) as error:
        raise Unavailable("The database does not answer.") from error


async def _watched(work: Callable[[], R]) -> R:
    """What `work` returns; gives up as soon as PostgreSQL turns out to be down.

    Raises: LogInFailed; TimeoutError; whatever `work` raises.
    """
    running = asyncio.get_running_loop().run_in_executor(_threads, work)
    try:
        async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
            done, _ = await asyncio.wait({running}, timeout=SUSPICIOUS_AFTER_SECONDS)
            if not done and not await lets_in():
                raise LogInFailed
            return await running
    except (OperationalError, InterfaceError, TimeoutError) as error:
        if not await lets_in():
            raise LogInFailed from error
        raise
    finally:
        running.cancel()


async def lets_in() -> bool:
    """Whether PostgreSQL accepts a login at this moment; concurrent callers share the answer.

    Uses a connection and a thread of its own, so that it waits behind nobody.
    """
    global _asked
    if _asked is None or _asked.done():
        _asked = _asking_thread.submit(_log_in)
    try:
        async with asyncio.timeout(2 * LOG_IN_SECONDS):
            return await asyncio.shield(asyncio.wrap_future(_asked))
    except TimeoutError:
        return False


def _log_in() -> bool:
    parameters = {
        **connections["default"].get_connection_params(),
        "connect_timeout": LOG_IN_SECONDS,
    }
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error:
        return False
    return True
