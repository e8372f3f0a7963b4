"""`make monitor`: it finds what runs, whenever that is started, and refuses with a reason."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from chatsite.env import BASE_DIR
from localstack.monitor import Prometheus, chosen_port, token_file_of
from localstack.ports import free_port
from localstack.process import StartFailed
from localstack.servers import kept_secrets
from localstack.targets import remove_targets, write_targets
from tests.monitoring.conftest import program
from tests.monitoring.watched_stack import wait_for

STOP_SECONDS = 60


@pytest.fixture
def port() -> int:
    for name in ("prometheus", "prometheus-node-exporter"):
        program(name)
    return free_port()


def command(data: Path) -> list[str]:
    return [sys.executable, "-m", "localstack.monitor", "--data", str(data)]


@contextmanager
def monitor(data: Path, port: int, **given: str) -> Iterator[IO[str]]:
    """What `make monitor` prints. It ends with 0 when asked to end."""
    environment = {**os.environ, "PROMETHEUS_PORT": str(port), **given}
    with subprocess.Popen(
        command(data), cwd=BASE_DIR, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: bytes = answer.read()
    return found


def jobs_asked(port: int) -> set[str]:
    found: Any = json.loads(read(f"http://127.0.0.1:{port}/api/v1/targets"))
    return {target["labels"]["job"] for target in found["data"]["activeTargets"]}


def test_monitor_says_where_to_look_and_follows_what_is_started_and_stopped(
    port: int, tmp_path: Path
) -> None:
    with monitor(tmp_path, port) as printed:
        banner = "".join(iter(printed.readline, "  Ctrl-C stops it. The data stays.\n"))
        pages = [word for word in banner.split() if word.startswith("http://")]
        answers = [read(page) for page in pages]
        runbook = read(f"http://127.0.0.1:{port}/user/runbooks/stored-lag.md")
        wait_for(lambda: jobs_asked(port) == {"node", "prometheus"}, lambda: f"{jobs_asked(port)}")
        write_targets(tmp_path, {"web": [f"127.0.0.1:{port}"]})
        wait_for(lambda: "web" in jobs_asked(port), lambda: "a started process is not noticed")
        remove_targets(tmp_path)
        wait_for(lambda: "web" not in jobs_asked(port), lambda: "an ended process is asked")

    assert len(pages) == 5
    assert all(answers)
    assert runbook.startswith(b"# StoredLag")
    assert "Veche is not running here yet" in banner


@pytest.mark.parametrize("given", [{}, {"METRICS_TOKEN": "a token for the metrics"}])
def test_monitor_has_the_token_that_veche_was_given_or_that_a_cluster_has(
    given: dict[str, str], tmp_path: Path
) -> None:
    of_cluster = kept_secrets(tmp_path)["metrics_token"]

    file = token_file_of(given, tmp_path)

    assert file.read_text() == given.get("METRICS_TOKEN", of_cluster)
    assert file.stat().st_mode & 0o077 == 0


def test_file_with_the_token_is_used_where_it_is(tmp_path: Path) -> None:
    assert token_file_of({"METRICS_TOKEN_FILE": "/run/secrets/token"}, tmp_path) == Path(
        "/run/secrets/token"
    )


def test_monitor_refuses_a_taken_port_and_one_that_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        with pytest.raises(StartFailed, match=f"Port {taken} is taken by process {os.getpid()} "):
            chosen_port({"PROMETHEUS_PORT": taken})
    for text in ("many", "0", "65536", "-1"):
        with pytest.raises(StartFailed, match="PROMETHEUS_PORT must be a number"):
            chosen_port({"PROMETHEUS_PORT": text})


def test_machine_without_prometheus_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StartFailed, match="sudo apt install prometheus"):
        Prometheus(tmp_path, free_port(), {})
