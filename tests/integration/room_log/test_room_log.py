"""The room log on a real log server and PostgreSQL: places, keys, rights, loading, epochs."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
import redis
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from chat import dead_letters, room_log
from chat.actions import messages
from chat.errors import ClientError, Unavailable
from chat.events import (
    EventType,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    MemberUnmuted,
    Role,
    RoomArchived,
    RoomKind,
)
from chat.models import Message, Room, RoomEvent, ShardCursor, User
from chat.persistence import drain as persistence
from chat.persistence import lost_log
from chat.persistence.drain import Drained
from chat.queries import history
from chat.room_log import Appended, appender, cursors, epochs, keys, loading
from chat.room_log.appender import Unchanged
from chat.room_log.unloading import unload_idle
from chat.servers import redis_log, streams
from localstack.ports import free_port
from localstack.valkey import LOG_SETTINGS, Valkey
from tests.support.rooms import key_of_age, log, new_key, new_person, new_room, post
from tests.support.servers import OwnServer

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def drain_all() -> None:
    for shard in range(SHARDS):
        await sync_to_async(persistence.drain)(shard)


async def code_of(request: Awaitable[Any]) -> str:
    with pytest.raises(ClientError) as refused:
        await request
    return refused.value.code


async def test_events_of_a_room_are_numbered_without_a_gap_also_when_sent_at_once() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)

    appended = await asyncio.gather(*(post(room, ann, f"message {i}") for i in range(700)))

    assert [one.event.seq for one in appended] == list(range(3, 703))
    assert [one.event.n for one in appended] == list(range(1, 701))


async def test_acknowledged_events_are_in_both_streams_before_the_answer(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)

    appended = await post(room, ann, "hello")

    shard = room.pk % SHARDS
    [*_, (_, fields)] = streams.entries(log_redis, keys.ingest(shard))
    assert fields[b"seq"] == str(appended.event.seq).encode()
    [*_, (stream_id, _)] = streams.entries(log_redis, keys.log(shard, room.pk))
    assert stream_id == f"{appended.event.seq}-0".encode()


async def test_what_exceeds_the_queue_in_front_of_the_log_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    monkeypatch.setattr(appender, "MAX_WAITING", 3)

    answers = await asyncio.gather(
        *(post(room, ann, f"message {number}") for number in range(10)), return_exceptions=True
    )

    assert [one.event.seq for one in answers[:3] if isinstance(one, Appended)] == [3, 4, 5]
    assert [one.code for one in answers if isinstance(one, Unavailable)] == ["unavailable"] * 7
    assert (await post(room, ann, "after")).event.seq == 6


async def test_server_that_may_forget_is_not_appended_to_by_a_process_that_runs(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    shard = room.pk % SHARDS
    await room_log.close()  # the next append is to a server that nobody has looked at yet
    log_redis.config_set("appendfsync", "everysec")
    try:
        code = await code_of(post(room, ann, "hello"))
    finally:
        log_redis.config_set("appendfsync", "always")

    assert code == "unavailable"
    assert log_redis.xlen(keys.log(shard, room.pk)) == log_redis.xlen(keys.ingest(shard)) == 2
    assert (await post(room, ann, "hello")).event.seq == 3


async def test_log_whose_disk_is_full_has_all_that_it_acknowledged_when_there_is_room_again(
    tmp_path: Path, settings: Settings
) -> None:
    server = OwnServer(Valkey("log", tmp_path, free_port(), "password-of-the-log", LOG_SETTINGS))
    server.start()
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url=server.url)
    try:
        ann = await new_person("ann")
        room = await new_room(ann)
        requests = [(new_key(), f"{number} " + "word " * 200) for number in range(100)]
        let_files_grow_by(20_000, server)
        acknowledged = await post_until_refused(room, ann, requests)

        await asyncio.to_thread(server.start)  # with room on its disk
        redis_log.BREAKER.reset()
        again = [await post(room, ann, body, key) for key, body in requests]
        await sync_to_async(persistence.drain)(room.pk % SHARDS)
        stored = RoomEvent.objects.filter(room=room).order_by("seq").values_list("seq", "key")
        rows = [(seq, str(key)) async for seq, key in stored]
    finally:
        await room_log.close()
        server.stop()

    assert 5 < len(acknowledged) < 50
    assert [one.event.seq for one in again[: len(acknowledged)]] == acknowledged
    assert all(one.repeat for one in again[: len(acknowledged)])
    assert rows[2:] == [(seq, key) for seq, (key, _) in enumerate(requests, 3)]


def let_files_grow_by(size_bytes: int, server: OwnServer) -> None:
    """The server's disk has only this much room; writes beyond it fail."""
    with redis.Redis.from_url(server.url) as client:
        process = psutil.Process(client.info("server")["process_id"])
        largest = client.info("persistence")["aof_current_size"] + size_bytes
    process.rlimit(psutil.RLIMIT_FSIZE, (largest, largest))


