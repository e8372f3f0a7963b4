"""The event bus without Kafka: one Redis Stream on the log server.

| Key (log server) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:bus:chat.events.v1` | stream | see below | entries `key` (room id), `value` (envelope) |
| `veche:bus-id:{<stream>}` | string | none | random; a stream that replaces it gets another |

Consumers. A consumer that must not miss anything creates a consumer group on the stream and moves
it, by XREADGROUP and XACK, or by XGROUP SETID after storing its own position. Trimming respects the
groups' positions; `XINFO GROUPS` shows their lag.

Trimming. The stream shares its server's memory with the log, so its size in bytes is limited.
Entries older than a week are removed, and from 80 % of the limit on the oldest entries, but none
that a consumer group has not passed. If a group holds back so much that the limit is reached, the
event bus takes nothing more: events wait in PostgreSQL, people can still send, and an error line
names the group. Without any group only age and memory count, since nobody is waiting. A reader that
asks for something that has been trimmed is told so; `manage.py shards rewind` publishes it again.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from chat.errors import PermanentError, RetryableError, VecheError
from chat.event_bus.interface import Checked, Delivered, HeldBack, Record
from chat.events.envelope import STREAM as STREAM
from chat.events.positions import as_pair
from chat.servers.lua import Script
from chat.servers.redis_log import blocking_client

logger = logging.getLogger(__name__)

# Kafka's default, so that no record becomes too large on the day that Kafka is installed.
MAX_RECORD_BYTES = 1_000_000
# Written in one transaction, during which the server serves nobody else.
WAVE_RECORDS = 200
WAVE_BYTES = 256 * 1024
KEEP_MS = 7 * 24 * 3600 * 1000
TRIM_ABOVE = 0.8
TRIM_EACH_SECONDS = 1.0
TRIM_ENTRIES = 500
# The most steps that one publisher spends on trimming, since others may be trimming too.
TRIM_STEPS = 40
# Blocking reads must end before the client's own time-out.
BLOCK_MS = 1_000
START = "0-0"

TRIM = Script(Path(__file__).parent / "trim.lua")
IDENTIFY = Script(Path(__file__).parent / "identify.lua")


class RedisStreamEventBus:
    """See `chat.event_bus.interface.EventBus`. One partition, number 0."""

    name = "redis-stream"

    def __init__(
        self,
        *,
        max_bytes: int,
        stream: str = STREAM,
        keep_ms: int = KEEP_MS,
        trim_each_seconds: float = TRIM_EACH_SECONDS,
        client: Callable[[], Redis] = blocking_client,
    ) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._keep_ms = keep_ms
        self._client = client
        self._trim_each_seconds = trim_each_seconds
        self._trim_at = 0.0
        self._full = False

    def prepare(self) -> str:
        # The braces put both keys in one slot of a cluster.
        keys = [self._stream, f"veche:bus-id:{{{self._stream}}}"]
        with _translating():
            found: Any = IDENTIFY.call(self._client(), keys, [secrets.token_urlsafe(16)])
        return str(found.decode() if isinstance(found, bytes) else found)

    def holds(self, known: str) -> bool:
        if not known:  # from before ids were kept
            return self.ends()[0] != START
        return known == self.prepare()

    def check(self) -> Checked:
        """The stream is as durable as the log, and the log is checked elsewhere."""
        found = self.prepare()
        # Publishing trims, but while the stream itself fills the log there may be nothing to
        # publish; and a lowered limit applies from the start.
        with _translating():
            self._trim(self._client())
        return Checked(found, [])

    def publish(self, records: Sequence[Record], within_seconds: float) -> list[VecheError | None]:
        deadline = time.monotonic() + within_seconds
        outcomes: list[VecheError | None] = []
        refused: set[int] = set()
        for wave in _waves(records):
            try:
                self._check_room()
                if time.monotonic() > deadline:
                    raise RetryableError("There was no time left for it.")
                outcomes += self._publish_wave(wave, refused)
            except RetryableError as error:
                return outcomes + [error] * (len(records) - len(outcomes))
        return outcomes

    def _publish_wave(self, wave: Sequence[Record], refused: set[int]) -> list[VecheError | None]:
        outcomes: list[VecheError | None] = []
        # A transaction: a full server must not take a later event and refuse an earlier one.
        with _translating(), self._client().pipeline(transaction=True) as pipeline:
            for record in wave:
                if record.room in refused:
                    outcomes.append(
                        HeldBack("An earlier event of the room is not on the event bus.")
                    )
                elif len(record.value) > MAX_RECORD_BYTES:
                    refused.add(record.room)
                    size = len(record.value)
                    outcomes.append(
                        PermanentError(f"{size} bytes; at most {MAX_RECORD_BYTES} are accepted")
                    )
                else:
                    pipeline.xadd(self._stream, {"key": str(record.room), "value": record.value})
                    outcomes.append(None)
            pipeline.execute()
        return outcomes

    def _check_room(self) -> None:
        """Trims when it is due. Raises: RetryableError when the stream is full."""
        if time.monotonic() >= self._trim_at:
            with _translating():
                self._trim(self._client())
            self._trim_at = time.monotonic() + self._trim_each_seconds
        if self._full:
            raise RetryableError("The event bus is full: a consumer group holds it back.")

    def _trim(self, client: Redis) -> None:
        slowest, passed = self._slowest_group(client)
        seconds, _ = client.time()
        old = f"{seconds * 1000 - self._keep_ms}-0"
        self._delete(client, min(passed, old, key=as_pair) if passed else old, lambda: True)
        if self._used(client) > self._max_bytes * TRIM_ABOVE:
            limit = self._max_bytes * TRIM_ABOVE
            self._delete(client, passed or "+", lambda: self._used(client) > limit)
        used = self._used(client)
        self._full = used >= self._max_bytes
        if self._full:
            logger.error(
                "event bus full: %s bytes, consumer group %s is at %s; events wait in PostgreSQL",
                used,
                slowest,
                passed,
            )

    def _delete(self, client: Redis, up_to: str, wanted: Callable[[], bool]) -> None:
        for _ in range(TRIM_STEPS):
            if not wanted() or not TRIM.call(client, [self._stream], [up_to, TRIM_ENTRIES]):
                return

    def _used(self, client: Redis) -> int:
        return int(client.memory_usage(self._stream) or 0)

    def _slowest_group(self, client: Redis) -> tuple[str | None, str | None]:
        """The consumer group that is furthest behind, and the last id that all groups have passed.

        (None, None) when there is no group.
        """
        try:
            groups = client.xinfo_groups(self._stream)
        except ResponseError:  # no such key
            return None, None
        found = []
        for group in groups:
            position = group["last-delivered-id"].decode()
            if group["pending"]:
                first = client.xpending(self._stream, group["name"])["min"]
                position = _before(first.decode()) if first else position
            found.append((as_pair(position), group["name"].decode(), position))
        if not found:
            return None, None
        _, name, position = min(found)
        return name, position

    def reader(self, after: Mapping[int, str] | None = None) -> RedisStreamReader:
        """Also raises PermanentError when what follows the position has been trimmed."""
        position = (after or {}).get(0)
        if position is not None:
            with _translating():
                self._check_is_there(position)
        return RedisStreamReader(self._client, self._stream, position or START)

    def _check_is_there(self, position: str) -> None:
        info = self._info()
        if info is None:
            return
        deleted = info["max-deleted-entry-id"].decode()
        if as_pair(deleted) > as_pair(position):
            raise PermanentError(f"What follows {position} has been trimmed, up to {deleted}.")

    def starts(self) -> dict[int, str]:
        with _translating():
            info = self._info()
        if info is None or info["max-deleted-entry-id"] == START.encode():
            return {0: START}
        if info["first-entry"] is None:
            return {0: info["last-generated-id"].decode()}
        return {0: _before(info["first-entry"][0].decode())}

    def positions_at(self, moment: datetime) -> dict[int, str]:
        return {0: _before(f"{int(moment.timestamp() * 1000)}-0")}

    def ends(self) -> dict[int, str]:
        with _translating():
            info = self._info()
        return {0: START if info is None else info["last-generated-id"].decode()}

    def empty_unless_restored(self) -> bool:
        return False  # A backup of the log also holds the stream, from the same moment.

    def _info(self) -> dict[str, Any] | None:
        """`XINFO STREAM` of the stream; None when nothing was ever in it."""
        try:
            info: dict[str, Any] = self._client().xinfo_stream(self._stream)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return None
        return info

    def close(self) -> None:
        """Nothing to do: the connections are the log's."""


