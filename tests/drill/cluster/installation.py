"""The drill's installation without its proxies, and with the gateway in front of three webs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from localstack.installation import THREE_WEBS
from localstack.ports import free_port
from localstack.process import StartFailed
from localstack.supervisor import python
from tests.drill.installation import WORKERS, Installation

RESTART_SECONDS = 60.0
POLL_SECONDS = 0.05


class ClusterInstallation(Installation):
    """People reach it at `gateway_port`. `statistics` True lets PostgreSQL count statements.

    `prepare` also makes `watchers` further people, each in one of the rooms: `watching`.
    """

    webs = THREE_WEBS

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        statistics: bool = False,
        watchers: int = 0,
    ) -> None:
        self.watchers = watchers
        self.watching: list[dict[str, Any]] = []
        self.gateway_port = free_port()
        super().__init__(folder, settings=settings)
        self.put_behind_gateway(self.gateway_port)
        if statistics:
            self.postgres.configure("shared_preload_libraries", "pg_stat_statements")

    def _add_link(self, name: str, target: int) -> None:
        """Add no proxy: its work would be measured too."""

    @property
    def client_ports(self) -> dict[str, int]:
        return {"gateway": self.gateway_port}

    async def prepare(self, clients: int, rooms: int) -> dict[str, Any]:
        made = await super().prepare(clients, rooms)
        if self.watchers:
            named = [f"{room['id']}:{room['members'][0]}" for room in made["rooms"]]
            arguments = [str(self.watchers), "0", "1", *named]
            output = await self.command(*python("tests.drill.cluster.prepare", *arguments))
            self.watching = json.loads(output.splitlines()[-1])["people"]
        return made

    # Sockets

    def sockets(self) -> dict[str, int]:
        """Connections that each web process has accepted and not closed."""
        return {web: self.sockets_of(web) for web in self.webs}

    def sockets_of(self, web: str) -> int:
        port = self.web_ports[web]
        count = 0
        for process in self.processes(web)[:1]:
            with contextlib.suppress(psutil.Error):
                count += sum(
                    one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port
                    for one in process.net_connections("tcp")
                )
        return count

    # Restarts

    def pid(self, name: str) -> int | None:
        process = self.part(name).process
        return None if process is None else process.pid

    async def wait_until_back(self, name: str, before: int) -> float:
        """Wait until a process other than `before` runs this part and is ready; returns seconds.

        Raises: StartFailed.
        """
        began = time.monotonic()
        part = self.part(name)
        while time.monotonic() - began < RESTART_SECONDS:
            self.raise_if_stopped()
            await asyncio.sleep(POLL_SECONDS)
            if self.pid(name) in (None, before):
                continue
            try:
                await asyncio.to_thread(part.check)
            except Exception:  # Each driver has its own family of errors.
                continue
            return time.monotonic() - began
        raise StartFailed(f"{name} did not come back:\n{self.log_tail(name)}")

    async def restart_gracefully(self, name: str) -> float:
        """Send SIGTERM and wait for the next process; returns seconds. Raises: StartFailed."""
        part = self.part(name)
        assert part.process is not None
        before = part.process.pid
        part.deaths = 0  # a requested exit must not make the supervisor wait longer
        part.process.terminate()
        return await self.wait_until_back(name, before)


__all__ = ["WORKERS", "ClusterInstallation"]
