"""Leaving an event bus that is down alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from chat.errors import RetryableError
from chat.resilience import backoff

# How long a process leaves an unreachable event bus alone: each attempt may have to wait, and a
# worker that waits does not store what people write. Short enough for the export to resume within
# 15 s of the event bus's return.
FIRST_REST_SECONDS = 1.0
LONGEST_REST_SECONDS = 8.0


class Resting(RetryableError):
    """The event bus was unreachable a moment ago; it is too early to ask it again."""


class Rest:
    """Backs off from the event bus, for longer with each failure in a row."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    def check(self) -> None:
        """Raises: Resting while it is too early."""
        if self._clock() < self._until:
            raise Resting

    def failed(self) -> None:
        self._failures += 1
        seconds = backoff.delay_seconds(
            self._failures, first=FIRST_REST_SECONDS, longest=LONGEST_REST_SECONDS
        )
        self._until = self._clock() + seconds

    def worked(self) -> None:
        self._failures = 0
