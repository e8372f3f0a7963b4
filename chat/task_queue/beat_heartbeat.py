"""When beat last had a task to send. This is kept on the bus, like the queue that beat fills.

When beat is dead, nothing stops at once, so nobody notices: lost wake-ups are not replaced, dead
letters are not retried, rooms are not verified. So it is a metric with an alert.

| Key on the bus | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:beat` | string | 7 d | when beat last had a task to send |
"""

from __future__ import annotations

import logging
import time

from redis import Redis
from redis.exceptions import RedisError

from chat.servers import redis_bus

logger = logging.getLogger(__name__)

KEY = "veche:beat"
KEPT_SECONDS = 7 * 24 * 3600
# Beat sends several tasks in two seconds.
EVERY_SECONDS = 1.0


class Heartbeat:
    """The heartbeat of one scheduler, which writes it at most once in `EVERY_SECONDS`."""

    def __init__(self) -> None:
        self._written_at = -EVERY_SECONDS

    def write(self) -> None:
        """Records that beat has just handled a task. Never raises: beat goes on without a bus."""
        now = time.monotonic()
        if now - self._written_at < EVERY_SECONDS:
            return
        try:
            # The bus's time, because the clocks of beat and of the reader may be minutes apart.
            client = redis_bus.blocking_client()
            seconds, microseconds = client.time()
            client.set(KEY, f"{seconds + microseconds / 1_000_000:.3f}", ex=KEPT_SECONDS)
        except RedisError as error:
            logger.warning("the bus does not accept beat's heartbeat: %s", type(error).__name__)
        else:
            self._written_at = now


def read(client: Redis) -> float:
    """Seconds since 1970, by the bus's clock; 0 without a heartbeat. Raises: redis.RedisError."""
    found = client.get(KEY)
    return float(found) if isinstance(found, bytes) else 0.0
