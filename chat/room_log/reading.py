"""What the log knows of the rooms in it. Reading changes nothing and loads nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import cast

import msgspec
from django.conf import settings

from chat import events
from chat.events import Role, RoomEvent
from chat.room_log import codec, keys
from chat.servers import redis_log, streams

# With these limits, one call blocks neither the log server nor the caller for more than 5 ms.
ROOMS_PER_CALL = 100
PEOPLE_PER_CALL = 1_000
PLACES_PER_CALL = 200
ENTRIES_PER_CALL = 1_000


class RoomState(msgspec.Struct, frozen=True):
    """Where a room stands: `head` is logged, `stored` is in PostgreSQL."""

    epoch: int
    head: int
    n: int
    stored: int
    archived: bool


def _shard(room: int) -> int:
    return events.shard_of(room, settings.ENV.shards)


async def room_states(rooms: Sequence[int]) -> dict[int, RoomState]:
    """Where `rooms` stand; those that are not in the log are absent.

    Raises: Unavailable.
    """
    if not rooms:
        return {}
    pipeline = redis_log.async_client().pipeline(transaction=False)
    for room in rooms:
        pipeline.get(keys.epoch(_shard(room)))
        pipeline.hmget(keys.room(_shard(room), room), "epoch", "head", "n", "stored", "archived")
    answers = await redis_log.ask(pipeline.execute)
    states = {}
    for room, epoch, values in zip(rooms, answers[::2], answers[1::2], strict=True):
        state = _state(epoch, values)
        if state is not None:
            states[room] = state
    return states


async def epochs_of(rooms: Sequence[int]) -> dict[int, int]:
    """The epoch of each room's shard in the log, whether or not the room is in it; rooms of a
    shard that has no epoch are absent.

    Raises: Unavailable.
    """
    shards = sorted({_shard(room) for room in rooms})
    if not shards:
        return {}
    pipeline = redis_log.async_client().pipeline(transaction=False)
    for shard in shards:
        pipeline.get(keys.epoch(shard))
    answers = dict(zip(shards, await redis_log.ask(pipeline.execute), strict=True))
    found = {room: answers[_shard(room)] for room in rooms}
    return {room: int(epoch) for room, epoch in found.items() if epoch is not None}


async def roles(user: int, rooms: Sequence[int]) -> dict[int, Role | None]:
    """The role of `user` in `rooms`, None where not a member; rooms not in the log are absent.

    Raises: Unavailable.
    """
    if not rooms:
        return {}
    pipeline = redis_log.async_client().pipeline(transaction=False)
    for room in rooms:
        pipeline.get(keys.epoch(_shard(room)))
        pipeline.hget(keys.room(_shard(room), room), "epoch")
        pipeline.hget(keys.acl(_shard(room), room), str(user))
    answers = await redis_log.ask(pipeline.execute)
    found: dict[int, Role | None] = {}
    for room, epoch, room_epoch, entry in zip(
        rooms, answers[::3], answers[1::3], answers[2::3], strict=True
    ):
        if epoch is not None and room_epoch == epoch:
            found[room] = _role(entry)
    return found


async def may_speak(user: int, room: int, now_ms: int) -> bool:
    """Whether the room is not archived, and `user` is an active member who is muted neither there
    nor everywhere.

    Raises: Unavailable.
    """
    shard = _shard(room)
    pipeline = redis_log.async_client().pipeline(transaction=False)
    pipeline.hget(keys.acl(shard, room), str(user))
    pipeline.hget(keys.people(shard), str(user))
    pipeline.hget(keys.room(shard, room), "archived")
    entry, restriction, archived = await redis_log.ask(pipeline.execute)
    if _role(entry) is None or archived == b"1":
        return False
    muted_until = int(entry.partition(b":")[2])
    everywhere, _, inactive = (restriction or b"0:0").partition(b":")
    return max(muted_until, int(everywhere)) <= now_ms and inactive != b"1"


async def number_of_owners(room: int) -> int | None:
    """How many owners the room has; None when the log does not know.

    Raises: Unavailable.
    """
    pipeline = redis_log.async_client().pipeline(transaction=False)
    pipeline.get(keys.epoch(_shard(room)))
    pipeline.hmget(keys.room(_shard(room), room), "epoch", "owners")
    epoch, (room_epoch, owners) = await redis_log.ask(pipeline.execute)
    known = epoch is not None and room_epoch == epoch and owners is not None
    return int(owners) if known else None


async def members_among(rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    """Which of the given people are members of each room; rooms not in the log are absent.

    Raises: Unavailable.
    """
    found: dict[int, set[int]] = {}
    unloaded: set[int] = set()
    for part in _in_parts(rooms):
        pipeline = redis_log.async_client().pipeline(transaction=False)
        for room, people in part:
            pipeline.get(keys.epoch(_shard(room)))
            pipeline.hget(keys.room(_shard(room), room), "epoch")
            pipeline.hmget(keys.acl(_shard(room), room), *map(str, people))
        answers = await redis_log.ask(pipeline.execute)
        for (room, people), epoch, room_epoch, entries in zip(
            part, answers[::3], answers[1::3], answers[2::3], strict=True
        ):
            if epoch is None or room_epoch != epoch:
                unloaded.add(room)
            of_room = found.setdefault(room, set())
            of_room.update(
                user for user, entry in zip(people, entries, strict=True) if _role(entry)
            )
    return {room: people for room, people in found.items() if room not in unloaded}


def _in_parts(rooms: Mapping[int, Collection[int]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Rooms with people, in parts small enough for one call; a large room comes in pieces."""
    part: list[tuple[int, list[int]]] = []
    size = 0
    for room, people in rooms.items():
        everybody = list(people)
        for start in range(0, len(everybody), PEOPLE_PER_CALL):
            piece = everybody[start : start + PEOPLE_PER_CALL]
            if part and (size + len(piece) > PEOPLE_PER_CALL or len(part) >= ROOMS_PER_CALL):
                yield part
                part, size = [], 0
            part.append((room, piece))
            size += len(piece)
    if part:
        yield part


