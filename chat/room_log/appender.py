"""Coalesces the appends of one process: events that arrive during a call go with the next call.

A single event is sent at once. Order is kept: two events of a room get their places in the order
in which `append` was called, even when the room has to be loaded first.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextvars import Context

from django.conf import settings
from redis.exceptions import NoScriptError, ResponseError

from chat import events
from chat.errors import ClientError, RetryableError, Unavailable
from chat.hints import to_hubs, to_workers
from chat.metrics import catalogue as metrics
from chat.resilience.crash_points import crash_point
from chat.resilience.per_loop import PerLoop
from chat.room_log import codec, epochs, keys, loading, targets
from chat.room_log.codec import Appended, NewEvent
from chat.room_log.connection import LogConnection
from chat.room_log.scripts import APPEND
from chat.servers import redis_log
from chat.servers.postgres import in_database
from chat.tracing import tracing

logger = logging.getLogger(__name__)

# I8. At 3,000 events/s a full queue means a wait of 3 s, the longest that anyone should wait.
MAX_WAITING = 10_000
# One script call blocks the log server for about 15 µs per event; for 500 events, 8 ms.
MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 4 * 1024 * 1024
# A room that is unloaded this often while it is being loaded is a fault; retrying does not help.
MAX_ATTEMPTS = 5
# What PostgreSQL knows of a target is out of date only until its latest changes are stored.
MAX_LOOK_UPS = 6
LOOK_UP_AGAIN_SECONDS = 0.1
# A full log refuses every call; it is logged at most this often.
SAY_REFUSED_EVERY_SECONDS = 10.0


class Unchanged(Exception):
    """The event would change nothing (a member joins again), so it was not logged."""


class _ColdTarget(Exception):
    """The log does not know the message or its reactions; PostgreSQL does."""


class _Waiting:
    """An event on its way, and the future of the caller that waits for its place."""

    __slots__ = ("attempts", "done", "encoded", "event", "values")

    def __init__(self, event: NewEvent) -> None:
        self.event = event
        self.encoded = events.encode_data(event.data)
        self.values = codec.script_arguments(event, self.encoded)
        self.done: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self.attempts = 0

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


def _refusal(place: Sequence[bytes]) -> Exception:
    """What the script's answer means for the sender of the event."""
    if place[0] == b"cold":
        return _ColdTarget()
    if place[0] == b"same":
        return Unchanged()
    wait_ms = place[2] if len(place) > 2 else None
    return codec.refused(place[1].decode(), None if wait_ms is None else int(wait_ms))


def _outcome(done: asyncio.Future[Appended]) -> str:
    error = done.exception()
    if error is None:
        return "repeat" if done.result().repeat else "logged"
    if isinstance(error, Unchanged):
        return "unchanged"
    return "unavailable" if isinstance(error, Unavailable) else "refused"


# Looked up once: this happens for every message.
_OUTCOMES = {name: metrics.APPENDS.labels(name) for name in metrics.APPEND_OUTCOMES}


