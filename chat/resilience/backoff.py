"""How long to wait before trying again: twice as long each time, never in step with others."""

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

    `first` after the first, doubled with each, `longest` at most; then a quarter less to a
    quarter more, so that what failed together does not come back together.
    """
    doubled = min(longest, first * 2.0 ** min(failures - 1, 60))
    return doubled * (0.75 + jitter() / 2)
