"""`make run`: the servers, the processes of Veche, and the banner."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from localstack.installation import LOOPBACK, OWNER_URL, PROJECT, Installation
from localstack.ports import free_port, holder, is_free
from localstack.process import Program, StartFailed, tail
from localstack.servers import write_private
from localstack.supervisor import Interrupted, Part, python
from localstack.targets import remove_targets, write_targets

SETUP_SECONDS = 300.0
# Not more often, because every run stores a message for good.
PROBE_EVERY_SECONDS = "15"
CONNECTIONS = (
    "DATABASE_URL",
    OWNER_URL,
    "LOG_REDIS_URL",
    "BUS_REDIS_URL",
    "KAFKA_BOOTSTRAP_SERVERS",
)


class Stack(Installation):
    """Everything that runs, with its data under `data`. `given` is the environment of the user."""

    def __init__(self, data: Path, given: Mapping[str, str]) -> None:
        self.port = port_of(given)
        super().__init__(data, {"web": self.port}, say, kafka=wants_kafka(given), given=given)
        self.bind = given.get("BIND") or LOOPBACK
        self.address = f"http://{self.web_host}:{self.port}"
        self.set_unless_given(
            {
                "ALLOWED_ORIGINS": f"{self.address},http://localhost:{self.port}",
                "EMAIL_URL": f"filemail://{data / 'mail'}",
                # Files under var/log/ are read by the person at this machine.
                "LOG_FORMAT": "console",
                # Whatever its public name is: the probe runs on this machine.
                "PROBE_URL": self.address,
            }
        )
        if self._embeds("DATABASE_URL"):
            # The demo administrator, whose password is in the banner, can sign in without a phone.
            self.set_unless_given({"STAFF_MFA": "no"})
        self.environment |= {"PORT": str(self.port), "BIND": self.bind}
        # `manage.py` in another terminal does not inherit them.
        self.environment |= {name: given[name] for name in CONNECTIONS if given.get(name)}
        self.demo_file = data / "demo-accounts.json"
        metered = (*self.workers, "beat", "analytics", "probe")
        self.metrics = {name: f"{LOOPBACK}:{free_port()}" for name in metered}

    def run(self) -> int:
        """Run until somebody stops it; returns the exit code."""
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "lock").open("a+") as lock:
            self._take(lock.fileno())
            if not is_free(self.bind, self.port):
                raise StartFailed(
                    f"Port {self.port} is taken by {holder(self.port)}. "
                    f"Choose another one: make run PORT={self.port + 1}"
                )
            stack_file = self.data / "stack.json"
            try:
                self._start_servers()
                write_private(
                    stack_file, json.dumps({"pid": os.getpid(), "environment": self.environment})
                )
                for group in self.groups():
                    self.supervisor.start_group(group)
                write_targets(self.data, self._targets())
                print(self.banner(), flush=True)
                self.supervisor.watch()
                say("stopping")
            except Interrupted:
                say("stopping before everything has started")
            finally:
                stack_file.unlink(missing_ok=True)
                remove_targets(self.data)
                self.supervisor.stop_all()
        say("stopped")
        return 0

    def _take(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(
                f"Veche already runs with the data of {self.data}: stop it there first."
            ) from None

    def _start_servers(self) -> None:
        if self.servers.all:
            say("starting " + ", ".join(server.name for server in self.servers.all))
            self.supervisor.start_group(self.server_parts())
        setup = self.program("setup", *python("localstack.setup", *self._demo_arguments()))
        setup = dataclasses.replace(setup, environment={**setup.environment, **self._owner()})
        if self.supervisor.run_once(setup, SETUP_SECONDS):
            raise StartFailed(f"Setting up the database failed:\n{tail(setup.log, 30)}")

    def _owner(self) -> dict[str, str]:
        """The variables for programs that make tables; others connect as a role that owns none."""
        return {OWNER_URL: self.environment[OWNER_URL]} if OWNER_URL in self.environment else {}

    def _demo_arguments(self) -> list[str]:
        """Arguments for the demo accounts: well-known names belong only in our own database."""
        return [str(self.data)] if self._embeds("DATABASE_URL") else []

    def groups(self) -> Iterator[list[Part]]:
        workers, *others = super().groups()
        # With this name it can go on at once after a restart.
        yield [*workers, Part(self._manage("analytics", "consume_events", "--instance", "local"))]
        yield from others
        # It notices what a person would, before one does; without it, its alert would fire.
        yield [Part(self._manage("probe", "probe", "--every", PROBE_EVERY_SECONDS))]

    def _manage(self, name: str, *arguments: str) -> Program:
        return self.program(name, sys.executable, str(PROJECT / "manage.py"), *arguments)

    def _targets(self) -> dict[str, list[str]]:
        """Where Prometheus finds the metrics of each process."""
        found = {"web": [f"{self.web_host}:{port}" for port in self.web_ports.values()]}
        for name, address in self.metrics.items():
            found.setdefault("worker" if name in self.workers else name, []).append(address)
        return found

    def banner(self) -> str:
        lines = [
            "",
            f"  Veche runs at  {self.address}",
            "",
            *self._account_lines(),
            "",
            *self._part_lines(),
            *self._staff_mfa_line(),
            f"  logs       {self.data / 'log'}/*.log",
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
        """The banner's line on how the admin is guarded, if this program decides that."""
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
        """Where mail goes, without the password of its server."""
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
