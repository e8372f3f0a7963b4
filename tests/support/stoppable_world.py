"""Two web processes with their own servers, each of which a test may kill, pause and start."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localstack.servers import LocalServers
from localstack.web_process import WebProcess
from tests.support import migrated_postgres
from tests.support.servers import OwnServer
from tests.support.web_process import ORIGIN, ChatClient, web_process

SETUP_SECONDS = 120.0
POLL_SECONDS = 0.05
SETTINGS = {
    "ALLOWED_ORIGINS": f"{ORIGIN},http://127.0.0.1",
    "SHARDS": "4",
    # Short, because tests wait for time-outs: nothing else reveals a paused server.
    "REDIS_TIMEOUT_SECONDS": "2",
    "REDIS_CONNECT_TIMEOUT_SECONDS": "1",
    # Sessions are checked at every second heartbeat.
    "HEARTBEAT_SECONDS": "2",
    "SENDS_PER_SECOND": "1000",
    "SENDS_BURST": "10000",
}


@dataclass(frozen=True)
class Person:
    id: int
    cookie: str


class World:
    """The content that `make_world.py` made, the servers that hold it, and two web processes."""

    def __init__(
        self, servers: dict[str, OwnServer], webs: list[WebProcess], made: dict[str, Any]
    ) -> None:
        self.servers = servers
        self.first, self.second = webs
        self.people = [Person(**one) for one in made["people"]]
        self.room: int = made["room"]
        self.stored_head: int = made["head"]

    async def connect(self, person: int, web: WebProcess | None = None) -> ChatClient:
        headers = {"Cookie": self.people[person].cookie}
        return await ChatClient.hello(web or self.first, None, headers=headers)

    async def restore(self) -> None:
        """Get everything running, and wait until both web processes have noticed."""
        for server in self.servers.values():
            server.start()
        for web in (self.first, self.second):
            await until(lambda web=web: state(web)["status"] == "ready")  # type: ignore[misc]
        async with asyncio.timeout(30):
            for web in (self.first, self.second):
                while not await self._works(web):
                    pass  # each look waits for answers

    async def _works(self, web: WebProcess) -> bool:
        """Whether all breakers are closed: one closes with the first call that goes through."""
        try:
            client = await self.connect(0, web)
            posted = await client.post(self.room, "does it work again?")
            await client.ask(t="history", room=self.room, before=5)
            await client.connection.close()
        except Exception:
            return False
        return posted["t"] == "ok" and set(state(web)["breakers"].values()) == {"closed"}


@contextmanager
def stoppable_world() -> Iterator[World]:
    with ExitStack() as stack:
        # Not pytest's own folder: it keeps other accounts out, including PostgreSQL's.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veche-world-")))
        yield stack.enter_context(_world(folder))


@contextmanager
def _world(folder: Path) -> Iterator[World]:
    migrated_postgres.put_into(folder / "var")
    given = LocalServers(folder / "var", durable=False)
    servers = {server.name: OwnServer(server) for server in given.all}
    environment = {**given.environment, **SETTINGS}
    with ExitStack() as stack:
        for server in servers.values():
            stack.callback(server.stop)
            server.start()
        made = make(environment)
        environment["DATABASE_OWNER_URL"] = ""
        webs = [
            stack.enter_context(web_process(folder / f"web-{number}.log", **environment))
            for number in range(2)
        ]
        yield World(servers, webs, made)


def make(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.make_world"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SETUP_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return made


def state(web: WebProcess) -> dict[str, Any]:
    """The answer of /readyz, with its HTTP status as `code`."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/readyz", timeout=10) as answer:
            return {"code": answer.status, **json.loads(answer.read())}
    except urllib.error.HTTPError as error:
        return {"code": error.code, **json.loads(error.read())}


def breaker(web: WebProcess, name: str) -> str:
    found: str = state(web)["breakers"][name]
    return found


def metric(web: WebProcess, start: str) -> float:
    """The value in the line of /metrics that begins with `start`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(start):
                return float(line.rpartition(" ")[2])
    return 0.0


async def until(is_so: Callable[[], bool], seconds: float = 30.0) -> float:
    """Wait until `is_so()`; returns the seconds it took."""
    began = time.monotonic()
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < began + seconds, "it did not come about in time"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - began
