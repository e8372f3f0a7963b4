"""Limits reads that somebody waits for: PostgreSQL ends them before they burden the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

# As long as people wait without wondering.
STATEMENT_TIMEOUT_MS = 5_000
QUERY_CANCELED = "57014"


class TooSlow(Exception):
    """PostgreSQL needed longer than allowed; the caller must ask for less."""


@contextmanager
def limited(milliseconds: int = STATEMENT_TIMEOUT_MS) -> Iterator[None]:
    """One read-only transaction whose statements PostgreSQL ends after `milliseconds`.

    Raises: TooSlow.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == QUERY_CANCELED:
            raise TooSlow from error
        raise
