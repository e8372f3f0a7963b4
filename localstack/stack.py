"""`make run`: the servers, the processes of Veche, and the banner."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import http.client
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from localstack.ports import free_port, holder, is_free
from localstack.process import Program, StartFailed, tail
from localstack.servers import READY_SECONDS, LocalServers, is_given, write_private
from localstack.supervisor import Interrupted, Part, Supervisor, python
from localstack.targets import remove_targets, write_targets

SETUP_SECONDS = 300.0
# Each run is a message that is kept.
PROBE_EVERY_SECONDS = "15"
# Programs that show their metrics on a port of their own.
METERED = ("worker", "beat", "analytics", "probe")
PROJECT = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
OWNER_URL = "DATABASE_OWNER_URL"
WILDCARDS = {"0.0.0.0", "::"}  # noqa: S104


class Stack:
    """Everything that runs, with its data under `folder`. `given` is the environment of the user:
    what it sets is used as it is, and a server whose URL it holds is not embedded."""

    def __init__(self, folder: Path, given: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = port_of(given)
        self.bind = given.get("BIND") or LOOPBACK
        self.servers = LocalServers(folder, given=given, kafka=wants_kafka(given))
        host = LOOPBACK if self.bind in WILDCARDS else self.bind
        self.address = f"http://{host}:{self.port}"
        defaults = {
            **self.servers.environment,
            "ALLOWED_ORIGINS": f"{self.address},http://localhost:{self.port}",
            "STATIC_ROOT": str(folder / "static"),
            "EMAIL_URL": f"filemail://{folder / 'mail'}",
            # Files under var/log/ are read by the person at this machine.
            "LOG_FORMAT": "console",
            # Whatever the world calls it: the probe runs on this machine.
            "PROBE_URL": self.address,
        }
        if self._embeds("DATABASE_URL"):
            # The demo administrator, whose password is in the banner, gets in without a phone.
            defaults["STAFF_MFA"] = "no"
        # Everything that `manage.py` in another terminal needs to be part of this stack.
        self.environment = {
            name: value for name, value in defaults.items() if not is_given(given, name)
        } | {"PORT": str(self.port), "BIND": self.bind}
        for name in (
            "DATABASE_URL",
            OWNER_URL,
            "LOG_REDIS_URL",
            "BUS_REDIS_URL",
            "KAFKA_BOOTSTRAP_SERVERS",
        ):
            if given.get(name):
                self.environment[name] = given[name]
        self.supervisor = Supervisor(say)
        self.demo_file = folder / "demo-accounts.json"
        self.metrics = {name: f"{LOOPBACK}:{free_port()}" for name in METERED}

    def run(self) -> int:
        """Run until somebody stops it; returns the exit code."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a+") as lock:
            self._take(lock.fileno())
            if not is_free(self.bind, self.port):
                raise StartFailed(
                    f"Port {self.port} is taken by {holder(self.port)}. "
                    f"Choose another one: make run PORT={self.port + 1}"
                )
            stack_file = self.folder / "stack.json"
            try:
                self._start()
                write_private(
                    stack_file, json.dumps({"pid": os.getpid(), "environment": self.environment})
                )
                self._start_veche()
                self._start_probe()
                write_targets(self.folder, self._targets())
                print(self.banner(), flush=True)
                self.supervisor.watch()
                say("stopping")
            except Interrupted:
                say("stopping before everything has started")
            finally:
                stack_file.unlink(missing_ok=True)
                remove_targets(self.folder)
                self.supervisor.stop_all()
        say("stopped")
        return 0

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(
                f"Veche already runs with the data of {self.folder}: stop it there first."
            ) from None

    def _start(self) -> None:
        embedded = self.servers.all
        if embedded:
            say("starting " + ", ".join(server.name for server in embedded))
            for server in embedded:
                server.prepare()
            self.supervisor.start_group(
                [Part(server.program, server.check, READY_SECONDS) for server in embedded]
            )
        setup = self._program("setup", *python("localstack.setup", *self._demo_arguments()))
        setup = dataclasses.replace(setup, environment={**setup.environment, **self._owner()})
        if self.supervisor.run_once(setup, SETUP_SECONDS):
            raise StartFailed(f"Setting up the database failed:\n{tail(setup.log, 30)}")

    def _owner(self) -> dict[str, str]:
        """For what makes tables; other programs connect as a role that owns none."""
        return {OWNER_URL: self.environment[OWNER_URL]} if OWNER_URL in self.environment else {}

    def _demo_arguments(self) -> list[str]:
        """Accounts with well-known names belong into no database but our own."""
        return [str(self.folder)] if self._embeds("DATABASE_URL") else []

    def _start_veche(self) -> None:
        celery = python("celery", "-A", "chatsite")
        self.supervisor.start_group(
            [
                Part(self._program("worker", *celery, "worker", "--without-gossip")),
                Part(self._program("beat", *celery, "beat")),
                Part(self._program("analytics", *self._consume_events())),
            ]
        )
        web = self._program("web", *python("chatsite.server"))
        self.supervisor.start_group([Part(web, self._check_ready)])

    @staticmethod
    def _consume_events() -> tuple[str, ...]:
        # The name lets it go on at once when it is started again.
        return (sys.executable, "manage.py", "consume_events", "--instance", "local")

    def _start_probe(self) -> None:
        """What a person would notice, before one does; without it, its alert would fire."""
        manage = (sys.executable, str(PROJECT / "manage.py"))
        probe = self._program("probe", *manage, "probe", "--every", PROBE_EVERY_SECONDS)
        self.supervisor.start_group([Part(probe)])

    def _targets(self) -> dict[str, list[str]]:
        """Where Prometheus finds the metrics of each process."""
        web = f"{LOOPBACK if self.bind in WILDCARDS else self.bind}:{self.port}"
        return {"web": [web]} | {name: [address] for name, address in self.metrics.items()}

    def _program(self, name: str, *argv: str) -> Program:
        environment = {**self.environment, "PYTHONUNBUFFERED": "1", OWNER_URL: ""}
        if name in self.metrics:
            host, _, port = self.metrics[name].rpartition(":")
            environment |= {"METRICS_BIND": host, "METRICS_PORT": port}
        return Program(
            name=name,
            argv=argv,
            log=self.folder / "log" / f"{name}.log",
            pid_file=self.folder / "run" / f"{name}.pid",
            environment=environment,
            cwd=PROJECT,
            stop_seconds=20.0,
        )

    def _check_ready(self) -> None:
        """Raise unless people can chat."""
        is_ready(LOOPBACK if self.bind in WILDCARDS else self.bind, self.port)

    def banner(self) -> str:
        lines = [
            "",
            f"  Veche runs at  {self.address}",
            "",
            *self._account_lines(),
            "",
            *self._part_lines(),
            *self._staff_mfa_line(),
            f"  logs       {self.folder / 'log'}/*.log",
            "",
            "  Ctrl-C stops everything. The data stays.",
            "",
        ]
        return "\n".join(lines)

    def _part_lines(self) -> list[str]:
        return [
            f"  database   {self._place('DATABASE_URL', 'PostgreSQL')}",
            f"  log        {self._place('LOG_REDIS_URL', 'Valkey')}",
            f"  bus        {self._place('BUS_REDIS_URL', 'Valkey')}",
            f"  event bus  {self._event_bus()}",
            f"  mail       {self._mail()}",
        ]

    def _account_lines(self) -> list[str]:
        if not self._embeds("DATABASE_URL") or not self.demo_file.exists():
            return [f"  Sign up at  {self.address}/accounts/signup/"]
        accounts = json.loads(self.demo_file.read_text())
        return [
            f"  {'Sign in as' if number == 0 else 'or':<12} {username:<8} password  {password}"
            + ("   (administrator)" if number == 0 else "")
            for number, (username, password) in enumerate(accounts.items())
        ]

    def _staff_mfa_line(self) -> list[str]:
        """How the admin is guarded, where that is for this program to say."""
        if self.environment.get("STAFF_MFA") != "no":
            return []
        return ["  admin      no second factor asked for (STAFF_MFA=yes asks for one)"]

    def _place(self, variable: str, product: str) -> str:
        """Which server is in use, without its password."""
        if variable not in self.environment:
            return f"given by {variable}_FILE"
        parts = urlsplit(self.environment[variable])
        where = f"{parts.hostname}:{parts.port}"
        if self._embeds(variable):
            return f"{product}, embedded, {where}"
        return f"given by {variable}, {where}"

    def _mail(self) -> str:
        """Where it goes, without the password of its server."""
        url = self.environment.get("EMAIL_URL")
        if url is None:
            return "as EMAIL_URL says"
        return f"{urlsplit(url).path}/*.eml (EMAIL_URL sends it)"

    def _event_bus(self) -> str:
        brokers = self.environment.get("KAFKA_BOOTSTRAP_SERVERS")
        if brokers is None:
            return "Redis Stream on the log server (make run KAFKA=1 starts a Kafka)"
        if self._embeds("KAFKA_BOOTSTRAP_SERVERS"):
            return f"Apache Kafka, one broker, {brokers}"
        return f"Apache Kafka, given by KAFKA_BOOTSTRAP_SERVERS, {brokers}"

    def _embeds(self, variable: str) -> bool:
        return variable in self.servers.of


