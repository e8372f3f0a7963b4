"""What a reader of the event bus needs of the dead letters of the installation."""

from __future__ import annotations

from typing import Protocol

from django.db import DatabaseError

from analytics.counting.records import Bad


class DeadLetters(Protocol):
    """Keeps records that cannot be counted, as dead letters."""

    def is_data_error(self, error: DatabaseError) -> bool:
        """Whether PostgreSQL would always refuse these values: the record becomes a dead letter.

        If not, the server is at fault, and the consumer waits.
        """

    def check(self, partition: int, bad: int, entries: int) -> None:
        """Raises: DeadLetterLimitReached if `bad` of the next `entries` would be too many."""

    def passed(self, partition: int, bad: int, entries: int) -> None:
        """The records have been dealt with."""

    def add(self, bus: str, partition: int, bad: Bad) -> None:
        """Keeps a record; adding the same one again changes nothing. Raises: Unavailable."""
