"""Acts of owners, moderators and staff: from the call to the event on the bus and the record."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.management import CommandError, call_command
from django.test import RequestFactory
from django.utils import timezone

from chat import room_log
from chat.accounts import tokens
from chat.actions import audit_outcomes, messages, moderation, people, preview, rooms
from chat.actions.recorded_act import Options, Outcome
from chat.audit import entries as audit
from chat.audit.entries import Actor, NewEntry, Result
from chat.audit.permissions import Act, staff_may
from chat.errors import ClientError, Unavailable
from chat.events import EventType, MemberUnmuted, MessageTarget, Role, RoomKind, shard_of
from chat.export.exporter import Exporter
from chat.models import ApiToken, AuditEntry, AuditOutcome, Ban, Membership, Message, Room, User
from chat.queries import history
from chat.room_log import epochs, keys, restrictions, unloading
from chat.servers.redis_log import blocking_client
from tests.support import buses
from tests.support.buses import EventBusUnderTest
from tests.support.chat_world import by, code_of, log_of, store
from tests.support.moderation_world import WHY, World, last_entry, make_staff, make_world, verify
from tests.support.rooms import key_of_age, new_key
from tests.support.servers import OwnServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bus(bus_log_server: OwnServer) -> Iterator[EventBusUnderTest]:
    yield from buses.redis_stream_bus(bus_log_server)


async def post(room: Room, user: User, body: str = "hello") -> int:
    return (await messages.post_message(user.pk, room.pk, new_key(), body)).event.seq


# Every act, from the call to the bus


Do = Callable[[Actor, World, int], Awaitable[Outcome]]

ACTS: dict[str, tuple[Do, EventType, dict[str, Any]]] = {
    Act.MESSAGE_DELETE: (
        lambda who, w, seq: moderation.delete_message(who, w.room.pk, seq, WHY),
        EventType.MESSAGE_DELETED,
        {"target": 6},
    ),
    Act.MEMBER_MUTE: (
        lambda who, w, _: moderation.mute_member(who, w.room.pk, w.boris.pk, 60, WHY),
        EventType.MEMBER_MUTED,
        {"user": "boris", "until": ...},
    ),
    Act.MEMBER_UNMUTE: (
        lambda who, w, _: moderation.unmute_member(who, w.room.pk, w.boris.pk, WHY),
        EventType.MEMBER_UNMUTED,
        {"user": "boris"},
    ),
    Act.MEMBER_REMOVE: (
        lambda who, w, _: moderation.remove_member(who, w.room.pk, w.boris.pk, WHY),
        EventType.MEMBER_REMOVED,
        {"user": "boris"},
    ),
    Act.MEMBER_BAN: (
        lambda who, w, _: moderation.ban_member(who, w.room.pk, w.boris.pk, WHY),
        EventType.MEMBER_REMOVED,
        {"user": "boris", "banned": True},
    ),
    Act.MEMBER_ROLE: (
        lambda who, w, _: moderation.set_role(who, w.room.pk, w.boris.pk, Role.MODERATOR, WHY),
        EventType.MEMBER_JOINED,
        {"user": "boris", "role": "moderator", "previous": "member"},
    ),
    Act.ROOM_SLOW_MODE: (
        lambda who, w, _: moderation.set_slow_mode(who, w.room.pk, 30, WHY),
        EventType.ROOM_UPDATED,
        {"slow_mode_seconds": 30},
    ),
    Act.ROOM_ARCHIVE: (
        lambda who, w, _: moderation.archive_room(who, w.room.pk, True, WHY),
        EventType.ROOM_ARCHIVED,
        {"archived": True},
    ),
    Act.ROOM_UNARCHIVE: (
        lambda who, w, _: moderation.archive_room(who, w.room.pk, False, WHY),
        EventType.ROOM_ARCHIVED,
        {"archived": False},
    ),
}


@pytest.mark.parametrize("action", ACTS)
async def test_act_becomes_an_event_on_the_bus_and_an_entry_on_record(
    action: str, bus: EventBusUnderTest
) -> None:
    world = await make_world()
    seq = await post(world.room, world.boris)
    do, kind, data = ACTS[action]
    who = by(world.staff, staff=True)

    outcome = await do(who, world, seq)
    findings = await sync_to_async(verify)(world.room.pk)
    await sync_to_async(Exporter(bus.bus).export)(shard_of(world.room.pk, settings.ENV.shards))

    event = (await sync_to_async(bus.events)())[-1]
    assert (event.seq, event.type, event.actor) == (7, kind, who.user_id)
    found = json.loads(bytes(event.data))
    expected = {name: world.boris.pk if one == "boris" else one for name, one in data.items()}
    assert found == {name: found[name] if one is ... else one for name, one in expected.items()}
    entry = await sync_to_async(last_entry)()
    assert (entry.action, entry.actor_id, entry.actor_name) == (action, who.user_id, "staff")
    assert (entry.reason, entry.room_id, entry.door) == (
        "Somebody asked",
        world.room.pk,
        who.channel,
    )
    assert str(entry.key) == event.key
    assert (entry.outcome.result, entry.outcome.seq) == ("done", 7)
    assert (outcome.entry, outcome.result, outcome.seq) == (entry.pk, Result.DONE, 7)
    assert entry.before is not None
    assert entry.after is not None
    assert findings == []


async def test_deleted_message_is_restored_with_its_text_unless_its_author_deleted_it() -> None:
    world = await make_world()
    mine, other = await post(world.room, world.boris), await post(world.room, world.boris)
    await moderation.delete_message(by(world.mod), world.room.pk, mine, WHY)
    await messages.delete_message(world.boris.pk, world.room.pk, new_key(), other)
    too_early = await code_of(moderation.restore_message(by(world.mod), world.room.pk, mine))
    await store(world.room.pk)

    await moderation.restore_message(by(world.mod), world.room.pk, mine, WHY)
    of_author = await code_of(moderation.restore_message(by(world.mod), world.room.pk, other))
    findings = await sync_to_async(verify)(world.room.pk)
    not_deleted = await code_of(moderation.restore_message(by(world.mod), world.room.pk, mine))

    row = await Message.objects.aget(room=world.room, seq=mine)
    assert (row.body, row.deleted_at) == ("hello", None)
    assert (too_early, of_author, not_deleted) == ("bad_request", "forbidden", "bad_request")
    assert findings == []


@pytest.mark.parametrize("deleted_by_staff", [True, False])
async def test_owners_and_moderators_restore_no_message_of_their_own(
    deleted_by_staff: bool,
) -> None:
    world = await make_world()
    room, entries = world.room.pk, AuditEntry.objects.filter(action="message.restore")
    mods, owners = await post(world.room, world.mod), await post(world.room, world.anna)
    await moderation.set_role(by(world.anna), room, world.boris.pk, Role.OWNER, WHY)
    other = by(world.staff, staff=True) if deleted_by_staff else by(world.boris)
    for seq in (mods, owners):
        await moderation.delete_message(other, room, seq, WHY)
    await store(room)

    for user, seq in ((world.mod, mods), (world.anna, owners)):
        refused = await code_of(moderation.restore_message(by(user), room, seq, WHY))
        assert refused == "forbidden"
        # The log has the last word: somebody may have got past the check above.
        event = room_log.NewEvent(
            room=room,
            type=EventType.MESSAGE_RESTORED,
            data=MessageTarget(target=seq),
            actor=user.pk,
            key=new_key(),
        )
        assert await code_of(room_log.append(event)) == "forbidden"
    assert not await entries.aexists()
    await moderation.restore_message(by(world.anna), room, mods, WHY)

    assert await sync_to_async(verify)(room) == []
    assert (await Message.objects.aget(room=room, seq=mods)).deleted_at is None
    assert (await Message.objects.aget(room=room, seq=owners)).deleted_at is not None


@pytest.mark.parametrize("stored_between", [True, False], ids=["apart", "in one batch"])
async def test_what_its_author_deletes_after_a_moderator_is_restored_by_nobody(
    stored_between: bool,
) -> None:
    world = await make_world()
    room = world.room.pk
    seq, other = await post(world.room, world.boris), await post(world.room, world.boris)
    for one in (seq, other):
        await moderation.delete_message(by(world.mod), room, one, WHY)
        if stored_between:
            await store(room)
    own = await messages.delete_message(world.boris.pk, room, new_key(), seq)
    await moderation.delete_message(by(world.anna), room, other, WHY)

    page = await history.messages_before(room, 2**53, 10, 0)
    # A restoration that was asked for before the author deleted it, and came after that.
    event = room_log.NewEvent(
        room=room,
        type=EventType.MESSAGE_RESTORED,
        data=MessageTarget(target=seq),
        actor=world.mod.pk,
        key=new_key(),
    )
    await room_log.append(event)
    findings = await sync_to_async(verify)(room)
    refused = await code_of(moderation.restore_message(by(world.anna), room, seq, WHY))

    row = await Message.objects.aget(room=room, seq=seq)
    assert (row.deleted_at, row.deleted_by_id) == (own.event.at, world.boris.pk)
    assert (await Message.objects.aget(room=room, seq=other)).deleted_by_id == world.mod.pk
    assert [one.deleted_by for one in page.messages] == [world.boris.pk, world.mod.pk]
    assert refused == "forbidden"
    assert findings == []


async def test_own_message_is_deleted_without_an_entry_that_of_another_with_one() -> None:
    world = await make_world()
    mine, other = await post(world.room, world.mod), await post(world.room, world.boris)
    before = await AuditEntry.objects.acount()

    await messages.delete_message(world.mod.pk, world.room.pk, new_key(), mine)
    without = await AuditEntry.objects.acount()
    key = new_key()
    appended = await messages.delete_message(world.mod.pk, world.room.pk, key, other)
    again = await messages.delete_message(world.mod.pk, world.room.pk, key, other)

    assert without == before
    entry = await sync_to_async(last_entry)()
    assert (entry.action, entry.door, entry.user_id) == ("message.delete", "socket", world.boris.pk)
    assert again.event == appended.event
    assert entry.outcome.seq == appended.event.seq
    assert await AuditEntry.objects.acount() == before + 1


async def test_the_last_owner_stays_whoever_asks() -> None:
    world = await make_world()
    room, staff = world.room.pk, by(world.staff, staff=True)

    alone = await code_of(moderation.set_role(by(world.anna), room, world.anna.pk, Role.MEMBER))
    by_staff = await code_of(moderation.set_role(staff, room, world.anna.pk, Role.MEMBER, WHY))
    entry = await sync_to_async(last_entry)()
    await moderation.set_role(by(world.anna), room, world.mod.pk, Role.OWNER)
    await moderation.set_role(by(world.anna), room, world.anna.pk, Role.MEMBER)

    assert (alone, by_staff) == ("forbidden", "forbidden")
    assert (entry.outcome.result, entry.outcome.detail) == ("refused", "forbidden")
    assert await room_log.roles(world.anna.pk, [room]) == {room: Role.MEMBER}
    assert await room_log.roles(world.mod.pk, [room]) == {room: Role.OWNER}
    assert await sync_to_async(verify)(room) == []


# Keys


async def test_repeated_key_does_nothing_a_second_time_and_gives_the_first_outcome() -> None:
    world = await make_world()
    options = Options(reason="Twice", key=new_key())

    first = await moderation.mute_member(by(world.mod), world.room.pk, world.boris.pk, 600, options)
    again = await moderation.mute_member(by(world.mod), world.room.pk, world.boris.pk, 600, options)
    other = await code_of(
        moderation.remove_member(by(world.mod), world.room.pk, world.boris.pk, options)
    )

    assert again == first
    assert other == "key_conflict"
    assert [event.type for event in await log_of(world.room.pk)].count(EventType.MEMBER_MUTED) == 1
    assert await AuditEntry.objects.filter(key=options.key).acount() == 1


async def test_two_at_once_with_one_key_are_one_act() -> None:
    world = await make_world()
    options = Options(reason="Double click", key=new_key())

    outcomes = await asyncio.gather(
        *(
            moderation.mute_member(by(world.mod), world.room.pk, world.boris.pk, 600, options)
            for _ in range(8)
        )
    )

    assert {(outcome.result, outcome.seq) for outcome in outcomes} == {(Result.DONE, 6)}
    assert len(await log_of(world.room.pk)) == 6
    assert await AuditOutcome.objects.filter(entry__key=options.key).acount() == 1


@pytest.mark.parametrize(
    "key",
    [key_of_age(hours=7), "no-key", new_key().upper()],
    ids=["too old", "none", "in upper case"],
)
async def test_old_or_wrong_key_is_refused_before_anything_is_on_record(key: str) -> None:
    world = await make_world()
    entries = await AuditEntry.objects.acount()

    code = await code_of(
        moderation.remove_member(
            by(world.mod), world.room.pk, world.boris.pk, Options(reason="Spam", key=key)
        )
    )

    assert code == "bad_request"
    assert await AuditEntry.objects.acount() == entries


# What holds at the append


async def test_banned_person_cannot_come_back_until_the_ban_is_lifted() -> None:
    world = await make_world(RoomKind.PUBLIC)
    room = world.room.pk
    await moderation.ban_member(by(world.mod), room, world.boris.pk, WHY)

    joins = await code_of(rooms.join_room(world.boris.pk, room))
    invited = await code_of(rooms.invite(world.anna.pk, room, world.boris.pk))
    posts = await code_of(post(world.room, world.boris))
    banned = await sync_to_async(verify)(room)
    stored = await Ban.objects.aget(room=world.room)
    await sync_to_async(unload)(room)
    joins_later = await code_of(rooms.join_room(world.boris.pk, room))
    await moderation.unban_member(by(world.mod), room, world.boris.pk, WHY)
    await rooms.join_room(world.boris.pk, room)

    assert (joins, invited, posts, joins_later) == (
        "forbidden",
        "forbidden",
        "not_member",
        "forbidden",
    )
    assert (stored.user_id, stored.banned_by_id) == (world.boris.pk, world.mod.pk)
    assert banned == [] == await sync_to_async(verify)(room)
    assert not await Ban.objects.aexists()


async def test_somebody_outside_can_be_banned_but_not_twice_and_not_an_equal() -> None:
    world = await make_world(RoomKind.PUBLIC)
    room = world.room.pk

    first = await moderation.ban_member(by(world.mod), room, world.vera.pk, WHY)
    again = await moderation.ban_member(by(world.mod), room, world.vera.pk, WHY)
    owner = await code_of(moderation.ban_member(by(world.mod), room, world.anna.pk, WHY))
    lifted_for_nobody = await moderation.unban_member(by(world.mod), room, world.boris.pk, WHY)

    assert (first.result, again.result) == (Result.DONE, Result.UNCHANGED)
    assert owner == "forbidden"
    assert lifted_for_nobody.result == Result.UNCHANGED
    assert await code_of(rooms.join_room(world.vera.pk, room)) == "forbidden"


async def test_events_tell_who_comes_and_goes_from_who_only_changes() -> None:
    world = await make_world(RoomKind.PUBLIC)
    room = world.room.pk
    before = len(await log_of(room))

    await moderation.set_role(by(world.anna), room, world.boris.pk, Role.MODERATOR)
    await moderation.ban_member(by(world.anna), room, world.boris.pk, WHY)
    await moderation.unban_member(by(world.anna), room, world.boris.pk, WHY)
    await moderation.ban_member(by(world.anna), room, world.vera.pk, WHY)
    events = (await log_of(room))[before:]

    boris, vera = world.boris.pk, world.vera.pk
    assert [json.loads(bytes(event.data)) for event in events] == [
        {"user": boris, "role": "moderator", "previous": "member"},
        {"user": boris, "banned": True},
        {"user": boris, "banned": False, "outside": True},
        {"user": vera, "banned": True, "outside": True},
    ]


async def test_ban_that_is_sent_again_is_the_same_ban_although_the_member_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await make_world(RoomKind.PUBLIC)
    options = Options(reason="spam", key=new_key())

    def away(*args: Any, **values: Any) -> None:
        raise Unavailable("PostgreSQL is unreachable.")

    with monkeypatch.context() as outage:
        outage.setattr(audit, "settle", away)  # nobody can write down that it was done
        first = await moderation.ban_member(by(world.mod), world.room.pk, world.boris.pk, options)
    again = await moderation.ban_member(by(world.mod), world.room.pk, world.boris.pk, options)

    assert (first.result, again.result) == (Result.DONE, Result.DONE)
    assert again.seq == first.seq


async def test_mute_everywhere_holds_in_rooms_that_are_loaded_later_and_ends() -> None:
    world = await make_world()
    later = await rooms.create_room(world.anna.pk, "Later", RoomKind.PUBLIC)
    await store(later.pk)
    await sync_to_async(unload)(later.pk)
    staff = by(world.staff, staff=True)

    outcome = await people.mute_person(staff, world.boris.pk, 3600, WHY)
    here = await code_of(post(world.room, world.boris))
    await rooms.join_room(world.boris.pk, later.pk)
    there = await code_of(post(later, world.boris))
    own = await code_of(rooms.create_room(world.boris.pk, "Mine", RoomKind.PUBLIC))
    told = (await log_of(world.room.pk))[-1]
    findings = await sync_to_async(verify)(world.room.pk)
    membership = await Membership.objects.aget(room=world.room, user=world.boris)
    await people.unmute_person(staff, world.boris.pk, WHY)

    assert (here, there, own) == ("muted", "muted", "muted")
    assert outcome.detail == "1 rooms told"
    assert (told.type, json.loads(bytes(told.data))["everywhere"]) == (EventType.MEMBER_MUTED, True)
    assert membership.muted_until is None
    assert await post(world.room, world.boris)
    assert await post(later, world.boris)
    assert findings == [] == await sync_to_async(verify)(world.room.pk)


async def test_mute_in_a_room_stays_when_a_mute_everywhere_ends() -> None:
    world = await make_world()
    staff = by(world.staff, staff=True)
    await moderation.mute_member(by(world.mod), world.room.pk, world.boris.pk, 3600, WHY)
    await people.mute_person(staff, world.boris.pk, 60, WHY)

    await people.unmute_person(staff, world.boris.pk, WHY)

    assert await code_of(post(world.room, world.boris)) == "muted"
    await moderation.unmute_member(by(world.mod), world.room.pk, world.boris.pk, WHY)
    assert await post(world.room, world.boris)


async def test_deactivated_person_is_refused_by_the_append_itself() -> None:
    world = await make_world()
    row, _ = await sync_to_async(tokens.issue)(world.boris.pk, "program")

    await people.deactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)
    refused = await code_of(post(world.room, world.boris))
    user = await User.objects.aget(pk=world.boris.pk)
    token = await ApiToken.objects.aget(pk=row.pk)
    await people.reactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)

    assert refused == "forbidden"
    assert not user.is_active
    assert user.deactivated_at is not None
    assert token.revoked_at is not None
    assert await post(world.room, world.boris)
    entries = [
        (entry.action, entry.outcome.result)
        async for entry in AuditEntry.objects.select_related("outcome").order_by("id")
        if entry.target_kind == "person"
    ]
    assert entries == [("person.deactivate", "done"), ("person.reactivate", "done")]


async def test_account_switched_off_by_another_door_is_refused_too() -> None:
    world = await make_world()
    user = await User.objects.aget(pk=world.boris.pk)
    user.is_active = False

    await user.asave()
    await sync_to_async(restrictions.agree)()

    assert await code_of(post(world.room, world.boris)) == "forbidden"


async def test_sessions_from_before_a_deactivation_stay_over_after_it() -> None:
    world = await make_world()
    before = world.boris.get_session_auth_hash()

    await people.deactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)
    await people.reactivate_person(by(world.staff, staff=True), world.boris.pk, WHY)

    user = await User.objects.aget(pk=world.boris.pk)
    assert user.get_session_auth_hash() != before
    assert (
        user.get_session_auth_hash()
        == (await User.objects.aget(pk=world.boris.pk)).get_session_auth_hash()
    )


async def test_log_that_lost_everything_or_missed_the_news_learns_who_is_muted() -> None:
    world = await make_world()
    await store(world.room.pk)
    shard = shard_of(world.room.pk, settings.ENV.shards)
    await User.objects.filter(pk=world.boris.pk).aupdate(
        muted_until=timezone.now() + timedelta(hours=1)
    )

    unaware = await post(world.room, world.boris)  # as if the process had died before it told
    changed = await sync_to_async(restrictions.agree)()
    aware = await code_of(post(world.room, world.boris))
    await store(world.room.pk)
    await sync_to_async(blocking_client().flushall)()
    await sync_to_async(epochs.establish)(shard)
    new_log = await code_of(post(world.room, world.boris))
    await User.objects.filter(pk=world.boris.pk).aupdate(muted_until=timezone.now())
    await sync_to_async(restrictions.agree)()

    assert unaware > 0
    assert changed == settings.ENV.shards
    assert (aware, new_log) == ("muted", "muted")
    assert await post(world.room, world.boris)


async def test_slow_mode_spaces_members_and_nobody_else() -> None:
    world = await make_world()
    await moderation.set_slow_mode(by(world.mod), world.room.pk, 3600, WHY)

    await post(world.room, world.boris)
    with pytest.raises(ClientError) as refused:
        await post(world.room, world.boris)
    for user in (world.anna, world.mod, world.anna, world.mod):
        await post(world.room, user)

    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_seconds is not None
    assert 3590 < refused.value.retry_after_seconds <= 3600
    await sync_to_async(verify)(world.room.pk)
    await sync_to_async(unload)(world.room.pk)
    assert await code_of(post(world.room, world.boris)) == "rate_limited"
    await moderation.set_slow_mode(by(world.mod), world.room.pk, 0, WHY)
    assert await post(world.room, world.boris)
    assert await sync_to_async(verify)(world.room.pk) == []


async def test_repeat_of_a_posted_message_does_not_wait_for_slow_mode() -> None:
    world = await make_world()
    await moderation.set_slow_mode(by(world.mod), world.room.pk, 3600, WHY)
    key = new_key()

    first = await messages.post_message(world.boris.pk, world.room.pk, key, "once")
    again = await messages.post_message(world.boris.pk, world.room.pk, key, "once")

    assert (again.repeat, again.event) == (True, first.event)


def unload(room: int) -> None:
    """Takes the room out of the log, as an hour's sweep does when it has been idle for a day."""
    shard = shard_of(room, settings.ENV.shards)
    blocking_client().zadd(keys.active(shard), {str(room): 1})
    unloading.unload_idle(shard)
    assert not blocking_client().exists(keys.room(shard, room))


