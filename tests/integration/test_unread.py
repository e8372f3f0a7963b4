"""What a person has not read: the same number on every device, and told to them live."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings

from chat import read_markers
from chat.events import shard_of
from chat.models import ReadMarker, Room, User
from chat.room_log.unloading import unload_idle
from tests.integration.chat_world import store
from tests.integration.rooms import new_person, new_room, post
from tests.integration.web_process import ChatClient, WebProcess, web_process

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
        for seq in range(4, last + 1):
            await desk.send(t="read", room=room.pk, seq=seq)
        frames = [await phone.receive("read")]
        while frames[-1]["seq"] < last:
            frames.append(await phone.receive("read"))

    assert len(frames) < 20
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
