"""PostgreSQL and the log as of one moment, while people chat.

The two fit together only if no drain and no export moves in between. With the log copied first, it
could lack what PostgreSQL says was published; with PostgreSQL first, the log could have trimmed
what PostgreSQL has not got. So the cursors are locked for the moment in which both snapshots
begin, a second or so; appends go on, and storing waits. Then both are read at leisure. A backup
that stands still while it holds them loses them: PostgreSQL ends its transaction, storing goes on,
and the backup fails.

The log's snapshot comes first: a room's or a person's row is older than what the log says of it.
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

# Longer than an export holds a cursor while Kafka is away. Everybody who comes after the waiting
# backup waits with it, so it waits for a moment at a time and lets them pass in between.
LOCK_SECONDS = 60.0
LOCK_TRY_MS = 2_000
LOCK_PAUSE_SECONDS = 1.0
# Longer than the log takes to begin its copy (`log_snapshot.BEGIN_SECONDS`).
HELD_MS = 20_000
STATEMENT_TIMEOUT_MS = 60_000

HELD_UP = (
    "The backup stood still while storing waited for it, so PostgreSQL let storing go on "
    f"without it after {HELD_MS // 1000} s. Nothing of this backup can be used: make another one."
)


@dataclass(frozen=True)
class Moment:
    """`database` is the name of an exported snapshot: `pg_dump --snapshot`. `cursors`: kind and
    shard → position. Both are good for as long as the block of `one_moment` lasts."""

    log: LogSnapshot
    database: str
    cursors: dict[str, dict[int, str]]


@contextlib.contextmanager
def one_moment() -> Iterator[Moment]:
    """Raises: RetryableError when PostgreSQL or the log is away, or this process stood still."""
    table = ShardCursor._meta.db_table
    with contextlib.ExitStack() as stack:
        try:
            locks = stack.enter_context(_connection(HELD_MS))
            # Nobody ends this one while it waits for a dump of hours. It locks nothing.
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
    """Ends the transaction of the locks, which must have been held until now."""
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
