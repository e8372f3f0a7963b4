"""No room that has members is left without an owner, however its owner leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from chat import room_log
from chat.actions import moderation, ownership, people, rooms
from chat.errors import ClientError
from chat.events import EventType, MemberJoined, Role, RoomKind, decode_data, shard_of
from chat.models import Membership, User
from chat.room_log import keys
from tests.support.chat_world import Api, by, code_of, log_of, make_user, store
from tests.support.moderation_world import WHY, World, make_world, verify
from tests.support.rooms import new_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def owners(room: int) -> list[str]:
    await store(room)
    found = Membership.objects.filter(room_id=room, role=Role.OWNER).order_by("user__username")
    return [name async for name in found.values_list("user__username", flat=True)]


async def appointments(room: int) -> list[tuple[int, str]]:
    """Who was made owner by Veche, and what they were before."""
    found = []
    for event in await log_of(room):
        data = decode_data(event.type, event.data)
        if event.actor is None and isinstance(data, MemberJoined):
            assert data.role == Role.OWNER
            found.append((data.user, str(data.previous)))
    return found


async def test_last_owner_is_told_what_to_do_before_they_may_leave() -> None:
    world = await make_world()
    anna, path = Api(world.anna), f"rooms/{world.room.pk}"

    refused = await anna.post(f"{path}/leave")
    promoted = await anna.ask("put", f"{path}/members/{world.boris.pk}/role", {"role": "owner"})
    left = await anna.post(f"{path}/leave")

    assert (refused.status, refused.body["code"]) == (403, "forbidden")
    assert "another member its owner" in refused.body["detail"]
    assert (promoted.status, left.status) == (204, 204)
    assert await owners(world.room.pk) == ["boris"]
    assert await sync_to_async(verify)(world.room.pk) == []


async def test_who_is_alone_may_leave_also_where_others_are_banned() -> None:
    world = await make_world(RoomKind.PUBLIC)
    room = world.room.pk
    for user in (world.mod, world.boris, world.vera):
        await moderation.ban_member(by(world.anna), room, user.pk, WHY)

    await rooms.leave_room(world.anna.pk, room)

    assert await owners(room) == []


async def test_who_enters_a_room_that_all_have_left_owns_it() -> None:
    anna, boris, vera = [await make_user(name) for name in ("anna", "boris", "vera")]
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)
    await rooms.leave_room(anna.pk, room.pk)

    await rooms.join_room(boris.pk, room.pk)
    await rooms.join_room(vera.pk, room.pk)

    assert await owners(room.pk) == ["boris"]
    assert await appointments(room.pk) == [(boris.pk, "member")]


async def test_nobody_comes_to_own_general() -> None:
    general = await rooms.ensure_general()
    anna = await make_user("anna")
    await rooms.join_room(anna.pk, general.pk)
    await store(general.pk)

    appointed = await ownership.fill_vacancies()

    assert (appointed, await owners(general.pk)) == (0, [])
    await rooms.leave_room(anna.pk, general.pk)


async def test_owner_does_not_step_down_as_the_last_one_whoever_asks() -> None:
    world = await make_world()
    room, anna = world.room.pk, world.anna.pk

    codes = {
        await code_of(moderation.set_role(actor, room, anna, Role.MEMBER, WHY))
        for actor in (by(world.anna), by(world.staff, staff=True))
    }

    assert codes == {"forbidden"}
    assert await owners(room) == ["anna"]


@pytest.mark.parametrize("act", ["remove", "ban"])
async def test_next_in_line_owns_the_room_before_staff_take_its_owner_out(act: str) -> None:
    world = await make_world()
    room, anna = world.room.pk, world.anna.pk
    await store(room)
    call = moderation.remove_member if act == "remove" else moderation.ban_member

    await call(by(world.staff, staff=True), room, anna, WHY)

    assert await owners(room) == ["mod"]
    assert await appointments(room) == [(world.mod.pk, "moderator")]
    *_, promotion, removal = await log_of(room)
    assert (promotion.type, removal.type) == (EventType.MEMBER_JOINED, EventType.MEMBER_REMOVED)
    assert await sync_to_async(verify)(room) == []


async def test_longest_member_is_next_where_nobody_moderates_and_the_deactivated_are_not() -> None:
    world = await make_world()
    room = world.room.pk
    await rooms.invite(world.anna.pk, room, world.vera.pk)
    await moderation.remove_member(by(world.anna), room, world.mod.pk, WHY)
    await store(room)
    staff = by(world.staff, staff=True)
    await people.deactivate_person(staff, world.boris.pk, WHY)

    await people.deactivate_person(staff, world.anna.pk, WHY)

    assert await owners(room) == ["anna", "vera"]  # who is let in again has their rooms
    assert await appointments(room) == [(world.vera.pk, "member")]


async def test_owner_whose_account_ended_is_no_owner_to_leave_behind() -> None:
    world = await make_world()
    room, staff = world.room.pk, by(world.staff, staff=True)
    await moderation.set_role(by(world.anna), room, world.mod.pk, Role.OWNER, WHY)
    await store(room)
    await people.deactivate_person(staff, world.mod.pk, WHY)

    leaving = await code_of(rooms.leave_room(world.anna.pk, room))
    stepping_down = await code_of(
        moderation.set_role(by(world.anna), room, world.anna.pk, Role.MEMBER)
    )

    assert (leaving, stepping_down) == ("forbidden", "forbidden")
    assert await appointments(room) == []


@pytest.mark.parametrize("way", ["shell", "deletion", "older version"])
async def test_sweep_finds_rooms_that_lost_their_owner_in_any_other_way(way: str) -> None:
    world = await make_world()
    room = world.room.pk
    await store(room)
    if way == "shell":
        await User.objects.filter(pk=world.anna.pk).aupdate(is_active=False)
    else:  # the rows of somebody who is gone, or who left before there was a rule
        await Membership.objects.filter(room=room, user=world.anna).adelete()

    first = await ownership.fill_vacancies()
    await store(room)
    second = await ownership.fill_vacancies()

    assert (first, second) == (1, 0)
    assert "mod" in await owners(room)
    assert await appointments(room) == [(world.mod.pk, "moderator")]


async def test_sweep_leaves_a_room_alone_of_which_something_is_not_stored() -> None:
    world = await make_world()
    room = world.room.pk
    await store(room)
    await moderation.set_role(by(world.anna), room, world.boris.pk, Role.OWNER)
    await Membership.objects.filter(room=room, user=world.anna).adelete()

    assert await ownership.fill_vacancies() == 0
    assert await appointments(room) == []


async def test_promotion_does_not_bring_back_who_has_left() -> None:
    world = await make_world()
    room = world.room.pk
    await rooms.leave_room(world.boris.pk, room)

    event = room_log.NewEvent(
        room=room,
        type=EventType.MEMBER_JOINED,
        data=MemberJoined(user=world.boris.pk, role=Role.OWNER, previous=Role.MEMBER),
        actor=world.staff.pk,
        key=new_key(),
        trusted=True,
    )

    assert await code_of(room_log.append(event)) == "not_found"


async def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    world = await make_world()
    room = world.room.pk
    await moderation.set_role(by(world.anna), room, world.mod.pk, Role.OWNER)

    async def leave(user: User) -> str:
        try:
            await rooms.leave_room(user.pk, room)
        except ClientError as refused:
            return refused.code
        return "left"

    answers = await asyncio.gather(leave(world.anna), leave(world.mod))

    assert sorted(answers) == ["forbidden", "left"]
    assert len(await owners(room)) == 1


async def test_number_of_owners_is_counted_where_an_older_version_loaded_the_room(
    log_redis: redis.Redis,
) -> None:
    world: World = await make_world()
    room = world.room.pk
    log_redis.hdel(keys.room(shard_of(room, settings.ENV.shards), room), "owners")

    assert await code_of(rooms.leave_room(world.anna.pk, room)) == "forbidden"
