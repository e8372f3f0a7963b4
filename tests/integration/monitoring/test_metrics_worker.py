"""Metrics of a real worker, whose children write them and are killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from celery import current_app

from chatsite.observability import worker_metrics
from localstack.ports import free_port
from tests.support.web_process import test_database_url

# Several processes have to start, on whatever else the machine does.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WORKER = [sys.executable, "-m", "celery", "-A", "chatsite", "worker"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
CHILDREN = 5
KILLS = 50
DEADLINE_SECONDS = 60.0
TASK = "chat.tasks.retry_dead_letters"
TOKEN = "only-who-knows-this-may-read"
# Counters, histograms and two kinds of gauges of each child and of the parent; what the dead have
# left of the first two; the lock.
MOST_FILES = 4 * (CHILDREN + 1) + 2 + 1

Samples = dict[str, float]


class MeasuredWorker:
    def __init__(self, folder: Path, children: int = 2, **environment: str) -> None:
        self.number = children
        self.port = free_port()
        self.log = folder / "worker.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*WORKER, "-c", str(children), *QUIET],
            env={
                **os.environ,
                "DATABASE_URL": test_database_url(),
                "METRICS_PORT": str(self.port),
                "TMPDIR": str(self.temporary),
                **environment,
            },
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def folders(self) -> list[Path]:
        return list(self.temporary.glob(f"{worker_metrics.PREFIX}*"))

    def files(self) -> list[str]:
        return [path.name for folder in self.folders() for path in folder.iterdir()]

    def samples(self, token: str | None = None) -> Samples:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def ready_samples(self, token: str | None = None) -> Samples:
        found: list[Samples] = []

        def all_children_count() -> bool:
            try:
                found.append(self.samples(token))
            except OSError:
                return False
            return found[-1].get("veche_worker_children") == self.number

        self.eventually(all_children_count)
        return found[-1]

    def eventually(self, is_so: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        self.process.wait(DEADLINE_SECONDS)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[MeasuredWorker]:
    worker = MeasuredWorker(tmp_path, CHILDREN)
    yield worker
    worker.end(signal.SIGKILL)


def living(worker: MeasuredWorker) -> set[psutil.Process]:
    """Its children, identified by their start time too, because pids are reused."""
    found = set()
    for child in worker.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child)
    return found


def runs(samples: Samples) -> float:
    return samples.get(f'veche_task_seconds_count{{task="{TASK}"}}', 0.0)


def test_killed_children_leave_sane_metrics_and_no_heap_of_files(worker: MeasuredWorker) -> None:
    worker.ready_samples()
    for number in range(1, 6):
        current_app.send_task(TASK, ignore_result=True)
        worker.eventually(lambda number=number: runs(worker.samples()) == number)  # type: ignore[misc]
    killed: set[psutil.Process] = set()

    while len(killed) < KILLS:
        worker.eventually(lambda: len(living(worker) - killed) == CHILDREN)
        for child in living(worker) - killed:
            killed.add(child)
            child.kill()
    shown = worker.ready_samples()

    assert shown["veche_worker_children"] == CHILDREN
    # What dead children counted still counts, and nothing counts twice.
    assert runs(shown) == 5
    assert shown[f'veche_task_wait_seconds_count{{task="{TASK}"}}'] == 5
    assert len(worker.files()) <= MOST_FILES, sorted(worker.files())
    assert not any(re.search(r'pid="', name) for name in shown)


def test_workers_share_neither_folder_nor_port_and_show_what_they_may_to_whom_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = MeasuredWorker(tmp_path)
    first.ready_samples()
    [folder_of_first] = first.folders()
    second = MeasuredWorker(tmp_path, METRICS_PORT=str(first.port), METRICS_TOKEN=TOKEN)
    second.port = first.port
    try:
        # A port that is taken does not keep the worker from its work …
        second.eventually(lambda: "no metrics on port" in second.log.read_text())
        first.end(signal.SIGKILL)
        # … and is opened once it is free.
        shown = second.ready_samples(TOKEN)
        refused = []
        for token in (None, "", TOKEN + "x"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                second.samples(token)
            refused.append(caught.value.code)
        monkeypatch.setattr("tempfile.tempdir", str(second.temporary))
        worker_metrics.remove_abandoned()
        folders = second.folders()
        second.process.terminate()
        second.process.wait(DEADLINE_SECONDS)
    finally:
        first.end(signal.SIGKILL)
        second.end(signal.SIGKILL)

    assert shown["veche_worker_children"] == 2
    assert refused == [404, 404, 404]
    assert folder_of_first not in folders
    assert len(folders) == 1
    assert second.folders() == []
