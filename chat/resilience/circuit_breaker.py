"""Circuit breakers: what is away is not waited for again and again.

Each process has one for each dependency: the log (`chat.servers.redis_log`), the database
(`chat.servers.postgres`) and the bus (`chat.servers.redis_bus`). Closed: calls go through. Open:
every call is refused at once. Half-open: a few calls go through as probes, and the first one that
ends decides.

They count how often a dependency fails to answer, never what it answers: what a person may cause,
a refused event or a statement that takes too long, opens none.

Source: docs/decisions/0015-circuit-breakers.md
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fluxgate import AsyncCircuitBreaker
from fluxgate.permits import All
from fluxgate.retries import Always
from fluxgate.state import State
from fluxgate.trackers import Custom
from fluxgate.trippers import Closed, FailureStreak, HalfOpened
from fluxgate.windows import CountWindow

from chat.errors import Unavailable
from chat.metrics import catalogue as metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

# One failure may be a connection that broke; three without one success in between are not.
FAILURES_TO_OPEN = 3
# A dependency that is back is noticed within this and the time of a probe. Half of what people
# wait for without wondering, and one probe a second costs nobody anything.
PROBE_AFTER_SECONDS = 1.0
# More than one, so that a probe that hangs does not keep everybody out for its whole time limit.
MAX_PROBES = 3
SHORTEST_RETRY_SECONDS = 0.1

GAUGE_OF_STATE: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}


class CircuitBreaker:
    """The breaker of the dependency `name`. `is_away` says which errors count as no answer.

    For event loops, one at a time: nothing here is guarded against threads.
    """

    def __init__(
        self,
        name: str,
        is_away: Callable[[Exception], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._is_away = is_away
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Closes it and forgets what was; for tests."""
        self._library = AsyncCircuitBreaker(
            window=CountWindow(1),  # kept by the library for rules that are not used here
            tracker=Custom(self._counts),
            tripper=(Closed() & FailureStreak(FAILURES_TO_OPEN))
            | (HalfOpened() & FailureStreak(1)),
            retry=Always(),  # `check` decides, by a clock that nobody sets back
            permit=All(),  # as above
            max_half_open_calls=MAX_PROBES,
        )
        self._probes = 0
        self._probe_at = 0.0
        self._last_failure = ""
        self._noted: State = "closed"
        metrics.BREAKER_STATE.labels(self._name).set(0)

    @property
    def state(self) -> State:
        """`closed`, `open` or `half_open`."""
        return self._library.info().state

    def check(self, waiting: int = 0) -> None:
        """Refuses what would only wait: for callers with a queue in front of `call`.

        `waiting` is how many calls they have let in already.

        Raises: Unavailable, with the time until the next probe, when `call` would refuse now.
        """
        if self.state == "closed":
            return
        wait = self._probe_at - self._clock()
        if wait <= 0 and self._probes + waiting < MAX_PROBES:
            return
        metrics.BREAKER_REFUSALS.labels(self._name).inc()
        raise Unavailable(
            f"The {self._name} is away at the moment.",
            max(wait, SHORTEST_RETRY_SECONDS) if self.state == "open" else PROBE_AFTER_SECONDS,
        )

    async def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """What `work` returns or raises. A call that is cancelled counts neither way.

        Raises: Unavailable at once, with `work` not begun, while the dependency is away.
        """
        self.check()
        probing = self.state != "closed"
        self._probes += probing

        async def begun() -> R:
            self._note()
            return await work()

        try:
            return await self._library.call(begun)
        finally:
            self._probes -= probing
            self._note()

    def _counts(self, error: Exception) -> bool:
        if not self._is_away(error):
            return False
        self._last_failure = type(error).__name__
        return True

    def _note(self) -> None:
        """Makes a change of state known, once."""
        before, now = self._noted, self.state
        if now == before:
            return
        self._noted = now
        if now == "open":
            self._probe_at = self._clock() + PROBE_AFTER_SECONDS
        metrics.BREAKER_STATE.labels(self._name).set(GAUGE_OF_STATE[now])
        metrics.BREAKER_TRANSITIONS.labels(self._name, now).inc()
        if now == "closed":
            logger.warning("the %s answers again: its circuit breaker is closed", self._name)
        elif before == "closed":
            logger.warning(
                "the %s is away (%s): its circuit breaker is open", self._name, self._last_failure
            )
        else:  # while it stays away, these two follow each other every second
            logger.debug("circuit breaker of the %s: %s", self._name, now)
