"""The time by the shared servers' clocks, however this machine's clock is set.

The clocks of two machines always differ, by minutes if nobody synchronizes them. So a time of one
machine is never compared with the clock of another: when several processes decide by a time, they
use the clock of the server that keeps it. The log's clock is used for events, mutes and the age of
keys; the bus's clock for what processes tell one another there.

A process asks each server for its time now and then, and counts on from there by its monotonic
clock. Until a server has answered, the process uses its own time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, connection
from redis import Redis
from redis.exceptions import RedisError

from chat.metrics import catalogue as metrics
from chat.servers import redis_bus, redis_log

logger = logging.getLogger(__name__)

ASK_SECONDS = 15.0
# A start waits at most this long for the first answers, so not for servers that are down.
FIRST_ANSWER_SECONDS = 1.0
# If an answer took longer, it is too uncertain at which moment it was true.
MAX_ANSWER_SECONDS = 1.0
# People and programs do not notice such a difference. NTP keeps clocks within a tenth of it.
TOLERATED_SECONDS = 5.0
WARN_EACH_SECONDS = 3600.0


class ServerClock:
    """The clock of one server, as this process knows it. Any thread may ask it."""

    def __init__(
        self, name: str, ask: Callable[[], float], own: Callable[[], float] = time.time
    ) -> None:
        """`ask` asks the server for its time; `own` is the clock of this machine."""
        self.name = name
        self._ask = ask
        self._own = own
        self._ahead: float | None = None  # its time minus this process's monotonic clock
        self._warn_at = 0.0

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self._own() if self._ahead is None else time.monotonic() + self._ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds(), UTC)

    def is_known(self) -> bool:
        """Whether the server has ever told its time; if not, asks it now and waits."""
        if self._ahead is None:
            self.learn()
        return self._ahead is not None

    def learn(self) -> None:
        """Asks the server for its time. Without an answer, what was known is kept."""
        asked = time.monotonic()
        try:
            told = self._ask()
        except (RedisError, OSError, DatabaseError, InterfaceError) as error:
            logger.debug("the %s did not say its time: %s", self.name, type(error).__name__)
            return
        answered = time.monotonic()
        if answered - asked > MAX_ANSWER_SECONDS:
            return
        self._ahead = told - (asked + answered) / 2
        skew = self._own() - self.seconds()
        metrics.CLOCK_SKEW_SECONDS.labels(self.name).set(skew)
        if abs(skew) > TOLERATED_SECONDS and answered >= self._warn_at:
            self._warn_at = answered + WARN_EACH_SECONDS
            way = "ahead of" if skew > 0 else "behind"
            logger.warning(
                "this machine's clock is %.1f s %s that of the %s", abs(skew), way, self.name
            )


def _time_of(client: Redis) -> float:
    seconds, microseconds = client.time()
    return float(seconds) + microseconds / 1_000_000


def _time_of_database() -> float:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            [seconds] = cursor.fetchone()
    finally:
        connection.close()  # only this thread's; if there is a pool, it goes back to it
    return float(seconds)


def new_clocks(
    own: Callable[[], float] = time.time,
) -> tuple[ServerClock, ServerClock, ServerClock]:
    """The clocks of the log, the bus and the database, for a process whose own clock is `own`."""
    return (
        ServerClock("log", lambda: _time_of(redis_log.blocking_client()), own),
        ServerClock("bus", lambda: _time_of(redis_bus.blocking_client()), own),
        ServerClock("database", _time_of_database, own),
    )


LOG, BUS, DATABASE = ALL = new_clocks()


def follow() -> None:
    """Asks all servers regularly, as long as this process lives. Call it after any fork.

    Returns when all have been asked once, or after `FIRST_ANSWER_SECONDS`.
    """
    asked_once = threading.Event()

    def ask() -> None:
        while True:
            for clock in ALL:
                clock.learn()
            asked_once.set()
            time.sleep(ASK_SECONDS)

    threading.Thread(target=ask, name="clocks", daemon=True).start()
    asked_once.wait(FIRST_ANSWER_SECONDS)
