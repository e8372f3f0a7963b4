"""Histograms with logarithmic buckets, which can be added: percentiles with a stated error. Pure.

The idea is DDSketch (Masson, Rim, Lee, VLDB 2019): buckets grow by a constant factor, so a value
in the middle of one is within a constant share of everything in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from analytics.models import FASTEST_REPLY_SECONDS, REPLY_BASE

_LOG_BASE = math.log(REPLY_BASE)
# A value on the edge of a bucket must not leave it because of the logarithm's rounding error.
_SLACK = 1e-9


def bucket_of(seconds: float) -> int:
    """The bucket of a time, from 0; see `ReplyTimes`."""
    if seconds <= FASTEST_REPLY_SECONDS:
        return 0
    return math.ceil(math.log(seconds / FASTEST_REPLY_SECONDS) / _LOG_BASE - _SLACK)


def seconds_of(bucket: int) -> float:
    """A time within `REPLY_ERROR` of all times in a bucket, except shorter ones in the first."""
    return (
        FASTEST_REPLY_SECONDS * 2 * REPLY_BASE**bucket / (REPLY_BASE + 1)
        if bucket
        else (FASTEST_REPLY_SECONDS)
    )


def percentile(histogram: Mapping[int, int], share: float) -> float | None:
    """The time, in seconds, below or at which `share` (0 … 1) of the replies came.

    By nearest rank: the value of the ceil(share × count)-th shortest. `histogram` has the number
    of replies by bucket. None if there are none.
    """
    total = sum(histogram.values())
    if total <= 0:
        return None
    rank = max(1, math.ceil(share * total - _SLACK))
    passed = 0
    for bucket in sorted(histogram):
        passed += histogram[bucket]
        if passed >= rank:
            return seconds_of(bucket)
    return None
