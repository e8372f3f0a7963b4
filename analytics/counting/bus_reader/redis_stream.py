"""Reads the Redis Stream that is the event bus if there is no Kafka.

The consumer group keeps uncounted events from being trimmed: it is created at the beginning of the
stream, and moved (XGROUP SETID) to the position that PostgreSQL holds. The stream has one
partition; of several processes one counts and the others stand by.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from analytics.counting.errors import Unavailable
from analytics.counting.records import Record
from chat.events.envelope import STREAM
from chat.events.positions import as_pair

logger = logging.getLogger(__name__)

GROUP = "veche-analytics"
START = "0-0"
PARTITION = 0
# Blocking reads must end before the client's own time-out.
BLOCK_MS = 1_000
# Trimming works in steps of minutes, so the group need not follow every batch.
PASSED_EACH_SECONDS = 1.0


def client_of(env: Any) -> Redis:
    """A client of the log server, with its own connection and the installation's time-outs."""
    return Redis.from_url(
        env.log_redis_url,
        socket_connect_timeout=env.redis_connect_timeout_seconds,
        socket_timeout=env.redis_timeout_seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


class RedisStreamReader:
    """See `EventBusReader`."""

    standby_seconds = 2.0

    def __init__(
        self,
        client: Redis,
        *,
        stream: str = STREAM,
        group: str = GROUP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"redis-stream:{stream}"
        self._client = client
        self._stream = stream
        self._group = group
        self._clock = clock
        self._at: str | None = None
        self._paused = False
        self._told: str | None = None
        self._tell_at = 0.0

    def unplaced(self) -> set[int]:
        return {PARTITION} if self._at is None and not self._paused else set()

    def seek(self, partition: int, position: str) -> None:
        with _translating():
            self._ensure_group()
            newest = self._newest()
        if position and as_pair(position) > as_pair(newest):
            # The stream was lost with the log and begun again; repeats in it are recognised.
            logger.error(
                "the stream ends at %s, before our %s: reading it from its beginning",
                newest,
                position,
            )
            position = ""
        self._at = position or START
        self._paused = False

    def pause(self, partition: int) -> None:
        self._at = None
        self._paused = True

    def read(self, limit: int, wait_seconds: float) -> dict[int, list[Record]]:
        if self._at is None:
            time.sleep(min(wait_seconds, BLOCK_MS / 1000))
            return {}
        block = max(1, min(round(wait_seconds * 1000), BLOCK_MS))
        with _translating():
            # The driver's types cover the answers of all protocol versions at once.
            answer: Any = self._client.xread({self._stream: self._at}, count=limit, block=block)
        found = [
            Record(stream_id.decode(), fields.get(b"key", b""), fields.get(b"value"))
            for _, entries in answer or ()
            for stream_id, fields in entries
        ]
        if not found:
            self._tell()
            return {}
        self._at = found[-1].position
        return {PARTITION: found}

    def waiting(self, partition: int) -> int | None:
        """0 if nothing waits; otherwise the group's own count, or None if Redis has none."""
        try:
            if self._at is not None and as_pair(self._newest()) <= as_pair(self._at):
                return 0
            groups = self._client.xinfo_groups(self._stream)
        except (RedisError, OSError):
            return None
        ours = [one for one in groups if one["name"] == self._group.encode()]
        lag = ours[0].get("lag") if ours else None
        return None if lag is None else int(lag)

    def passed(self, partition: int, position: str) -> None:
        self._told = position
        if self._clock() >= self._tell_at:
            self._tell()

    def _tell(self) -> None:
        """Moves the group. If that fails it stays behind: too much is kept, and nothing is lost."""
        if self._told is None:
            return
        self._tell_at = self._clock() + PASSED_EACH_SECONDS
        try:
            self._client.xgroup_setid(self._stream, self._group, self._told)
        except (RedisError, OSError) as error:
            logger.warning("the consumer group was not moved: %s", type(error).__name__)
        else:
            self._told = None

    def ends(self) -> dict[int, str]:
        with _translating():
            return {PARTITION: self._newest()}

    def forget(self) -> None:
        """Deletes the group: otherwise nothing could be trimmed any more."""
        try:
            with _translating():
                self._client.xgroup_destroy(self._stream, self._group)
        finally:
            self._client.close()

    def close(self) -> None:
        self._tell()
        self._client.close()

    def _ensure_group(self) -> None:
        try:
            self._client.xgroup_create(self._stream, self._group, id=START, mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _newest(self) -> str:
        try:
            info: Any = self._client.xinfo_stream(self._stream)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return START
        newest: bytes = info["last-generated-id"]
        return newest.decode()


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable(f"The log server does not answer: {type(error).__name__}") from error
