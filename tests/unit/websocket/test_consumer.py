"""A connection between `hello` and `welcome`, on a hub without servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat import hub as hubs
from chat.accounts import socket_auth
from chat.accounts.socket_auth import Identity
from chat.actions import messages
from chat.queries import room_list
from chat.websocket.consumer import ChatConsumer
from tests.support.rooms import new_key
from tests.unit.hub.hub_world import ROOM, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.hub.close_down()


async def test_what_came_before_welcome_is_not_done_for_a_session_that_has_ended_since(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    identity = Identity(1, "session", "anna", "Anna", False)
    enter = world.hub.enter_in_slices

    async def identify(*_: Any) -> Identity:
        return identity

    async def rooms_of(user_id: int) -> Any:
        return [world.rooms.info()]

    async def post_message(*given: Any) -> None:
        done.append(given)

    async def enter_and_sign_out(*given: Any) -> None:
        await enter(*given)
        world.hub.on_message({"type": "revoke", "user": 1, "session": "session"})

    monkeypatch.setattr(socket_auth, "identify", identify)
    monkeypatch.setattr(room_list, "rooms_of", rooms_of)
    monkeypatch.setattr(hubs, "hub", lambda: world.hub)
    monkeypatch.setattr(messages, "post_message", post_message)
    monkeypatch.setattr(world.hub, "enter_in_slices", enter_and_sign_out)
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received.put_nowait({"type": "websocket.connect"})
    send = {"t": "send", "id": "1", "room": ROOM, "key": new_key(), "body": "x"}
    for frame in ({"t": "hello"}, send):
        received.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    scope: dict[str, Any] = {"type": "websocket", "headers": [], "subprotocols": [], "client": None}
    running = asyncio.create_task(ChatConsumer()(scope, received.get, sent.put))
    async with asyncio.timeout(5):
        while (message := await sent.get())["type"] != "websocket.close":
            pass
        await asyncio.gather(*world.hub._tasks)
        await asyncio.gather(*world.hub.in_flight)
        received.put_nowait({"type": "websocket.disconnect"})
        await running

    assert message["code"] == 4403
    assert done == []
