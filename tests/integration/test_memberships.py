"""Who is in which room, as a hub looks it up at a heartbeat: in PostgreSQL, then in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async

from chat import persistence, room_log
from chat.events import EventType, MemberRemoved
from chat.hub import heartbeat
from chat.models import Membership
from chat.room_log import clients, keys
from tests.integration.rooms import log, new_person, new_room

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each time that the log is asked."""
    made: list[None] = []
    ask = clients.ask

    async def counted(work: Callable[[], Awaitable[Any]]) -> Any:
        made.append(None)
        return await ask(work)

    monkeypatch.setattr(clients, "ask", counted)
    return made


async def test_log_decides_where_it_holds_the_room_and_postgresql_elsewhere(
    log_redis: redis.Redis,
) -> None:
    ann, bob, cid = [await new_person(name) for name in ("ann", "bob", "cid")]
    left, asleep = await new_room(ann, bob), await new_room(ann, bob)
    for room in (left, asleep):
        await sync_to_async(persistence.drain)(room.pk % SHARDS)
    await log(left, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk))  # not stored yet
    shard = asleep.pk % SHARDS
    log_redis.delete(keys.room(shard, asleep.pk), keys.acl(shard, asleep.pk))

    found = await heartbeat.memberships({ann.pk: set(), bob.pk: {left.pk}, cid.pk: {left.pk}})

    assert await Membership.objects.filter(user=bob, room=left).aexists()
    assert found == {ann.pk: {left.pk, asleep.pk}, bob.pk: {asleep.pk}, cid.pk: set()}


async def test_log_is_asked_once_for_many_people(
    monkeypatch: pytest.MonkeyPatch, round_trips: list[None]
) -> None:
    monkeypatch.setattr(heartbeat, "PEOPLE_AT_A_TIME", 2)
    people = [await new_person(name) for name in ("ann", "bob", "cid", "dan", "eve")]
    room = await new_room(*people)
    round_trips.clear()

    found = await heartbeat.memberships({one.pk: {room.pk} for one in people})

    assert found == {one.pk: {room.pk} for one in people}
    assert len(round_trips) == 3
