"""Hints travel through the real channel layer on a real bus."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from channels.layers import get_channel_layer

from chat.events import EventType, RoomEvent
from chat.hints import to_hubs

pytestmark = pytest.mark.asyncio


def event(seq: int, room: int = 5, kind: EventType = EventType.MESSAGE_POSTED) -> RoomEvent:
    return RoomEvent(
        room=room,
        epoch=1,
        seq=seq,
        n=seq,
        type=kind,
        key=None,
        actor=7,
        at=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        data=msgspec.Raw(b'{"body":"hi"}'),
    )


async def subscribe(*groups: str) -> str:
    layer = get_channel_layer()
    channel: str = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return channel


async def receive(channel: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = await get_channel_layer().receive(channel)
        return message


async def test_events_queued_together_reach_the_rooms_group_as_one_message() -> None:
    channel = await subscribe(to_hubs.room_group(5))

    to_hubs.publisher().events([event(1), event(2)])
    to_hubs.publisher().events([event(3)])
    message = await receive(channel)

    assert (message["type"], message["room"], message["epoch"]) == ("events", 5, 1)
    assert (message["first"], message["last"], message["special"]) == (1, 3, False)
    assert msgspec.json.decode(message["events"])[2] == {
        "seq": 3,
        "n": 3,
        "type": "message.posted",
        "key": None,
        "actor": 7,
        "at": "2026-11-22T12:00:00Z",
        "data": {"body": "hi"},
    }


async def test_events_that_do_not_follow_each_other_travel_apart() -> None:
    channel = await subscribe(to_hubs.room_group(5))

    to_hubs.publisher().events([event(1), event(3), event(4, kind=EventType.MEMBER_REMOVED)])

    first, second = await receive(channel), await receive(channel)
    assert (first["first"], first["last"], first["special"]) == (1, 1, False)
    assert (second["first"], second["last"], second["special"]) == (3, 4, True)


async def test_synchronous_code_writes_what_the_layer_reads() -> None:
    channel = await subscribe(to_hubs.HUBS_GROUP)

    await asyncio.to_thread(
        to_hubs.publish_blocking, to_hubs.HUBS_GROUP, {"type": "stored", "rooms": {5: 121}}
    )

    assert await receive(channel) == {"type": "stored", "rooms": {"5": 121}}


async def test_publisher_returns_at_once_and_drops_what_exceeds_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(to_hubs, "MAX_WAITING_EVENTS", 10)
    channel = await subscribe(to_hubs.room_group(5))
    publisher = to_hubs.publisher()

    publisher.events([event(seq) for seq in range(1, 11)])
    publisher.events([event(11)])
    await publisher.flush()

    assert (await receive(channel))["last"] == 10


async def test_absent_bus_costs_the_publisher_nothing_but_the_hint(settings: Any) -> None:
    host = dict(settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"][0])
    host["address"] = "redis://127.0.0.1:1/0"
    settings.CHANNEL_LAYERS = {
        "default": {
            **settings.CHANNEL_LAYERS["default"],
            "CONFIG": {"hosts": [host], "prefix": "veche"},
        }
    }

    to_hubs.publisher().to_hubs({"type": "stored", "rooms": {5: 1}})
    await to_hubs.publisher().flush()

    to_hubs.publish_blocking(to_hubs.HUBS_GROUP, {"type": "stored", "rooms": {5: 1}})
