"""How long a verification may go on."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class NoTimeLeft(Exception):
    """What was being read is not read to its end. What was found until then stands."""


class Deadline:
    """Ends `seconds` from now; infinity is never."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def seconds_left(self) -> float:
        """Negative when it is over."""
        return self._end - self._clock()

    def check(self) -> None:
        """Raises: NoTimeLeft when it is over."""
        if self.seconds_left < 0:
            raise NoTimeLeft
