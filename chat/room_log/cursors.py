"""A shard's cursors: how far it is stored, and how far it is exported.

- A cursor is a row. Only the transaction that does the work moves it, and it locks the row for
  that (`held`). So a crash repeats the work or does nothing, and no two processes do it at once.
- A drain or an export skips a cursor that is held, because the holder does the same work. Putting
  back an event and agreeing on an epoch wait for it, because nobody else does their work.
- PostgreSQL ends a transaction whose process is paused, which frees the shard. When the process
  resumes, it cannot commit.
- A stopped cursor (`stopped_at`) is not moved until a person has looked and resumes it. An entry
  that already has its dead letter does not count again, so a shard whose data cannot be fixed goes
  on past it.

This module is part of the room log because agreeing on an epoch needs the cursor, too. Export and
persistence are above the log, and `models` holds only tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction

from chat.models import ShardCursor

Kind = ShardCursor.Kind

# Before the first entry of a stream (persist), and before the first stored event (export).
START_OF_STREAM = "0-0"
START_OF_EVENTS = "0"

# How long a transaction may stay idle, which it is while its process asks other servers.
# Agreeing on an epoch and rewinding keep the session's DB_IDLE_IN_TRANSACTION_TIMEOUT_MS.
PAUSED_TRANSACTION_MS = {
    # The log answers within its own time-out or has failed, so half of the session's is enough.
    Kind.PERSIST: 15_000,
    # Longer than any wait for the event bus: `exporter.PUBLISH_SECONDS`, the wave that began just
    # before they ended, and asking which event bus it is.
    Kind.EXPORT: 40_000,
}


@contextmanager
def held(shard: int, kind: Kind, *, wait: bool = False) -> Iterator[ShardCursor | None]:
    """Opens a transaction for the `with` block and yields the cursor as `lock` returns it."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SET LOCAL idle_in_transaction_session_timeout = {PAUSED_TRANSACTION_MS[kind]}"
            )
            if kind is Kind.PERSIST:
                # A missing author must fail at its row, where it can be set apart, and not at the
                # commit. An export writes nothing that refers to a person.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        yield lock(shard, kind, wait=wait)


def lock(shard: int, kind: Kind, *, wait: bool = False) -> ShardCursor | None:
    """The shard's cursor, locked for the caller's transaction.

    None while another transaction holds it; with `wait`, waits for that transaction instead. An
    export cursor must exist (`ensure_export`).

    Raises: OperationalError when the wait is longer than the database's lock time-out.
    """
    found = ShardCursor.objects.filter(shard=shard, kind=kind)
    if kind is Kind.PERSIST and not found.exists():
        ensure_persist()
    return found.select_for_update(skip_locked=not wait).first()


def ensure_persist() -> None:
    """Creates the persist cursors of a new installation, all at once.

    Raises: ImproperlyConfigured when SHARDS is not what the installation began with: rooms would
    be looked for in the wrong shards.
    """
    shards = settings.ENV.shards
    cursors = ShardCursor.objects.filter(kind=Kind.PERSIST)
    if not cursors.exists():
        ShardCursor.objects.bulk_create(
            [
                ShardCursor(shard=shard, kind=Kind.PERSIST, position=START_OF_STREAM)
                for shard in range(shards)
            ],
            ignore_conflicts=True,  # another process does the same at the same moment
        )
    began_with = cursors.count()
    if began_with != shards:
        raise ImproperlyConfigured(
            f"SHARDS is {shards}, but this installation began with {began_with}, for good."
        )


def ensure_export(shard: int) -> None:
    """Creates the shard's export cursor if it is missing. Call it before the transaction that locks
    the cursor: within it, a second exporter would wait for the first one's insert, not leave."""
    ShardCursor.objects.get_or_create(
        shard=shard, kind=Kind.EXPORT, defaults={"position": START_OF_EVENTS}
    )


def stop(shard: int, kind: Kind, reason: str) -> None:
    """Stops the cursor until `resume`. The first reason is kept."""
    ShardCursor.objects.filter(shard=shard, kind=kind, stopped_at=None).update(
        stopped_at=datetime.now(UTC), stopped_reason=reason
    )


def resume(shard: int, kind: Kind) -> None:
    """Lets a stopped shard go on, after a person has fixed the cause."""
    ShardCursor.objects.filter(shard=shard, kind=kind).update(stopped_at=None, stopped_reason="")