# Staff


async def test_staff_act_on_other_staff_only_from_above_and_never_on_themselves() -> None:
    world = await make_world()
    chief = await make_staff("chief", is_superuser=True)
    moderator = by(await make_staff("young", "moderator"), staff=True)
    administrator = by(world.staff, staff=True)

    codes = [
        await code_of(people.mute_person(moderator, world.staff.pk, 60, WHY)),
        await code_of(moderation.mute_member(moderator, world.room.pk, world.staff.pk, 60, WHY)),
        await code_of(people.deactivate_person(administrator, chief.pk, WHY)),
        await code_of(people.deactivate_person(administrator, world.staff.pk, WHY)),
        await code_of(people.deactivate_person(moderator, world.boris.pk, WHY)),
    ]
    await people.deactivate_person(administrator, moderator.person, WHY)

    assert set(codes) == {"forbidden"}
    assert not (await User.objects.aget(pk=moderator.person)).is_active


async def test_staff_give_a_reason() -> None:
    world = await make_world()
    staff = by(world.staff, staff=True)

    assert await code_of(moderation.ban_member(staff, world.room.pk, world.boris.pk)) == "empty"
    assert await code_of(people.mute_person(staff, world.boris.pk, 60)) == "empty"


async def test_direct_conversation_keeps_its_two_people() -> None:
    world = await make_world()
    direct = await rooms.open_direct(world.anna.pk, world.boris.pk)
    staff = by(world.staff, staff=True)

    codes = [
        await code_of(moderation.remove_member(staff, direct.pk, world.boris.pk, WHY)),
        await code_of(moderation.ban_member(staff, direct.pk, world.boris.pk, WHY)),
        await code_of(moderation.set_role(staff, direct.pk, world.boris.pk, Role.OWNER, WHY)),
        await code_of(moderation.set_slow_mode(staff, direct.pk, 5, WHY)),
        await code_of(moderation.archive_room(staff, direct.pk, True, WHY)),
    ]
    await moderation.mute_member(staff, direct.pk, world.boris.pk, 60, WHY)

    assert set(codes) == {"bad_request"}
    assert await code_of(post(direct, world.boris)) == "muted"


