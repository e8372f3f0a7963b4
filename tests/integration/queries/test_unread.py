"""What a person has not read: the same number on every device, updated live."""

from __future__ import annotations

import collections
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from chat.actions import messages, moderation
from chat.audit.entries import Actor
from chat.errors import ClientError
from chat.events import EventType, MemberJoined, Role, shard_of
from chat.hub import read_markers
from chat.hub.read_markers import Mark
from chat.models import ReadMarker, Room, User
from chat.protocol import RoomInfo
from chat.queries import history, room_list, unread
from chat.room_log.unloading import unload_idle
from localstack.web_process import WebProcess
from tests.support.chat_world import Api, by, log_of, store
from tests.support.moderation_world import WHY
from tests.support.rooms import log, new_key, new_person, new_room, post
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

Servers = tuple[WebProcess, WebProcess]


@pytest.fixture(scope="module")
def servers(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    logs = tmp_path_factory.mktemp("web")
    with (
        django_db_blocker.unblock(),
        web_process(logs / "daphne.log", ASGI_SERVER="daphne", SENDS_BURST="300") as daphne,
        web_process(logs / "uvicorn.log", ASGI_SERVER="uvicorn", SENDS_BURST="300") as uvicorn,
    ):
        yield daphne, uvicorn


async def two_people() -> tuple[User, User, Room]:
    """Two people in a room of three events, stored."""
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    await store(room.pk)
    return anna, boris, room


async def test_what_is_read_on_one_device_is_read_on_all(servers: Servers) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(servers[0], anna) as desk,
        await ChatClient.hello(servers[0], anna) as tab,
        await ChatClient.hello(servers[1], anna) as phone,
        await ChatClient.hello(servers[1], boris) as other,
    ):
        for body in ("one", "two", "three"):
            await other.post(room.pk, body)
        for device in (desk, tab, phone):
            await device.events_until(room.pk, 6)

        await desk.send(t="read", room=room.pk, seq=5)
        first = [await device.receive("read") for device in (desk, tab, phone)]
        await phone.send(t="read", room=room.pk, seq=4)  # it has not seen so much
        await phone.send(t="read", room=room.pk, seq=999)
        then = [await device.receive("read") for device in (desk, tab, phone)]
        await other.pong()

    assert first == [{"t": "read", "room": room.pk, "seq": 5, "n": 2}] * 3
    assert then == [{"t": "read", "room": room.pk, "seq": 6, "n": 3}] * 3
    assert [frame for frame in other.frames if frame["t"] == "read"] == []


async def test_marker_is_stored_before_it_is_told(servers: Servers) -> None:
    anna, boris, room = await two_people()
    await post(room, boris, "one")
    async with await ChatClient.hello(servers[0], anna) as desk:
        await desk.send(t="read", room=room.pk, seq=4)
        await desk.receive("read")

        stored = await ReadMarker.objects.aget(user=anna, room=room)

    assert stored.seq == 4


async def test_programs_that_mark_without_end_do_not_make_a_frame_of_each(servers: Servers) -> None:
    anna, boris, room = await two_people()
    async with (
        await ChatClient.hello(servers[0], anna) as desk,
        await ChatClient.hello(servers[1], anna) as phone,
    ):
        last = [await post(room, boris, str(number)) for number in range(100)][-1].event.seq
        await desk.events_until(room.pk, last)
        begun = time.monotonic()
        for seq in range(4, last + 1):
            await desk.send(t="read", room=room.pk, seq=seq)
        frames = [await phone.receive("read")]
        while frames[-1]["seq"] < last:
            frames.append(await phone.receive("read"))
        seconds = time.monotonic() - begun

    assert len(frames) <= 2 + seconds / read_markers.FLUSH_SECONDS
    assert frames[-1]["n"] == 100


async def test_number_of_a_place_comes_from_the_log_or_from_postgresql() -> None:
    _, boris, room = await two_people()
    for body in ("one", "two"):
        await post(room, boris, body)
    places = [(room.pk, 3), (room.pk, 4), (room.pk, 5)]

    before = await read_markers.numbers_at(places)
    await store(room.pk)
    shard = shard_of(room.pk, settings.ENV.shards)
    assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    after = await read_markers.numbers_at([*places, (room.pk, 7), (0, 1)])

    assert before == {(room.pk, 3): 0, (room.pk, 4): 1, (room.pk, 5): 2}
    assert after == {**before, (room.pk, 7): 2}


# What counts as unread


async def info_of(user: User, room: Room) -> RoomInfo:
    found = await room_list.room_for(user.pk, room.pk)
    assert found is not None
    return found


async def unread_of(user: User, room: Room) -> int:
    info = await info_of(user, room)
    return info.n - info.read_n


async def mark(user: User, room: Room, seq: int) -> None:
    await sync_to_async(read_markers.store)({(user.pk, room.pk): Mark(read_markers.UNKNOWN, seq)})


async def moderator_of(room: Room, owner: User) -> Actor:
    """A moderator who has entered the room."""
    carl = await new_person("carl")
    joined = MemberJoined(user=carl.pk, role=Role.MODERATOR)
    await log(room, owner, EventType.MEMBER_JOINED, joined)
    await store(room.pk)
    return by(carl)


