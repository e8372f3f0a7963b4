"""An installation of its own for a drill: two web processes, two workers, beat and the servers.

All that these say to one another goes through a `Link` (tests/drill/proxy.py), so that every link
can be made bad. The supervisor of `make run` starts what dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil

from localstack.kafka import Kafka
from localstack.ports import free_port
from localstack.process import Program, StartFailed, tail, wait_until_ready
from localstack.servers import READY_SECONDS, LocalServers
from localstack.supervisor import Part, Supervisor, python
from tests.drill.proxy import Link

PROJECT = Path(__file__).resolve().parents[2]
WEBS = ("web-1", "web-2")
WORKERS = ("worker-1", "worker-2")
WATCH_SECONDS = 0.1
COMMAND_SECONDS = 300.0
# Few, so that a drill can take them all.
POSTGRES_CONNECTIONS = 80
SERVERS = {
    "log": "LOG_REDIS_URL",
    "bus": "BUS_REDIS_URL",
    "postgres": "DATABASE_URL",
    "kafka": "KAFKA_BOOTSTRAP_SERVERS",
}


class Installation:
    """Starts, watches and stops everything; for one event loop, on the main thread.

    `settings` are variables for all processes of Veche.
    """

    webs: tuple[str, ...] = WEBS

    def __init__(
        self, folder: Path, *, kafka: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.messages: list[str] = []  # what the supervisor says
        self.servers = LocalServers(folder / "var", kafka=kafka)
        self.links: dict[str, Link] = {}
        self.web_ports = {web: free_port() for web in self.webs}
        self._settings = dict(settings or {})
        self._supervisor = Supervisor(self.messages.append)
        self._watching: asyncio.Task[None] | None = None
        postgres = self.servers.of["DATABASE_URL"]
        postgres.program = dataclasses.replace(
            postgres.program,
            argv=(*postgres.program.argv, "-c", f"max_connections={POSTGRES_CONNECTIONS}"),
        )
        for web in self.webs:
            self._add_link(f"clients-{web}", self.web_ports[web])
        for side in ("web", "worker"):
            for name, variable in SERVERS.items():
                if variable in self.servers.of and (side, name) != ("web", "kafka"):
                    self._add_link(f"{side}-{name}", port_of(self.servers.of[variable].url))

    def _add_link(self, name: str, target: int) -> None:
        self.links[name] = Link(name, target, free_port())

    @property
    def has_kafka(self) -> bool:
        return "KAFKA_BOOTSTRAP_SERVERS" in self.servers.of

    @property
    def client_ports(self) -> dict[str, int]:
        """Where people reach each web process."""
        return {web: self.links[f"clients-{web}"].port for web in WEBS}

    # Environments

    @property
    def environment(self) -> dict[str, str]:
        """For commands and the judge: past all links."""
        origins = [f"http://127.0.0.1:{port}" for port in self.client_ports.values()]
        return {
            **self.servers.environment,
            "ALLOWED_ORIGINS": ",".join(origins),
            "STATIC_ROOT": str(self.folder / "static"),
            "SENDS_PER_SECOND": "20",
            "SENDS_BURST": "60",
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }

    def environment_of(self, side: str) -> dict[str, str]:
        """For processes on this side of the links, `web` or `worker`."""
        environment = {**self.environment, "DATABASE_OWNER_URL": ""}
        for name, variable in SERVERS.items():
            link = self.links.get(f"{side}-{name}")
            if link is not None:
                environment[variable] = through(environment[variable], link.port)
        return environment

    # Life

    async def start(self) -> None:
        """Returns when people can chat. Raises: StartFailed."""
        for link in self.links.values():
            await link.start()
        for server in self.servers.all:
            if isinstance(server, Kafka):
                # Clients go where the broker says that it is.
                listener = f"PLAINTEXT://127.0.0.1:{self.links['worker-kafka'].port}"
                server.properties["advertised.listeners"] = listener
            await asyncio.to_thread(server.prepare)
        await self._start_group(
            [Part(one.program, one.check, READY_SECONDS) for one in self.servers.all]
        )
        await self.command(sys.executable, "manage.py", "migrate", "--verbosity", "0")
        celery = python("celery", "-A", "chatsite")
        workers = [
            Part(
                self._program(
                    name, "worker", *celery, "worker", "--without-gossip", "-n", f"{name}@drill"
                )
            )
            for name in WORKERS
        ]
        beat = Part(self._program("beat", "worker", *celery, "beat"))
        await self._start_group([*workers, beat])
        await self._start_group([Part(self._web(web), self._ready(web)) for web in self.webs])
        self._watching = asyncio.create_task(self._watch(), name="supervisor")

    async def _start_group(self, parts: list[Part]) -> None:
        self._supervisor.groups.append(parts)
        for part in parts:
            # On this thread, whose death takes the children along.
            self._supervisor.look_after(part, time.monotonic())
        for part in parts:
            assert part.process is not None
            await asyncio.to_thread(
                wait_until_ready,
                part.program,
                part.process,
                part.check,
                part.ready_seconds,
                self._supervisor.raise_if_stopped,
            )

    async def _watch(self) -> None:
        while True:
            for group in self._supervisor.groups:
                for part in group:
                    self._supervisor.look_after(part, time.monotonic())
            await asyncio.sleep(WATCH_SECONDS)

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(self._supervisor.stop_all)
        for link in self.links.values():
            await link.stop()

    def raise_if_stopped(self) -> None:
        """Raises: Interrupted when somebody has pressed Ctrl-C."""
        self._supervisor.raise_if_stopped()

    async def hold(self, name: str) -> None:
        """Ends a part and keeps it ended, for scenarios that do something to its data."""
        part = self.part(name)
        for group in self._supervisor.groups:
            if part in group:
                group.remove(part)
        assert part.process is not None
        part.process.kill()
        await asyncio.to_thread(part.process.wait)

    async def release(self, name: str, part: Part) -> None:
        """Starts a part again that `hold` has ended."""
        part.process, part.start_at = None, 0.0
        await self._start_group([part])

    # Parts

    def part(self, name: str) -> Part:
        for group in self._supervisor.groups:
            for part in group:
                if part.name == name:
                    return part
        raise KeyError(name)

    def part_names(self) -> list[str]:
        return [part.name for group in self._supervisor.groups for part in group]

    def processes(self, name: str | None = None) -> list[psutil.Process]:
        """The processes of a part, or of all parts: each one's main process, then its children."""
        found = []
        for group in self._supervisor.groups:
            for part in group:
                if part.process is None or name not in (None, part.name):
                    continue
                with contextlib.suppress(psutil.Error):
                    main = psutil.Process(part.process.pid)
                    found += [main, *main.children(recursive=True)]
        return found

    def _web(self, web: str) -> Program:
        program = self._program(web, "web", *python("chatsite.server"))
        return dataclasses.replace(
            program, environment={**program.environment, "PORT": str(self.web_ports[web])}
        )

    def extra(self, name: str, *arguments: str) -> Program:
        """One more process of Celery, beside those that are supervised."""
        return self._program(name, "worker", *python("celery", "-A", "chatsite", *arguments))

    def _program(self, name: str, side: str, *argv: str) -> Program:
        return Program(
            name=name,
            argv=argv,
            log=self.folder / "var" / "log" / f"{name}.log",
            pid_file=self.folder / "var" / "run" / f"{name}.pid",
            environment=self.environment_of(side),
            cwd=PROJECT,
            stop_seconds=20.0,
        )

    def _ready(self, web: str) -> Any:
        def check() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.web_ports[web], timeout=3)
            with contextlib.closing(connection):
                connection.request("GET", "/readyz", headers={"Host": "localhost"})
                answer = connection.getresponse()
                if answer.status != 200:
                    raise ConnectionError(answer.read(500).decode(errors="replace"))

        return check

    # Commands

    async def command(self, *argv: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Runs a program to its end and returns its output. Raises: StartFailed."""
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
        """People and rooms, see tests/drill/prepare.py."""
        made: dict[str, Any] = json.loads(
            await self.command(*python("tests.drill.prepare", str(clients), str(rooms)))
        )
        return made

    def log_tail(self, name: str) -> str:
        return tail(self.folder / "var" / "log" / f"{name}.log", 30)


def port_of(url: str) -> int:
    return int(re.split(r"[:/]", url.rpartition("@")[2] or url)[1])


def through(url: str, port: int) -> str:
    """The same address with another port."""
    if "://" not in url:
        return f"127.0.0.1:{port}"
    parts = urlsplit(url)
    credentials = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))