# Bad input


async def test_values_that_cannot_be_are_refused_and_leave_nothing() -> None:
    world = await make_world()
    room, boris, mod = world.room.pk, world.boris.pk, by(world.mod)
    before = (len(await log_of(room)), await AuditEntry.objects.acount())

    codes = [
        await code_of(moderation.mute_member(mod, room, boris, 0)),
        await code_of(moderation.mute_member(mod, room, boris, -1)),
        await code_of(moderation.mute_member(mod, room, boris, 10**12)),
        await code_of(moderation.set_slow_mode(mod, room, -1)),
        await code_of(moderation.set_slow_mode(mod, room, 10**9)),
        await code_of(moderation.mute_member(mod, room, boris, 60, Options(reason="a\x00b"))),
        await code_of(moderation.mute_member(mod, room, boris, 60, Options(reason="\ud800"))),
        await code_of(moderation.mute_member(mod, room, boris, 60, Options(reason="x" * 501))),
        await code_of(moderation.mute_member(mod, room, 10**15, 60)),
        await code_of(moderation.delete_message(mod, room, 1)),
        await code_of(moderation.delete_message(mod, room, 10**15)),
        await code_of(moderation.mute_member(mod, 10**15, boris, 60)),
    ]

    assert codes == [
        *["bad_request"] * 7,
        "too_large",
        *["not_found"] * 4,
    ]
    assert (len(await log_of(room)), await AuditEntry.objects.acount()) == before