async def states_and_roles(
    rooms_of_people: Mapping[int, Sequence[int]],
) -> tuple[dict[int, RoomState], dict[int, dict[int, Role | None]]]:
    """`room_states` of all the rooms, and `roles` of each person in their rooms, read in parts.

    Raises: Unavailable.
    """
    people_in: dict[int, list[int]] = {}
    for person, their_rooms in rooms_of_people.items():
        for room in their_rooms:
            people_in.setdefault(room, []).append(person)
    states: dict[int, RoomState] = {}
    found: dict[int, dict[int, Role | None]] = {}
    for part in _in_parts(people_in):
        await _read_states_and_roles(part, states, found)
    return states, found


async def _read_states_and_roles(
    part: Sequence[tuple[int, Sequence[int]]],
    states: dict[int, RoomState],
    found: dict[int, dict[int, Role | None]],
) -> None:
    shards = {_shard(room) for room, _ in part}
    pipeline = redis_log.async_client().pipeline(transaction=False)
    for shard in shards:
        pipeline.get(keys.epoch(shard))
    for room, members in part:
        pipeline.hmget(keys.room(_shard(room), room), "epoch", "head", "n", "stored", "archived")
        pipeline.hmget(keys.acl(_shard(room), room), *map(str, members))
    answers = await redis_log.ask(pipeline.execute)
    epochs = dict(zip(shards, answers, strict=False))
    of_rooms = answers[len(shards) :]
    for (room, members), values, entries in zip(part, of_rooms[::2], of_rooms[1::2], strict=True):
        state = _state(epochs[_shard(room)], values)
        if state is not None:
            # For a room that is read in pieces, keep the first state: no role read is older.
            states.setdefault(room, state)
            for person, entry in zip(members, entries, strict=True):
                found.setdefault(person, {})[room] = _role(entry)


def _state(epoch: bytes | None, values: Sequence[bytes | None]) -> RoomState | None:
    """The state from a room's hash; None when the room is not in the log at its current epoch."""
    if epoch is None or values[0] != epoch:
        return None
    room_epoch, head, n, stored = (int(value) for value in values[:4] if value is not None)
    return RoomState(room_epoch, head, n, stored, values[4] == b"1")


def _role(entry: bytes | None) -> Role | None:
    name = None if entry is None else entry.partition(b":")[0].decode()
    return None if name in (None, "banned") else Role(name)


async def hot_events(room: int, after: int, limit: int) -> list[RoomEvent] | None:
    """At most `limit` events after seq `after`, without a gap, from the hot tail.

    None when the tail does not hold the next one, or the room is not in the log; then PostgreSQL
    has it. [] when `after` is the head or beyond it.

    Raises: Unavailable.
    """
    found = await _entries_after(room, after, limit)
    if found is None:
        return None
    head, entries = found
    return [] if after >= head else _run(entries, after) or None


async def hot_part(room: int, after: int, limit: int) -> tuple[list[RoomEvent], int] | None:
    """The readable events among the `limit` entries after seq `after`, and the last entry's seq.

    [] and `after` itself at the head; None when the tail does not hold the next entry, or the room
    is not in the log. A damaged entry, which PostgreSQL will hold as a placeholder, does not hide
    later ones.

    Raises: Unavailable.
    """
    found = await _entries_after(room, after, limit)
    if found is None:
        return None
    head, entries = found
    if after >= head:
        return [], after
    seqs = [int(stream_id.partition(b"-")[0]) for stream_id, _ in entries]
    if not seqs or seqs[0] != after + 1:
        return None
    readable = [event for _, fields in entries if (event := _readable(fields)) is not None]
    return readable, seqs[-1]


async def _entries_after(room: int, after: int, limit: int) -> tuple[int, streams.Entries] | None:
    """The room's head, and what the tail holds after seq `after`; None if the room is not there."""
    shard = _shard(room)
    pipeline = redis_log.async_client().pipeline(transaction=True)
    pipeline.get(keys.epoch(shard))
    pipeline.hmget(keys.room(shard, room), "epoch", "head")
    pipeline.xrange(keys.log(shard, room), min=f"{after + 1}-0", count=limit)
    epoch, (room_epoch, head), entries = await redis_log.ask(pipeline.execute)
    if epoch is None or room_epoch != epoch or head is None:
        return None
    return int(head), entries


