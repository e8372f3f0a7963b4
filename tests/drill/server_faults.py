"""Servers that run but do not do what they should: no memory, locks, forgotten data."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from redis.asyncio import Redis

from tests.drill.faults import Fault
from tests.drill.history import Recorder
from tests.drill.installation import POSTGRES_CONNECTIONS, Installation

LOCK_SECONDS = 7.0  # longer than lock_timeout, 5 s
CANCEL_SECONDS = 4.0
VICTIM_SECONDS = 6.0
# Requests on their way when the log's memory is taken may still be acknowledged.
GRACE_SECONDS = 1.0
POISON: dict[Any, Any] = {"room": "not a number", "from": "the drill"}
END_STATEMENTS = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'veche' AND state = 'active'
"""
END_SESSIONS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'veche'
"""


class Servers:
    """Injects faults into an installation's servers, bypassing the links.

    `acknowledgements` returns how many there were so far.
    """

    def __init__(
        self,
        installation: Installation,
        rooms: list[int],
        recorder: Recorder,
        acknowledgements: Callable[[], int],
        pick: random.Random,
    ) -> None:
        environment = installation.environment
        self._database = environment["DATABASE_URL"]
        self._log_url = environment["LOG_REDIS_URL"]
        self._bus_url = environment["BUS_REDIS_URL"]
        self._rooms = rooms
        self._recorder = recorder
        self._acknowledgements = acknowledgements
        self._pick = pick
        self._tasks: list[asyncio.Task[None]] = []
        self._counted = 0
        self.poisoned = 0

    async def wait(self) -> None:
        """Wait until faults that were begun have ended."""
        tasks, self._tasks = self._tasks, []
        await asyncio.gather(*tasks, return_exceptions=True)

    # Log and bus

    async def take_memory(self) -> None:
        """Leave the log no memory for anything new."""
        async with Redis.from_url(self._log_url) as log:
            await log.config_set("maxmemory", 1)
        await asyncio.sleep(GRACE_SECONDS)
        self._counted = self._acknowledgements()

    async def accepted_without_memory(self) -> list[str]:
        count = self._acknowledgements() - self._counted
        return [f"{count} acknowledgements while the log had no memory"] if count else []

    async def give_memory(self) -> None:
        async with Redis.from_url(self._log_url) as log:
            await log.config_set("maxmemory", 0)

    async def rewrite_log(self) -> None:
        async with Redis.from_url(self._log_url) as log:
            await log.bgrewriteaof()

    async def forget_scripts(self) -> None:
        async with Redis.from_url(self._log_url) as log:
            await log.script_flush()

    async def flush_bus(self) -> None:
        async with Redis.from_url(self._bus_url) as bus:
            await bus.flushall()

    async def pause_writes_of_bus(self) -> None:
        async with Redis.from_url(self._bus_url) as bus:
            await bus.client_pause(8_000, all=False)

    async def poison(self) -> None:
        """Add an entry that no drain can read to a stream that is in use."""
        async with Redis.from_url(self._log_url) as log:
            found = [key async for key in log.scan_iter(match="veche:{*}:ingest", count=1_000)]
            if found:
                await log.xadd(self._pick.choice(sorted(found)), dict(POISON))
                self.poisoned += 1

    # PostgreSQL

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        return await psycopg.AsyncConnection.connect(
            self._database, connect_timeout=5, application_name="drill", autocommit=True
        )

    def _begin(self, work: asyncio.Task[None]) -> None:
        self._tasks.append(work)

    async def hold_lock(self) -> None:
        self._begin(asyncio.create_task(self._hold_lock()))

    async def _hold_lock(self) -> None:
        async with await self._connect() as connection, connection.transaction():
            await connection.execute("LOCK TABLE chat_roomevent IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(LOCK_SECONDS)

    async def make_deadlock(self) -> None:
        self._begin(asyncio.create_task(self._make_deadlock()))

    async def _make_deadlock(self) -> None:
        """Hold a room's row until a drain waits for it, and then ask for the drain's cursor."""
        room = self._pick.choice(self._rooms)
        async with await self._connect() as connection, await self._connect() as watcher:
            # PostgreSQL must end the drain, not this transaction.
            await connection.execute("SET deadlock_timeout = '60s'")
            async with connection.transaction():
                await connection.execute("SELECT FROM chat_room WHERE id = %s FOR UPDATE", [room])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(VICTIM_SECONDS):
                        await self._until_somebody_waits(watcher, connection.info.backend_pid)
                await connection.execute(
                    "SELECT FROM chat_shardcursor WHERE kind = 'persist' FOR UPDATE"
                )

    @staticmethod
    async def _until_somebody_waits(
        watcher: psycopg.AsyncConnection[tuple[object, ...]], pid: int
    ) -> None:
        query = "SELECT FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        while await (await watcher.execute(query, [pid])).fetchone() is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    async def end_statements(self) -> None:
        """End statements, as a statement time-out does, again and again."""
        end = self._recorder.now() + CANCEL_SECONDS
        async with await self._connect() as connection:
            while self._recorder.now() < end:
                await connection.execute(END_STATEMENTS)
                await asyncio.sleep(0.05)

    async def end_sessions(self) -> None:
        async with await self._connect() as connection:
            await connection.execute(END_SESSIONS)

    async def take_connections(self) -> None:
        self._begin(asyncio.create_task(self._take_connections()))

    async def _take_connections(self) -> None:
        end = self._recorder.now() + LOCK_SECONDS
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(await self._connect())
            while self._recorder.now() < end:
                # Every session is ended, and its owner finds no free connection.
                await first.execute(END_SESSIONS)
                with contextlib.suppress(psycopg.OperationalError):
                    for _ in range(POSTGRES_CONNECTIONS):
                        await stack.enter_async_context(await self._connect())
                await asyncio.sleep(0.3)


def server_faults(servers: Servers) -> Iterator[Fault]:
    yield Fault(
        kind="no memory",
        target="log",
        inject=servers.take_memory,
        heal=servers.give_memory,
        problems=servers.accepted_without_memory,
        hold_seconds=5.0,
        core=True,
    )
    for kind, target, act, core in (
        ("file rewritten", "log", servers.rewrite_log, False),
        ("scripts forgotten", "log", servers.forget_scripts, False),
        ("all data lost", "bus", servers.flush_bus, True),
        ("writes paused", "bus", servers.pause_writes_of_bus, False),
        ("poison in the stream", "log", servers.poison, True),
        ("statements ended", "postgres", servers.end_statements, True),
        ("sessions ended", "postgres", servers.end_sessions, False),
    ):
        hold = 8.0 if kind == "writes paused" else 0.5
        yield Fault(kind=kind, target=target, inject=act, hold_seconds=hold, core=core)
    for kind, act, seconds in (
        ("lock held", servers.hold_lock, LOCK_SECONDS),
        ("deadlock", servers.make_deadlock, 2.0),
        ("no connections left", servers.take_connections, LOCK_SECONDS),
    ):
        yield Fault(
            kind=kind,
            target="postgres",
            inject=act,
            heal=servers.wait,
            hold_seconds=seconds,
            core=True,
        )
