"""Servers that a test may kill, pause and restart, in addition to those that all tests share."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

import psutil

from localstack.kafka import Kafka
from localstack.postgres import Postgres
from localstack.process import start, stop, wait_until_ready
from localstack.valkey import Valkey

READY_SECONDS = 60.0


class OwnServer:
    """A test's own server. `start` waits until it answers."""

    def __init__(self, server: Kafka | Postgres | Valkey) -> None:
        self.server = server
        self.url = server.url
        server.prepare()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; does nothing when it runs already."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            return
        self._process = start(self.server.program)
        wait_until_ready(self.server.program, self._process, self.server.check, READY_SECONDS)

    def kill(self) -> None:
        self._send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        """Pause the server: it keeps its connections but does not answer."""
        self._send(signal.SIGSTOP)
        assert self._process is not None
        # The signal is only on its way: Kafka's threads stop one after the other.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        self._send(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            stop(self.server.program, self._process)

    def _send(self, number: int) -> None:
        """Send a signal to all its processes: PostgreSQL has one for each connection."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self._process.pid)
            # The leader first, so that it does not start others meanwhile.
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
