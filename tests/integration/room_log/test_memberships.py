"""Who is in which room, as a hub looks it up at a heartbeat: in the log, then in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connection

from chat import room_log
from chat.events import EventType, MemberJoined, MemberRemoved
from chat.hub import members
from chat.models import Membership, Room
from chat.persistence import drain
from chat.room_log import changes, keys, reading
from chat.room_log.changes import Mark, Unloaded
from chat.servers import redis_log
from tests.support.rooms import log, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4
NOTHING_KNOWN = Mark(0, 0, 0, "")


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that the log is asked."""
    made: list[None] = []
    ask = redis_log.ask

    async def counted(work: Callable[[], Awaitable[Any]]) -> Any:
        made.append(None)
        return await ask(work)

    monkeypatch.setattr(redis_log, "ask", counted)
    return made


def unload(log_redis: redis.Redis, room: Room) -> None:
    shard = room.pk % SHARDS
    log_redis.delete(keys.room(shard, room.pk), keys.acl(shard, room.pk))


async def mark_of(room: Room) -> Mark | Unloaded:
    return (await changes.changed_rooms({room.pk: NOTHING_KNOWN}))[room.pk]


async def test_log_decides_where_it_holds_the_room_and_postgresql_elsewhere(
    log_redis: redis.Redis,
) -> None:
    ann, bob, cid = [await new_person(name) for name in ("ann", "bob", "cid")]
    left, asleep = await new_room(ann, bob), await new_room(ann, bob)
    for room in (left, asleep):
        await sync_to_async(drain.drain)(room.pk % SHARDS)
    await log(left, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk))  # not stored yet
    unload(log_redis, asleep)

    everybody = {ann.pk, bob.pk, cid.pk}
    found = await members.who_is_in({left.pk: everybody, asleep.pk: everybody})

    assert await Membership.objects.filter(user=bob, room=left).aexists()
    assert found == {left.pk: {ann.pk}, asleep.pk: {ann.pk, bob.pk}}


async def test_log_is_asked_in_parts_for_many_people(
    monkeypatch: pytest.MonkeyPatch, round_trips: list[None]
) -> None:
    monkeypatch.setattr(reading, "PEOPLE_PER_CALL", 2)
    people = [await new_person(name) for name in ("ann", "bob", "cid", "dan", "eve")]
    room = await new_room(*people)
    round_trips.clear()

    found = await members.who_is_in({room.pk: [one.pk for one in people]})

    assert found == {room.pk: {one.pk for one in people}}
    assert len(round_trips) == 3


async def test_log_answers_of_the_rooms_that_are_not_as_they_are_known() -> None:
    ann = await new_person("ann")
    rooms = [await new_room(ann) for _ in range(2 * SHARDS)]
    mine = [room for room in rooms if room.pk % SHARDS == rooms[0].pk % SHARDS]
    known = {room.pk: await mark_of(room) for room in mine}
    await post(mine[0], ann, "hello")

    found = await changes.changed_rooms(known)

    before = known[mine[0].pk]
    assert isinstance(before, Mark)
    assert found == {mine[0].pk: Mark(before.epoch, before.head + 1, before.stored, before.members)}


async def test_state_of_an_acl_has_another_name_after_each_entry_exit_and_load(
    log_redis: redis.Redis,
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann)
    names = [(await mark_of(room)).members]  # type: ignore[union-attr]
    for kind, data in (
        (EventType.MEMBER_JOINED, MemberJoined(user=bob.pk)),
        (EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk)),
    ):
        await log(room, ann, kind, data)
        names.append((await mark_of(room)).members)  # type: ignore[union-attr]
    await post(room, ann, "hello")
    assert (await mark_of(room)).members == names[-1]  # type: ignore[union-attr]
    await sync_to_async(drain.drain)(room.pk % SHARDS)
    for _ in range(2):
        unload(log_redis, room)
        assert await mark_of(room) == Unloaded(1)
        await room_log.ensure_loaded([room.pk])
        names.append((await mark_of(room)).members)  # type: ignore[union-attr]

    assert len(set(names)) == len(names) == 5


async def test_new_memberships_are_found_by_when_they_were_stored(log_redis: redis.Redis) -> None:
    ann, bob, cid = [await new_person(name) for name in ("ann", "bob", "cid")]
    earlier, later = await new_room(ann, bob), await new_room(ann, bob, cid)
    for shard in range(SHARDS):
        await sync_to_async(drain.drain)(shard)
    await sync_to_async(age)(earlier)

    _, found = await sync_to_async(members.entered_since)([bob.pk], None)

    assert found == [(bob.pk, later.pk, None)]


def age(room: Room) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE chat_membership SET stored_at = stored_at - interval '1 hour'"
            " WHERE room_id = %s",
            [room.pk],
        )
