"""Servers that a test may kill, pause and start again, besides the ones that all tests share."""

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
    """A server of the test's own. `start` waits until it answers."""

    def __init__(self, server: Kafka | Postgres | Valkey) -> None:
        self.server = server
        self.url = server.url
        server.prepare()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Does nothing when it runs."""
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
        """It keeps its connections and answers nothing."""
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
        """To all of its processes: PostgreSQL has one for each connection."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(self._process.pid)
            # The leader first, so that it starts no others meanwhile.
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
