"""What every installation on this machine has: servers, processes, their variables and their order.

`make run`, `make cluster` and the drills build on this; each adds its own parts.
"""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from localstack.gateway import Gateway
from localstack.ports import free_port
from localstack.process import Program
from localstack.servers import READY_SECONDS, LocalServers, is_given
from localstack.supervisor import Part, Supervisor, python

PROJECT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104
OWNER_URL = "DATABASE_OWNER_URL"
THREE_WEBS = ("web-1", "web-2", "web-3")
TWO_WORKERS = ("worker-1", "worker-2")


class Installation:
    """The servers, with their data under `data`, and the web processes, workers and beat.

    `given` is the environment of the person who starts it: its values are used unchanged, and a
    server whose URL it holds is not embedded. A process gets its settings from `environment_of`.
    """

    workers: tuple[str, ...] = ("worker",)

    def __init__(
        self,
        data: Path,
        web_ports: Mapping[str, int],
        say: Callable[[str], None],
        *,
        kafka: bool = False,
        given: Mapping[str, str] | None = None,
    ) -> None:
        self.data = data
        self.bind = LOOPBACK
        self.web_ports = dict(web_ports)
        # Where programs other than the web processes serve their metrics, by program name.
        self.metrics: dict[str, str] = {}
        self.gateway: Gateway | None = None
        self.given = given or {}
        self.servers = LocalServers(data, given=self.given, kafka=kafka)
        self.supervisor = Supervisor(say)
        # Everything that `manage.py` in another terminal needs to be part of this installation.
        self.environment: dict[str, str] = {}
        self.set_unless_given(self.servers.environment)
        self.set_unless_given({"STATIC_ROOT": str(data / "static")})

    def set_unless_given(self, variables: Mapping[str, str]) -> None:
        self.environment |= {
            name: value for name, value in variables.items() if not is_given(self.given, name)
        }

    def put_behind_gateway(self, port: int) -> None:
        """People connect through nginx, which listens on `port`; web processes are on loopback."""
        self.environment["TRUSTED_PROXIES"] = "1"
        # Behind a proxy, loopback alone gives no access; `make monitor` knows this token.
        self.set_unless_given({"METRICS_TOKEN": self.servers.metrics_token})
        static = Path(self.given.get("STATIC_ROOT") or self.environment["STATIC_ROOT"])
        web_ports = list(self.web_ports.values())
        self.gateway = Gateway(self.data, port, free_port(), web_ports, static, bind=self.bind)

    # The parts to start, in this order

    def server_parts(self) -> list[Part]:
        """The embedded servers, with their folders made. Raises: StartFailed."""
        for server in self.servers.all:
            server.prepare()
        return [Part(one.program, one.check, READY_SECONDS) for one in self.servers.all]

    def groups(self) -> Iterator[list[Part]]:
        """The processes of Veche, after the tables are made; each group once the last is ready.

        Raises: StartFailed.
        """
        workers = [Part(self.worker(name)) for name in self.workers]
        yield [*workers, Part(self.celery("beat", "beat"))]
        yield [self._web(name, port) for name, port in self.web_ports.items()]
        if self.gateway is not None:
            self.gateway.prepare()
            yield [Part(self.gateway.program, self.gateway.check)]

    def _web(self, name: str, port: int) -> Part:
        program = self.program(name, *python("chatsite.server"))
        return Part(program, lambda: check_ready(self.web_host, port))

    def worker(self, name: str) -> Program:
        return self.celery(name, "worker", "--without-gossip", "-n", f"{name}@%h")

    def celery(self, name: str, *arguments: str) -> Program:
        return self.program(name, *python("celery", "-A", "chatsite", *arguments))

    def program(self, name: str, *argv: str) -> Program:
        """A process of Veche."""
        return Program(
            name=name,
            argv=argv,
            log=self.data / "log" / f"{name}.log",
            pid_file=self.data / "run" / f"{name}.pid",
            environment=self.environment_of(name),
            cwd=PROJECT,
            stop_seconds=20.0,
        )

    def environment_of(self, name: str) -> dict[str, str]:
        """The variables of a process. Like all processes except `migrate`, it connects as a role
        that owns no tables."""
        environment = {**self.environment, "PYTHONUNBUFFERED": "1", OWNER_URL: ""}
        if name in self.metrics:
            host, _, port = self.metrics[name].rpartition(":")
            environment |= {"METRICS_BIND": host, "METRICS_PORT": port}
        if name in self.web_ports:
            bind = self.bind if self.gateway is None else LOOPBACK
            environment |= {"BIND": bind, "PORT": str(self.web_ports[name])}
        return environment

    @property
    def web_host(self) -> str:
        """Where this machine reaches the web processes."""
        return self.bind if self.gateway is None and self.bind not in WILDCARDS else LOOPBACK


def check_ready(host: str, port: int) -> None:
    """Raise unless people can chat through the web process at this address."""
    connection = http.client.HTTPConnection(host, port, timeout=3)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionError(answer.read(500).decode(errors="replace"))
