"""`make cluster`: `make run` with nginx in front of three web processes, two workers and beat."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from localstack.gateway import Gateway
from localstack.ports import free_port
from localstack.process import StartFailed
from localstack.servers import is_given
from localstack.stack import LOOPBACK, Stack, is_ready
from localstack.supervisor import Part, python

WEBS = ("web-1", "web-2", "web-3")
WORKERS = ("worker-1", "worker-2")


class ClusterStack(Stack):
    """The same data as `make run`; what people open is the gateway's port."""

    def __init__(self, folder: Path, given: Mapping[str, str]) -> None:
        super().__init__(folder, given)
        self.environment["TRUSTED_PROXIES"] = "1"
        if not is_given(given, "METRICS_TOKEN"):
            # Behind a proxy, being on loopback opens no door; `make monitor` knows this one.
            self.environment["METRICS_TOKEN"] = self.servers.metrics_token
        self.web_ports = {web: free_port() for web in WEBS}
        del self.metrics["worker"]
        self.metrics |= {worker: f"{LOOPBACK}:{free_port()}" for worker in WORKERS}
        self.gateway = Gateway(
            folder,
            self.port,
            free_port(),
            list(self.web_ports.values()),
            Path(given.get("STATIC_ROOT") or self.environment["STATIC_ROOT"]),
            bind=self.bind,
        )

    def _start_veche(self) -> None:
        celery = python("celery", "-A", "chatsite")
        workers = [
            Part(
                self._program(name, *celery, "worker", "--without-gossip", "-n", f"{name}@cluster")
            )
            for name in WORKERS
        ]
        self.supervisor.start_group([*workers, Part(self._program("beat", *celery, "beat"))])
        self.supervisor.start_group([self._web(web, port) for web, port in self.web_ports.items()])
        self.gateway.prepare()
        self.supervisor.start_group([Part(self.gateway.program, self.gateway.check)])

    def _web(self, name: str, port: int) -> Part:
        program = self._program(name, *python("chatsite.server"))
        environment = {**program.environment, "BIND": LOOPBACK, "PORT": str(port)}
        return Part(
            dataclasses.replace(program, environment=environment), lambda: is_ready(LOOPBACK, port)
        )

    def _targets(self) -> dict[str, list[str]]:
        """As Prometheus finds them with docker-compose.yml: each process by itself."""
        return {
            "web": [f"{LOOPBACK}:{port}" for port in self.web_ports.values()],
            "worker": [self.metrics[worker] for worker in WORKERS],
            **{name: [self.metrics[name]] for name in self.metrics.keys() - set(WORKERS)},
        }

    def _part_lines(self) -> list[str]:
        ports = ", ".join(f"{web} {port}" for web, port in self.web_ports.items())
        return [
            f"  gateway    nginx, {self.bind}:{self.port}, with the files of deploy/nginx",
            f"  web        {ports}",
            f"  worker     {', '.join(WORKERS)}",
            *super()._part_lines(),
        ]


def main(folder: Path) -> int:
    try:
        return ClusterStack(folder.resolve(), dict(os.environ)).run()
    except StartFailed as problem:
        print(f"veche: {problem}", file=sys.stderr, flush=True)
        return 1
