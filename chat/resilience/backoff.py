"""How long to wait before trying again: twice as long each time, with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable


def delay_seconds(
    failures: int,
    *,
    first: float,
    longest: float,
    jitter: Callable[[], float] = random.random,
) -> float:
    """Seconds to wait after `failures` (1, 2, 3 …) in a row.

    The delay is `first` after the first failure, doubles with each further one, and is at most
    `longest`; then up to a quarter is added or taken off, so that callers that failed together do
    not come back together.
    """
    doubled = min(longest, first * 2.0 ** min(failures - 1, 60))
    return doubled * (0.75 + jitter() / 2)
