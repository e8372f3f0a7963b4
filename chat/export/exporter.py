"""Publishes a shard's stored events on the event bus: at least once each, in order in each room.

The cursor is in PostgreSQL and is locked for the transaction that reads the events, publishes them
and moves it, so two exporters never publish the same shard at once. After a crash between the
acknowledgements and the commit, the same events are published again; readers recognise them by
(room, seq). PostgreSQL cuts off an exporter that was paused, and another one takes over.

The cursor belongs to one event bus. When an installation starts or stops using Kafka, or when the
topic was deleted or lost and created again, everything is published from the start, so that the new
event bus also has every event, in order. The event bus is asked for its id before and after each
batch (docs/decisions/0027).

Errors: while the event bus does not acknowledge, nothing moves and the next run tries again; that
is never a dead letter. An event that the event bus refuses for good goes to the dead letters, and a
placeholder is published at its place, so that readers see where something is missing. Too many of
those stop the shard: a person must look.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from redis.exceptions import RedisError

from chat import dead_letters, events
from chat.dead_letters import DeadLetter, DeadLetterOrigin, Reason, Retried, Unretryable
from chat.dead_letters.limit import DeadLetterLimit, DeadLetterLimitReached
from chat.errors import PermanentError, RetryableError
from chat.event_bus import EventBus, Record, envelope, event_bus
from chat.events import EventQuarantined, EventType, RoomEvent
from chat.export import outbox
from chat.export.rest import Rest
from chat.metrics import catalogue as metrics
from chat.models import ShardCursor
from chat.persistence import batch_times
from chat.resilience.crash_points import crash_point
from chat.room_log import cursors
from chat.room_log.cursors import START_OF_EVENTS
from chat.servers import clocks
from chat.tracing import tracing

logger = logging.getLogger(__name__)

SOURCE = "export"
BATCH_EVENTS = 1_000
# After this time an export lets other shards have the worker.
EXPORT_SECONDS = 10.0
# A batch has failed unless all its acknowledgements come within this time.
PUBLISH_SECONDS = 12.0

MOVE_WATERMARKS = """
    INSERT INTO chat_exportedroom (room_id, seq)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[])
    ON CONFLICT (room_id) DO UPDATE SET seq = GREATEST(chat_exportedroom.seq, EXCLUDED.seq)