async def hot_events_up_to(room: int, last: int, limit: int) -> list[RoomEvent]:
    """At most `limit` events up to seq `last`, without a gap, in seq order.

    [] when the hot tail does not hold the last one, or the room is not in the log.

    Raises: Unavailable.
    """
    shard = _shard(room)
    pipeline = redis_log.async_client().pipeline(transaction=True)
    pipeline.get(keys.epoch(shard))
    pipeline.hget(keys.room(shard, room), "epoch")
    pipeline.xrevrange(keys.log(shard, room), max=f"{last}-0", count=limit)
    epoch, room_epoch, entries = await redis_log.ask(pipeline.execute)
    if epoch is None or room_epoch != epoch:
        return []
    found: list[RoomEvent] = []
    for _, fields in cast(streams.Entries, entries):
        event = _readable(fields)
        if event is None or event.seq != last - len(found):
            break
        found.append(event)
    return found[::-1]


async def hot_tails(spans: Mapping[int, tuple[int, int]], limit: int) -> dict[int, list[RoomEvent]]:
    """For each room in `spans`, the newest `limit` events after the first seq and up to the second,
    in seq order, as far as the hot tail holds them; rooms that are not in the log are absent.

    Raises: Unavailable.
    """
    found: dict[int, list[RoomEvent]] = {}
    for part in _spans_in_parts(spans, limit):
        pipeline = redis_log.async_client().pipeline(transaction=False)
        for room, (after, last) in part:
            pipeline.get(keys.epoch(_shard(room)))
            pipeline.hget(keys.room(_shard(room), room), "epoch")
            log = keys.log(_shard(room), room)
            pipeline.xrevrange(log, max=f"{last}-0", min=f"{after + 1}-0", count=limit)
        answers = await redis_log.ask(pipeline.execute)
        for (room, _), epoch, room_epoch, entries in zip(
            part, answers[::3], answers[1::3], answers[2::3], strict=True
        ):
            if epoch is not None and room_epoch == epoch:
                events_of_room = (_readable(fields) for _, fields in reversed(entries))
                found[room] = [event for event in events_of_room if event is not None]
    return found


def _spans_in_parts(
    spans: Mapping[int, tuple[int, int]], limit: int
) -> Iterator[list[tuple[int, tuple[int, int]]]]:
    """Parts with at most `ENTRIES_PER_CALL` entries in all, or one room with up to `limit`."""
    part: list[tuple[int, tuple[int, int]]] = []
    size = 0
    for room, (after, last) in spans.items():
        entries = min(last - after, limit)
        if part and (size + entries > ENTRIES_PER_CALL or len(part) >= ROOMS_PER_CALL):
            yield part
            part, size = [], 0
        part.append((room, (after, last)))
        size += entries
    if part:
        yield part


async def numbers_at(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The n of the events at (room, seq) that are in the hot tail; the others are absent.

    Raises: Unavailable.
    """
    found: dict[tuple[int, int], int] = {}
    asked = list(places)
    for start in range(0, len(asked), PLACES_PER_CALL):
        part = asked[start : start + PLACES_PER_CALL]
        pipeline = redis_log.async_client().pipeline(transaction=False)
        for room, seq in part:
            pipeline.get(keys.epoch(_shard(room)))
            pipeline.hget(keys.room(_shard(room), room), "epoch")
            pipeline.xrange(keys.log(_shard(room), room), f"{seq}-0", f"{seq}-0")
        answers = await redis_log.ask(pipeline.execute)
        for place, epoch, room_epoch, entries in zip(
            part, answers[::3], answers[1::3], answers[2::3], strict=True
        ):
            event = _readable(entries[0][1]) if entries else None
            if epoch is not None and room_epoch == epoch and event is not None:
                found[place] = event.n
    return found


def place_of_key(actor: int, key: str) -> tuple[int, int] | None:
    """(epoch, seq) of the event that `actor` logged under `key` in the last 6 h; blocks.

    Raises: redis.RedisError.
    """
    pipeline = redis_log.blocking_client().pipeline(transaction=False)
    for shard in range(settings.ENV.shards):
        pipeline.get(keys.key(shard, actor, key))
    for record in pipeline.execute():
        if record is not None:
            _, epoch, seq, *_ = record.split()
            return int(epoch), int(seq)
    return None


def _run(entries: streams.Entries, after: int) -> list[RoomEvent]:
    """The events from seq `after` + 1 on, up to the first that is missing or damaged."""
    found: list[RoomEvent] = []
    for _, fields in entries:
        event = _readable(fields)
        if event is None or event.seq != after + len(found) + 1:
            break
        found.append(event)
    return found


def _readable(fields: streams.Fields) -> RoomEvent | None:
    """The event in an entry; None when damaged: PostgreSQL will hold a placeholder for it."""
    try:
        event = codec.event_of(fields)
        events.decode_data(event.type, event.data)
    except (KeyError, ValueError, RecursionError):
        return None
    return event
