"""Token buckets: how much one connection, one person or one address may ask for.

Our own, because a library for it, throttled-py, costs 7 µs per hit and this costs 0.3, and every
received frame is a hit. State is per process and bounded.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Clock = Callable[[], float]


class TokenBucket:
    """Refills at `rate` tokens per second up to `burst`."""

    __slots__ = ("_burst", "_clock", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._updated = clock()

    def take(self, tokens: float = 1.0) -> float:
        """Takes tokens and returns 0.0, or takes none and returns the seconds to wait."""
        self._refill()
        if self._tokens >= tokens:
            self._tokens -= tokens
            return 0.0
        return (tokens - self._tokens) / self._rate

    def spend(self, tokens: float) -> None:
        """Takes tokens whose number is known only after the work; the balance may go below 0."""
        self._refill()
        self._tokens -= tokens

    def give_back(self, tokens: float = 1.0) -> None:
        """Undoes a `take` for work that turned out to cost nothing here."""
        self._tokens += tokens  # `_refill` keeps the limit

    def debt_seconds(self) -> float:
        """Seconds until the balance is above 0 again, 0.0 when it is."""
        self._refill()
        return max(0.0, -self._tokens / self._rate)

    def is_full(self) -> bool:
        self._refill()
        return self._tokens >= self._burst

    def _refill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now


class Buckets(Generic[Key]):
    """A bucket for each key.

    At most `limit` are remembered. The least recently used one is forgotten first; at worst, that
    gives its owner a full bucket.
    """

    def __init__(
        self, rate: float, burst: float, limit: int = 10_000, clock: Clock = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._clock = clock
        self._buckets: OrderedDict[Key, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Key, tokens: float = 1.0) -> float:
        """Takes tokens and returns 0.0, or takes none and returns the seconds to wait."""
        return self._bucket(key).take(tokens)

    def spend(self, key: Key, tokens: float) -> None:
        """Takes tokens whose number is known only after the work; the balance may go below 0."""
        self._bucket(key).spend(tokens)

    def give_back(self, key: Key, tokens: float = 1.0) -> None:
        """Undoes a `take` for work that turned out to cost nothing here."""
        self._bucket(key).give_back(tokens)

    def debt_seconds(self, key: Key) -> float:
        """Seconds until the balance is above 0 again, 0.0 when it is."""
        return self._bucket(key).debt_seconds()

    def _bucket(self, key: Key) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket(self._rate, self._burst, self._clock)
            self._buckets[key] = bucket
            if len(self._buckets) > self._limit:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket


# By user id; all of a person's connections to this process share one.
BucketsByUser = Buckets[int]
