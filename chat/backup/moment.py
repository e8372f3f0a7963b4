"""Snapshots of PostgreSQL and the log from one moment, while people chat.

The two fit together only if no drain or export moves a cursor in between. If the log were copied
first, it could lack what PostgreSQL says was published; if PostgreSQL were first, the log could
have trimmed what the copy of PostgreSQL lacks. So the cursors are locked until both snapshots have
begun, for about a second. Appends go on, and storing waits. Then both are read without haste. A
backup that is paused while it holds the locks loses them: PostgreSQL ends its transaction, storing
goes on, and the backup fails.

The log's snapshot comes first, because the row of a room or a person is older than what the log
says of it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections

from chat.backup.log_snapshot import LogSnapshot, begin_snapshot
from chat.errors import RetryableError
from chat.models import ShardCursor

# Longer than an export holds a cursor while Kafka is down. Later drains and exports queue behind
# the waiting backup, so it waits only LOCK_TRY_MS at a time and lets them pass in between.
LOCK_SECONDS = 60.0
LOCK_TRY_MS = 2_000
LOCK_PAUSE_SECONDS = 1.0
# Longer than the log takes to begin its copy (`log_snapshot.BEGIN_SECONDS`).
HELD_MS = 20_000
STATEMENT_TIMEOUT_MS = 60_000

HELD_UP = (
    "The backup stalled while storing waited for it, so PostgreSQL let storing go on "
    f"without it after {HELD_MS // 1000} s. This backup cannot be used: make another one."
)


@dataclass(frozen=True)
class Moment:
    """`database` names an exported snapshot, for `pg_dump --snapshot`. `cursors`: kind and shard →
    position. The snapshots are valid as long as the block of `one_moment` lasts."""

    log: LogSnapshot
    database: str
    cursors: dict[str, dict[int, str]]


@contextlib.contextmanager
def one_moment() -> Iterator[Moment]:
    """Raises: RetryableError when PostgreSQL or the log is down, or this process was paused."""
    table = ShardCursor._meta.db_table
    with contextlib.ExitStack() as stack:
        try:
            locks = stack.enter_context(_connection(HELD_MS))
            # PostgreSQL must not end this one: a dump may take hours. It locks nothing.
            reader = stack.enter_context(_connection(0))
            _lock(locks, table)
            log = stack.enter_context(begin_snapshot())
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            row = reader.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            _let_go(locks)
            found = reader.execute(
                f"SELECT kind, shard, position FROM {table}"  # noqa: S608 - of our model
            ).fetchall()
        except psycopg.Error as error:
            raise RetryableError("The database does not answer.") from error
        cursors: dict[str, dict[int, str]] = {}
        for kind, shard, position in sorted(found):
            cursors.setdefault(kind, {})[shard] = position
        yield Moment(log, row[0], cursors)


def _lock(connection: psycopg.Connection[Any], table: str) -> None:
    """Begins a transaction that keeps drains and exports out. Raises: RetryableError."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        connection.execute("BEGIN")
        try:
            connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable as error:
            connection.execute("ROLLBACK")
            if time.monotonic() > deadline:
                raise RetryableError(
                    f"A drain or an export has held its cursor for {LOCK_SECONDS:.0f} s."
                ) from error
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return


def _let_go(connection: psycopg.Connection[Any]) -> None:
    """Ends the locking transaction. Raises: RetryableError when PostgreSQL had ended it already."""
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error as error:
        raise RetryableError(HELD_UP) from error


def _connection(idle_in_transaction_ms: int) -> psycopg.Connection[tuple[Any, ...]]:
    parameters = {**connections["default"].get_connection_params()}
    parameters["options"] = (
        f"-c lock_timeout={LOCK_TRY_MS} -c statement_timeout={STATEMENT_TIMEOUT_MS} "
        f"-c idle_in_transaction_session_timeout={idle_in_transaction_ms}"
    )
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)