# What breaks off


async def test_act_whose_process_died_after_the_append_gets_its_outcome_from_the_log() -> None:
    world = await make_world()
    key = new_key()
    entry = await half_done(world, key)
    now = timezone.now()

    too_early = await sync_to_async(audit_outcomes.complete)(now)
    settled = await sync_to_async(audit_outcomes.complete)(now + timedelta(minutes=2))
    again = await sync_to_async(audit_outcomes.complete)(now + timedelta(minutes=2))

    assert (too_early, settled, again) == (0, 1, 0)
    outcome = await AuditOutcome.objects.aget(entry=entry)
    assert (outcome.result, outcome.seq) == ("done", 6)


async def test_act_whose_event_has_left_the_log_gets_its_outcome_from_postgresql() -> None:
    world = await make_world()
    entry = await half_done(world, new_key())
    await store(world.room.pk)
    await sync_to_async(blocking_client().flushall)()

    await sync_to_async(audit_outcomes.complete)(timezone.now() + timedelta(minutes=2))

    outcome = await AuditOutcome.objects.aget(entry=entry)
    assert (outcome.result, outcome.seq) == ("done", 6)


async def test_act_that_never_came_to_its_event_is_marked_as_not_done() -> None:
    world = await make_world()
    key = new_key()
    entry = await half_done(world, key, log=False)
    now = timezone.now()

    waits = await sync_to_async(audit_outcomes.complete)(now + timedelta(minutes=2))
    settled = await sync_to_async(audit_outcomes.complete)(now + timedelta(minutes=11))
    later = await code_of(
        moderation.unmute_member(by(world.mod), world.room.pk, world.boris.pk, Options(key=key))
    )

    assert (waits, settled) == (0, 1)
    assert (await AuditOutcome.objects.aget(entry=entry)).result == "not_done"
    assert later == "key_conflict"


