"""How people arrange their lists of rooms: one document each, the same on all of their devices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from chat.actions import room_arrangement
from chat.errors import ClientError
from chat.models import RoomArrangement
from chat.protocol import Arrangement, ClosedRoom, RoomSection
from localstack.web_process import WebProcess
from tests.support.chat_world import Api
from tests.support.rooms import new_person
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING = {
    "version": 0,
    "unread_first": False,
    "favourites": [],
    "sections": [],
    "closed": [],
    "collapsed": [],
}
MINE = {
    "unread_first": True,
    "favourites": [7, 5],
    "sections": [{"name": "Work", "rooms": [3, 4], "collapsed": True}],
    "closed": [{"room": 9, "n": 12}],
    "collapsed": ["direct"],
}


@pytest.fixture(scope="module")
def servers(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[WebProcess, WebProcess]]:
    logs = tmp_path_factory.mktemp("web")
    with (
        django_db_blocker.unblock(),
        web_process(logs / "daphne.log", ASGI_SERVER="daphne") as daphne,
        web_process(logs / "uvicorn.log", ASGI_SERVER="uvicorn") as uvicorn,
    ):
        yield daphne, uvicorn


async def test_arrangement_is_kept_and_told_to_the_person_s_other_devices_alone(
    servers: tuple[WebProcess, WebProcess],
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    api = Api(anna)
    async with (
        await ChatClient.hello(servers[0], anna) as desk,
        await ChatClient.hello(servers[1], anna) as phone,
        await ChatClient.hello(servers[1], boris) as other,
    ):
        before = await api.get("room-arrangement")
        changed = await api.ask("put", "room-arrangement", {**MINE, "version": 0})
        told = [await device.receive("arranged") for device in (desk, phone)]
        await other.pong()

    assert before.body == NOTHING
    assert changed.body == {**MINE, "version": 1}
    assert (await api.get("room-arrangement")).body == changed.body
    assert (await Api(boris).get("room-arrangement")).body == NOTHING
    assert told == [{"t": "arranged", "version": 1}] * 2
    assert [frame for frame in other.frames if frame["t"] == "arranged"] == []


async def test_of_two_devices_that_arrange_at_once_one_has_to_look_again() -> None:
    anna = await new_person("anna")
    wanted = [Arrangement(version=0, favourites=[room]) for room in (1, 2)]

    outcomes = await asyncio.gather(
        *(room_arrangement.arrange(anna.pk, one) for one in wanted), return_exceptions=True
    )

    [conflict] = [one for one in outcomes if isinstance(one, ClientError)]
    [kept] = [one for one in outcomes if isinstance(one, Arrangement)]
    assert conflict.code == "key_conflict"
    assert (await room_arrangement.arranged(anna.pk)).favourites == kept.favourites
    with pytest.raises(ClientError, match="meanwhile"):
        await room_arrangement.arrange(anna.pk, Arrangement(version=0))


async def test_room_is_in_one_section_and_once() -> None:
    anna = await new_person("anna")
    sections = [
        RoomSection(name="  Work  ", rooms=[1, 1, 2]),
        RoomSection(name="Home", rooms=[2, 3]),
    ]

    kept = await room_arrangement.arrange(
        anna.pk, Arrangement(version=0, favourites=[4, 4], sections=sections)
    )

    assert [list(section.rooms) for section in kept.sections] == [[1, 2], [3]]
    assert [section.name for section in kept.sections] == ["Work", "Home"]
    assert list(kept.favourites) == [4]


MANY = range(1, room_arrangement.MAX_PLACED_ROOMS + 1)
LONG = "x" * (room_arrangement.MAX_SECTION_NAME_CHARACTERS + 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sections": [RoomSection(name=str(number)) for number in range(51)]}, "too_many"),
        ({"favourites": [1], "sections": [RoomSection(name="all", rooms=MANY)]}, "too_many"),
        ({"closed": [ClosedRoom(room=room, n=1) for room in range(501)]}, "too_many"),
        ({"sections": [RoomSection(name="\u0000")]}, "bad_request"),
        ({"sections": [RoomSection(name=" ")]}, "empty"),
        ({"sections": [RoomSection(name=LONG)]}, "too_large"),
    ],
)
async def test_what_is_beyond_the_limits_is_refused(changes: dict[str, Any], code: str) -> None:
    anna = await new_person("anna")

    with pytest.raises(ClientError) as refused:
        await room_arrangement.arrange(anna.pk, Arrangement(version=0, **changes))

    assert refused.value.code == code
    assert not await RoomArrangement.objects.aexists()
