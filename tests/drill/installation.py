"""A drill's own installation: two web processes, two workers, beat and the servers.

All traffic between these goes through a `Link` (tests/drill/proxy.py), so that every link can be
made bad. The supervisor of `make run` restarts processes that die.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil

from localstack import installation
from localstack.installation import PROJECT, TWO_WORKERS
from localstack.kafka import Kafka
from localstack.ports import free_port
from localstack.postgres import Postgres
from localstack.process import StartFailed, tail
from localstack.supervisor import Part, python
from tests.drill.proxy import Link

WEBS = ("web-1", "web-2")
WORKERS = TWO_WORKERS
WATCH_SECONDS = 0.1
COMMAND_SECONDS = 300.0
# Few, so that a drill can use them all up.
POSTGRES_CONNECTIONS = 80
SERVERS = {
    "log": "LOG_REDIS_URL",
    "bus": "BUS_REDIS_URL",
    "postgres": "DATABASE_URL",
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
}


class Installation(installation.Installation):
    """Starts, watches and stops everything under `folder`; use it on one loop, on the main thread.

    `settings` are variables for all processes of Veche.
    """

    webs: tuple[str, ...] = WEBS
    workers = WORKERS

    def __init__(
        self, folder: Path, *, kafka: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.messages: list[str] = []  # the supervisor's messages
        web_ports = {web: free_port() for web in self.webs}
        super().__init__(folder / "var", web_ports, self.messages.append, kafka=kafka)
        self.links: dict[str, Link] = {}
        self._watching: asyncio.Task[None] | None = None
        self.postgres.configure("max_connections", str(POSTGRES_CONNECTIONS))
        for web in self.webs:
            self._add_link(f"clients-{web}", self.web_ports[web])
        for side in ("web", "worker"):
            for name, variable in SERVERS.items():
                if variable in self.servers.of and (side, name) != ("web", "kafka"):
                    self._add_link(f"{side}-{name}", port_of(self.servers.of[variable].url))
        # For commands and the judge, which bypass all links.
        origins = [f"http://127.0.0.1:{port}" for port in self.client_ports.values()]
        self.environment |= {
            "ALLOWED_ORIGINS": ",".join(origins),
            "SENDS_PER_SECOND": "20",
            "SENDS_BURST": "60",
            **(settings or {}),
        }

    def _add_link(self, name: str, target: int) -> None:
        self.links[name] = Link(name, target, free_port())

    @property
    def postgres(self) -> Postgres:
        server = self.servers.of["DATABASE_URL"]
        assert isinstance(server, Postgres)
        return server

    @property
    def has_kafka(self) -> bool:
        return "KAFKA_BOOTSTRAP_SERVERS" in self.servers.of

    @property
    def client_ports(self) -> dict[str, int]:
        """The port on which people reach each web process."""
        return {web: self.links[f"clients-{web}"].port for web in WEBS}

    def environment_of(self, name: str) -> dict[str, str]:
        """The variables of a process, which connects through the links of its side."""
        environment = super().environment_of(name)
        side = "web" if name in self.web_ports else "worker"
        for server, variable in SERVERS.items():
            link = self.links.get(f"{side}-{server}")
            if link is not None:
                environment[variable] = through(environment[variable], link.port)
        return environment

    # Life

    async def start(self) -> None:
        """Start everything; returns when people can chat. Raises: StartFailed."""
        for link in self.links.values():
            await link.start()
        for server in self.servers.all:
            if isinstance(server, Kafka):
                # Clients connect to the address that the broker advertises.
                listener = f"PLAINTEXT://127.0.0.1:{self.links['worker-kafka'].port}"
                server.properties["advertised.listeners"] = listener
        await self._start_group(await asyncio.to_thread(self.server_parts))
        await self.command(sys.executable, "manage.py", "migrate", "--verbosity", "0")
        for group in self.groups():
            await self._start_group(group)
        self._watching = asyncio.create_task(self._watch(), name="supervisor")

    async def _start_group(self, parts: list[Part]) -> None:
        self.supervisor.launch(parts)
        # On another thread, because this one serves the links meanwhile.
        await asyncio.to_thread(self.supervisor.wait_until_ready, parts)

    async def _watch(self) -> None:
        while True:
            self.supervisor.look_after_all()
            await asyncio.sleep(WATCH_SECONDS)

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(self.supervisor.stop_all)
        for link in self.links.values():
            await link.stop()

    def raise_if_stopped(self) -> None:
        """Raises: Interrupted after Ctrl-C."""
        self.supervisor.raise_if_stopped()

    async def hold(self, name: str) -> None:
        """Stop a part and keep it stopped, for scenarios that change its data."""
        part = self.part(name)
        for group in self.supervisor.groups:
            if part in group:
                group.remove(part)
        assert part.process is not None
        part.process.kill()
        await asyncio.to_thread(part.process.wait)

    async def release(self, name: str, part: Part) -> None:
        """Restart a part that `hold` has stopped."""
        await self._start_group([part])

    # Parts

    def part(self, name: str) -> Part:
        for part in self.supervisor.parts:
            if part.name == name:
                return part
        raise KeyError(name)

    def part_names(self) -> list[str]:
        return [part.name for part in self.supervisor.parts]

    def processes(self, name: str | None = None) -> list[psutil.Process]:
        """The processes of a part, or of all parts: each part's main process, then its children."""
        found = []
        for part in self.supervisor.parts:
            if part.process is None or name not in (None, part.name):
                continue
            with contextlib.suppress(psutil.Error):
                main = psutil.Process(part.process.pid)
                found += [main, *main.children(recursive=True)]
        return found

    # Commands

    async def command(self, *argv: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run a program to its end and return its output. Raises: StartFailed."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=PROJECT,
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                output, errors = await process.communicate()
        except TimeoutError:
            process.kill()
            raise StartFailed(f"{' '.join(argv)} does not end") from None
        if process.returncode not in allowed:
            text = errors.decode(errors="replace")[-3000:]
            raise StartFailed(f"{' '.join(argv)} ended with {process.returncode}:\n{text}")
        return output.decode()

    async def prepare(self, clients: int, rooms: int) -> dict[str, Any]:
        """Make people and rooms, see tests/drill/prepare.py."""
        made: dict[str, Any] = json.loads(
            await self.command(*python("tests.drill.prepare", str(clients), str(rooms)))
        )
        return made

    def log_tail(self, name: str) -> str:
        return tail(self.data / "log" / f"{name}.log", 30)


def port_of(url: str) -> int:
    return int(re.split(r"[:/]", url.rpartition("@")[2] or url)[1])


def through(url: str, port: int) -> str:
    """The same address with another port."""
    if "://" not in url:
        return f"127.0.0.1:{port}"
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