async def test_repeat_after_a_crash_completes_what_was_on_record() -> None:
    world = await make_world()
    options = Options(key=new_key())
    assert options.key is not None
    await half_done(world, options.key)

    outcome = await moderation.unmute_member(by(world.mod), world.room.pk, world.boris.pk, options)

    assert (outcome.result, outcome.seq) == (Result.DONE, 6)
    assert len(await log_of(world.room.pk)) == 6


async def half_done(world: World, key: str, log: bool = True) -> int:
    """An act on record, and logged or not, whose process died before it wrote the outcome."""
    new = NewEntry(
        by=by(world.mod),
        action=Act.MEMBER_UNMUTE,
        target=audit.member_target(world.room.pk, world.boris.pk),
        after={"muted_until": None},
        key=key,
    )
    begun = await sync_to_async(audit.begin)(new)
    if log:
        await room_log.append(
            room_log.NewEvent(
                room=world.room.pk,
                type=EventType.MEMBER_UNMUTED,
                data=MemberUnmuted(user=world.boris.pk),
                actor=world.mod.pk,
                key=key,
            )
        )
    return begun.entry.pk


async def test_nothing_is_done_that_cannot_be_put_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await make_world()
    events = len(await log_of(world.room.pk))

    def away(*_: object) -> None:
        raise Unavailable("The database does not answer.")

    monkeypatch.setattr(audit, "begin", away)
    code = await code_of(
        moderation.remove_member(by(world.mod), world.room.pk, world.boris.pk, WHY)
    )

    assert code == "unavailable"
    assert len(await log_of(world.room.pk)) == events