@pytest.mark.parametrize("stored", [True, False])
async def test_own_posts_by_rest_are_not_new_to_oneself(servers: Servers, stored: bool) -> None:
    anna, boris, room = await two_people()
    program = Api(anna)
    for body in ("one", "two"):
        answer = await program.post(f"rooms/{room.pk}/messages", {"body": body}, new_key())
        assert answer.status == 201
    await post(room, boris, "three")
    if stored:
        await store(room.pk)

    [of_anna] = (await program.get("rooms")).body
    [of_boris] = (await Api(boris).get("rooms")).body
    async with await ChatClient.hello(servers[1], anna) as phone:
        [welcomed] = phone.welcome["rooms"]

    assert of_anna["n"] - of_anna["read_n"] == 1
    assert of_boris["n"] - of_boris["read_n"] == 2
    assert (welcomed["read_n"], welcomed["own_after"]) == (2, [4, 5])
    assert {"own_after", "deleted_after"} & welcomed.keys() == {"own_after"}


@pytest.mark.parametrize("deleted_by", ["author", "moderator"])
@pytest.mark.parametrize("stored", ["nothing", "the messages", "everything"])
async def test_deleted_messages_are_not_new(deleted_by: str, stored: str) -> None:
    anna, boris, room = await two_people()
    carl = await moderator_of(room, anna)
    key = new_key()
    for body in ("one", "two"):
        await post(room, boris, body)
    if stored == "the messages":
        await store(room.pk)
    if deleted_by == "author":
        await messages.delete_message(boris.pk, room.pk, key, 5)
    else:
        await moderation.delete_message(carl, room.pk, 5, WHY)
    if stored == "everything":
        await store(room.pk)

    info = await info_of(anna, room)

    assert (info.n, info.read_n, info.deleted_after) == (2, 1, [5])
    assert await unread_of(boris, room) == 0  # own ones count once, deleted or not

    if deleted_by == "moderator":
        await store(room.pk)  # what is not stored, nobody restores
        await moderation.restore_message(carl, room.pk, 5, WHY)
        assert await unread_of(anna, room) == 2


async def test_marker_on_an_event_that_is_not_stored_yet_counts() -> None:
    anna, boris, room = await two_people()
    for body in ("one", "two", "three"):
        await post(room, boris, body)

    await mark(anna, room, 5)
    in_the_middle = await unread_of(anna, room)
    await mark(anna, room, 6)

    assert in_the_middle == 1
    assert await unread_of(anna, room) == 0


async def test_what_comes_in_the_place_of_what_was_read_and_is_lost_is_new(
    log_redis: redis.Redis,
) -> None:
    anna, boris, room = await two_people()
    last = [await post(room, boris, body) for body in ("one", "two")][-1].event.seq
    await mark(anna, room, last)

    log_redis.flushall()
    await post(room, boris, "instead of one")
    before_storing = await unread_of(anna, room)
    await store(room.pk)

    assert (before_storing, await unread_of(anna, room)) == (1, 1)


async def test_number_is_right_beyond_what_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "MAX_NAMED_OF_ROOM", 4)
    monkeypatch.setattr(unread, "MAX_NAMED", 6)
    anna, boris, first = await two_people()
    second = await new_room(anna, boris)
    for room in (first, second):
        await mark(anna, room, 3)
        await post(room, boris, "news")
        for number in range(9):
            await post(room, anna, str(number))
        await store(room.pk)

    rooms = await room_list.rooms_of(anna.pk)

    assert [room.n - room.read_n for room in rooms] == [1, 1]
    assert [room.own_after for room in rooms] == [[10, 11, 12, 13], [12, 13]]


async def test_what_is_counted_is_bounded_however_much_programs_have_posted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unread, "MAX_COUNTED", 8)
    anna, boris, first = await two_people()
    second = await new_room(anna, boris)
    for room in (first, second):
        await mark(anna, room, 3)
        for number in range(9):
            await post(room, anna, str(number))
        await store(room.pk)

    rooms = await room_list.rooms_of(anna.pk)

    # The newest count as read; of one room alone more of them do.
    assert [room.n - room.read_n for room in rooms] == [5, 5]
    assert await unread_of(anna, first) == 1


async def test_number_is_what_a_person_would_count_whatever_happened() -> None:
    chance = random.Random(28)
    anna, boris, room = await two_people()
    carl = await moderator_of(room, anna)
    done = collections.Counter[str]()
    for step in range(150):
        posted = [event for event in await log_of(room.pk) if event.type == "message.posted"]
        does = chance.choices(["post", "delete", "moderate", "restore", "read"], [6, 2, 2, 2, 1])[0]
        author = chance.choice([anna, boris])
        target = chance.choice(posted).seq if posted else 5
        try:
            if does == "post":
                await post(room, author, str(step))
            elif does == "delete":
                await messages.delete_message(author.pk, room.pk, new_key(), target, own_only=True)
            elif does == "moderate":
                await moderation.delete_message(carl, room.pk, target, WHY)
            elif does == "restore":
                await moderation.restore_message(carl, room.pk, target, WHY)
            else:
                await mark(anna, room, chance.randint(0, (await info_of(anna, room)).head))
            done[does] += 1
        except ClientError:
            pass  # not theirs, or there is nothing to delete or restore
        if chance.random() < 0.2:
            await store(room.pk)

        assert await unread_of(anna, room) == await counted_by_hand(anna, room), step
    assert min(done[each] for each in ("post", "delete", "moderate", "restore", "read")) > 3, done


async def counted_by_hand(user: User, room: Room) -> int:
    marker = await ReadMarker.objects.filter(user=user, room=room).afirst()
    page = await history.messages_before(room.pk, 2**40, 500, user.pk)
    read = 0 if marker is None else marker.seq
    return sum(
        message.seq > read and message.author != user.pk and not message.deleted
        for message in page.messages
    )
