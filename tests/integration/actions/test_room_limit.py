"""How many rooms a person may be in, and how many others they may bring in a day."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
from django.conf import settings

from chat import room_log
from chat.actions import onboarding, rooms
from chat.errors import ClientError
from chat.events import RoomKind
from chat.management import demo
from chat.models import InvitationCount, Room, RoomSeat, User
from tests.support.chat_world import Api, code_of, store
from tests.support.rooms import new_key, new_person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    env = dataclasses.replace(settings.ENV, rooms_per_person=3, invitations_per_day=4)
    monkeypatch.setattr(settings, "ENV", env)


async def public_rooms(count: int) -> list[Room]:
    """Each with an owner of its own."""
    return [
        await rooms.create_room(
            (await new_person(f"owner-{number}")).pk, f"Room {number}", RoomKind.PUBLIC
        )
        for number in range(count)
    ]


async def test_nobody_enters_more_rooms_than_allowed_also_all_at_once() -> None:
    anna = await new_person("anna")
    choice = await public_rooms(8)

    answers = await asyncio.gather(
        *(rooms.join_room(anna.pk, room.pk) for room in choice), return_exceptions=True
    )

    refused = [answer.code for answer in answers if isinstance(answer, ClientError)]
    inside = await room_log.roles(anna.pk, [room.pk for room in choice])
    assert refused == ["too_many"] * 5
    assert sum(role is not None for role in inside.values()) == 3


async def test_limit_holds_for_invitations_and_new_rooms_and_stored_rooms() -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    choice = await public_rooms(3)
    for room in choice:
        await rooms.join_room(anna.pk, room.pk)
        await store(room.pk)
    other = await rooms.create_room(boris.pk, "Other", RoomKind.PRIVATE)

    invited = await code_of(rooms.invite(boris.pk, other.pk, anna.pk))
    made = await code_of(rooms.create_room(anna.pk, "Mine", RoomKind.PUBLIC))
    answer = await Api(anna).post("rooms", {"name": "Mine", "kind": "public"})

    assert (invited, made) == ("too_many", "too_many")
    assert (answer.status, answer.body["code"]) == (409, "too_many")
    assert not await Room.objects.filter(name="Mine").aexists()


@pytest.mark.parametrize("stored", [False, True])
async def test_leaving_frees_a_place_at_once(stored: bool) -> None:
    anna = await new_person("anna")
    *choice, last = await public_rooms(4)
    for room in choice:
        await rooms.join_room(anna.pk, room.pk)
        if stored:
            await store(room.pk)

    await rooms.leave_room(anna.pk, choice[0].pk)
    await rooms.join_room(anna.pk, last.pk)

    assert (await room_log.roles(anna.pk, [last.pk]))[last.pk] is not None
    assert await code_of(rooms.join_room(anna.pk, choice[0].pk)) == "too_many"


async def test_somebody_in_as_many_rooms_as_allowed_can_be_written_to() -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    for room in await public_rooms(3):
        await rooms.join_room(anna.pk, room.pk)

    direct = await rooms.open_direct(boris.pk, anna.pk)
    await rooms.open_direct(anna.pk, boris.pk)

    assert (await room_log.roles(anna.pk, [direct.pk]))[direct.pk] is not None


async def test_room_that_is_asked_for_again_is_not_counted_twice() -> None:
    anna = await new_person("anna")
    keys = [new_key() for _ in range(3)]

    for key in keys * 2:
        await rooms.create_room(anna.pk, "Room", RoomKind.PUBLIC, key=key)

    assert await RoomSeat.objects.filter(user=anna).acount() == 3


async def test_general_takes_a_seat_before_it_is_stored() -> None:
    anna = await new_person("anna")
    *choice, last = await public_rooms(3)

    await onboarding.land_in_general(anna.pk)
    await onboarding.land_in_general(anna.pk)
    for room in choice:
        await rooms.join_room(anna.pk, room.pk)

    assert await code_of(rooms.join_room(anna.pk, last.pk)) == "too_many"


async def test_newcomer_in_as_many_rooms_as_allowed_stays_out_of_general() -> None:
    anna = await new_person("anna")
    for room in await public_rooms(3):
        await rooms.join_room(anna.pk, room.pk)

    general = await onboarding.land_in_general(anna.pk)

    assert await room_log.roles(anna.pk, [general]) == {general: None}


@pytest.mark.parametrize("stored", [False, True])
async def test_demo_puts_nobody_into_more_rooms_than_allowed(stored: bool) -> None:
    await demo.fill(demo.Amounts(users=8, rooms=0, messages=0), None, lambda what, count: None)
    people = [person.pk async for person in User.objects.order_by("pk")]
    for room in await public_rooms(2):
        for user_id in people[2:]:  # the first two own the rooms of the demo
            await rooms.join_room(user_id, room.pk)
    amounts = demo.Amounts(users=8, rooms=2, messages=60)

    await demo.fill(amounts, None, lambda what, count: None)
    made = [room.pk async for room in Room.objects.order_by("pk")]
    for room_id in made if stored else ():
        await store(room_id)
    added = await demo.fill(amounts, None, lambda what, count: None)

    roles = [await room_log.roles(user_id, made) for user_id in people]
    assert [sum(role is not None for role in inside.values()) for inside in roles] == [3] * 8
    assert added == 0


async def test_refused_entry_leaves_no_seat() -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    [room] = await public_rooms(1)
    await rooms.join_room(boris.pk, room.pk)
    await User.objects.filter(pk=anna.pk).aupdate(is_active=False)

    assert await code_of(rooms.invite(boris.pk, room.pk, anna.pk)) == "not_found"

    assert not await RoomSeat.objects.filter(user=anna).aexists()


async def test_nobody_brings_more_people_into_rooms_a_day_than_allowed() -> None:
    anna = await new_person("anna")
    others = [await new_person(f"other-{number}") for number in range(6)]
    room = await rooms.create_room(anna.pk, "Room", RoomKind.PRIVATE)

    for other in others[:3]:
        await rooms.invite(anna.pk, room.pk, other.pk)
        await rooms.invite(anna.pk, room.pk, other.pk)  # is in already
    direct = await rooms.open_direct(anna.pk, others[3].pk)
    assert (await rooms.open_direct(anna.pk, others[3].pk)).pk == direct.pk
    with pytest.raises(ClientError) as refused:
        await rooms.invite(anna.pk, room.pk, others[4].pk)
    direct_code = await code_of(rooms.open_direct(anna.pk, others[5].pk))

    assert (refused.value.code, direct_code) == ("too_many", "too_many")
    assert 0 < (refused.value.retry_after_seconds or 0) <= 86_400
    assert await InvitationCount.objects.aget(inviter=anna) is not None
    assert not await RoomSeat.objects.filter(user=others[4]).aexists()
