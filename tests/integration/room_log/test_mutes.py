"""A mute belongs to a person in a room: leaving it, or being removed, does not end the mute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction

from chat import room_log
from chat.actions import messages, moderation, people, rooms
from chat.errors import ClientError
from chat.events import RoomKind, shard_of
from chat.models import AbsentMute, Membership
from chat.queries import room_list
from chat.room_log import reading
from chat.room_log.unloading import unload_idle
from chat.servers.clocks import LOG
from tests.support.chat_world import Api, by, code_of, store
from tests.support.moderation_world import WHY, World, make_world, verify
from tests.support.projected import projected, replayed
from tests.support.rooms import new_key
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def speak(world: World) -> str:
    try:
        await messages.post_message(world.boris.pk, world.room.pk, new_key(), "hello")
    except ClientError as refused:
        return refused.code
    return "ok"


async def go_and_come(way: str, world: World, *, unloaded: bool) -> None:
    """Boris leaves the room in some way and comes back."""
    room, boris = world.room.pk, world.boris.pk
    if way == "leave":
        await rooms.leave_room(boris, room)
    elif way == "removal":
        await moderation.remove_member(by(world.mod), room, boris, WHY)
    else:
        await moderation.ban_member(by(world.anna), room, boris, WHY)
        await moderation.unban_member(by(world.anna), room, boris)
    if unloaded:
        await store(room)
        shard = shard_of(room, settings.ENV.shards)
        assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    if way == "leave":
        await rooms.join_room(boris, room)
    else:
        await rooms.invite(world.anna.pk, room, boris)


WAYS = ["leave", "removal", "ban"]


@pytest.mark.parametrize("unloaded", [False, True], ids=["loaded", "unloaded"])
@pytest.mark.parametrize("way", WAYS)
async def test_mute_is_there_when_its_person_comes_again(way: str, unloaded: bool) -> None:
    world = await make_world(RoomKind.PUBLIC)
    room, boris = world.room.pk, world.boris.pk
    await moderation.mute_member(by(world.mod), room, boris, 3600, WHY)

    await go_and_come(way, world, unloaded=unloaded)
    at_once = await speak(world)
    await store(room)
    [info] = [one for one in await room_list.rooms_of(boris) if one.id == room]
    findings = await sync_to_async(verify)(room)
    before = await sync_to_async(projected)(room)
    again = await sync_to_async(replayed)(room)
    del before["room"], again["room"]  # its name comes with its row

    assert at_once == "muted"
    assert info.muted_until is not None
    assert findings == []
    assert before == again
    assert await AbsentMute.objects.acount() == 0
    await moderation.unmute_member(by(world.mod), room, boris)
    assert await speak(world) == "ok"


@pytest.mark.parametrize("unloaded", [False, True], ids=["loaded", "unloaded"])
async def test_mute_of_somebody_outside_waits_for_them_and_can_be_lifted(unloaded: bool) -> None:
    world = await make_world(RoomKind.PUBLIC)
    room, boris, moderator = world.room.pk, world.boris.pk, Api(world.mod)
    await rooms.leave_room(boris, room)
    path = f"rooms/{room}/members/{boris}"

    muted = await moderator.post(f"{path}/mute", {"seconds": 3600, "reason": "again"})
    if unloaded:
        await store(room)
        shard = shard_of(room, settings.ENV.shards)
        assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    await rooms.join_room(boris, room)
    while_muted = await speak(world)
    await rooms.leave_room(boris, room)
    await store(room)
    kept = await AbsentMute.objects.acount()
    unmuted = await moderator.delete(f"{path}/mute")
    await rooms.join_room(boris, room)

    assert (muted.status, unmuted.status) == (204, 204), (muted.body, unmuted.body)
    assert (while_muted, kept) == ("muted", 1)
    assert await speak(world) == "ok"
    assert await sync_to_async(verify)(room) == []


@pytest.mark.parametrize("there", [True, False], ids=["member", "outside"])
async def test_migration_brings_back_mutes_that_were_evaded(there: bool) -> None:
    world = await make_world(RoomKind.PUBLIC)
    room, boris = world.room.pk, world.boris.pk
    await moderation.mute_member(by(world.mod), room, boris, 3600, WHY)
    await rooms.leave_room(boris, room)
    await store(room)
    until = (await AbsentMute.objects.aget()).until
    # As an older version had it: the mute went with the membership.
    await AbsentMute.objects.all().adelete()
    if there:
        await Membership.objects.acreate(
            room_id=room, user_id=boris, role="member", joined_at=until
        )

    await sync_to_async(migrate_mutes)()

    muted = [one.muted_until async for one in Membership.objects.filter(user_id=boris, room=room)]
    waiting = [one.until async for one in AbsentMute.objects.all()]
    assert (muted, waiting) == (([until], []) if there else ([], [until]))


def migrate_mutes() -> None:
    migration = import_module("chat.migrations.0034_mutes_in_force")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(migration.IN_FORCE)


async def test_who_was_muted_and_comes_with_another_role_is_muted() -> None:
    world = await make_world(RoomKind.PUBLIC)
    room, boris = world.room.pk, world.boris.pk
    await moderation.mute_member(by(world.anna), room, boris, 3600, WHY)
    await go_and_come("leave", world, unloaded=False)
    await store(room)

    membership = await Membership.objects.aget(room=room, user=boris)

    assert membership.muted_until is not None
    assert await code_of(messages.react(boris, room, new_key(), 1, "\N{THUMBS UP SIGN}")) in {
        "muted",
        "not_found",
    }


@pytest.mark.parametrize("where", ["room", "everywhere"])
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
async def test_nobody_sees_muted_people_type(server: str, where: str, tmp_path: Path) -> None:
    world = await make_world()
    room, boris = world.room.pk, world.boris.pk
    await store(room)
    with web_process(tmp_path / "server.log", ASGI_SERVER=server) as process:
        async with (
            await ChatClient.hello(process, world.anna) as anna,
            await ChatClient.hello(process, world.boris) as b,
            await ChatClient.hello(process, world.mod) as mod,
        ):
            if where == "room":
                await moderation.mute_member(by(world.mod), room, boris, 3600, WHY)
            else:
                staff = by(world.staff, staff=True)
                await people.mute_person(staff, boris, 3600, WHY)
            # Everybody knows of the others, without whom nothing would be passed on.
            for client in (b, mod):
                await client.wait_for(lambda frame: world.anna.pk in frame.get("online", ()))
            await b.send(t="typing", room=room)
            await b.pong()
            # Its question to the log is asked before that of the other, which has more to wait for.
            await mod.send(t="typing", room=room)
            typing = await anna.receive("typing")

    assert typing["user"] == world.mod.pk


async def test_log_says_who_may_speak() -> None:
    world = await make_world()
    room, now_ms = world.room.pk, int(LOG.seconds() * 1000)
    await moderation.mute_member(by(world.mod), room, world.boris.pk, 60, WHY)

    async def may(user: int, at_ms: int = now_ms) -> bool:
        return await reading.may_speak(user, room, at_ms)

    assert [await may(one.pk) for one in (world.anna, world.boris, world.vera)] == [
        True,
        False,
        False,
    ]
    assert await may(world.boris.pk, now_ms + 120_000)
    await moderation.archive_room(by(world.anna), room, True)
    assert not await may(world.anna.pk)
