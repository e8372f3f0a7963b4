"""Two web processes whose bus dies: nothing is lost, and nobody waits for the bus."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from chat.hints import layer_wire
from localstack.servers import LocalServers
from localstack.web_process import WebProcess
from tests.support.chat_world import store
from tests.support.rooms import new_person, new_room
from tests.support.web_process import ChatClient, web_process

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

BUS = "BUS_REDIS_URL"
# An answer that waited for the bus would take this long; one that did not comes well before.
BUS_TIMEOUT_SECONDS = 15
WITHOUT_WAITING_SECONDS = 8.0


class Bus:
    """A bus server of its own, which the test may kill."""

    def __init__(self, folder: Path) -> None:
        self._servers = LocalServers(folder, given=os.environ | {BUS: ""})
        self.start = self._servers.start
        self.stop = self._servers.stop
        self.url = self._servers.environment[BUS]

    @property
    def pid(self) -> int:
        return self._servers.running["bus"].pid

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._servers.running["bus"].wait(10)

    def hint(self, message: dict[str, Any]) -> int:
        """Publish to the hubs as the layer would; how many heard it."""
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            return int(client.publish("veche__group__hubs", layer_wire.packed(message)))


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    bus = Bus(tmp_path_factory.mktemp("bus"))
    bus.start()
    yield bus
    bus.stop()


@pytest.fixture(scope="module")
def processes(
    bus: Bus,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[WebProcess, WebProcess]]:
    logs = tmp_path_factory.mktemp("web")
    settings = {
        BUS: bus.url,
        "HEARTBEAT_SECONDS": "1",
        "REDIS_TIMEOUT_SECONDS": str(BUS_TIMEOUT_SECONDS),
    }
    with (
        django_db_blocker.unblock(),
        web_process(logs / "one.log", **settings) as one,
        web_process(logs / "two.log", **settings) as two,
    ):
        yield one, two


async def test_messages_arrive_while_the_bus_is_dead_and_hints_when_it_is_back(
    processes: tuple[WebProcess, WebProcess], bus: Bus
) -> None:
    anna, boris, clara = [await new_person(name) for name in ("anna", "boris", "clara")]
    room = await new_room(anna, boris, clara)
    await store(room.pk)
    one, two = processes
    async with (
        await ChatClient.hello(one, anna) as a,
        await ChatClient.hello(two, boris) as b,
        await ChatClient.hello(one, clara) as c,
        await ChatClient.hello(one, clara) as tab,
    ):
        ok = await a.post(room.pk, "with the bus")
        await b.events_until(room.pk, ok["seq"])

        await asyncio.to_thread(bus.kill)
        ok = await a.post(room.pk, "without the bus")
        same_process = await c.events_until(room.pk, ok["seq"])
        await c.send(t="read", room=room.pk, seq=ok["seq"])
        read_in_another_tab = await tab.receive("read")
        other_process = await b.events_until(room.pk, ok["seq"])

        await asyncio.to_thread(bus.start)
        async with asyncio.timeout(30):
            while await asyncio.to_thread(bus.hint, {"type": "stored", "rooms": {}}) < 2:
                await a.receive("heads")
        await asyncio.to_thread(bus.hint, {"type": "revoke", "user": boris.pk, "session": None})
        assert await b.close_code() == 4403

    assert [event["seq"] for event in other_process] == [5, 6]
    assert same_process == other_process
    assert (read_in_another_tab["seq"], read_in_another_tab["n"]) == (6, 2)


async def test_bus_that_hangs_holds_up_no_acknowledgement(
    processes: tuple[WebProcess, WebProcess], bus: Bus
) -> None:
    anna, boris = await new_person("anna"), await new_person("boris")
    room = await new_room(anna, boris)
    await store(room.pk)
    one, _ = processes
    async with await ChatClient.hello(one, anna) as a, await ChatClient.hello(one, boris) as b:
        os.kill(bus.pid, signal.SIGSTOP)
        try:
            slowest = 0.0
            for index in range(5):
                started = time.monotonic()
                ok = await a.post(room.pk, f"message {index}")
                await b.events_until(room.pk, ok["seq"])
                slowest = max(slowest, time.monotonic() - started)
        finally:
            os.kill(bus.pid, signal.SIGCONT)

    assert ok["seq"] == 8
    assert slowest < WITHOUT_WAITING_SECONDS
