"""How long a verification may go on."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class NoTimeLeft(Exception):
    """The deadline came before the end of what was being read. Earlier findings remain valid."""


class Deadline:
    """Passes `seconds` from now; infinity means never."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def seconds_left(self) -> float:
        """Negative after the deadline."""
        return self._end - self._clock()

    def check(self) -> None:
        """Raises: NoTimeLeft after the deadline."""
        if self.seconds_left < 0:
            raise NoTimeLeft
