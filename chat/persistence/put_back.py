"""Retries what `persist` could not store: the event takes the place of its placeholder.

One transaction holds the shard's persist cursor, so no drain is under way. In it, the row at the
event's (room, seq) changes from `event.quarantined` to the event, the projections become what a
replay gives, and the event is noted for publishing again. After the commit, and safe to repeat:
members, archiving and slow mode reach the log, and connected clients are told to read the room
anew.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction

from chat import events
from chat.dead_letters.letters import HOPELESS, DeadLetter, Reason, unpack_entry
from chat.dead_letters.sources import Retried, Unretryable
from chat.errors import PermanentError, RetryableError
from chat.events import EventType, RoomEvent
from chat.hints import to_hubs
from chat.models import EventReplacement, Room
from chat.models import RoomEvent as Row
from chat.persistence import quarantine, reprojection, sorting, stored_events
from chat.persistence.projections import Placed
from chat.persistence.reprojection import TO_MEMBERSHIP
from chat.resilience.crash_points import crash_point
from chat.room_log import codec, cursors, keys, loading
from chat.room_log.scripts import FORGET
from chat.servers.failures import is_data_error
from chat.servers.redis_log import blocking_client

# These change what the log keeps of a room besides its events, for the append to read.
IN_THE_LOG_TOO = (*TO_MEMBERSHIP, EventType.ROOM_ARCHIVED, EventType.ROOM_UPDATED)


def retry(letter: DeadLetter, token: str) -> Retried:
    """Stores the dead letter's event at its original place; changes nothing if it is there already.

    Raises: Unretryable when it has no place, or another event has its place or its key;
    PermanentError when PostgreSQL or its own type still refuses it; RetryableError when the log
    or PostgreSQL is down, or the place is not stored yet.
    """
    event = _event_of(letter)
    try:
        # Wait for a drain under way; a later one finds the cursor held and leaves.
        with cursors.held(_shard_of(event.room), cursors.Kind.PERSIST, wait=True):
            replaced = _store(event, letter.id)
            crash_point("put_back.before_commit")
    except DatabaseError as error:
        if is_data_error(error):
            raise PermanentError(f"PostgreSQL refuses it: {_kind(error)}.") from error
        raise RetryableError("The database does not answer.") from error
    crash_point("put_back.after_commit")
    if replaced:
        to_hubs.publish_blocking(
            to_hubs.room_group(event.room),
            {"type": "replaced", "room": event.room, "seq": event.seq},
        )
    if event.type in IN_THE_LOG_TOO:
        _let_log_agree(event.room)
    return Retried.DONE


def _event_of(letter: DeadLetter) -> RoomEvent:
    if letter.reason == Reason.MISSING:
        raise Unretryable(HOPELESS[Reason.MISSING])
    try:
        return codec.event_of(unpack_entry(letter.payload))
    except (msgspec.MsgspecError, KeyError, ValueError, OverflowError) as error:
        raise Unretryable(HOPELESS[Reason.UNREADABLE]) from error


def _store(event: RoomEvent, letter: str) -> bool:
    """Puts the event at its place; False when it is there already."""
    row = Row.objects.filter(room_id=event.room, seq=event.seq).first()
    if row is None:
        raise _no_place(event)
    key = None if row.key is None else str(row.key)
    if row.type == event.type and key == event.key and row.epoch == event.epoch:
        return _stands_already(row, event)
    if row.epoch != event.epoch:
        raise Unretryable(HOPELESS[Reason.STALE_EPOCH])
    if row.type != EventType.EVENT_QUARANTINED or row.data.get("dead_letter") != letter:
        raise Unretryable(HOPELESS[Reason.PLACE_TAKEN])
    if event.n not in (row.n, _expected_n(event)):
        raise Unretryable("It counts the room's messages in another way than its place does.")
    placed = _checked(event)
    now = datetime.now(UTC)
    try:
        with transaction.atomic():
            reprojection.replace_placeholder(row, placed, letter, now)
    except IntegrityError as error:
        first = _same_key(event)
        if not is_data_error(error) or first is None:
            raise
        # The event was acknowledged, and its dead letter holds the only copy of its content.
        if not quarantine.same_request(first, event):
            raise Unretryable(HOPELESS[Reason.KEY_CONFLICT]) from error
        _name_first(row, event, first, letter, now)
    return True


def _expected_n(event: RoomEvent) -> int:
    """The `n` that follows from the event before; a placeholder may not have known it."""
    before = Row.objects.filter(room_id=event.room, seq=event.seq - 1).values_list("n", flat=True)
    return (before.first() or 0) + (event.type == EventType.MESSAGE_POSTED)


def _no_place(event: RoomEvent) -> Exception:
    for stored in Room.objects.filter(id=event.room).values_list("stored_seq", flat=True):
        if stored < event.seq:
            # The drain that found the event was rolled back, or has not committed yet.
            return RetryableError("Its place is not stored yet.")
        return Unretryable("Its place is a gap in PostgreSQL: see `manage.py verify_delivery`.")
    return Unretryable(HOPELESS[Reason.NO_ROOM])


def _stands_already(row: Row, event: RoomEvent) -> bool:
    """False: an earlier retry stored the event, or it was taken from the room's log.

    Raises: Unretryable when the place holds another event under the same key.
    """
    for stored in stored_events.read_about(
        event.room, [event.type], {}, first=event.seq, last=event.seq
    ):
        if _value(stored.data) == _value(event.data) and row.actor_id == event.actor:
            return False
    raise Unretryable(HOPELESS[Reason.PLACE_TAKEN])


def _value(data: msgspec.Raw) -> object:
    """The JSON value, because PostgreSQL keeps the value and not the text."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return bytes(data)


