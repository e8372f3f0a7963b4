"""The whole product as a person starts it: `python -m localstack run` on a free port."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from localstack.installation import LOOPBACK, PROJECT, check_ready
from localstack.ports import free_port

# On a busy machine, compressing the static files alone takes a minute the first time.
START_SECONDS = 240.0
STOP_SECONDS = 60.0
COMMAND_SECONDS = 300.0
# All of them serve the same files, which take seconds to compress.
STATIC_ROOT = PROJECT / "var" / "static-of-tests"
# Variables that name servers already running; this stack has servers of its own.
NOT_INHERITED = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "LOG_REDIS_URL",
    "BUS_REDIS_URL",
    "SECRET_KEY",
    "ALLOWED_ORIGINS",
    "STATIC_ROOT",
    "SHARDS",
)


# Runs the code that it is given, one JSON line each, and answers each with a line.
SHELL = """
import json, sys
from django.db import connections
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    exec(json.loads(line), {})
    connections.close_all()
    print(file=answers, flush=True)
"""


class RunningStack:
    """One installation in `folder`, whose data outlives a stop and a start; `settings` are its
    variables."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.settings = dict(settings or {})
        self.port = free_port()
        self.address = f"http://{LOOPBACK}:{self.port}"
        self.output = folder / "terminal.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal: IO[bytes] | None = None
        self._shell: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start everything and return when people can chat."""
        environment = {
            **_own_environment(),
            "PORT": str(self.port),
            "STATIC_ROOT": str(STATIC_ROOT),
            **self.settings,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        self._terminal = self.output.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "localstack", "run", "--data", str(self.folder / "var")],
            cwd=PROJECT,
            env=environment,
            stdout=self._terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.wait_until_ready()

    def stop(self) -> None:
        """Stop like Ctrl-C; everything that was started has ended when this returns."""
        assert self._process is not None
        assert self._terminal is not None
        if self._shell is not None:
            self._shell.communicate(timeout=STOP_SECONDS)
            self._shell = None
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(STOP_SECONDS) == 0, self.output.read_text()
        self._terminal.close()

    def kill(self, part: str) -> None:
        """Send SIGKILL to `web`, `worker` or `beat` and all of its children."""
        os.killpg(self.pid_of(part), signal.SIGKILL)

    def send_signal(self, part: str, number: signal.Signals) -> None:
        """Like `kill`, with any signal, and also for `log` and `bus`."""
        os.killpg(self.pid_of(part), number)

    def pid_of(self, part: str) -> int:
        content = (self.folder / "var" / "run" / f"{part}.pid").read_text()
        return int(content.split()[0])

    def accounts(self) -> dict[str, str]:
        """User names and passwords of the demo accounts."""
        text = (self.folder / "var" / "demo-accounts.json").read_text()
        accounts: dict[str, str] = json.loads(text)
        return accounts

    def manage(self, *arguments: str) -> str:
        """Run a `manage.py` command as in a second terminal; returns its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shell(self, code: str) -> None:
        """Run Python code in a process with Django set up; one process for all calls, because it
        takes seconds to start. Like all that runs for people, it is not the owner of the tables."""
        if self._shell is None:
            environment = self.environment()
            del environment["DATABASE_OWNER_URL"]
            self._shell = subprocess.Popen(
                [sys.executable, "manage.py", "shell", "--no-imports", "-c", SHELL],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._terminal,
                text=True,
            )
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(json.dumps(code) + "\n")
        self._shell.stdin.flush()
        assert self._shell.stdout.readline() == "\n", self.output.read_text()[-3000:]

    def environment(self) -> dict[str, str]:
        """The variables of a process that belongs to the installation."""
        state = json.loads((self.folder / "var" / "stack.json").read_text())
        environment: dict[str, str] = state["environment"]
        return _own_environment() | environment

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self._process is not None
            assert self._process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)  # between two looks at another process

    def _is_ready(self) -> bool:
        try:
            check_ready(LOOPBACK, self.port)
        except (http.client.HTTPException, OSError):
            return False
        return True


def _own_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
