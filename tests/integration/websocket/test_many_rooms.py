"""Somebody in thousands of rooms, on real connections to both servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from chat import room_log
from chat.events import EventType, RoomArchived, RoomKind, shard_of
from chat.hints import to_hubs
from chat.models import Ban, Membership, Room, User
from chat.persistence import drain
from chat.queries import room_list
from chat.websocket.welcome import MAX_PART_BYTES
from localstack.web_process import WebProcess
from tests.support.chat_world import Api, store
from tests.support.rooms import log, new_person, new_room, post
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 5_000
SHARDS = 4


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log_file = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(log_file, ASGI_SERVER=request.param, HEARTBEAT_SECONDS="1") as process,
    ):
        yield process


def put_into(user: User, count: int, **fields: Any) -> list[Room]:
    """Rooms that are stored and not in the log, with `user` in them."""
    rooms = Room.objects.bulk_create(
        [
            Room(
                **{
                    "slug": f"many-{fields.get('kind', 'public')}-{user.pk}-{number}",
                    "name": f"Room {number:05}",
                    "kind": RoomKind.PUBLIC,
                    "stored_seq": 0,
                    **fields,
                }
            )
            for number in range(count)
        ]
    )
    now = timezone.now()
    Membership.objects.bulk_create(
        [Membership(user=user, room=room, role="member", joined_at=now) for room in rooms]
    )
    return rooms


def old_directs(user: User, count: int) -> list[Room]:
    """Direct conversations of `user` in which nothing was said for two months."""
    others = User.objects.bulk_create(
        [User(username=f"other-{user.pk}-{number}") for number in range(count)]
    )
    now = timezone.now()
    rooms = Room.objects.bulk_create(
        [
            Room(
                slug=f"direct-{user.pk}-{other.pk}",
                name="",
                kind=RoomKind.DIRECT,
                direct_key=f"{user.pk}:{other.pk}",
                last_stored_at=now - timedelta(days=60),
            )
            for other in others
        ]
    )
    Membership.objects.bulk_create(
        [
            Membership(user=person, room=room, role="member", joined_at=now)
            for other, room in zip(others, rooms, strict=True)
            for person in (user, other)
        ]
    )
    Membership.objects.update(stored_at=now - timedelta(days=60))
    return rooms


async def rooms_welcomed(client: ChatClient) -> list[dict[str, Any]]:
    """All parts of the list."""
    parts = [client.welcome]
    while parts[-1].get("more"):
        parts.append(await client.receive("rooms"))
    return parts


async def test_thousands_of_rooms_come_in_parts_and_live(server: WebProcess) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    rooms = await sync_to_async(put_into)(anna, MANY)
    await sync_to_async(Membership.objects.create)(
        user=boris, room=rooms[-1], joined_at=timezone.now()
    )

    async with await ChatClient.hello(server, anna) as client:
        parts = await rooms_welcomed(client)
        said = await post(rooms[-1], boris, "hello")
        [event] = await client.events_until(rooms[-1].pk, said.event.seq)

    assert [room["id"] for part in parts for room in part["rooms"]] == [room.pk for room in rooms]
    assert len(parts) > 2
    assert all(len(json.dumps(part["rooms"])) < 1.2 * MAX_PART_BYTES for part in parts)
    assert event["data"]["body"] == "hello"
    await room_log.close()


async def test_who_is_in_ordinary_numbers_of_rooms_gets_all_in_welcome(
    server: WebProcess,
) -> None:
    anna = await new_person("anna")
    rooms = await sync_to_async(put_into)(anna, 60, archived_at=timezone.now())
    rooms += await sync_to_async(old_directs)(anna, 60)

    async with await ChatClient.hello(server, anna) as client:
        parts = await rooms_welcomed(client)

    assert len(parts) == 1
    assert {room["id"] for room in parts[0]["rooms"]} == {room.pk for room in rooms}


async def test_old_and_archived_rooms_of_many_come_on_demand(server: WebProcess) -> None:
    anna = await new_person("anna")
    [open_room] = await sync_to_async(put_into)(anna, 1)
    archived = await sync_to_async(put_into)(
        anna, 3, kind=RoomKind.PRIVATE, archived_at=timezone.now(), topic="x"
    )
    directs = await sync_to_async(old_directs)(anna, 300)
    api = Api(anna)

    async with await ChatClient.hello(server, anna) as client:
        listed = [room["id"] for room in client.welcome["rooms"]]
        first = await api.get("rooms/further?limit=200")
        rest = await api.get("rooms/further?limit=200&offset=200")
        by_name = await api.get("rooms/further?q=Room 00002")
        peer = await api.get(f"rooms/further?q=other-{anna.pk}-7&limit=1")
        shown = await api.post(f"rooms/{archived[0].pk}/show")
    async with await ChatClient.hello(server, anna, {directs[5].pk: (1, 0)}) as client:
        resumed = [room["id"] for room in client.welcome["rooms"]]

    assert listed == [open_room.pk]
    found = [room["id"] for room in first.body + rest.body]
    assert sorted(found) == sorted(room.pk for room in archived + directs)
    assert [room["id"] for room in by_name.body] == [archived[2].pk]
    assert peer.body[0]["peer"]["username"].startswith(f"other-{anna.pk}-7")
    assert shown.body["id"] == archived[0].pk
    assert resumed == [open_room.pk, directs[5].pk]
    await room_log.close()


async def test_message_in_a_silent_conversation_brings_it_back_on_every_device(
    server: WebProcess,
) -> None:
    anna = await new_person("anna")
    directs = await sync_to_async(old_directs)(anna, 300)
    quiet = directs[7]
    other = await User.objects.aget(username=f"other-{anna.pk}-7")

    async with (
        await ChatClient.hello(server, anna) as phone,
        await ChatClient.hello(server, anna) as desk,
    ):
        said = await post(quiet, other, "still there?")
        await store(quiet.pk)
        for device in (phone, desk):
            added = await device.receive("room")
            [event] = await device.events_until(quiet.pk, said.event.seq)
            assert (added["room"]["id"], added["room"]["head"]) == (quiet.pk, said.event.seq - 1)
            assert event["data"]["body"] == "still there?"
    await room_log.close()


async def test_conversation_comes_back_although_the_hint_was_lost(
    server: WebProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await new_person("anna")
    directs = await sync_to_async(old_directs)(anna, 300)
    other = await User.objects.aget(username=f"other-{anna.pk}-7")
    monkeypatch.setattr(to_hubs, "publish_blocking", lambda *_: None)

    async with await ChatClient.hello(server, anna) as client:
        said = await post(directs[7], other, "still there?")
        await sync_to_async(drain.drain)(shard_of(directs[7].pk, SHARDS))
        [event] = await client.events_until(directs[7].pk, said.event.seq)

    assert event["data"]["body"] == "still there?"
    await room_log.close()


async def test_room_that_is_opened_again_comes_back(
    server: WebProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, owner = await new_person("anna"), await new_person("owner")
    room = await new_room(owner, anna)
    await log(room, owner, EventType.ROOM_ARCHIVED, RoomArchived(archived=True))
    await store(room.pk)
    await sync_to_async(put_into)(anna, room_list.EVERYTHING_UP_TO)

    async with await ChatClient.hello(server, anna) as client:
        assert room.pk not in [one["id"] for one in client.welcome["rooms"]]
        await log(room, owner, EventType.ROOM_ARCHIVED, RoomArchived(archived=False))
        await store(room.pk)
        added = await client.receive("room")

    assert added["room"]["id"] == room.pk
    await room_log.close()


async def test_sync_says_how_far_a_room_goes_that_is_not_shown(server: WebProcess) -> None:
    anna, owner = await new_person("anna"), await new_person("owner")
    room = await new_room(owner, anna)
    last = [await post(room, owner, f"message {number}") for number in range(5)][-1].event.seq
    archived = await log(room, owner, EventType.ROOM_ARCHIVED, RoomArchived(archived=True))
    await store(room.pk)
    await sync_to_async(put_into)(anna, room_list.EVERYTHING_UP_TO)

    async with await ChatClient.hello(server, anna) as client:
        assert room.pk not in [one["id"] for one in client.welcome["rooms"]]
        part = await client.ask(t="sync", room=room.pk, after=0, limit=3)
        rest = await client.ask(t="sync", room=room.pk, after=last + 1)

    assert archived.event.seq == last + 1
    assert [event["seq"] for event in part["events"]] == [1, 2, 3]
    assert rest["events"] == []
    assert [part["head"], rest["head"]] == [last + 1, last + 1]
    await room_log.close()


async def test_members_and_bans_come_in_pages() -> None:
    anna = await new_person("anna")
    room = await new_room(anna)
    await store(room.pk)
    others = await User.objects.abulk_create(
        [User(username=f"member-{number:03}") for number in range(5)]
    )
    await Membership.objects.abulk_create(
        [Membership(user=one, room=room, joined_at=timezone.now()) for one in others]
    )
    api = Api(anna)
    await Ban.objects.abulk_create(
        [Ban(user=one, room=room, banned_at=timezone.now()) for one in others[:3]]
    )
    bans = await api.get(f"rooms/{room.pk}/bans?limit=1&after=member-000")

    pages = [
        await api.get(f"rooms/{room.pk}/members?limit=4"),
        await api.get(f"rooms/{room.pk}/members?limit=4&after=member-002"),
    ]

    names = [[member["user"]["username"] for member in page.body] for page in pages]
    assert names[0] == ["anna", "member-000", "member-001", "member-002"]
    assert names[1] == ["member-003", "member-004"]
    assert [one["user"]["username"] for one in bans.body] == ["member-001"]
    await room_log.close()


async def test_members_and_bans_are_found_by_parts_of_their_names_and_by_ids() -> None:
    anna, stranger = await new_person("anna"), await new_person("stranger")
    room, elsewhere = await new_room(anna), await new_room(anna)
    await store(room.pk)
    made = [("boris", "Алёна Орлова"), ("clara", "Clara Fox"), ("dora", "Fox_Terrier"), ("eva", "")]
    people = await User.objects.abulk_create(
        [User(username=username, display_name=name) for username, name in made]
    )
    boris, clara, dora, eva = people
    now = timezone.now()
    await Membership.objects.abulk_create(
        [Membership(user=one, room=room, joined_at=now) for one in (boris, clara, dora)]
        + [Membership(user=eva, room=elsewhere, joined_at=now)]
    )
    await Ban.objects.abulk_create(
        [Ban(user=one, room=room, banned_at=now) for one in (clara, dora, eva)]
    )
    api = Api(anna)

    async def found(what: str, **asked: str) -> list[str]:
        answer = await api.get(f"rooms/{room.pk}/{what}?{urlencode(asked)}")
        assert answer.status == 200, answer.body
        return [one["user"]["username"] for one in answer.body]

    assert await found("members", q="орлова алена") == ["boris"]
    assert await found("members", q="FOX") == ["clara", "dora"]
    assert await found("members", q="fox", after="clara") == ["dora"]
    assert await found("members", q="@ora") == ["dora"]
    assert await found("members", q="x_t") == ["dora"]
    assert await found("members", q="%") == []
    assert await found("members", q="eva") == []
    ids = ",".join(str(one.pk) for one in (dora, boris, eva, stranger))
    assert await found("members", ids=ids) == ["boris", "dora"]
    assert await found("members", ids=ids, q="fox") == ["dora"]
    assert await found("bans", q="fox") == ["clara", "dora"]
    assert await found("bans", q="eva", limit="1") == ["eva"]
    for query in ("q=a%00b", "ids=1,a", "ids=", f"ids={','.join(['1'] * 201)}"):
        assert (await api.get(f"rooms/{room.pk}/members?{query}")).status == 400, query
    for what in ("members", "bans"):
        assert (await api.get(f"rooms/{room.pk}/{what}?q={'a' * 81}")).status == 413
    assert (await Api(stranger).get(f"rooms/{room.pk}/members?q=fox")).status in (403, 404)
    await room_log.close()