async def post_until_refused(room: Room, ann: User, requests: list[tuple[str, str]]) -> list[int]:
    """The places of what was acknowledged."""
    seqs: list[int] = []
    for key, body in requests:
        try:
            appended = await post(room, ann, body, key)
        except Unavailable:
            return seqs
        seqs.append(appended.event.seq)
    raise AssertionError("nothing was refused")


async def test_repeated_key_gives_the_first_position() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = new_key()
    first = await post(room, ann, "once", key)

    again, together = await asyncio.gather(
        post(room, ann, "once", key), post(room, ann, "once", key)
    )

    assert again.repeat
    assert together.repeat
    assert again.event.seq == together.event.seq == first.event.seq
    assert again.event.at == first.event.at


async def test_key_with_another_body_or_in_another_room_is_a_conflict() -> None:
    ann = await new_person("ann")
    rooms = [await new_room(ann) for _ in range(SHARDS + 1)]
    key = new_key()
    await post(rooms[0], ann, "once", key)

    answers = [await code_of(post(rooms[0], ann, "twice", key))]
    answers += [await code_of(post(room, ann, "once", key)) for room in rooms[1:]]

    assert answers == ["key_conflict"] * (SHARDS + 1)


async def test_same_key_of_another_person_is_another_message() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    key = new_key()

    first, second = await post(room, ann, "hi", key), await post(room, bob, "hi", key)

    assert second.event.seq == first.event.seq + 1


async def test_key_that_the_log_has_forgotten_is_found_in_postgresql() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = key_of_age(hours=7)
    first = await messages.post_message(ann.pk, room.pk, key, "old")
    await drain_all()

    again = await messages.post_message(ann.pk, room.pk, key, "old")

    assert (again.repeat, again.event.seq) == (True, first.event.seq)
    assert await code_of(messages.post_message(ann.pk, room.pk, key, "new")) == "key_conflict"


async def test_outsiders_learn_nothing_of_a_private_room_and_may_join_a_public_one() -> None:
    ann, eve = await new_person("ann"), await new_person("eve")
    private, public = await new_room(ann), await new_room(ann, kind=RoomKind.PUBLIC)

    assert await code_of(post(private, eve, "hi")) == "not_found"
    assert await code_of(post(public, eve, "hi")) == "not_member"
    joining = MemberJoined(user=eve.pk)
    assert await code_of(log(private, eve, EventType.MEMBER_JOINED, joining)) == "not_found"
    assert (await log(public, eve, EventType.MEMBER_JOINED, joining)).event.seq == 3
    with pytest.raises(Unchanged):
        await log(public, eve, EventType.MEMBER_JOINED, joining)


async def test_nobody_makes_themselves_owner_of_a_room_by_joining() -> None:
    ann, eve = await new_person("ann"), await new_person("eve")
    room = await new_room(ann, kind=RoomKind.PUBLIC)
    joining = MemberJoined(user=eve.pk, role=Role.OWNER)

    assert await code_of(log(room, eve, EventType.MEMBER_JOINED, joining)) == "forbidden"
    await log(room, eve, EventType.MEMBER_JOINED, MemberJoined(user=eve.pk))
    assert await code_of(log(room, eve, EventType.MEMBER_JOINED, joining)) == "forbidden"


async def test_removed_and_muted_members_are_refused_at_the_next_append() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)

    until = datetime.now(UTC) + timedelta(hours=1)
    await log(room, ann, EventType.MEMBER_MUTED, MemberMuted(user=bob.pk, until=until))
    muted = await code_of(post(room, bob, "hi"))
    await log(room, ann, EventType.MEMBER_UNMUTED, MemberUnmuted(user=bob.pk))
    await post(room, bob, "hi")
    await log(room, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk))
    removed = await code_of(post(room, bob, "hi"))

    assert (muted, removed) == ("muted", "not_found")