def is_ready(host: str, port: int) -> None:
    """Raise unless people can chat through the web process at this address."""
    connection = http.client.HTTPConnection(host, port, timeout=3)
    with contextlib.closing(connection):
        connection.request("GET", "/readyz", headers={"Host": "localhost"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise ConnectionError(answer.read(500).decode(errors="replace"))


def port_of(given: Mapping[str, str]) -> int:
    """PORT, 8000 when it is not set. Raises: StartFailed."""
    text = given.get("PORT") or "8000"
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise StartFailed(f"PORT must be a number from 1 to 65535, not {text!r}.")
    return int(text)


def wants_kafka(given: Mapping[str, str]) -> bool:
    """Whether KAFKA asks for a broker. Raises: StartFailed."""
    text = given.get("KAFKA", "").lower()
    if text not in {"", "0", "1", "no", "yes", "false", "true"}:
        raise StartFailed(f"KAFKA must be 1 or 0, not {text!r}.")
    return text in {"1", "yes", "true"}


def say(text: str) -> None:
    print(f"veche: {text}", flush=True)


def main(folder: Path) -> int:
    try:
        return Stack(folder.resolve(), dict(os.environ)).run()
    except StartFailed as problem:
        print(f"veche: {problem}", file=sys.stderr, flush=True)
        return 1
