"""Messages marked unread, rooms marked read: the same on all devices, undone by nothing late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from chat.actions import read_markers as by_hand
from chat.hub import read_markers
from chat.hub.read_markers import Mark
from chat.models import ReadMarker, Room, User
from chat.servers import clocks
from localstack.web_process import WebProcess
from tests.support.chat_world import Api, store
from tests.support.rooms import new_person, new_room, post
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
        web_process(logs / "daphne.log", ASGI_SERVER="daphne") as daphne,
        web_process(logs / "uvicorn.log", ASGI_SERVER="uvicorn") as uvicorn,
    ):
        yield daphne, uvicorn


async def five_messages() -> tuple[User, User, Room]:
    """Anna has read all of boris's messages, which are at 4 to 8."""
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    for number in range(5):
        await post(room, boris, str(number))
    await store(room.pk)
    await read_to(anna, room, 8)
    return anna, boris, room


async def read_to(user: User, room: Room, seq: int, set_at_ms: int = read_markers.UNKNOWN) -> None:
    await sync_to_async(read_markers.store)({(user.pk, room.pk): Mark(set_at_ms, seq)})


async def marker_of(user: User, room: Room) -> tuple[int, int]:
    marker = await ReadMarker.objects.aget(user=user, room=room)
    return marker.seq, marker.set_at_ms


def now_ms() -> int:
    return int(clocks.LOG.seconds() * 1000)


def markers(*places: tuple[Room, int], at: int) -> dict[str, Any]:
    listed = [{"room": room.pk, "seq": seq} for room, seq in places]
    return {"set_at_ms": at, "markers": listed}


async def test_unread_mark_reaches_every_device_with_the_number_of_unread_messages(
    servers: Servers,
) -> None:
    anna, boris, room = await five_messages()
    await post(room, anna, "mine")
    at = now_ms()
    async with (
        await ChatClient.hello(servers[0], anna) as desk,
        await ChatClient.hello(servers[1], anna) as phone,
        await ChatClient.hello(servers[1], boris) as other,
    ):
        answer = await Api(anna).ask("put", "read-markers", markers((room, 5), at=at))
        told = [await device.receive("markers") for device in (desk, phone)]
        await other.pong()
    async with await ChatClient.hello(servers[0], anna) as later:
        [info] = [one for one in later.welcome["rooms"] if one["id"] == room.pk]

    # Three of boris's are new again, and anna's own is not.
    expected = {"room": room.pk, "read": 5, "read_n": 3, "own_after": [9], "set_at_ms": at}
    assert answer.body == [expected]
    assert told == [{"t": "markers", "markers": [expected]}] * 2
    assert [frame for frame in other.frames if frame["t"] == "markers"] == []
    assert {"room": info["id"], **{name: info[name] for name in expected if name != "room"}} == (
        expected
    )


async def test_what_was_read_before_does_not_undo_an_unread_mark(servers: Servers) -> None:
    anna, _, room = await five_messages()
    at = now_ms()
    async with await ChatClient.hello(servers[0], anna) as desk:
        await by_hand.set_by_hand(anna.pk, {room.pk: 4}, at)
        await desk.receive("markers")
        await desk.send(t="read", room=room.pk, seq=8, set_at_ms=0)
        await desk.send(t="read", room=room.pk, seq=6, set_at_ms=at)
        read = await desk.receive("read")

    assert read == {"t": "read", "room": room.pk, "seq": 6, "n": 3, "set_at_ms": at}
    assert await marker_of(anna, room) == (6, at)


async def test_client_that_knows_no_unread_marks_undoes_none_and_reads_on() -> None:
    anna, boris, room = await five_messages()
    at = now_ms()
    await by_hand.set_by_hand(anna.pk, {room.pk: 4}, at)

    await read_to(anna, room, 8)  # as when it reconnects
    before = await marker_of(anna, room)
    await post(room, boris, "new")
    await read_to(anna, room, 9)

    assert before == (4, at)
    assert await marker_of(anna, room) == (9, at)


async def test_late_and_repeated_marks_by_hand_change_nothing() -> None:
    anna, _, room = await five_messages()
    at = now_ms()
    await by_hand.set_by_hand(anna.pk, {room.pk: 5}, at)
    await read_to(anna, room, 6, at)

    repeated = await by_hand.set_by_hand(anna.pk, {room.pk: 5}, at)
    late = await by_hand.set_by_hand(anna.pk, {room.pk: 0}, at - 1)

    assert [marker.read for marker in (*repeated, *late)] == [6, 6]
    assert await marker_of(anna, room) == (6, at)


async def test_marks_stay_within_the_person_s_rooms_and_their_heads() -> None:
    anna, boris, room = await five_messages()
    foreign = await new_room(boris)

    set_now = await by_hand.set_by_hand(anna.pk, {room.pk: 10**9, foreign.pk: 1}, now_ms())

    assert [(marker.room, marker.read) for marker in set_now] == [(room.pk, 8)]
    assert not await ReadMarker.objects.filter(user=anna, room=foreign).aexists()


async def test_many_rooms_are_read_at_once_and_undone_exactly() -> None:
    anna, boris, first = await five_messages()
    second = await new_room(anna, boris)
    await post(second, boris, "new")
    await read_to(anna, second, 3)
    api, at = Api(anna), now_ms()

    everything = markers((first, 8), (second, 4), at=at)
    read = await api.ask("put", "read-markers", everything)
    undone = await api.ask("put", "read-markers", markers((first, 6), (second, 3), at=at + 1))

    assert {one["room"]: one["read"] for one in read.body} == {first.pk: 8, second.pk: 4}
    assert {one["room"]: (one["read"], one["read_n"]) for one in undone.body} == {
        first.pk: (6, 3),
        second.pk: (3, 0),
    }


@pytest.mark.parametrize("wrong", ["future", "none", "too many", "twice"])
async def test_marks_that_make_no_sense_are_refused(wrong: str) -> None:
    anna, _, room = await five_messages()
    at = now_ms() + (600_000 if wrong == "future" else 0)
    number = {"none": 0, "too many": by_hand.MAX_MARKERS + 1, "twice": 2}.get(wrong, 1)

    asked = markers(*[(room, 4)] * number, at=at)
    answer = await Api(anna).ask("put", "read-markers", asked)

    if wrong == "twice":  # the last one counts
        assert (answer.status, len(answer.body)) == (200, 1)
    else:
        assert (answer.status, answer.body["code"]) == (400, "bad_request")
    assert (answer.body["rule"] if wrong == "future" else "mark_not_of_the_future") == (
        "mark_not_of_the_future"
    )