async def test_members_cannot_remove_the_owner_and_archived_rooms_take_no_posts() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)

    removing = log(room, bob, EventType.MEMBER_REMOVED, MemberRemoved(user=ann.pk))
    assert await code_of(removing) == "forbidden"
    archiving = log(room, bob, EventType.ROOM_ARCHIVED, RoomArchived())
    assert await code_of(archiving) == "forbidden"
    await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived())
    assert await code_of(post(room, bob, "hi")) == "archived"
    await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived(archived=False))
    assert (await post(room, bob, "hi")).event.n == 1


async def test_only_the_author_edits_and_only_author_or_moderator_deletes() -> None:
    ann, bob, cid = [await new_person(name) for name in ("ann", "bob", "cid")]
    room = await new_room(ann, bob, cid)
    said = (await post(room, bob, "hi")).event.seq

    assert (
        await code_of(messages.edit_message(cid.pk, room.pk, new_key(), said, "x")) == "forbidden"
    )
    assert (
        await code_of(messages.edit_message(ann.pk, room.pk, new_key(), said, "x")) == "forbidden"
    )
    assert await code_of(messages.delete_message(cid.pk, room.pk, new_key(), said)) == "forbidden"
    await messages.edit_message(bob.pk, room.pk, new_key(), said, "hello")
    await messages.delete_message(ann.pk, room.pk, new_key(), said)
    missing = messages.edit_message(bob.pk, room.pk, new_key(), 99, "x")
    assert await code_of(missing) == "not_found"
    not_a_message = messages.delete_message(ann.pk, room.pk, new_key(), 1)
    assert await code_of(not_a_message) == "not_found"


async def test_message_that_left_the_hot_tail_can_still_be_edited_by_its_author_alone() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    said = (await post(room, ann, "first")).event.seq
    await asyncio.gather(*(post(room, ann, "more") for _ in range(keys.HOT_TAIL_EVENTS + 10)))
    await drain_all()

    assert (
        await code_of(messages.edit_message(bob.pk, room.pk, new_key(), said, "x")) == "forbidden"
    )
    await messages.edit_message(ann.pk, room.pk, new_key(), said, "First")

    await drain_all()
    page = await history.messages_before(room.pk, said + 1, 10, 0)
    assert [message.body for message in page.messages] == ["First"]