"""

FORGET_WATERMARKS = "DELETE FROM chat_exportedroom WHERE room_id %% %s = %s"


class Exported(msgspec.Struct):
    """What one run did. `busy`: another exporter had the shard. `stopped`: a person must look."""

    published: int = 0
    letters: int = 0
    busy: bool = False
    stopped: bool = False


class Exporter:
    """Publishes on one event bus, and remembers how that has been going; see `of_process`."""

    def __init__(self, bus: EventBus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._rest = Rest(clock)
        # After a failure a shard is probed with one event, so that an event bus that takes only
        # some rooms is not sent the same events every two seconds. The number doubles with every
        # success.
        self._batch_events: dict[int, int] = {}

    def export_when_rested(self, shard: int) -> Exported:
        """Like `export`, but raises Resting at once if the event bus was down a moment ago."""
        self._rest.check()
        try:
            exported = self.export(shard)
        except RetryableError:
            metrics.EXPORT_FAILURES.labels("away").inc()
            self._rest.failed()
            raise
        self._rest.worked()
        return exported

    def export(self, shard: int) -> Exported:
        """Publishes stored events of `shard` that are not yet on the event bus.

        Begins no batch after `EXPORT_SECONDS`.

        Raises: RetryableError when the event bus, the log or PostgreSQL is down; call again later.
        """
        result = Exported()
        letter_limit = DeadLetterLimit()
        deadline = time.monotonic() + EXPORT_SECONDS
        try:
            # Before any transaction, because connecting may take long.
            bus_id = self._bus.prepare()
            cursors.ensure_export(shard)
            while time.monotonic() < deadline and self._export_batch(
                shard, bus_id, result, letter_limit
            ):
                pass
        except DeadLetterLimitReached:
            result.stopped = True
            _stop(shard, letter_limit.count)
        except RedisError as error:
            raise RetryableError("The log does not answer.") from error
        except (DatabaseError, InterfaceError) as error:
            raise RetryableError("The database does not answer.") from error
        result.letters = letter_limit.count
        return result

    def retry_dead_letter(self, letter: DeadLetter, token: str) -> Retried:
        """Publishes the event of a dead letter of source `export` as PostgreSQL holds it now.

        It is published directly, because the shard's cursor has already passed it. So another
        refusal is a failed attempt of this dead letter and not a new one. Publishing it twice does
        no harm, so `token` is not needed.

        Raises: Unretryable when there is no such event; RetryableError when the event bus is down;
        PermanentError when it refuses the event again.
        """
        origin = letter.origin
        event = outbox.event_at(origin.room, origin.seq or 0) if origin.room else None
        if event is None:
            raise Unretryable("PostgreSQL has no event at this place.")
        self._bus.prepare()
        [outcome] = self._bus.publish([_record(event)], PUBLISH_SECONDS)
        if outcome is not None:
            raise outcome
        return Retried.DONE

    def _export_batch(
        self, shard: int, bus_id: str, result: Exported, letter_limit: DeadLetterLimit
    ) -> bool:
        """Publishes one batch; False when there is nothing more to do at the moment.

        Raises: RetryableError when not all of it was acknowledged, after moving the cursor past the
        acknowledged part.
        """
        limit = self._batch_events.get(shard, BATCH_EVENTS)
        before = result.published
        with cursors.held(shard, cursors.Kind.EXPORT) as position:
            if position is None:
                result.busy = True
                return False
            if position.stopped_at is not None:
                result.stopped = True
                return False
            self._begin_on(bus_id, position)
            rows = outbox.events_after(shard, position.position, limit)
            done, failure = self._publish(shard, rows, letter_limit)
            if done:
                crash_point("export.after_publish")
                _move(position, rows[:done])
                result.published += done
                crash_point("export.before_commit")
            if failure is None and len(rows) < limit:
                failure = self._publish_replacements(shard, position, result, letter_limit)
            if failure is not None:
                self._batch_events[shard] = 1
            # After the acknowledgements: if the topic is gone by now, so is what it acknowledged.
            if result.published > before and self._bus.prepare() != bus_id:
                raise RetryableError("The event bus was replaced meanwhile.")
        if done:
            crash_point("export.after_commit")
        if failure is not None:
            raise failure
        if limit < BATCH_EVENTS:
            self._batch_events[shard] = min(limit * 2, BATCH_EVENTS)
        return len(rows) == limit

    def _begin_on(self, bus_id: str, position: ShardCursor) -> None:
        """Sets the locked cursor back to the start if what it counts is not on this event bus."""
        bus = self._bus
        if (position.bus, position.bus_id) == (bus.name, bus_id):
            return
        if position.bus and not (position.bus == bus.name and bus.holds(position.bus_id)):
            # An error even if this was done on purpose: every consumer gets everything again.
            logger.error(
                "shard %s: what was exported to %s %s is not on %s %s;"
                " all of it is published again",
                position.shard,
                position.bus,
                position.bus_id,
                bus.name,
                bus_id,
            )
            metrics.EXPORTS_BEGUN_AGAIN.inc()
            position.position = START_OF_EVENTS
            batch_times.rewound(position.shard, int(START_OF_EVENTS))
            with connection.cursor() as cursor:
                cursor.execute(FORGET_WATERMARKS, [settings.ENV.shards, position.shard])
        position.bus, position.bus_id = bus.name, bus_id
        position.save(update_fields=["position", "bus", "bus_id"])

    def _publish(
        self, shard: int, rows: Sequence[outbox.Row], letter_limit: DeadLetterLimit
    ) -> tuple[int, RetryableError | None]:
        """Publishes `rows` in order.

        Returns how many rows from the first one on were acknowledged without a gap, and why the
        next one was not. Raises: DeadLetterLimitReached.
        """
        began, began_ns = time.monotonic(), time.time_ns()
        deadline = began + PUBLISH_SECONDS
        records = [_record(row.event) for row in rows]
        missing = list(range(len(rows)))
        failure: RetryableError | None = None
        refused: set[int] = set()
        new_dead_letters = 0
        while missing:
            outcomes = self._bus.publish([records[i] for i in missing], deadline - time.monotonic())
            still_missing = []
            failure = None
            progress = False
            for i, outcome in zip(missing, outcomes, strict=True):
                if outcome is None:
                    continue
                still_missing.append(i)
                if isinstance(outcome, PermanentError):
                    if i in refused:  # even the placeholder: the event bus takes nothing at all
                        raise DeadLetterLimitReached
                    refused.add(i)
                    records[i], new = _placeholder(shard, rows[i].event, records[i], outcome)
                    new_dead_letters += new
                    progress = True
                elif failure is None and isinstance(outcome, RetryableError):
                    failure = outcome
            missing = still_missing
            # Events held back behind a refused one can go now; all others wait for the next run.
            if not progress:
                break
        _measure(rows, set(missing), len(refused), time.monotonic() - began)
        left = set(missing)
        tracing.exported((row.event for i, row in enumerate(rows) if i not in left), began_ns)
        letter_limit.add(new_dead_letters, len(rows))
        return (missing[0] if missing else len(rows)), (failure if missing else None)

    def _publish_replacements(
        self, shard: int, position: ShardCursor, result: Exported, letter_limit: DeadLetterLimit
    ) -> RetryableError | None:
        """Publishes events that replaced a placeholder after the placeholder was published."""
        rows = outbox.replacements(shard, position.position, BATCH_EVENTS)
        if not rows:
            return None
        done, failure = self._publish(shard, rows, letter_limit)
        crash_point("export.after_replacements")
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE chat_eventreplacement SET published_at = now() WHERE id = ANY(%s)",
                [[row.id for row in rows[:done]]],
            )
        result.published += done
        return failure


@functools.cache
def of_process() -> Exporter:
    """This process's exporter, for the event bus of the installation. It connects when it exports,
    so it may be made before a fork."""
    return Exporter(event_bus())


def _measure(rows: Sequence[outbox.Row], missing: set[int], refused: int, seconds: float) -> None:
    if not rows:
        return
    now = clocks.LOG.seconds()
    for i, row in enumerate(rows):
        if i not in missing:
            metrics.EXPORTED_SECONDS.observe(max(0.0, now - row.event.at.timestamp()))
    metrics.EVENTS_EXPORTED.inc(len(rows) - len(missing))
    metrics.EXPORT_BATCH_EVENTS.observe(len(rows))
    metrics.EXPORT_SECONDS.observe(seconds)
    metrics.EXPORT_FAILURES.labels("unacknowledged").inc(len(missing))
    metrics.EXPORT_FAILURES.labels("refused").inc(refused)


def _record(event: RoomEvent) -> Record:
    return Record(event.room, event.seq, envelope.encode(event, tracing.traceparent(event)))


def _placeholder(
    shard: int, event: RoomEvent, record: Record, error: PermanentError
) -> tuple[Record, bool]:
    """The placeholder for an event that the event bus refuses, and whether its dead letter is new.

    The dead letter keeps the event.
    """
    letter = dead_letters.enter(
        source=SOURCE,
        reason=Reason.REFUSED,
        error=error,
        origin=DeadLetterOrigin(shard=shard, room=event.room, seq=event.seq, key=event.key),
        payload=record.value,
    )
    data = EventQuarantined(
        reason=Reason.REFUSED, original_type=event.type.value, dead_letter=letter.id
    )
    placeholder = _record(
        msgspec.structs.replace(
            event,
            type=EventType.EVENT_QUARANTINED,
            key=None,
            actor=None,
            data=msgspec.Raw(events.encode_data(data)),
        )
    )
    return placeholder, letter.new


def _move(position: ShardCursor, rows: Sequence[outbox.Row]) -> None:
    """Moves the cursor and the rooms' watermarks past `rows`, which are on the event bus."""
    position.position = str(rows[-1].id)
    position.moved_at = datetime.now(UTC)
    position.save(update_fields=["position", "moved_at"])
    batch_times.note_exported(position.shard, rows[-1].id)
    heads = {row.event.room: row.event.seq for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(MOVE_WATERMARKS, [list(heads), list(heads.values())])


def _stop(shard: int, letters: int) -> None:
    reason = f"{letters} dead letters in one export"
    cursors.stop(shard, cursors.Kind.EXPORT, reason)
    logger.error("export of shard %s stopped: %s; all events are in PostgreSQL", shard, reason)


def rewind(shard: int, since: timedelta | None = None) -> None:
    """Publishes a shard again from the start, or from the first event of the last `since`.

    For a new or a lost event bus; it gets what it already has a second time. The `exported`
    watermark stays. Raises: RetryableError while an exporter holds the shard.
    """
    cursors.ensure_export(shard)
    with transaction.atomic():
        position = cursors.lock(shard, cursors.Kind.EXPORT)
        if position is None:
            raise RetryableError(f"Shard {shard} is being exported; try again.")
        if since is None:
            position.position = START_OF_EVENTS
        else:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT COALESCE(min(id) - 1, %s) FROM chat_roomevent"
                    " WHERE shard = %s AND id <= %s AND at >= now() - %s * interval '1 second'",
                    [int(position.position), shard, int(position.position), since.total_seconds()],
                )
                position.position = str(cursor.fetchone()[0])
        position.save(update_fields=["position"])
        batch_times.rewound(shard, int(position.position))
