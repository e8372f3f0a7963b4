"""PostgreSQL and the log as of one moment, while people chat.

The two fit together only if no drain and no export moves in between. With the log copied first, it
could lack what PostgreSQL says was published; with PostgreSQL first, the log could have trimmed
what PostgreSQL has not got. So the cursors are locked for the moment in which both snapshots
begin, a second at most; appends go on, and storing waits. Then both are read at leisure.

The log's snapshot comes first: a room's or a person's row is older than what the log says of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import connections

from chat.errors import RetryableError
from chat.log_snapshot import LogSnapshot, begin_snapshot
from chat.models import ShardCursor

LOCK_TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Moment:
    """`database` is the name of an exported snapshot: `pg_dump --snapshot`. `cursors`: kind and
    shard → position. Both are good for as long as the block of `one_moment` lasts."""

    log: LogSnapshot
    database: str
    cursors: dict[str, dict[int, str]]


@contextlib.contextmanager
def one_moment() -> Iterator[Moment]:
    """Raises: RetryableError when PostgreSQL or the log is away."""
    with contextlib.ExitStack() as stack:
        try:
            locks = stack.enter_context(_connection())
            reader = stack.enter_context(_connection())
            locks.execute("BEGIN")
            table = ShardCursor._meta.db_table
            locks.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            log = stack.enter_context(begin_snapshot())
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            row = reader.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            locks.execute("ROLLBACK")
            found = reader.execute(
                f"SELECT kind, shard, position FROM {table}"  # noqa: S608 - of our model
            ).fetchall()
        except psycopg.Error as error:
            raise RetryableError("The database does not answer.") from error
        cursors: dict[str, dict[int, str]] = {}
        for kind, shard, position in sorted(found):
            cursors.setdefault(kind, {})[shard] = position
        yield Moment(log, row[0], cursors)


def _connection() -> psycopg.Connection[tuple[Any, ...]]:
    """One that nobody ends while it waits for a dump of hours."""
    parameters = {**connections["default"].get_connection_params()}
    parameters["options"] = (
        f"-c lock_timeout={LOCK_TIMEOUT_MS} -c statement_timeout={LOCK_TIMEOUT_MS} "
        "-c idle_in_transaction_session_timeout=0"
    )
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)