async def test_unloaded_room_is_loaded_from_postgresql_and_goes_on_where_it_was(
    log_redis: redis.Redis,
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    before = await post(room, bob, "before")
    await drain_all()
    shard = room.pk % SHARDS
    log_redis.delete(keys.room(shard, room.pk), keys.acl(shard, room.pk), keys.log(shard, room.pk))

    after = await asyncio.gather(*(post(room, bob, f"after {i}") for i in range(50)))

    expected = range(before.event.seq + 1, before.event.seq + 51)
    assert [one.event.seq for one in after] == list(expected)
    assert after[0].event.n == before.event.n + 1


async def test_loaded_room_gives_everybody_their_own_role_whatever_their_ids(
    log_redis: redis.Redis,
) -> None:
    """Ids in the order of numbers are not in the order of texts: 9 comes before 10."""
    ann, bob = [
        await User.objects.acreate(pk=pk, username=name, password="!")
        for pk, name in ((999_999, "ann"), (1_000_000, "bob"))
    ]
    room = await new_room(ann, bob)
    until = datetime.now(UTC) + timedelta(hours=1)
    await log(room, ann, EventType.MEMBER_MUTED, MemberMuted(user=bob.pk, until=until))
    await sync_to_async(persistence.drain)(room.pk % SHARDS)
    log_redis.delete(keys.room(room.pk % SHARDS, room.pk), keys.acl(room.pk % SHARDS, room.pk))

    await room_log.ensure_loaded([room.pk])

    assert await room_log.roles(ann.pk, [room.pk]) == {room.pk: Role.OWNER}
    assert await room_log.roles(bob.pk, [room.pk]) == {room.pk: Role.MEMBER}
    assert await code_of(post(room, bob, "hi")) == "muted"


async def test_lost_log_raises_the_epoch_and_never_gives_a_stored_seq_again(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    kept = await post(room, ann, "stored")
    await drain_all()
    log_redis.flushall()

    after = await post(room, ann, "after the loss")
    await drain_all()

    assert after.event.epoch > kept.event.epoch
    assert after.event.seq == kept.event.seq + 1
    cursor = await ShardCursor.objects.aget(shard=room.pk % SHARDS, kind="persist")
    assert cursor.epoch == after.event.epoch
    seqs = [event.seq async for event in RoomEvent.objects.filter(room=room).order_by("seq")]
    assert seqs == [1, 2, 3, 4]


async def test_sync_reaches_back_across_the_hot_tail_without_a_gap() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await asyncio.gather(*(post(room, ann, str(i)) for i in range(600)))
    await drain_all()
    await post(room, ann, "newest")

    seen: list[int] = []
    while found := await history.events_after(room.pk, seen[-1] if seen else 0, 100):
        seen += [event.seq for event in found]

    assert seen == list(range(1, 604))


async def test_history_shows_what_is_not_stored_yet_with_edits_deletions_and_reactions() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    stored = (await post(room, ann, "stored")).event.seq
    gone = (await post(room, ann, "to be deleted")).event.seq
    await drain_all()
    await messages.edit_message(ann.pk, room.pk, new_key(), stored, "stored, edited")
    await messages.react(bob.pk, room.pk, new_key(), stored, "👍")
    await messages.delete_message(ann.pk, room.pk, new_key(), gone)
    last = await post(room, bob, "hot")

    page = await history.messages_before(room.pk, last.event.seq + 1, 50, 0)

    assert [message.body for message in page.messages] == ["stored, edited", "", "hot"]
    assert page.messages[0].reactions == {"👍": [bob.pk]}
    assert [message.deleted for message in page.messages] == [False, True, False]
    assert [message.deleted_by for message in page.messages] == [None, ann.pk, None]
    assert (page.more, page.upto) == (False, last.event.seq)

    await drain_all()
    stored_page = await history.messages_before(room.pk, last.event.seq + 1, 50, 0)
    assert stored_page.messages == page.messages


@pytest.mark.parametrize("stored", [0, 30])
async def test_every_page_of_a_long_unstored_tail_is_next_to_what_was_asked_for(
    stored: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_UNSTORED_EVENTS", 40)
    monkeypatch.setattr(history, "TAIL_STEP_EVENTS", 7)
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    places = [(await post(room, ann, f"m{n}")).event.seq for n in range(1, stored + 1)]
    await drain_all()
    for n in range(stored + 1, 121):
        places.append((await post(room, ann, f"m{n}")).event.seq)
        if n % 3 == 0:
            await messages.edit_message(ann.pk, room.pk, new_key(), places[-1], f"m{n}!")
            await messages.react(bob.pk, room.pk, new_key(), places[-2], "👍")

    newest = await history.messages_before(room.pk, 2**53, 10, ann.pk)
    seen = list(newest.messages)
    page = newest
    while page.more:
        page = await history.messages_before(room.pk, seen[0].seq, 10, ann.pk)
        seen = page.messages + seen

    assert newest.upto >= places[-1]
    assert [message.n for message in seen] == list(range(1, 121))
    assert [message.seq for message in seen] == places
    waiting = seen[stored:]
    assert [message.body for message in waiting] == [
        f"m{message.n}!" if message.n % 3 == 0 else f"m{message.n}" for message in waiting
    ]
    assert all(message.reactions == {"👍": [bob.pk]} for message in waiting if message.n % 3 == 2)


async def test_log_of_another_installation_is_not_taken_over(log_redis: redis.Redis) -> None:
    for shard in range(SHARDS):
        log_redis.set(keys.epoch(shard), 7)
    ann, eve = await new_person("ann"), await new_person("eve")
    room_id = 1 + (await new_room(ann)).pk
    shard = room_id % SHARDS
    log_redis.hset(keys.room(shard, room_id), mapping={"epoch": 7, "head": 40, "n": 40})
    log_redis.hset(keys.acl(shard, room_id), str(eve.pk), "owner:0")

    room = await new_room(ann)

    assert room.pk == room_id
    assert (await post(room, ann, "hello")).event.epoch > 7
    assert await code_of(post(room, eve, "hello")) == "not_found"


async def test_damaged_room_is_loaded_again_and_its_neighbours_are_not_held_up(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    rooms = [await new_room(ann) for _ in range(SHARDS + 1)]  # the first and the last share a shard
    await drain_all()
    log_redis.hdel(keys.room(rooms[0].pk % SHARDS, rooms[0].pk), "head")

    appended = await asyncio.gather(*(post(room, ann, "hello") for room in rooms))

    assert [one.event.seq for one in appended] == [3] * (SHARDS + 1)


async def test_room_that_lost_its_hash_waits_until_its_places_are_stored(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "acknowledged, not stored")
    log_redis.delete(keys.room(room.pk % SHARDS, room.pk))

    refused = await code_of(post(room, ann, "not yet"))
    # The drain needs the head to tell what was given out; it finds it in the room's own log.
    await drain_all()
    appended = await post(room, ann, "now")

    assert refused == "unavailable"
    assert appended.event.seq == 4


def at_epoch(log_redis: redis.Redis, shard: int, epoch: int) -> None:
    """Log and PostgreSQL as a backup has them that was made at `epoch`."""
    ShardCursor.objects.filter(shard=shard, kind="persist").update(epoch=epoch, position="0-0")
    log_redis.delete(keys.ingest(shard))
    log_redis.set(keys.epoch(shard), epoch)


def epoch_of(log_redis: redis.Redis, shard: int) -> int:
    """The epoch of a shard; asserts that log and PostgreSQL have the same."""
    cursor = ShardCursor.objects.get(shard=shard, kind="persist")
    assert log_redis.get(keys.epoch(shard)) == str(cursor.epoch).encode()
    return cursor.epoch


def test_no_epoch_is_given_to_two_histories(log_redis: redis.Redis) -> None:
    epochs.establish(0)
    backed_up = epoch_of(log_redis, 0)
    seen = [backed_up]

    for lose_log_first in (False, False, True):
        at_epoch(log_redis, 0, backed_up)
        if lose_log_first:
            log_redis.flushall()
            epochs.establish(0)
            seen.append(epoch_of(log_redis, 0))
            at_epoch(log_redis, 0, backed_up)
        epochs.begin_anew(0)
        seen.append(epoch_of(log_redis, 0))

    assert backed_up == 1
    assert seen == sorted(set(seen))
    assert seen[-1] < 2**53


@pytest.mark.parametrize("how", ["loss", "restore"])
def test_epoch_goes_up_also_when_the_clock_has_been_set_back(
    log_redis: redis.Redis, how: str
) -> None:
    epochs.establish(0)
    future = int(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)
    at_epoch(log_redis, 0, future)

    if how == "loss":
        log_redis.flushall()
        epochs.establish(0)
    else:
        epochs.begin_anew(0)

    assert epoch_of(log_redis, 0) == future + 1


async def test_event_of_an_epoch_that_is_a_time_is_stored_and_read_with_it(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain_all()
    log_redis.flushall()

    key = new_key()
    appended = await post(room, ann, "after the loss", key)
    repeat = await post(room, ann, "after the loss", key)
    await drain_all()
    log_redis.delete(keys.room(room.pk % SHARDS, room.pk), keys.log(room.pk % SHARDS, room.pk))
    [*_, stored] = await history.events_after(room.pk, 0, 10)

    assert appended.event.epoch > 2**40
    assert repeat.event.epoch == stored.epoch == appended.event.epoch
    assert stored.seq == appended.event.seq
    assert log_redis.xlen(dead_letters.STREAM) == 0


async def test_log_that_forgot_what_somebody_saw_gets_a_new_epoch(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain_all()
    seen = (await post(room, ann, "seen, then forgotten")).event
    shard = room.pk % SHARDS
    log_redis.hset(keys.room(shard, room.pk), mapping={"head": 2, "n": 0})

    noticed = await sync_to_async(lost_log.report_regress)(room.pk, seen.seq, seen.epoch)
    again = await sync_to_async(lost_log.report_regress)(room.pk, seen.seq, seen.epoch)

    assert (noticed, again) == (True, False)
    assert (await post(room, ann, "goes on")).event.epoch > seen.epoch


def forget_end(log_redis: redis.Redis, room: Room, head: int) -> None:
    """The log of `room` ends at `head`, as after a failover to a replica that lagged."""
    log_redis.hset(keys.room(room.pk % SHARDS, room.pk), "head", str(head))


async def rooms_of_one_shard(owner: User) -> tuple[Room, Room]:
    first, *_, last = [await new_room(owner) for _ in range(SHARDS + 1)]
    return first, last


async def test_what_the_log_still_has_is_stored_before_a_lost_end_raises_the_epoch(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    forgetful, other = await rooms_of_one_shard(ann)
    await drain_all()
    key = new_key()
    kept = (await post(other, ann, "acknowledged, not stored", key)).event
    forget_end(log_redis, forgetful, 1)

    noticed = await sync_to_async(lost_log.report_regress)(forgetful.pk, 2, kept.epoch)
    repeat = await post(other, ann, "acknowledged, not stored", key)
    following = (await post(other, ann, "goes on")).event
    await drain_all()

    assert noticed
    assert (repeat.event.epoch, repeat.event.seq) == (kept.epoch, kept.seq)
    assert following.epoch > kept.epoch
    assert following.seq == kept.seq + 1
    rows = Message.objects.filter(room=other).order_by("seq").values_list("seq", "body")
    assert [row async for row in rows] == [
        (kept.seq, "acknowledged, not stored"),
        (following.seq, "goes on"),
    ]
    assert log_redis.xlen(dead_letters.STREAM) == 0


@pytest.mark.parametrize("times", [1, lost_log.RAISE_ATTEMPTS])
async def test_what_comes_between_a_drain_and_the_new_epoch_is_stored_first(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    ann = await new_person("ann")
    forgetful, other = await rooms_of_one_shard(ann)
    epoch = (await post(other, ann, "not stored")).event.epoch
    forget_end(log_redis, forgetful, 1)
    loop = asyncio.get_running_loop()
    late: list[int] = []
    drain = persistence.drain

    def drain_and_be_late(shard: int) -> Drained:
        drained = drain(shard)
        if len(late) < times:
            posted = asyncio.run_coroutine_threadsafe(post(other, ann, "late"), loop).result()
            late.append(posted.event.seq)
        return drained

    monkeypatch.setattr(persistence, "drain", drain_and_be_late)
    noticed = await sync_to_async(lost_log.report_regress)(forgetful.pk, 2, epoch)
    monkeypatch.undo()
    await drain_all()

    assert len(late) == times
    assert noticed is (times < lost_log.RAISE_ATTEMPTS)
    cursor = await ShardCursor.objects.aget(shard=other.pk % SHARDS, kind="persist")
    assert (cursor.epoch > epoch) is noticed
    assert cursor.epochs_begun == 1 + noticed
    rows = (
        Message.objects.filter(room=other, body="late")
        .order_by("seq")
        .values_list("seq", flat=True)
    )
    assert [seq async for seq in rows] == late
    assert log_redis.xlen(dead_letters.STREAM) == 0


async def test_stopped_shard_keeps_its_epoch_until_somebody_has_looked(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    forgetful, other = await rooms_of_one_shard(ann)
    kept = (await post(other, ann, "not stored")).event
    forget_end(log_redis, forgetful, 1)
    shard = other.pk % SHARDS
    found = ShardCursor.objects.filter(shard=shard, kind="persist")
    await found.aupdate(stopped_at=datetime.now(UTC))

    while_stopped = await sync_to_async(lost_log.report_regress)(forgetful.pk, 2, kept.epoch)
    await sync_to_async(cursors.resume)(shard, cursors.Kind.PERSIST)
    resumed = await sync_to_async(lost_log.report_regress)(forgetful.pk, 2, kept.epoch)

    assert (while_stopped, resumed) == (False, True)
    assert await Message.objects.filter(room=other, seq=kept.seq).aexists()


async def test_damaged_entry_in_the_hot_tail_hides_nothing_else(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = [(await post(room, ann, text)).event.seq for text in ("one", "two", "three")]
    log = keys.log(room.pk % SHARDS, room.pk)
    entries = streams.entries(log_redis, log)
    log_redis.delete(log)
    for stream_id, fields in entries:
        damage = fields[b"seq"] == str(said[1]).encode()
        damaged = {b"data": b"{"} if damage else {}
        log_redis.xadd(log, cast(Any, fields | damaged), stream_id)

    page = await history.messages_before(room.pk, said[-1] + 1, 50, 0)
    before_the_drain = await history.events_after(room.pk, 0, 50)
    await drain_all()
    after_the_drain = await history.events_after(room.pk, 0, 50)

    # What stands before the damage is not known to be next to what stands after it.
    assert ([message.body for message in page.messages], page.more) == (["three"], True)
    assert [event.seq for event in before_the_drain] == [1, 2, 3]
    assert [event.seq for event in after_the_drain] == [1, 2, 3]
    rest = await history.events_after(room.pk, 3, 50)
    assert [event.seq for event in rest] == said[1:]


async def test_idle_rooms_that_are_wholly_stored_leave_memory_and_come_back(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    stored_room, waiting_room = await new_room(ann), await new_room(ann)
    await drain_all()
    await post(waiting_room, ann, "not stored yet")

    left = sum([await sync_to_async(unload_idle)(shard, idle_ms=-1000) for shard in range(SHARDS)])

    assert left == 1
    assert set(await room_log.room_states([stored_room.pk, waiting_room.pk])) == {waiting_room.pk}
    assert (await post(stored_room, ann, "back")).event.seq == 3


async def test_number_of_shards_is_fixed_for_good(settings: Any) -> None:
    ann = await new_person("ann")
    await post(await new_room(ann), ann, "hello")
    settings.ENV = dataclasses.replace(settings.ENV, shards=SHARDS * 2)

    with pytest.raises(ImproperlyConfigured, match="began with 4"):
        await sync_to_async(epochs.establish_all)()


async def test_large_room_is_loaded_whole_and_in_one_step(
    monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis
) -> None:
    monkeypatch.setattr(loading, "PEOPLE_PER_PAGE", 2)
    ann, bob, cid, dan, eve = [await new_person(name) for name in ("a", "b", "c", "d", "e")]
    room = await new_room(ann, bob, cid, dan, eve)
    await log(room, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=eve.pk, banned=True))
    shard = room.pk % SHARDS
    await sync_to_async(persistence.drain)(shard)
    before = log_redis.hgetall(keys.acl(shard, room.pk))
    log_redis.delete(keys.room(shard, room.pk), keys.acl(shard, room.pk))

    await room_log.ensure_loaded([room.pk])

    assert log_redis.hgetall(keys.acl(shard, room.pk)) == before
    assert len(before) == 5
    assert log_redis.ttl(keys.acl(shard, room.pk)) == -1
    assert not list(log_redis.scan_iter(keys.coming_acl(shard, room.pk, "*")))


async def test_large_room_of_which_a_part_expired_is_loaded_again(
    monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis
) -> None:
    monkeypatch.setattr(loading, "PEOPLE_PER_PAGE", 1)
    ann, bob, cid = [await new_person(name) for name in ("a", "b", "c")]
    room = await new_room(ann, bob, cid)
    shard = room.pk % SHARDS
    await sync_to_async(persistence.drain)(shard)
    log_redis.delete(keys.room(shard, room.pk), keys.acl(shard, room.pk))
    put_beside = loading._put_beside
    lost: list[str] = []

    async def partly(shard: int, room: int, token: str, pages: loading.Pages) -> None:
        await put_beside(shard, room, token, pages)
        if not lost:
            lost.append(token)
            log_redis.hdel(keys.coming_acl(shard, room, token), str(bob.pk))

    monkeypatch.setattr(loading, "_put_beside", partly)

    await room_log.ensure_loaded([room.pk])

    assert lost
    assert await room_log.roles(bob.pk, [room.pk]) == {room.pk: Role.MEMBER}


@pytest.mark.parametrize("loaded_anew", [False, True])
async def test_last_owner_stays_owner_however_many_there_were(
    loaded_anew: bool, log_redis: redis.Redis
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk, role=Role.OWNER))
    shard = room.pk % SHARDS
    if loaded_anew:
        await sync_to_async(persistence.drain)(shard)
        log_redis.delete(keys.room(shard, room.pk), keys.acl(shard, room.pk))
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=ann.pk, role=Role.MEMBER))

    with pytest.raises(ClientError) as refused:
        await log(room, bob, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk, role=Role.MEMBER))

    assert refused.value.code == "forbidden"