class RedisStreamReader:
    """See `chat.event_bus.interface.Reader`."""

    def __init__(self, client: Callable[[], Redis], stream: str, after: str) -> None:
        self._client = client
        self._stream = stream
        self._after = after

    def read(self, limit: int, wait_seconds: float) -> list[Delivered]:
        deadline = time.monotonic() + wait_seconds
        # The driver's type covers the answers of every protocol version at once.
        answer: Any = []
        while True:
            left_ms = min(round((deadline - time.monotonic()) * 1000), BLOCK_MS)
            with _translating():
                answer = self._client().xread(
                    {self._stream: self._after}, count=limit, block=left_ms if left_ms > 0 else None
                )
            if answer or left_ms <= 0:
                break
        found = [
            Delivered(
                partition=0,
                position=stream_id.decode(),
                key=fields.get(b"key", b""),
                value=fields.get(b"value"),
            )
            for _, entries in answer
            for stream_id, fields in entries
        ]
        if found:
            self._after = found[-1].position
        return found

    def close(self) -> None:
        """Nothing to do: the connections are the log's."""


def _waves(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    first = size = 0
    for place, record in enumerate(records):
        if place > first and (
            place - first == WAVE_RECORDS or size + len(record.value) > WAVE_BYTES
        ):
            yield records[first:place]
            first, size = place, 0
        size += len(record.value)
    if first < len(records):
        yield records[first:]


def _before(stream_id: str) -> str:
    milliseconds, counter = as_pair(stream_id)
    return f"{milliseconds}-{counter - 1}" if counter else f"{milliseconds - 1}-{2**64 - 1}"


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Turns the driver's errors, including out of memory, into RetryableError."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise RetryableError(f"The log server does not answer: {type(error).__name__}") from error
