"""Circuit breakers: callers do not wait again and again for a dependency that is down.

Each process has one for each dependency: the log (`chat.servers.redis_log`), the database
(`chat.servers.postgres`) and the bus (`chat.servers.redis_bus`). Closed: calls go through. Open:
every call is refused at once. Half-open: a few calls go through as probes, and the first one that
ends decides.

They count how often a dependency fails to answer, never what it answers. So nothing that a person
can cause, such as a refused event or a slow statement, opens one.

Source: docs/decisions/0015-circuit-breakers.md and 0046-the-circuit-breaker-is-our-own.md
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from chat.errors import Unavailable
from chat.metrics import catalogue as metrics

logger = logging.getLogger(__name__)

R = TypeVar("R")

State = Literal["closed", "open", "half_open"]

# One failure may be a broken connection; three without a success in between are not.
FAILURES_TO_OPEN = 3
# A dependency that is back is noticed within this plus the time of a probe. It is half as long as
# people wait without wondering, and one probe a second costs nothing.
PROBE_AFTER_SECONDS = 1.0
# More than one, so that a hanging probe does not keep everybody out for its whole time limit.
MAX_PROBES = 3
SHORTEST_RETRY_SECONDS = 0.1

GAUGE_OF_STATE: dict[State, int] = {"closed": 0, "half_open": 1, "open": 2}


class CircuitBreaker:
    """The breaker of the dependency `name`. `is_down` says which errors count as no answer.

    For one event loop at a time: nothing here is thread-safe.
    """

    def __init__(
        self,
        name: str,
        is_down: Callable[[Exception], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._is_down = is_down
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Closes the breaker and forgets all failures; for tests."""
        self._state: State = "closed"
        self._failures = 0  # in a row, in this state
        self._period = object()  # the time since the last change of the state
        self._probes = 0  # calls under way that began half-open
        self._probe_at = 0.0
        metrics.BREAKER_STATE.labels(self._name).set(0)

    @property
    def state(self) -> State:
        return self._state

    def check(self, waiting: int = 0) -> None:
        """Refuses calls that would only wait: for callers with a queue in front of `call`.

        `waiting` is how many calls are in that queue already.

        Raises: Unavailable, with the time until the next probe, when `call` would refuse now.
        """
        if self.state == "closed":
            return
        wait = self._probe_at - self._clock()
        if wait <= 0 and self._probes + waiting < MAX_PROBES:
            return
        metrics.BREAKER_REFUSALS.labels(self._name).inc()
        raise Unavailable(
            f"The {self._name} is unreachable at the moment.",
            max(wait, SHORTEST_RETRY_SECONDS) if self.state == "open" else PROBE_AFTER_SECONDS,
        )

    async def call(self, work: Callable[[], Awaitable[R]]) -> R:
        """What `work` returns or raises. A cancelled call counts neither way.

        Raises: Unavailable at once, with `work` not begun, while the dependency is down.
        """
        self.check()
        if self._state == "open":
            self._become("half_open")
            logger.debug("the circuit breaker of the %s is half-open", self._name)
        period = self._period
        probing = self._state == "half_open"
        self._probes += probing
        try:
            result = await work()
        except Exception as error:
            # A call that began before the state changed says nothing about the time since then.
            if self._period is period and self._is_down(error):
                self._failed(error)
            raise
        else:
            if self._period is period:
                self._succeeded()
            return result
        finally:
            self._probes -= probing

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        if self._state == "closed" and self._failures < FAILURES_TO_OPEN:
            return
        # While the dependency stays down, the breaker opens again every second.
        logger.log(
            logging.WARNING if self._state == "closed" else logging.DEBUG,
            "the %s is unreachable (%s): its circuit breaker is open",
            self._name,
            type(error).__name__,
        )
        self._probe_at = self._clock() + PROBE_AFTER_SECONDS
        self._become("open")

    def _succeeded(self) -> None:
        self._failures = 0
        if self._state == "half_open":
            self._become("closed")
            logger.warning("the %s answers again: its circuit breaker is closed", self._name)

    def _become(self, state: State) -> None:
        self._state = state
        self._period = object()
        self._failures = 0
        metrics.BREAKER_STATE.labels(self._name).set(GAUGE_OF_STATE[state])
        metrics.BREAKER_TRANSITIONS.labels(self._name, state).inc()