class Appender:
    """The queue of one event loop and the task that empties it."""

    def __init__(self) -> None:
        self._shards = settings.ENV.shards
        self._connection = LogConnection()
        self._queue: deque[_Waiting] = deque()
        self._loading: dict[int, list[_Waiting]] = {}  # room → what waits for it
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._loads: set[asyncio.Task[None]] = set()
        self._say_refused_at = 0.0

    def enqueue(self, event: NewEvent) -> asyncio.Future[Appended]:
        """Queues an event; the future resolves to its place, or to the reason why it has none.

        Raises: Unavailable when too many events wait, or at once while the log is known to be down.
        """
        redis_log.BREAKER.check(self._waiting)
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many messages are waiting for the log.")
        waiting = _Waiting(event)
        self._waiting += 1
        waiting.done.add_done_callback(self._ended)
        self._admit(waiting)
        if self._task is None or self._task.done():
            # An empty context: the task works for all waiting events, not for this request.
            self._task = asyncio.create_task(self._run(), name="append", context=Context())
        return waiting.done

    @property
    def waiting(self) -> int:
        """How many events have no place yet."""
        return self._waiting

    async def close(self) -> None:
        """Waits for what is under way, then drops the connection."""
        if self._task is not None:
            await asyncio.wait(
                {self._task, *self._loads}, timeout=settings.ENV.redis_timeout_seconds
            )
        await self._connection.close()

    def _ended(self, done: asyncio.Future[Appended]) -> None:
        self._waiting -= 1
        if not done.cancelled() and not isinstance(done.exception(), _ColdTarget):
            _OUTCOMES[_outcome(done)].inc()

    def _admit(self, waiting: _Waiting) -> None:
        held = self._loading.get(waiting.event.room)
        if held is None:
            self._queue.append(waiting)
        else:
            held.append(waiting)

    async def _run(self) -> None:
        while self._queue:
            batch = self._take_batch()
            try:
                await self._append(batch)
            except Exception as error:
                if not isinstance(error, RetryableError):
                    logger.exception("append failed")
                if isinstance(error, Unavailable):
                    unavailable = error
                else:
                    unavailable = Unavailable("The log does not answer.")
                for waiting in batch:
                    waiting.fail(unavailable)
                # The log is down: the events behind would only wait for the same time-out.
                while self._queue:
                    self._queue.popleft().fail(unavailable)

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        while self._queue and len(batch) < MAX_BATCH_EVENTS and size < MAX_BATCH_BYTES:
            waiting = self._queue.popleft()
            if waiting.done.done():  # nobody waits any more
                continue
            size += len(waiting.encoded)
            batch.append(waiting)
        return batch

    async def _append(self, batch: Sequence[_Waiting]) -> None:
        by_shard: dict[int, list[_Waiting]] = {}
        for waiting in batch:
            shard = events.shard_of(waiting.event.room, self._shards)
            by_shard.setdefault(shard, []).append(waiting)
        crash_point("append.before_send")
        began = time.perf_counter()
        answers = await self._connection.call(
            [self._command(shard, part) for shard, part in by_shard.items()]
        )
        crash_point("append.after_answer")
        metrics.APPEND_SECONDS.observe(time.perf_counter() - began)
        metrics.APPEND_BATCH_EVENTS.observe(len(batch))
        fresh: list[events.RoomEvent] = []
        unsettled: list[tuple[int, list[_Waiting], object]] = []
        for (shard, part), answer in zip(by_shard.items(), answers, strict=True):
            if isinstance(answer, NoScriptError) or answer == [b"epoch"]:
                unsettled.append((shard, part, answer))
            else:
                fresh += self._settle(shard, part, answer)
        # Announce what is logged before anything else can fail.
        if fresh:
            to_hubs.publisher().events(fresh)
            for kind, number in Counter(event.type for event in fresh).items():
                metrics.EVENTS_LOGGED.labels(kind).inc(number)
        for shard, part, answer in unsettled:
            # Nothing ran: the shard has no epoch yet, or the server does not know the script.
            if isinstance(answer, NoScriptError):
                await self._connection.call([("SCRIPT", "LOAD", APPEND.text)])
            else:
                await in_database(epochs.establish, shard)
            self._again(part)

    def _command(self, shard: int, part: Sequence[_Waiting]) -> list[str | bytes | int]:
        arguments = codec.batch_arguments(shard, self._shards, [one.values for one in part])
        return ["EVALSHA", APPEND.digest, 2, keys.epoch(shard), keys.ingest(shard), *arguments]

    def _settle(
        self, shard: int, part: Sequence[_Waiting], answer: object
    ) -> list[events.RoomEvent]:
        """Answers the waiting callers and returns the events that are new in the log."""
        if isinstance(answer, ResponseError):
            # Out of memory, a read-only replica, a loading server: nothing was written.
            if time.monotonic() >= self._say_refused_at:
                logger.error("the log refuses appends: %s", answer)
                self._say_refused_at = time.monotonic() + SAY_REFUSED_EVERY_SECONDS
            for waiting in part:
                waiting.fail(Unavailable("The log accepts nothing at the moment."))
            return []
        assert isinstance(answer, list)
        wake, *places = answer
        if wake:
            to_workers.wake(shard)
        fresh = []
        unloaded: dict[int, list[_Waiting]] = {}
        for waiting, place in zip(part, places, strict=True):
            status = place[0]
            if status in (b"ok", b"repeat"):
                appended = codec.appended(waiting.event, waiting.encoded, place)
                if not appended.repeat:
                    fresh.append(appended.event)
                if not waiting.done.done():
                    waiting.done.set_result(appended)
            elif status == b"load":
                unloaded.setdefault(waiting.event.room, []).append(waiting)
            else:
                waiting.fail(_refusal(place))
        for room, held in unloaded.items():
            self._hold_and_load(room, held)
        return fresh

    def _again(self, part: Sequence[_Waiting]) -> None:
        """Puts events back at the head of the queue, in their order."""
        for waiting in reversed(part):
            waiting.attempts += 1
            if waiting.attempts >= MAX_ATTEMPTS:
                waiting.fail(Unavailable("The room cannot be loaded at the moment."))
            else:
                self._queue.appendleft(waiting)

    def _hold_and_load(self, room: int, held: list[_Waiting]) -> None:
        """Keeps a room's events together, in order, until the room is in the log."""
        later = [waiting for waiting in self._queue if waiting.event.room == room]
        if later:
            self._queue = deque(other for other in self._queue if other.event.room != room)
        self._loading[room] = [*held, *later]
        task = asyncio.create_task(self._load_room(room), name="load room", context=Context())
        self._loads.add(task)
        task.add_done_callback(self._loads.discard)

    async def _load_room(self, room: int) -> None:
        error: Exception | None = None
        try:
            await loading.ensure_loaded([room])
        except ClientError as refused:
            error = refused
        except Exception:
            logger.exception("room could not be loaded", extra={"room": room})
            error = Unavailable("The room cannot be loaded at the moment.")
        held = self._loading.pop(room)
        if error is not None:
            for waiting in held:
                waiting.fail(error)
            return
        self._again(held)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="append", context=Context())


_appenders = PerLoop(Appender)


async def append(event: NewEvent) -> Appended:
    """Logs an event: when this returns, it is on disk at its place.

    The event is queued before the first suspension, so calls made one after the other get their
    places in that order. A request that has been accepted before gets the same place again.

    Raises: ClientError with the protocol's code when the room's rules refuse the event;
    Unavailable when the log did not answer, in which case the event may or may not have been
    logged and must be sent again with the same key; Unchanged when there is nothing to log.
    """
    with tracing.append(event.actor, event.room, event.key):
        for attempt in range(MAX_LOOK_UPS):
            try:
                return await _appenders.get().enqueue(event)
            except _ColdTarget:
                if attempt > 0:  # Something was not stored yet when PostgreSQL was asked.
                    await asyncio.sleep(random.uniform(0.5, 1) * LOOK_UP_AGAIN_SECONDS * attempt)
                event = await in_database(targets.look_up, event)
        raise Unavailable("This message cannot be read in PostgreSQL at the moment.")


def waiting() -> int:
    """How many events of the running loop have no place yet."""
    appender = _appenders.if_made()
    return 0 if appender is None else appender.waiting


async def close() -> None:
    """Ends the running loop's use of the log: for commands, tests and web processes that stop."""
    appender = _appenders.take()
    if appender is not None:
        await appender.close()
    await redis_log.close_async_client()
