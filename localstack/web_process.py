"""A separate web process, for servers that run already."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localstack.ports import free_port

# Long enough for a machine that does many other things.
START_SECONDS = 90.0
STOP_SECONDS = 15.0


class WebProcess:
    """`python -m chatsite.server` on loopback."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port = port
        self.process = process
        self.log = log
        self.url = f"ws://127.0.0.1:{port}/ws/chat/"

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def web_process(
    log: Path, *, module: str = "chatsite.server", **environment: str
) -> Iterator[WebProcess]:
    """A web process that is ready to serve; it is stopped when the context ends.

    `environment` is added to our own. Raises: AssertionError when it does not start.
    """
    port = int(environment.get("PORT") or free_port())
    variables = {**os.environ, "BIND": "127.0.0.1", "PORT": str(port), **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module], env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_until_healthy(port, process, log)
            yield WebProcess(port, process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the web process did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