def _checked(event: RoomEvent) -> Placed:
    try:
        return Placed(event, sorting.checked_data(event))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise PermanentError(
            f"Its data is not what {event.type} holds: {type(error).__name__}."
        ) from error


def _same_key(event: RoomEvent) -> RoomEvent | None:
    """The stored event with the same author and key, if there is one."""
    if event.actor is None or event.key is None:
        return None
    return stored_events.find_by_key(event.actor, event.key)


def _name_first(row: Row, event: RoomEvent, first: RoomEvent, letter: str, now: datetime) -> None:
    """For an event that was accepted twice: the placeholder stays and names the stored one."""
    placed = quarantine.duplicate(event, (first.room, first.seq))
    data = msgspec.json.decode(placed.event.data)
    Row.objects.filter(pk=row.pk).update(data=data)
    EventReplacement.objects.create(shard=row.shard, event=row, letter=letter, replaced_at=now)


def _let_log_agree(room: int) -> None:
    """Makes the log load the room again if it had loaded it without this event.

    Raises: RetryableError while the room has events that are not stored; RedisError.
    """
    shard = _shard_of(room)
    snapshot = loading.read_snapshot(room, shard)
    assert snapshot is not None
    pipeline = blocking_client().pipeline(transaction=True)
    pipeline.hgetall(keys.acl(shard, room))
    pipeline.hgetall(keys.mutes(shard, room))
    pipeline.hmget(keys.room(shard, room), "archived", "slow")
    acl, mutes, numbers = pipeline.execute()
    # A room that was loaded by a version without slow mode has no number for it.
    same_numbers = [int(number or 0) for number in numbers] == [
        int(snapshot.archived),
        snapshot.slow_mode_seconds,
    ]
    if same_numbers and (snapshot.acl(), snapshot.mutes) == (_texts(acl), _texts(mutes)):
        return
    forgotten = FORGET.call(
        blocking_client(),
        [
            keys.epoch(shard),
            keys.room(shard, room),
            keys.acl(shard, room),
            keys.log(shard, room),
            keys.loading(shard, room),
            keys.active(shard),
        ],
        [room, snapshot.epoch, snapshot.head],
    )
    if not forgotten:
        raise RetryableError("The event is stored; the room's log takes it in when it is drained.")


def _texts(found: dict[bytes, bytes]) -> dict[str, str]:
    return {user.decode(): entry.decode() for user, entry in found.items()}


def _shard_of(room: int) -> int:
    return events.shard_of(room, settings.ENV.shards)


def _kind(error: DatabaseError) -> str:
    """The error's class and SQLSTATE; not its text, which may quote what was refused."""
    state = getattr(error.__cause__, "sqlstate", None)
    name = type(error.__cause__ or error).__name__
    return name if state is None else f"{name}, SQLSTATE {state}"
