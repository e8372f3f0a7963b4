"""Whom and what a message mentions is decided when it is logged, and tells strangers nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError
from msgspec import UNSET

from chat import events, room_log
from chat.accounts import mentionable
from chat.actions import messages, moderation, people_groups
from chat.errors import ClientError
from chat.events import EventType, MemberJoined, RoomEvent, RoomKind, shard_of
from chat.events.mentions import Mentions
from chat.models import Membership, Mention, PeopleGroup, Room, ThreadFollow, User
from chat.names.mentions import MAX_MENTIONS
from chat.protocol import MAX_ID
from chat.queries import history
from chat.room_log import keys
from chat.room_log.unloading import unload_idle
from chat.servers.redis_log import blocking_client
from tests.support.chat_world import by, log_of, store
from tests.support.dead_letter_world import assert_projections_equal_a_replay
from tests.support.moderation_world import WHY
from tests.support.rooms import key_of_age, log, new_key, new_person, new_room

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


def mentions_of(event: RoomEvent) -> Any:
    data = events.decode_data(event.type, event.data)
    assert isinstance(data, events.MessagePosted | events.ReplyPosted | events.MessageEdited)
    return data.mentions


async def said(who: User, room: Room, body: str) -> Any:
    """What the message mentions, as it is logged."""
    event = (await messages.post_message(who.pk, room.pk, new_key(), body)).event
    [logged] = await history.events_after(room.pk, event.seq - 1, 1)
    assert bytes(logged.data) == bytes(event.data)
    return mentions_of(logged)


async def new_group(handle: str, *members: User) -> PeopleGroup:
    group = PeopleGroup(handle=handle, name=handle.title())
    staff, _ = await User.objects.aget_or_create(username="chief")
    await sync_to_async(people_groups.save)(
        by(staff, staff=True), group, [member.pk for member in members]
    )
    return group


async def three_people() -> tuple[User, User, User, Room]:
    """Ann and Bob in a private room, Eve outside."""
    ann, bob, eve = [await new_person(name) for name in ("ann", "bob", "eve")]
    return ann, bob, eve, await new_room(ann, bob)


def refuse(*_: Any) -> Any:
    raise OperationalError


# --- what a name means --------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["log", "PostgreSQL"])
async def test_names_become_ids_of_people_groups_rooms_and_everybody(where: str) -> None:
    ann, bob, _, room = await three_people()
    group = await new_group("backend", bob)
    other = await new_room(ann, kind=RoomKind.PUBLIC)
    await store(other.pk)
    if where == "PostgreSQL":
        await store(room.pk)
        await sync_to_async(unload_idle)(shard_of(room.pk, settings.ENV.shards), -60_000)

    found = await said(ann, room, f"@Bob, @backend.Look at #{other.slug}, `@ann` @room")

    assert found == Mentions(
        people={"bob": bob.pk},
        groups={"backend": group.pk},
        rooms={other.slug: other.pk},
        all="room",
    )


async def test_message_without_a_known_name_has_no_mentions() -> None:
    ann, _, _, room = await three_people()

    for body in ("hello", "@nobody #nowhere", "ann@example.org", r"\@bob"):
        assert await said(ann, room, body) is UNSET


@pytest.mark.parametrize("kind", [RoomKind.PRIVATE, RoomKind.PUBLIC])
async def test_somebody_outside_the_room_is_not_mentioned(kind: RoomKind) -> None:
    ann, eve = await new_person("ann"), await new_person("eve")
    room = await new_room(ann, kind=kind)

    outside = await said(ann, room, "@eve")
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=eve.pk))
    inside = await said(ann, room, "@eve")
    await moderation.remove_member(by(ann), room.pk, eve.pk, WHY)
    gone = await said(ann, room, "@eve")

    assert (outside, gone) == (UNSET, UNSET)
    assert inside.people == {"eve": eve.pk}


async def test_name_of_somebody_outside_means_nobody_by_a_shorter_reading() -> None:
    ann, bob, _, room = await three_people()
    await new_person("bob.b")

    assert await said(ann, room, "@bob.b") is UNSET
    assert (await said(ann, room, "@bob.B2 hi")).people == {"bob": bob.pk}


async def test_private_room_is_linked_only_by_somebody_who_is_in_it() -> None:
    ann, bob, _, room = await three_people()
    secret = await new_room(ann)

    assert (await said(ann, room, f"#{secret.slug}")).rooms == {secret.slug: secret.pk}
    assert await said(bob, room, f"#{secret.slug}") is UNSET


async def test_deactivated_person_is_not_mentioned() -> None:
    ann, bob, _, room = await three_people()
    await User.objects.filter(pk=bob.pk).aupdate(is_active=False)

    assert await said(ann, room, "@bob") is UNSET


async def test_reply_and_edit_mention_too_and_an_edit_resolves_anew() -> None:
    ann, bob, _, room = await three_people()
    root = (await messages.post_message(ann.pk, room.pk, new_key(), "@bob")).event.seq

    reply = await messages.post_reply(ann.pk, room.pk, new_key(), root, "@bob?")
    shown = await messages.post_reply(ann.pk, room.pk, new_key(), root, "@bob!", to_room=True)
    edited = await messages.edit_message(ann.pk, room.pk, new_key(), root, "@ann @bob")
    cleared = await messages.edit_message(ann.pk, room.pk, new_key(), root, "nobody")

    assert [mentions_of(one.event).people for one in (reply, shown)] == [{"bob": bob.pk}] * 2
    assert mentions_of(edited.event).people == {"ann": ann.pk, "bob": bob.pk}
    assert mentions_of(cleared.event) is UNSET
    await store(room.pk)
    rows = Mention.objects.filter(room=room).order_by("seq")
    assert [row async for row in rows.values_list("seq", "target")] == [
        (reply.event.seq, bob.pk),
        (shown.event.seq, bob.pk),
    ]
    await assert_projections_equal_a_replay(room)


async def test_whoever_is_named_in_a_thread_follows_it_unless_they_decided_otherwise() -> None:
    ann, bob, eve, room = await three_people()
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=eve.pk))
    root = (await messages.post_message(ann.pk, room.pk, new_key(), "root")).event.seq
    await ThreadFollow.objects.acreate(
        user=eve, room=room, root=root, following=False, read_seq=root
    )

    reply = await messages.post_reply(ann.pk, room.pk, new_key(), root, "@bob @eve @room")
    await store(room.pk)

    follows = ThreadFollow.objects.filter(room=room, root=root).exclude(user=ann)
    assert {row async for row in follows.values_list("user", "following", "read_seq")} == {
        (bob.pk, True, reply.event.seq - 1),
        (eve.pk, False, root),
    }


# --- the same request ---------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [0, 5.5])
async def test_repeat_is_the_same_request_though_names_have_changed(hours: float) -> None:
    ann, bob, _, room = await three_people()
    key = key_of_age(hours)
    first = await messages.post_message(ann.pk, room.pk, key, "@bob @bobby")
    await store(room.pk)
    await User.objects.filter(pk=bob.pk).aupdate(username="bobby")

    again = await messages.post_message(ann.pk, room.pk, key, "@bob @bobby")

    assert (again.event.seq, again.repeat) == (first.event.seq, True)
    with pytest.raises(ClientError, match="used before"):
        await messages.post_message(ann.pk, room.pk, key, "@bob @bobby!")


# --- limits -------------------------------------------------------------------------------------


async def crowd(number: int, room: Room) -> list[User]:
    """People of a stored room, as the log has them once it is loaded again."""
    await store(room.pk)
    made = await User.objects.abulk_create(User(username=f"p{one}x") for one in range(number))
    await Membership.objects.abulk_create(
        Membership(room=room, user=one, role="member", joined_at="2026-01-01T00:00Z")
        for one in made
    )
    await sync_to_async(unload_idle)(shard_of(room.pk, settings.ENV.shards), -60_000)
    return made


async def test_message_mentions_fifty_at_most_and_says_so() -> None:
    ann, _, _, room = await three_people()
    people = await crowd(60, room)
    fifty = " ".join(f"@{one.username}" for one in people[:MAX_MENTIONS])

    assert len((await said(ann, room, fifty)).people) == MAX_MENTIONS
    for too_many in (f"{fifty} @ann", " ".join(f"@n{one}x" for one in range(1_000))):
        with pytest.raises(ClientError) as refused:
            await messages.post_message(ann.pk, room.pk, new_key(), too_many)
        assert (refused.value.code, refused.value.reason) == ("too_many", "mentions")
    await store(room.pk)
    assert [event.type for event in (await log_of(room.pk))[3:]] == ["message.posted"]


async def test_in_a_large_room_only_owners_and_moderators_mention_everybody() -> None:
    ann, bob, _, room = await three_people()
    await crowd(99, room)

    for body in ("@room", "@here"):
        with pytest.raises(ClientError) as refused:
            await messages.post_message(bob.pk, room.pk, new_key(), body)
        assert (refused.value.code, refused.value.reason) == ("forbidden", "mentions_all")
    assert (await said(ann, room, "@here")).all == "here"
    assert await said(bob, room, "`@room`") is UNSET


async def test_nobody_mentions_everybody_more_than_ten_times_an_hour() -> None:
    ann, bob, _, room = await three_people()
    rooms = [room, *[await new_room(bob) for _ in range(4)]]
    key = new_key()
    await messages.post_message(bob.pk, room.pk, key, "@here")
    last = None
    for number in range(1, 10):
        last = await messages.post_message(bob.pk, rooms[number % 5].pk, new_key(), "@here")

    repeat = await messages.post_message(bob.pk, room.pk, key, "@here")
    with pytest.raises(ClientError) as refused:
        await messages.post_message(bob.pk, room.pk, new_key(), "@room")
    assert last is not None
    with pytest.raises(ClientError, match="10 times"):
        await messages.edit_message(
            bob.pk, last.event.room, new_key(), last.event.seq, "@here again"
        )

    assert repeat.repeat
    assert (refused.value.code, refused.value.reason) == ("too_many", "mentions_all_often")
    assert 3_500 < (refused.value.retry_after_seconds or 0) <= 3_600
    assert (await said(bob, room, "@ann")).people == {"ann": ann.pk}
    for shard in range(settings.ENV.shards):
        blocking_client().delete(f"{keys.epoch(shard).removesuffix('epoch')}calls:{bob.pk}")
    assert (await said(bob, room, "@room")).all == "room"


# --- PostgreSQL down ----------------------------------------------------------------------------


async def test_message_is_taken_while_postgresql_is_down_and_mentions_when_it_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, bob, _, room = await three_people()
    await store(room.pk)
    with monkeypatch.context() as patch:
        patch.setattr(mentionable, "look_up", refuse)
        logged = await said(ann, room, "@bob @nobody @room")

    assert logged == Mentions(all="room", unresolved=True)
    await store(room.pk)
    page = await history.messages_before(room.pk, MAX_ID, 1, bob.pk)
    assert page.messages[0].mentions == Mentions(people={"bob": bob.pk}, all="room")
    await assert_projections_equal_a_replay(room)
