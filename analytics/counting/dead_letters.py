"""What a reader of the event bus needs of the dead letters of the installation."""

from __future__ import annotations

from typing import Protocol

from analytics.counting.records import Bad


class DeadLetters(Protocol):
    """Keeps records that cannot be counted, as dead letters."""

    def check(self, partition: int, bad: int, entries: int) -> None:
        """Raises: DeadLetterLimitReached if `bad` of the next `entries` would be too many."""

    def passed(self, partition: int, bad: int, entries: int) -> None:
        """The records have been dealt with."""

    def add(self, bus: str, partition: int, bad: Bad) -> None:
        """Keeps a record; adding the same one again changes nothing. Raises: Unavailable."""