def test_address_is_that_of_the_client(settings: Any) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user = AnonymousUser()

    assert audit.address_of(request) == "192.0.2.7"


@pytest.mark.parametrize(
    ("forwarded", "client", "address"),
    [
        ([], ["192.0.2.7", 5000], "192.0.2.7"),
        ([b"198.51.100.1, 203.0.113.9", b"192.0.2.1"], ["10.0.0.1", 5000], "203.0.113.9"),
        ([b"192.0.2.1"], ["10.0.0.1", 5000], "10.0.0.1"),
        ([], None, None),
    ],
    ids=["direct", "behind proxies", "fewer proxies than trusted", "unix socket"],
)
def test_address_of_a_socket_is_that_of_the_client(
    settings: Any, forwarded: list[bytes], client: list[Any] | None, address: str | None
) -> None:
    settings.ENV = dataclasses.replace(settings.ENV, trusted_proxies=2)
    headers = [(b"host", b"chat"), *((b"x-forwarded-for", value) for value in forwarded)]

    assert audit.address_of_handshake({"headers": headers, "client": client}) == address


async def test_reading_a_private_room_is_on_record() -> None:
    world = await make_world()

    await sync_to_async(audit.record_private_read)(
        by(world.staff, staff=True), world.room.pk, "history from 120"
    )

    entry = await sync_to_async(last_entry)()
    assert (entry.action, entry.room_id, entry.after) == (
        "room.read",
        world.room.pk,
        {"read": "history from 120"},
    )
    assert entry.outcome.result == "done"
    assert await sync_to_async(audit.of_room)(world.room.pk, world.anna.pk, 2**53, 10) == [
        one async for one in AuditEntry.objects.filter(action="member.role")
    ]


