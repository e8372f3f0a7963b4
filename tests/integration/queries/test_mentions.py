"""What mentions a person: counted in their list of rooms, and on a page of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from msgspec import UNSET

from chat import room_log
from chat.actions import messages, moderation, people_groups
from chat.errors import ClientError
from chat.events import EventType, MemberJoined
from chat.models import Mention, PeopleGroup, ReadMarker, Room, User
from chat.protocol import MAX_ID
from chat.queries import history, mentions, room_list
from tests.support.chat_world import Api, by, store
from tests.support.moderation_world import WHY
from tests.support.rooms import log, new_key, new_person, new_room

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def three_people() -> tuple[User, User, User, Room]:
    """Ann, Bob and Eve in a room that is stored."""
    ann, bob, eve = [await new_person(name) for name in ("ann", "bob", "eve")]
    room = await new_room(ann, bob, eve)
    await store(room.pk)
    return ann, bob, eve, room


async def say(who: User, room: Room, body: str) -> int:
    return (await messages.post_message(who.pk, room.pk, new_key(), body)).event.seq


async def counted(who: User, room: Room) -> list[int]:
    """The unread messages that mention the person, in their list of rooms."""
    [info] = [one for one in await room_list.rooms_of(who.pk) if one.id == room.pk]
    return [] if info.mentions is UNSET else info.mentions


async def page(who: User) -> list[int]:
    return [one.seq for one in (await mentions.page(who.pk, 50)).messages]


async def group_of(*members: User) -> PeopleGroup:
    group = PeopleGroup(handle="backend", name="Backend")
    staff = await new_person("chief")
    ids = [member.pk for member in members]
    await sync_to_async(people_groups.save)(by(staff, staff=True), group, ids)
    return group


@pytest.mark.parametrize("stored", [True, False])
async def test_unread_messages_that_mention_me_my_group_or_all_are_counted(stored: bool) -> None:
    ann, bob, eve, room = await three_people()
    await group_of(bob)
    of_bob = await say(ann, room, "@bob")
    of_group = await say(ann, room, "@backend")
    of_all = await say(ann, room, "@here")
    own = await say(bob, room, "@bob and @room")
    await say(ann, room, "bob, `@bob`, @ann")
    if stored:
        await store(room.pk)

    assert await counted(bob, room) == [of_bob, of_group, of_all]
    assert await counted(eve, room) == [of_all, own]
    assert await counted(ann, room) == [own]
    await ReadMarker.objects.filter(user=bob, room=room).aupdate(seq=of_group)
    assert await counted(bob, room) == [of_all]


@pytest.mark.parametrize("stored", [True, False])
async def test_deletion_and_edit_take_a_mention_away_and_bring_it(stored: bool) -> None:
    ann, bob, eve, room = await three_people()
    deleted = await say(ann, room, "@bob one")
    taken = await say(ann, room, "@bob two")
    given = await say(ann, room, "three")
    restored = await say(eve, room, "@bob four")
    if stored:
        await store(room.pk)
    await messages.delete_message(ann.pk, room.pk, new_key(), deleted)
    await messages.edit_message(ann.pk, room.pk, new_key(), taken, "two")
    await messages.edit_message(ann.pk, room.pk, new_key(), given, "@bob three")
    await moderation.delete_message(by(ann), room.pk, restored, WHY)

    assert await counted(bob, room) == [given]
    await store(room.pk)
    assert await counted(bob, room) == [given]
    assert await page(bob) == [given]

    await moderation.restore_message(by(ann), room.pk, restored)
    assert await counted(bob, room) == [given, restored]
    await store(room.pk)
    assert await counted(bob, room) == [given, restored]
    assert await page(bob) == [restored, given]


async def test_reply_counts_in_its_thread_and_not_in_the_room() -> None:
    ann, bob, _, room = await three_people()
    root = await say(ann, room, "root")
    reply = (await messages.post_reply(ann.pk, room.pk, new_key(), root, "@bob")).event.seq
    shown = (
        await messages.post_reply(ann.pk, room.pk, new_key(), root, "@bob", to_room=True)
    ).event.seq

    assert await counted(bob, room) == [shown]
    await store(room.pk)
    assert await counted(bob, room) == [shown]
    assert await page(bob) == [shown, reply]


async def test_page_shows_what_i_may_still_read_newest_first_and_in_parts() -> None:
    ann, bob, _, room = await three_people()
    other = await new_room(ann, bob)
    seqs = [(room.pk, await say(ann, room, f"@bob {number}")) for number in range(3)]
    elsewhere = (other.pk, await say(ann, other, "@bob @room"))
    for one in (room, other):
        await store(one.pk)

    first = await mentions.page(bob.pk, 2)
    second = await mentions.page(bob.pk, 2, first.next)

    assert [(one.room, one.seq) for one in first.messages] == [elsewhere, seqs[2]]
    assert [(one.room, one.seq) for one in second.messages] == [seqs[1], seqs[0]]
    assert second.next is None
    assert first.messages[0].mentions.people == {"bob": bob.pk}
    await moderation.remove_member(by(ann), other.pk, bob.pk, WHY)
    assert await page(bob) == [seq for _, seq in reversed(seqs)]
    await store(other.pk)
    assert await page(bob) == [seq for _, seq in reversed(seqs)]


async def test_nobody_is_meant_by_what_was_said_to_all_before_they_came() -> None:
    ann, bob, _, room = await three_people()
    dan = await new_person("dan")
    await group_of(dan)
    await say(ann, room, "@room @backend")
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=dan.pk))
    after = await say(ann, room, "@here")
    await store(room.pk)

    assert await page(dan) == [after]
    assert await counted(dan, room) == [after]
    assert len(await page(bob)) == 2


async def test_text_that_is_changing_is_left_out() -> None:
    ann, bob, _, room = await three_people()
    seq = await say(ann, room, "@bob secret")
    await store(room.pk)
    await messages.delete_message(ann.pk, room.pk, new_key(), seq)

    assert await page(bob) == []


async def test_history_and_past_events_have_the_mentions_that_stand() -> None:
    ann, bob, _, room = await three_people()
    first = await say(ann, room, "@bob")
    await messages.edit_message(ann.pk, room.pk, new_key(), first, "@ann")
    gone = await say(ann, room, "@bob")
    await messages.delete_message(ann.pk, room.pk, new_key(), gone)

    for _ in range(2):
        found = (await history.messages_before(room.pk, MAX_ID, 2, bob.pk)).messages
        assert [one.mentions and one.mentions.people for one in found] == [{"ann": ann.pk}, UNSET]
        past = await history.events_after(room.pk, first - 1, 10)
        assert [b"mentions" in bytes(event.data) for event in past] == [False, True, False, False]
        await store(room.pk)


async def test_group_of_everybody_is_one_row_and_one_that_is_deleted_means_nobody() -> None:
    ann, bob, eve, room = await three_people()
    many = await User.objects.abulk_create(User(username=f"x{one}y") for one in range(996))
    group = await group_of(ann, bob, eve, *many)
    seq = await say(ann, room, "@backend")
    await store(room.pk)

    assert await Mention.objects.filter(room=room, seq=seq).acount() == 1
    assert await counted(bob, room) == [seq]
    await sync_to_async(people_groups.delete)(by(ann, staff=True), group)
    assert await counted(bob, room) == []
    assert await page(bob) == []


@pytest.mark.parametrize("cursor", ["1", "x.1.2", "1.2.3.4", "1.1.-1"])
async def test_cursor_that_is_none_is_refused(cursor: str) -> None:
    with pytest.raises(ClientError, match="cursor"):
        await mentions.page(1, 10, cursor)


async def test_mentions_and_groups_over_rest() -> None:
    ann, bob, _, room = await three_people()
    group = await group_of(ann, bob)
    seq = await say(ann, room, "@backend!")
    await store(room.pk)
    api = Api(bob)

    found = await api.ask("get", "mentions")
    groups = await api.ask("get", "groups?q=@BACK")
    members = await api.ask("get", f"groups/{group.pk}/members?after=ann")

    [message] = found.body["messages"]
    assert (message["room"], message["seq"], message["body"]) == (room.pk, seq, "@backend!")
    assert message["mentions"] == {"groups": {"backend": group.pk}}
    assert groups.body == [
        {"id": group.pk, "handle": "backend", "name": "Backend", "members": 2, "mine": True}
    ]
    assert [one["username"] for one in members.body] == ["bob"]
    assert (await api.ask("get", "groups/999/members")).status == 404
    assert (await api.ask("get", "mentions?cursor=no")).status == 400
