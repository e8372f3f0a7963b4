"""What people do with rooms, on the real log and PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid

import pytest
from asgiref.sync import sync_to_async
from pytest_django.fixtures import Settings
from uuid_utils.compat import uuid7

from chat import room_log
from chat.actions import moderation, onboarding, rooms
from chat.errors import ClientError
from chat.events import EventType, Role, RoomKind
from chat.models import Membership, Room, RoomEvent, User
from chat.queries import access, room_list
from chat.servers import redis_bus
from tests.support.chat_world import by, code_of, log_of, make_user, store
from tests.support.moderation_world import WHY

pytestmark = pytest.mark.django_db(transaction=True)


async def test_new_room_has_its_creation_and_its_owner_as_first_events() -> None:
    anna = await make_user("anna")

    room = await rooms.create_room(anna.pk, "  Release   plans ", RoomKind.PUBLIC, "What ships")

    events = await log_of(room.pk)
    assert [(event.seq, event.type) for event in events] == [
        (1, EventType.ROOM_CREATED),
        (2, EventType.MEMBER_JOINED),
    ]
    assert room.name == "Release plans"
    assert await room_log.roles(anna.pk, [room.pk]) == {room.pk: Role.OWNER}
    await store(room.pk)
    stored = await Membership.objects.aget(room=room)
    assert (stored.user_id, stored.role) == (anna.pk, Role.OWNER)


async def test_repeated_key_gives_the_same_room_before_and_after_it_is_stored() -> None:
    anna = await make_user("anna")
    key = str(uuid7())

    first = await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE, key=key)
    again = await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE, key=key)
    await store(first.pk)
    later = await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE, key=key)

    assert first.pk == again.pk == later.pk
    assert len(await log_of(first.pk)) == 2


async def test_same_key_for_another_room_is_a_conflict() -> None:
    anna = await make_user("anna")
    key = str(uuid7())
    await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE, key=key)

    with pytest.raises(ClientError) as refused:
        await rooms.create_room(anna.pk, "Other", RoomKind.PRIVATE, key=key)

    assert refused.value.code == "key_conflict"


async def test_creation_that_broke_off_after_the_row_is_completed_by_a_repeat() -> None:
    anna = await make_user("anna")
    key = uuid7()
    row = await Room.objects.acreate(
        slug="plans", name="Plans", kind="private", created_by=anna, creation_key=key
    )

    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE, key=str(key))

    assert room.pk == row.pk
    assert len(await log_of(room.pk)) == 2


async def test_rooms_of_one_name_get_different_slugs() -> None:
    anna = await make_user("anna")

    made = await asyncio.gather(
        *(rooms.create_room(anna.pk, "Планы", RoomKind.PUBLIC) for _ in range(5))
    )

    assert len({room.slug for room in made}) == 5
    assert "планы" in {room.slug for room in made}


@pytest.mark.parametrize("name", ["General", "general", "GENERAL!"])
async def test_nobody_can_take_the_slug_of_general(name: str) -> None:
    anna = await make_user("anna")

    mine = await rooms.create_room(anna.pk, name, RoomKind.PRIVATE)
    general = await rooms.ensure_general()

    assert general.pk != mine.pk
    assert general.slug == "general"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "empty"),
        (" \u200b\u200d ", "empty"),
        ("a" * 81, "too_large"),
        ("a" * 100_000, "too_large"),
        ("nul\x00", "bad_request"),
        ("half \ud800", "bad_request"),
        ("gen\u202elare", "bad_request"),
        ("line\u2028break", "bad_request"),
    ],
)
async def test_names_that_cannot_be_shown_make_no_room(name: str, code: str) -> None:
    anna = await make_user("anna")

    assert await code_of(rooms.create_room(anna.pk, name, RoomKind.PUBLIC)) == code

    assert await Room.objects.acount() == 0


async def test_anyone_joins_a_public_room_once() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)

    await asyncio.gather(*(rooms.join_room(boris.pk, room.pk) for _ in range(10)))
    await rooms.join_room(boris.pk, room.pk)

    assert len(await log_of(room.pk)) == 3
    assert await room_log.roles(boris.pk, [room.pk]) == {room.pk: Role.MEMBER}


async def test_private_room_looks_absent_to_outsiders_whatever_they_try() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await rooms.create_room(anna.pk, "Secret", RoomKind.PRIVATE)

    codes = [
        await code_of(rooms.join_room(boris.pk, room.pk)),
        await code_of(rooms.leave_room(boris.pk, room.pk)),
        await code_of(rooms.update_room(boris.pk, room.pk, name="Mine")),
        await code_of(moderation.archive_room(by(boris), room.pk, True)),
        await code_of(rooms.invite(boris.pk, room.pk, boris.pk)),
        await code_of(moderation.remove_member(by(boris), room.pk, anna.pk, WHY)),
        await code_of(access.look_up(boris.pk, room.pk)),
        await code_of(access.look_up(boris.pk, 2**53 - 1)),
        await code_of(access.look_up(boris.pk, 2**63)),
        await code_of(access.look_up(boris.pk, -1)),
    ]

    assert set(codes) == {"not_found"}
    assert len(await log_of(room.pk)) == 2


async def test_members_invite_and_owners_remove_but_not_the_other_way_round() -> None:
    anna, boris, vera = [await make_user(name) for name in ("anna", "boris", "vera")]
    room = await rooms.create_room(anna.pk, "Secret", RoomKind.PRIVATE)

    await rooms.invite(anna.pk, room.pk, boris.pk)
    await rooms.invite(boris.pk, room.pk, vera.pk)
    refused = await code_of(moderation.remove_member(by(boris), room.pk, vera.pk, WHY))
    await moderation.remove_member(by(anna), room.pk, vera.pk, WHY)

    assert refused == "forbidden"
    assert await room_log.roles(vera.pk, [room.pk]) == {room.pk: None}
    assert await room_log.roles(boris.pk, [room.pk]) == {room.pk: Role.MEMBER}


async def test_inviting_somebody_again_keeps_their_role() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await rooms.create_room(anna.pk, "Secret", RoomKind.PRIVATE)
    await rooms.invite(anna.pk, room.pk, boris.pk)

    await rooms.invite(boris.pk, room.pk, anna.pk)
    await rooms.invite(anna.pk, room.pk, boris.pk)

    assert await room_log.roles(anna.pk, [room.pk]) == {room.pk: Role.OWNER}
    assert len(await log_of(room.pk)) == 3


@pytest.mark.parametrize("who", ["absent", "deactivated"])
async def test_people_who_are_not_there_cannot_be_invited_or_written_to(who: str) -> None:
    anna = await make_user("anna")
    gone = await make_user("gone", is_active=False)
    target = gone.pk if who == "deactivated" else gone.pk + 1_000
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)

    assert await code_of(rooms.invite(anna.pk, room.pk, target)) == "not_found"
    assert await code_of(rooms.open_direct(anna.pk, target)) == "not_found"


async def test_two_people_have_one_direct_conversation_whoever_opens_it() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")

    opened = await asyncio.gather(
        *(rooms.open_direct(anna.pk, boris.pk) for _ in range(4)),
        *(rooms.open_direct(boris.pk, anna.pk) for _ in range(4)),
    )

    assert len({room.pk for room in opened}) == 1
    assert [event.type for event in await log_of(opened[0].pk)] == [
        EventType.ROOM_CREATED,
        EventType.MEMBER_JOINED,
        EventType.MEMBER_JOINED,
    ]
    assert await code_of(rooms.open_direct(anna.pk, anna.pk)) == "bad_request"


async def test_direct_conversation_stays_of_two() -> None:
    anna, boris, vera = [await make_user(name) for name in ("anna", "boris", "vera")]
    room = await rooms.open_direct(anna.pk, boris.pk)

    assert await code_of(rooms.invite(anna.pk, room.pk, vera.pk)) == "forbidden"
    assert await code_of(rooms.leave_room(anna.pk, room.pk)) == "forbidden"
    assert await code_of(rooms.update_room(anna.pk, room.pk, name="Us")) == "forbidden"
    assert await code_of(rooms.join_room(vera.pk, room.pk)) == "not_found"


async def test_only_the_owner_archives_and_nobody_enters_an_archived_room() -> None:
    anna, boris, vera = [await make_user(name) for name in ("anna", "boris", "vera")]
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)
    await rooms.join_room(boris.pk, room.pk)

    refused = await code_of(moderation.archive_room(by(boris), room.pk, True))
    await moderation.archive_room(by(anna), room.pk, True)

    assert refused == "forbidden"
    assert await code_of(rooms.join_room(vera.pk, room.pk)) == "archived"
    await moderation.archive_room(by(anna), room.pk, False)
    await rooms.join_room(vera.pk, room.pk)


async def test_rename_changes_what_was_given_and_reaches_postgresql() -> None:
    anna = await make_user("anna")
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC, "Old topic")

    await rooms.update_room(anna.pk, room.pk, name="Планы")
    await rooms.update_room(anna.pk, room.pk, topic="")
    await store(room.pk)

    row = await Room.objects.aget(pk=room.pk)
    assert (row.name, row.topic, row.slug) == ("Планы", "", "plans")


async def test_my_rooms_are_exact_before_and_after_storing_and_after_removal() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PRIVATE)
    await rooms.invite(anna.pk, room.pk, boris.pk)
    direct = await rooms.open_direct(boris.pk, anna.pk)

    before = await room_list.rooms_of(boris.pk)
    await store(room.pk)
    await store(direct.pk)
    stored = await room_list.rooms_of(boris.pk)
    await moderation.remove_member(by(anna), room.pk, boris.pk, WHY)
    after = await room_list.rooms_of(boris.pk)

    assert {info.id for info in before} == {room.pk, direct.pk} == {info.id for info in stored}
    assert {info.id for info in after} == {direct.pk}
    [conversation] = after
    assert conversation.peer is not None
    assert conversation.peer.username == conversation.name == "anna"
    assert (conversation.head, conversation.stored) == (3, 3)


async def test_repeat_with_a_key_from_yesterday_is_found_in_postgresql() -> None:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)
    old = str(rooms.derived_key(uuid.UUID(int=1_700_000_000_000 << 80), "test"))

    await rooms.invite(anna.pk, room.pk, boris.pk, old)
    await store(room.pk)
    await moderation.remove_member(by(anna), room.pk, boris.pk, WHY)
    await rooms.invite(anna.pk, room.pk, boris.pk, old)
    conflict = await code_of(rooms.update_room(anna.pk, room.pk, name="Other", key=old))

    assert await room_log.roles(boris.pk, [room.pk]) == {room.pk: None}
    assert conflict == "key_conflict"


async def test_newcomer_lands_in_general_once_and_stays_out_after_leaving() -> None:
    anna = await make_user("anna")

    landed = await asyncio.gather(*(onboarding.land_in_general(anna.pk) for _ in range(5)))
    general = landed[0]
    await rooms.leave_room(anna.pk, general)
    await onboarding.land_in_general(anna.pk)
    await store(general)
    await onboarding.land_in_general(anna.pk)

    assert set(landed) == {general}
    assert await room_log.roles(anna.pk, [general]) == {general: None}
    kinds = [event.type for event in await log_of(general)]
    assert kinds == [EventType.ROOM_CREATED, EventType.MEMBER_JOINED, EventType.MEMBER_LEFT]


async def test_general_is_made_once_by_many_at_the_same_time() -> None:
    people = [await make_user(f"user{number}") for number in range(8)]

    await asyncio.gather(*(onboarding.land_in_general(person.pk) for person in people))

    general = await Room.objects.aget(slug="general")
    assert len(await log_of(general.pk)) == 9
    await store(general.pk)
    assert await sync_to_async(RoomEvent.objects.filter(room=general).count)() == 9
    assert await User.objects.filter(memberships__room=general).acount() == 8


async def test_rooms_are_made_and_listed_while_the_bus_is_away(settings: Settings) -> None:
    anna = await make_user("anna")
    await redis_bus.close()
    settings.ENV = dataclasses.replace(settings.ENV, bus_redis_url="redis://127.0.0.1:1/0")

    room = await rooms.create_room(anna.pk, "Plans", RoomKind.PUBLIC)
    unstored = await room_list.rooms_of(anna.pk)
    await store(room.pk)
    stored = await room_list.rooms_of(anna.pk)

    assert unstored == []  # only the bus remembers what is not stored yet
    assert [info.id for info in stored] == [room.pk]