# What it would do


async def test_preview_counts_what_an_act_would_touch_and_names_what_stands_against_it() -> None:
    world = await make_world()
    seq, other = await post(world.room, world.boris), await post(world.room, world.boris)
    await messages.react(world.anna.pk, world.room.pk, new_key(), seq, "👍")
    await moderation.delete_message(by(world.mod), world.room.pk, other, WHY)
    await sync_to_async(tokens.issue)(world.anna.pk, "program")
    direct = await rooms.open_direct(world.anna.pk, world.boris.pk)
    await store(world.room.pk)
    await store(direct.pk)
    room, anna, boris = world.room.pk, world.anna.pk, world.boris.pk
    look = sync_to_async(preview.preview)

    deletion = await look(Act.MESSAGE_DELETE, [(room, seq), (room, other), (room, 1)])
    ban = await look(Act.MEMBER_BAN, [(room, boris), (room, anna), (direct.pk, boris)])
    role = await look(Act.MEMBER_ROLE, [(room, anna), (room, world.vera.pk)])
    slow = await look(Act.ROOM_SLOW_MODE, [(room,), (direct.pk,), (10**9,)])
    person = await look(Act.PERSON_DEACTIVATE, [(anna,), (boris,)])

    assert deletion.totals == {"rooms": 1, "messages": 1, "reactions": 1}
    assert [effect.problem for effect in deletion.effects] == ["", "unchanged", "not_found"]
    assert [(one.problem, one.warning) for one in ban.effects] == [
        ("", ""),
        ("", "last_owner"),
        ("direct", ""),
    ]
    assert [effect.problem for effect in role.effects] == ["last_owner", "not_found"]
    assert slow.totals == {"rooms": 1, "members": 1}
    assert [effect.problem for effect in slow.effects] == ["", "direct", "not_found"]
    assert person.totals == {"rooms": 4, "tokens": 1, "sessions": 0}
    assert [effect.warning for effect in person.effects] == ["last_owner", ""]
    with pytest.raises(ValueError, match="200"):
        await look(Act.PERSON_MUTE, [(anna,)] * 201)


async def test_command_lets_somebody_into_the_admin_on_record() -> None:
    world = await make_world()

    await sync_to_async(call_command)("make_moderator", "vera", why="First one", verbosity=0)

    user = await User.objects.aget(pk=world.vera.pk)
    assert user.is_staff
    assert await sync_to_async(staff_may)(user, Act.MESSAGE_DELETE)
    entry = await sync_to_async(last_entry)()
    assert (entry.action, entry.user_id, entry.door) == ("person.groups", user.pk, "command")
    assert entry.after == {"staff": True, "groups": ["moderator"]}
    with pytest.raises(CommandError, match="nobody"):
        await sync_to_async(call_command)("make_moderator", "nobody")
