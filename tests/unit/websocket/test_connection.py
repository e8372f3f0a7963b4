"""How much of one connection is under way at once: nothing that a client sends heaps up (I8)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat.actions import messages
from chat.errors import Unavailable
from chat.queries import history
from chat.resilience.rate_limit import BucketsByUser
from chat.resilience.reading_budget import ReadingBudget
from chat.websocket import connection as connections
from chat.websocket.connection import MAX_APPENDS_IN_FLIGHT, MAX_READS_IN_FLIGHT, Connection
from tests.support.rooms import new_key
from tests.unit.hub.hub_world import ROOM, Wire, World


class SlowServers:
    """Log and PostgreSQL, which answer only when the test lets them."""

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.asked = 0

    async def __call__(self, *_: Any) -> Any:
        self.asked += 1
        await self.answer.wait()
        raise Unavailable("They were slow.")


@pytest.fixture
async def servers(monkeypatch: pytest.MonkeyPatch) -> SlowServers:
    slow = SlowServers()
    monkeypatch.setattr(messages, "post_message", slow)
    monkeypatch.setattr(history, "events_after", slow)
    return slow


@pytest.fixture
async def connected() -> AsyncIterator[tuple[Connection, Wire]]:
    world = World()
    world.hub.sends = BucketsByUser(rate=1_000, burst=10_000)  # not the limit that is looked at
    socket, wire = world.enter()
    yield Connection(world.hub, socket), wire
    await world.hub.close_down()


def send(number: int) -> str:
    return json.dumps({"t": "send", "id": str(number), "room": ROOM, "key": new_key(), "body": "x"})


@pytest.fixture
def used_up(monkeypatch: pytest.MonkeyPatch) -> ReadingBudget:
    """The budget of a process in which everybody has read too much."""
    budget = ReadingBudget()
    monkeypatch.setattr(connections, "BUDGET", budget)
    monkeypatch.setattr(ReadingBudget, "take", lambda *_: 1.5)
    return budget


def sync(number: int) -> str:
    return json.dumps({"t": "sync", "id": str(number), "room": ROOM, "after": 0})


@pytest.mark.parametrize(
    ("frame", "most"),
    [(send, MAX_APPENDS_IN_FLIGHT), (sync, MAX_READS_IN_FLIGHT)],
    ids=["appends", "reads"],
)
async def test_client_that_waits_for_no_answer_has_only_so_many_requests_under_way(
    frame: Any, most: int, connected: tuple[Connection, Wire], servers: SlowServers
) -> None:
    connection, wire = connected

    for number in range(most + 3):
        connection.receive(frame(number))

    refused = wire.of_type("error")
    assert [one["id"] for one in refused] == [str(most), str(most + 1), str(most + 2)]
    assert {one["code"] for one in refused} == {"rate_limited"}
    assert all(one["retry_after"] > 0 for one in refused)

    servers.answer.set()
    await wire.until(lambda: len(wire.of_type("error")) == most + 3)
    assert servers.asked == most


async def test_who_reads_on_without_waiting_is_cut_off(
    connected: tuple[Connection, Wire], used_up: ReadingBudget
) -> None:
    one, wire = connected

    for number in range(60):
        one.receive(sync(number))

    assert wire.of_type("error")[0]["retry_after"] == 1.5
    assert wire.code == 4429


async def test_who_waits_as_long_as_told_is_not_cut_off_for_reading_much(
    connected: tuple[Connection, Wire], used_up: ReadingBudget
) -> None:
    one, wire = connected

    for number in range(60):
        one.receive(sync(number))
        one._read_again_at = 0.0  # the time has come

    assert len(wire.of_type("error")) == 60
    assert wire.code is None
