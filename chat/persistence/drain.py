"""Drains a shard's ingest stream into PostgreSQL: each event once, in order.

The cursor is in PostgreSQL and is locked for the transaction that inserts the events, applies them
to the projections and moves it. After a crash at any point the work is repeated or already done;
two drainers cannot both commit; PostgreSQL cuts off a paused one. After the commit the log is told.
That may be repeated or lost without harm: the next drain finishes it.

Errors: a batch that PostgreSQL refuses is halved until the bad event is alone; that event gets a
placeholder at its place and a dead letter. Infrastructure errors pass through, and the next drain
retries. Too many dead letters stop the shard: a person must look before the whole log becomes dead
letters.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from redis.exceptions import RedisError

from chat.dead_letters import Reason
from chat.dead_letters.limit import DeadLetterLimit, DeadLetterLimitReached
from chat.errors import RetryableError
from chat.events import (
    EventType,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    ReplyPosted,
    RoomArchived,
    RoomEvent,
    RoomKind,
)
from chat.events.positions import as_pair
from chat.hints import to_hubs
from chat.metrics import catalogue as metrics
from chat.models import Room, ShardCursor
from chat.persistence import batch_times, projections, sorting
from chat.persistence.projections import Placed
from chat.persistence.quarantine import Quarantine
from chat.persistence.sorting import Candidate
from chat.protocol import MAX_BODY_CHARACTERS
from chat.resilience.crash_points import crash_point
from chat.room_log import cursors, epochs, keys
from chat.room_log.scripts import STORED
from chat.servers import clocks, streams
from chat.servers.failures import is_data_error
from chat.servers.redis_log import blocking_client
from chat.tracing import tracing

logger = logging.getLogger(__name__)

BATCH_EVENTS = 500
# The most text that one statement may have to parse for the search index: a dozen of the longest
# messages. Whatever they contain, they take a second or two; the statement time-out is 15 s.
STATEMENT_CHARACTERS = 100_000
# When a drainer dies, the log has missed at most one batch.
UNFINISHED_ENTRIES = 2 * BATCH_EVENTS
# After this time a drain lets other shards have the worker.
DRAIN_SECONDS = 10.0


class Drained(msgspec.Struct):
    """What one drain did. `busy`: another drainer had the shard. `stopped`: a person must look."""

    stored: int = 0
    letters: int = 0
    busy: bool = False
    stopped: bool = False


def drain(shard: int) -> Drained:
    """Stores what is in the ingest stream of `shard`; begins no batch after `DRAIN_SECONDS`.

    Raises: RetryableError when the log or PostgreSQL is down; nothing is lost, call again.
    """
    result = Drained()
    limit = DeadLetterLimit()
    deadline = time.monotonic() + DRAIN_SECONDS
    try:
        blocking_client().delete(keys.woken(shard))
        while time.monotonic() < deadline:
            stored = _drain_batch(shard, result, limit)
            if not stored:
                break
        result.letters = limit.count
        return result
    except DeadLetterLimitReached:
        result.letters = limit.count
        result.stopped = True
        _stop(shard, limit.count)
        return result
    except (RedisError, OSError) as error:
        raise RetryableError("The log does not answer.") from error
    except (DatabaseError, InterfaceError) as error:
        raise RetryableError("The database does not answer.") from error


def _drain_batch(shard: int, result: Drained, limit: DeadLetterLimit) -> bool:
    """Stores one batch; False when there is nothing more to do."""
    began, began_ns = time.perf_counter(), time.time_ns()
    with cursors.held(shard, cursors.Kind.PERSIST) as position:
        if position is None:
            result.busy = True
            return False
        if position.stopped_at is not None:
            result.stopped = True
            return False
        epochs.agree(position)
        _finish_earlier(position)
        entries = sorting.read(shard, position.position, BATCH_EVENTS)
        if not entries:
            return False
        crash_point("persist.after_read")
        quarantine = Quarantine(shard)
        sorter = sorting.Sorter(shard, position.epoch, entries, quarantine)
        candidates = sorter.sort()
        _store(shard, candidates, quarantine)
        limit.add(quarantine.letters, max(len(entries), len(candidates)))
        if sorter.upto is not None:
            position.position = sorter.upto
        position.moved_at = datetime.now(UTC)
        position.save(update_fields=["position", "moved_at"])
        if candidates:
            batch_times.note_stored(shard)
        news = _news([one.placed for one in candidates])
        crash_point("persist.before_commit")
    crash_point("persist.after_commit")
    result.stored += len(candidates)
    heads = {one.placed.event.room: one.placed.event.seq for one in candidates}
    _tell_log(shard, position, heads, news)
    _measure(candidates, time.perf_counter() - began)
    tracing.persisted((one.placed.event for one in candidates), began_ns)
    return True


def _measure(candidates: Sequence[Candidate], seconds: float) -> None:
    now = clocks.LOG.seconds()
    for one in candidates:
        metrics.STORED_SECONDS.observe(max(0.0, now - one.placed.event.at.timestamp()))
    metrics.EVENTS_STORED.inc(len(candidates))
    metrics.DRAIN_SECONDS.observe(seconds)
    metrics.DRAIN_BATCH_EVENTS.observe(len(candidates))


def _store(shard: int, candidates: Sequence[Candidate], quarantine: Quarantine) -> None:
    """Stores `candidates` in order, with a placeholder for each event that PostgreSQL refuses."""
    if not candidates:
        return
    if len(candidates) > 1 and _characters(candidates) > STATEMENT_CHARACTERS:
        _store_halves(shard, candidates, quarantine)
        return
    try:
        with transaction.atomic():
            projections.store(shard, [one.placed for one in candidates])
        return
    except DatabaseError as error:
        if not is_data_error(error):
            raise
        if len(candidates) == 1:
            placed = _refused(candidates[0], error, quarantine)
            with transaction.atomic():
                projections.store(shard, [placed])
            return
    _store_halves(shard, candidates, quarantine)


def _store_halves(shard: int, candidates: Sequence[Candidate], quarantine: Quarantine) -> None:
    half = len(candidates) // 2
    _store(shard, candidates[:half], quarantine)
    _store(shard, candidates[half:], quarantine)


def _characters(candidates: Sequence[Candidate]) -> int:
    """Upper bound of the text that PostgreSQL must parse. A deletion or restoration counts as the
    longest message, because PostgreSQL parses a text again whenever its row changes."""
    characters = 0
    for data in (one.placed.data for one in candidates):
        if isinstance(data, MessagePosted | ReplyPosted | MessageEdited):
            characters += len(data.body)
        elif isinstance(data, MessageTarget):
            characters += MAX_BODY_CHARACTERS
    return characters


def _refused(one: Candidate, error: DatabaseError, quarantine: Quarantine) -> Placed:
    """The placeholder for an event that PostgreSQL refused."""
    event = one.placed.event
    if isinstance(error, IntegrityError):
        # The same key may have been stored by another shard at the same moment.
        for first in sorting.stored_under_keys([event]).values():
            return quarantine.repeated(one.stream_id, one.fields, event, first)
    return quarantine.refused(Reason.REFUSED, error, one.stream_id, one.fields, event)


def _finish_earlier(position: ShardCursor) -> None:
    """Tells the log what a drainer that died after its commit did not tell it."""
    client = blocking_client()
    left = streams.entries(
        client, keys.ingest(position.shard), last=position.position, count=UNFINISHED_ENTRIES
    )
    if not left:
        return
    rooms = {int(fields[b"room"]) for _, fields in left if fields.get(b"room", b"").isdigit()}
    heads = dict(Room.objects.filter(id__in=rooms).values_list("id", "stored_seq"))
    _tell_log(position.shard, position, heads)


def _news(placed: Sequence[Placed]) -> dict[str, object]:
    """What makes a room reappear for people who do not see it: a message in a direct conversation,
    or an archived room that is open again. See `Hub.on_message`."""
    first: dict[int, RoomEvent] = {}
    opened: set[int] = set()
    for event, data in ((one.event, one.data) for one in placed):
        if event.type is EventType.MESSAGE_POSTED:
            first.setdefault(event.room, event)
        elif isinstance(data, RoomArchived):
            (opened.discard if data.archived else opened.add)(event.room)
    directs = Room.objects.filter(pk__in=first, kind=RoomKind.DIRECT, direct_key__isnull=False)
    return {
        "direct": {
            room: [*map(int, str(key).split(":")), first[room].seq - 1, first[room].n - 1]
            for room, key in directs.values_list("pk", "direct_key")
        },
        "opened": sorted(opened),
    }


def _tell_log(
    shard: int,
    position: ShardCursor,
    heads: dict[int, int],
    news: dict[str, object] | None = None,
) -> None:
    """Moves the rooms' watermarks, trims what PostgreSQL holds, and announces what is stored."""
    milliseconds, counter = as_pair(position.position)
    arguments: list[str | int] = [
        shard,
        position.epoch,
        f"{milliseconds}-{counter + 1}",
        keys.HOT_TAIL_EVENTS,
    ]
    for room, seq in heads.items():
        arguments += [room, seq]
    STORED.call(blocking_client(), [keys.epoch(shard), keys.ingest(shard)], arguments)
    crash_point("persist.after_log_told")
    if heads:
        to_hubs.publish_blocking(
            to_hubs.HUBS_GROUP,
            {"type": "stored", "rooms": heads, **(news or {})},
        )


def _stop(shard: int, letters: int) -> None:
    reason = f"{letters} dead letters in one drain"
    cursors.stop(shard, cursors.Kind.PERSIST, reason)
    logger.error("shard %s stopped: %s; nothing is lost, the log keeps all events", shard, reason)
