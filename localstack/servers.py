"""The three embedded servers together, and the secrets that they and Veche share."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from localstack.kafka import Kafka, new_kafka
from localstack.ports import free_port
from localstack.postgres import Postgres
from localstack.process import start, stop, stop_left_over, wait_until_ready
from localstack.valkey import BUS_SETTINGS, LOG_SETTINGS, Valkey

READY_SECONDS = 60.0  # A log of gigabytes is read back at the start.

Server = Postgres | Valkey | Kafka


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, either whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def kept_secrets(folder: Path) -> dict[str, str]:
    """Passwords and the signing key of this installation, made once."""
    path = folder / "secrets.json"
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except FileNotFoundError:
        kept = {}
    names = ("postgres", "postgres_app", "log", "bus", "secret_key", "metrics_token")
    wanted = {name: secrets.token_urlsafe(32) for name in names}
    if wanted.keys() - kept.keys():
        kept = wanted | kept
        write_private(path, json.dumps(kept, indent=1))
    return kept


def is_given(environment: Mapping[str, str], variable: str) -> bool:
    return bool(environment.get(variable) or environment.get(f"{variable}_FILE"))


class LocalServers:
    """PostgreSQL, log and bus with their data under `folder`; a context manager for tests.

    A server whose URL is in `given` is left out. `durable` False is for tests: PostgreSQL then
    does not wait for the disk. The log always does. `kafka` True adds a Kafka broker.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        given: Mapping[str, str] | None = None,
        kafka: bool = False,
    ) -> None:
        self.durable = durable
        folder.mkdir(parents=True, exist_ok=True)
        kept = kept_secrets(folder)
        self.secret_key = kept["secret_key"]
        self.metrics_token = kept["metrics_token"]
        self.of: dict[str, Server] = {}
        given = given or {}
        if not is_given(given, "DATABASE_URL"):
            self.of["DATABASE_URL"] = Postgres(
                folder,
                free_port(),
                owner_password=kept["postgres"],
                password=kept["postgres_app"],
                durable=durable,
            )
        for name, settings in (("log", LOG_SETTINGS), ("bus", BUS_SETTINGS)):
            variable = f"{name.upper()}_REDIS_URL"
            if not is_given(given, variable):
                self.of[variable] = Valkey(name, folder, free_port(), kept[name], settings)
        if kafka and not is_given(given, "KAFKA_BOOTSTRAP_SERVERS"):
            self.of["KAFKA_BOOTSTRAP_SERVERS"] = new_kafka(folder)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def all(self) -> list[Server]:
        return list(self.of.values())

    @property
    def environment(self) -> dict[str, str]:
        """The variables that connect Veche to these servers, for commands such as migrate."""
        urls = {variable: server.url for variable, server in self.of.items()}
        for server in self.all:
            if isinstance(server, Postgres):
                urls["DATABASE_OWNER_URL"] = server.owner_url
        weak = {} if self.durable else {"ALLOW_WEAK_DATABASE": "1"}
        return {**urls, **weak, "SECRET_KEY": self.secret_key}

    def start(self) -> None:
        """Start all at once and wait for them. Raises: StartFailed, with none left running."""
        try:
            for server in self.all:
                stop_left_over(server.program)
                server.prepare()
                self.running[server.name] = start(server.program)
            for server in self.all:
                wait_until_ready(
                    server.program, self.running[server.name], server.check, READY_SECONDS
                )
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for server in reversed(self.all):
            process = self.running.pop(server.name, None)
            if process is not None:
                stop(server.program, process)

    def __enter__(self) -> LocalServers:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
