"""From the log into PostgreSQL: once, in order, with poison set apart (I3)."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from chat import dead_letters, room_log
from chat.actions import messages
from chat.errors import ClientError, RetryableError
from chat.events import EventType, MemberJoined, MemberRemoved, Role, RoomUpdated
from chat.models import Membership, Message, Room, RoomEvent, ShardCursor
from chat.persistence import drain as persistence
from chat.persistence import projections, sorting
from chat.persistence.drain import Drained
from chat.queries import room_list
from chat.room_log import cursors, keys
from chat.servers import streams
from tests.support.rooms import log, new_key, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4

Change = Callable[[streams.Fields], streams.Fields]


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def drain(room: Room) -> Drained:
    return await sync_to_async(persistence.drain)(room.pk % SHARDS)


def letters(log_redis: redis.Redis) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in streams.entries(log_redis, dead_letters.STREAM)]


def ingest_of(log_redis: redis.Redis, room: Room) -> streams.Entries:
    return streams.entries(log_redis, keys.ingest(room.pk % SHARDS))


def add(client: redis.Redis, stream: str, fields: Any, stream_id: bytes = b"*") -> None:
    client.xadd(stream, fields, stream_id)


async def stored(room: Room) -> list[tuple[int, str]]:
    rows = RoomEvent.objects.filter(room=room).order_by("seq").values_list("seq", "type")
    return [row async for row in rows]


async def test_drain_stores_every_event_and_projects_it_and_empties_the_stream(
    log_redis: redis.Redis,
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    said = (await post(room, ann, "one")).event.seq
    await messages.edit_message(ann.pk, room.pk, new_key(), said, "One")
    await post(room, bob, "two")
    await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(name="Renamed"))
    await log(room, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk))

    drained = await drain(room)

    assert (drained.stored, drained.letters) == (8, 0)
    rows = Message.objects.filter(room=room).order_by("n").values_list("n", "body")
    assert [row async for row in rows] == [(1, "One"), (2, "two")]
    await room.arefresh_from_db()
    assert (room.name, room.stored_seq, room.stored_n) == ("Renamed", 8, 2)
    assert [m.user_id async for m in Membership.objects.filter(room=room)] == [ann.pk]
    assert ingest_of(log_redis, room) == []
    state = (await room_log.room_states([room.pk]))[room.pk]
    assert state.stored == state.head == 8


async def test_log_without_memory_is_drained_and_gets_its_memory_back(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "one")
    log_redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(ClientError) as refused:
            await post(room, ann, "two")

        drained = await drain(room)

        assert refused.value.code == "unavailable"
        assert drained.stored == 3
        assert ingest_of(log_redis, room) == []
    finally:
        log_redis.config_set("maxmemory", 0)
    assert (await post(room, ann, "two")).event.seq == 4


async def test_second_drain_finds_nothing_to_do() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)

    assert (await drain(room)).stored == 0


async def test_drain_that_died_after_its_commit_is_finished_by_the_next(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    with monkeypatch.context() as patch:
        patch.setattr(persistence, "_tell_log", lambda *_: None)
        await drain(room)
    left = len(ingest_of(log_redis, room))

    drained = await drain(room)

    assert (left, drained.stored, ingest_of(log_redis, room)) == (2, 0, [])
    assert (await room_log.room_states([room.pk]))[room.pk].stored == 2


async def test_drainer_killed_before_its_commit_stores_nothing_and_the_next_stores_all(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    code = (
        "import django, os, signal; django.setup()\n"
        "from chat.persistence import drain, projections\n"
        "store = projections.store\n"
        "def store_and_die(*args):\n"
        "    store(*args); os.kill(os.getpid(), signal.SIGKILL)\n"
        "projections.store = store_and_die\n"
        f"drain.drain({room.pk % SHARDS})\n"
    )
    environment = {**os.environ, "DATABASE_URL": await sync_to_async(url_of_test_database)()}

    died = await sync_to_async(subprocess.run)(
        [sys.executable, "-c", code], env=environment, timeout=60, check=False, text=True
    )

    assert died.returncode == -signal.SIGKILL
    assert await stored(room) == []
    assert (await drain(room)).stored == 2


def url_of_test_database() -> str:
    base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{base}/{connection.settings_dict['NAME']}"


async def test_shard_that_another_drainer_holds_is_left_alone() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)

    def drain_while_another_holds_it() -> Drained:
        with transaction.atomic(), ThreadPoolExecutor(1) as other:
            cursors.lock(room.pk % SHARDS, cursors.Kind.PERSIST)
            return other.submit(in_own_connection, room.pk % SHARDS).result(timeout=30)

    assert (await sync_to_async(drain_while_another_holds_it)()).busy
    assert (await drain(room)).stored == 2


def in_own_connection(shard: int) -> Drained:
    try:
        return persistence.drain(shard)
    finally:
        connection.close()


def damaged(field: bytes, value: bytes) -> Change:
    return lambda fields: {**fields, field: value}


def without(field: bytes) -> Change:
    return lambda fields: {name: value for name, value in fields.items() if name != field}


POISON = {
    "data is not JSON": damaged(b"data", b"{"),
    "data lacks its field": damaged(b"data", b"{}"),
    "data has a wrong type": damaged(b"data", b'{"body": 7}'),
    "body holds NUL": damaged(b"data", b'{"body": "a\\u0000b"}'),
    "body holds half a surrogate pair": damaged(b"data", b'{"body": "\\ud800"}'),
    "data is not UTF-8": damaged(b"data", b'{"body": "\xff"}'),
    "author does not exist": damaged(b"actor", b"999999"),
    "key is not a UUID": damaged(b"key", b"nonsense"),
    "body is 10 MB": damaged(b"data", b'{"body": "' + b"x y " * 2_600_000 + b'"}'),
}


def rewrite_entry(log_redis: redis.Redis, room: Room, seq: int, change: Change) -> None:
    """Damages an event in both of its streams, keeping all others as they are."""
    for stream in (keys.ingest(room.pk % SHARDS), keys.log(room.pk % SHARDS, room.pk)):
        entries = streams.entries(log_redis, stream)
        log_redis.delete(stream)
        for stream_id, fields in entries:
            damage = fields[b"seq"] == str(seq).encode()
            add(log_redis, stream, change(fields) if damage else fields, stream_id)


async def test_drainer_that_was_paused_cannot_commit_after_another_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "one")
    monkeypatch.setitem(cursors.PAUSED_TRANSACTION_MS, cursors.Kind.PERSIST, 300)
    store, calls = projections.store, itertools.count()
    paused, go_on = threading.Event(), threading.Event()

    def store_after_a_pause(*arguments: Any) -> None:
        if next(calls) == 0:
            paused.set()
            assert go_on.wait(30)
        store(*arguments)

    monkeypatch.setattr(projections, "store", store_after_a_pause)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(in_own_connection, room.pk % SHARDS)
        assert await asyncio.to_thread(paused.wait, 30)
        try:
            async with asyncio.timeout(10):
                while (second := await drain(room)).busy:
                    pass
        finally:
            go_on.set()
        with pytest.raises(RetryableError):
            await asyncio.to_thread(first.result, 30)

    assert second.stored == 3
    assert [seq for seq, _ in await stored(room)] == [1, 2, 3]


# Locks, ended sessions, full disks and memory are not faults of the events.
NO_FAULT_OF_THE_DATA = {
    "serialization failure": "40001",
    "deadlock": "40P01",
    "too many connections": "53300",
    "disk full": "53100",
    "out of memory": "53200",
    "lock timeout": "55P03",
    "statement timeout": "57014",
    "shutdown": "57P01",
    "I/O error": "58030",
    "index corrupted": "XX002",
}


@pytest.mark.parametrize("sqlstate", NO_FAULT_OF_THE_DATA.values(), ids=NO_FAULT_OF_THE_DATA.keys())
async def test_what_is_no_fault_of_the_data_is_waited_for_and_never_a_dead_letter(
    sqlstate: str, log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "one")

    def refuse(*_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{sqlstate}'; END $$")

    with monkeypatch.context() as patch:
        patch.setattr(projections, "store", refuse)
        with pytest.raises(RetryableError):
            await drain(room)

    assert letters(log_redis) == []
    assert await stored(room) == []
    assert len(ingest_of(log_redis, room)) == 3
    assert (await drain(room)).stored == 3


@pytest.mark.parametrize("place", [0, 4, 9], ids=["first", "middle", "last"])
@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_poison_leaves_a_placeholder_at_its_seq_and_the_rest_is_stored(
    log_redis: redis.Redis, poison: Change, place: int
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    said = [(await post(room, ann, f"message {i}")).event.seq for i in range(10)]
    rewrite_entry(log_redis, room, said[place], poison)

    drained = await drain(room)

    kinds = {seq: kind for seq, kind in await stored(room) if seq >= said[0]}
    assert kinds.pop(said[place]) == EventType.EVENT_QUARANTINED
    assert set(kinds.values()) == {EventType.MESSAGE_POSTED}
    assert len(kinds) == 9
    assert drained.letters == len(letters(log_redis)) == 1
    placeholder = await RoomEvent.objects.aget(room=room, seq=said[place])
    letter_ids = [
        stream_id.decode() for stream_id, _ in streams.entries(log_redis, dead_letters.STREAM)
    ]
    assert placeholder.data["dead_letter"] in letter_ids
    payload = msgspec.msgpack.decode(letters(log_redis)[0][b"payload"])
    assert payload[b"seq"] == str(said[place]).encode()


@pytest.mark.parametrize(
    "change",
    [
        without(b"seq"),
        without(b"type"),
        damaged(b"type", b"message.exploded"),
        damaged(b"seq", b"seven"),
        damaged(b"room", b"\xff\xfe"),
        damaged(b"at", b"9" * 40),
        lambda _: {b"junk": b"1"},
    ],
)
async def test_unreadable_entry_is_kept_and_its_place_is_filled(
    log_redis: redis.Redis, change: Change
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    said = [(await post(room, ann, f"message {i}")).event.seq for i in range(3)]
    stream = keys.ingest(room.pk % SHARDS)
    entries = streams.entries(log_redis, stream)
    log_redis.delete(stream)
    for stream_id, fields in entries:
        damage = fields[b"seq"] == str(said[1]).encode()
        add(log_redis, stream, change(fields) if damage else fields, stream_id)

    await drain(room)

    # The room's own log still has the event, so nothing is missing.
    assert [kind for _, kind in await stored(room)][2:] == [EventType.MESSAGE_POSTED] * 3
    assert len(letters(log_redis)) == 1


async def test_entries_deleted_while_they_waited_come_back_from_the_rooms_log(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    await post(room, ann, "deleted from the stream")
    last = await post(room, ann, "stays")
    [(first_id, _), _] = ingest_of(log_redis, room)
    log_redis.xdel(keys.ingest(room.pk % SHARDS), first_id)

    await drain(room)

    bodies = Message.objects.filter(room=room).order_by("seq").values_list("body", flat=True)
    assert [body async for body in bodies] == ["deleted from the stream", "stays"]
    assert (await stored(room))[-1][0] == last.event.seq


async def test_event_that_is_gone_from_everywhere_leaves_a_visible_placeholder(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    gone = (await post(room, ann, "gone")).event.seq
    await post(room, ann, "stays")
    [(first_id, _), _] = ingest_of(log_redis, room)
    log_redis.xdel(keys.ingest(room.pk % SHARDS), first_id)
    log_redis.xdel(keys.log(room.pk % SHARDS, room.pk), f"{gone}-0")

    await drain(room)

    placeholder = await RoomEvent.objects.aget(room=room, seq=gone)
    assert placeholder.data["reason"] == dead_letters.Reason.MISSING
    assert len(letters(log_redis)) == 1


async def test_entries_that_the_log_never_gave_out_take_no_place(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    real = await post(room, ann, "real")
    stream = keys.ingest(room.pk % SHARDS)
    [*_, (_, template)] = streams.entries(log_redis, stream)
    by_hand = [
        {**template, b"seq": b"4", b"key": new_key().encode()},  # beyond the room's log
        {**template, b"seq": b"2", b"key": new_key().encode()},  # a seq that is taken
        {**template, b"seq": b"3", b"key": b""},  # no idempotency data
        {**template, b"epoch": b"99"},
        {**template, b"room": b"424242"},
    ]
    for fields in by_hand:
        add(log_redis, stream, fields)

    await drain(room)

    assert [seq for seq, _ in await stored(room)] == [1, 2, 3]
    assert (await Message.objects.aget(room=room)).seq == real.event.seq
    reasons = sorted(letter[b"reason"].decode() for letter in letters(log_redis))
    assert reasons == ["no_room", "not_logged", "place_taken", "place_taken", "stale_epoch"]


async def test_what_a_drain_had_read_when_the_log_was_lost_is_stored(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    before = await post(room, ann, "read before the loss")
    read = sorting.read

    def read_and_lose(shard: int, after: str, limit: int) -> list[sorting.Entry]:
        entries = read(shard, after, limit)
        if entries:
            log_redis.flushall()
        return entries

    monkeypatch.setattr(sorting, "read", read_and_lose)
    await drain(room)
    monkeypatch.undo()
    after = await post(room, ann, "said after the loss")
    await drain(room)

    bodies = Message.objects.filter(room=room).order_by("seq").values_list("body", flat=True)
    assert [body async for body in bodies] == ["read before the loss", "said after the loss"]
    assert after.event.epoch > before.event.epoch
    assert after.event.seq == before.event.seq + 1
    assert letters(log_redis) == []


async def test_key_that_slipped_through_becomes_a_placeholder_that_names_the_first(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    first_room, second_room = await new_room(ann), await new_room(ann)
    key = new_key()
    first = await post(first_room, ann, "once", key)
    for shard in range(SHARDS):
        log_redis.delete(f"veche:{{{shard}}}:key:{ann.pk}:{key}")
    second = await post(second_room, ann, "once", key)

    await drain(first_room)
    await drain(second_room)

    placeholder = await RoomEvent.objects.aget(room=second_room, seq=second.event.seq)
    assert placeholder.type == EventType.EVENT_QUARANTINED
    assert placeholder.data["duplicate_of"] == [first_room.pk, first.event.seq]


async def test_stream_of_poison_stops_the_shard_and_keeps_everything(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    for i in range(60):
        await post(room, ann, f"message {i}")
    stream = keys.ingest(room.pk % SHARDS)
    entries = streams.entries(log_redis, stream)
    log_redis.delete(stream)
    for stream_id, fields in entries:
        add(log_redis, stream, {**fields, b"data": b"{"}, stream_id)

    drained = await drain(room)

    cursor = await ShardCursor.objects.aget(shard=room.pk % SHARDS, kind="persist")
    assert drained.stopped
    assert cursor.stopped_at is not None
    assert len(await stored(room)) == 2
    assert len(ingest_of(log_redis, room)) == 60
    assert (await drain(room)).stopped


async def test_shard_that_a_person_resumed_goes_on_past_what_cannot_be_mended(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    for _ in range(60):
        add(log_redis, keys.ingest(room.pk % SHARDS), {b"nonsense": b"1"})
    behind = (await post(room, ann, "behind the nonsense")).event.seq
    assert (await drain(room)).stopped

    await sync_to_async(cursors.resume)(room.pk % SHARDS, cursors.Kind.PERSIST)
    drained = await drain(room)

    assert not drained.stopped
    assert (await Message.objects.aget(room=room)).seq == behind
    assert len(letters(log_redis)) == 60


@pytest.mark.parametrize(("places_at_a_time", "dead"), [(5_000, 1), (40, 3)])
async def test_places_that_were_lost_in_a_row_are_one_dead_letter_a_batch(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, places_at_a_time: int, dead: int
) -> None:
    monkeypatch.setattr(sorting, "MAX_GAP_PLACES", places_at_a_time)
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    lost = [(await post(room, ann, f"lost {i}")).event.seq for i in range(100)]
    await post(room, ann, "stays")
    shard = room.pk % SHARDS
    ids = [stream_id for stream_id, _ in ingest_of(log_redis, room)]
    log_redis.xdel(keys.ingest(shard), *ids[:-1])
    log_redis.xdel(keys.log(shard, room.pk), *(f"{seq}-0" for seq in lost))

    drained = await drain(room)

    assert not drained.stopped
    places = RoomEvent.objects.filter(room=room, type=EventType.EVENT_QUARANTINED)
    assert [event.seq async for event in places.order_by("seq")] == lost
    assert (await Message.objects.aget(room=room)).body == "stays"
    assert len(letters(log_redis)) == dead
    assert ingest_of(log_redis, room) == []


async def test_membership_that_is_stored_twice_is_one_membership(log_redis: redis.Redis) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk, role=Role.MODERATOR))

    await drain(room)

    membership = await Membership.objects.aget(room=room, user=bob)
    assert membership.role == "moderator"


@pytest.mark.parametrize(
    "change",
    [
        damaged(b"actor", b"99999999999999999999"),
        damaged(b"n", b"99999999999999999999"),
        damaged(b"room", b"-1"),
        damaged(b"at", b"99999999999999999999"),
        damaged(b"epoch", b"99999999999999999999"),
    ],
)
async def test_number_that_no_column_holds_does_not_stop_the_shard(
    log_redis: redis.Redis, change: Change
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    said = [(await post(room, ann, f"message {i}")).event.seq for i in range(3)]
    rewrite_entry(log_redis, room, said[1], change)

    drained = await drain(room)

    assert not drained.stopped
    assert [kind for _, kind in await stored(room)][2:] == [
        EventType.MESSAGE_POSTED,
        EventType.EVENT_QUARANTINED,
        EventType.MESSAGE_POSTED,
    ]


async def test_other_message_under_a_key_that_slipped_through_keeps_its_bytes(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = new_key()
    first = await post(room, ann, "first", key)
    log_redis.delete(f"veche:{{{room.pk % SHARDS}}}:key:{ann.pk}:{key}")
    second = await post(room, ann, "acknowledged too", key)

    await drain(room)

    placeholder = await RoomEvent.objects.aget(room=room, seq=second.event.seq)
    assert placeholder.data["duplicate_of"] == [room.pk, first.event.seq]
    [letter] = letters(log_redis)
    assert letter[b"reason"] == b"key_conflict"
    assert b"acknowledged too" in letter[b"payload"]


async def test_what_was_said_before_somebody_came_is_not_new_to_them() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann)
    for text in ("one", "two"):
        await post(room, ann, text)
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk))
    before_storing = await room_list.room_for(bob.pk, room.pk)
    await post(room, ann, "three")
    await drain(room)

    info = await room_list.room_for(bob.pk, room.pk)

    assert before_storing is not None
    assert info is not None
    assert (before_storing.n, before_storing.read_n) == (2, 2)
    assert (info.n, info.read_n) == (3, 2)
