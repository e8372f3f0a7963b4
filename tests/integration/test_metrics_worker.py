"""Metrics of a real worker, whose children write them and are killed (PITFALLS B8-1)."""

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

from chatsite import worker_metrics
from localstack.ports import free_port
from tests.integration.web_process import test_database_url

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = [sys.executable, "-m", "celery", "-A", "chatsite", "worker"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
CHILDREN = 5
ROUNDS = 10
DEADLINE_SECONDS = 60.0
TASK = "chat.tasks.send_due_tasks"
TOKEN = "only-who-knows-this-may-read"
# Counters, histograms and two kinds of gauges of each child and of the parent; what the dead have
# left of the first two; the lock.
MOST_FILES = 4 * (CHILDREN + 1) + 2 + 1

Samples = dict[str, float]


class MeasuredWorker:
    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / "worker.log"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [*WORKER, "-c", str(CHILDREN), *QUIET],
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

    def ready_samples(self) -> Samples:
        found: list[Samples] = []

        def all_children_count() -> bool:
            try:
                found.append(self.samples())
            except OSError:
                return False
            return found[-1].get("veche_worker_children") == CHILDREN

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
    worker = MeasuredWorker(tmp_path)
    yield worker
    worker.end(signal.SIGKILL)


def living(worker: MeasuredWorker) -> set[int]:
    found = set()
    for child in worker.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
    return found


def runs(samples: Samples) -> float:
    return samples.get(f'veche_task_seconds_count{{task="{TASK}"}}', 0.0)


def test_killed_children_leave_sane_metrics_and_no_heap_of_files(worker: MeasuredWorker) -> None:
    worker.ready_samples()
    for number in range(1, 6):
        current_app.send_task(TASK, ignore_result=True)
        worker.eventually(lambda number=number: runs(worker.samples()) == number)  # type: ignore[misc]
    killed: set[int] = set()

    for _ in range(ROUNDS):
        worker.eventually(lambda: len(living(worker) - killed) == CHILDREN)
        for pid in living(worker):
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
    shown = worker.ready_samples()

    assert len(killed) == CHILDREN * ROUNDS
    assert shown["veche_worker_children"] == CHILDREN
    # What the dead have counted still counts, and nothing counts twice.
    assert runs(shown) == 5
    assert shown[f'veche_task_wait_seconds_count{{task="{TASK}"}}'] == 5
    assert len(worker.files()) <= MOST_FILES, sorted(worker.files())
    assert not any(re.search(r'pid="', name) for name in shown)
    print(f"files after {len(killed)} kills: {len(worker.files())}")  # noqa: T201  a figure of the report


def test_folder_of_a_killed_worker_is_removed_by_the_next_and_a_stopping_one_removes_its_own(
    worker: MeasuredWorker, tmp_path: Path
) -> None:
    worker.ready_samples()
    [left] = worker.folders()
    worker.end(signal.SIGKILL)

    second = MeasuredWorker(tmp_path)
    second.ready_samples()
    folders = second.folders()
    second.process.terminate()
    second.process.wait(DEADLINE_SECONDS)

    assert left not in folders
    assert len(folders) == 1
    assert second.folders() == []


def test_port_is_open_to_the_holder_of_the_token_only(tmp_path: Path) -> None:
    worker = MeasuredWorker(tmp_path, METRICS_TOKEN=TOKEN)
    try:
        found: list[Samples] = []

        def is_shown() -> bool:
            try:
                found.append(worker.samples(TOKEN))
            except OSError:
                return False
            return True

        worker.eventually(is_shown)
        refused = []
        for token in (None, "", TOKEN + "x"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                worker.samples(token)
            refused.append(caught.value.code)
    finally:
        worker.end(signal.SIGKILL)

    assert refused == [404, 404, 404]
    assert any(name.startswith("veche_") for name in found[0])


def test_worker_whose_port_is_taken_works_all_the_same_and_shows_metrics_once_it_is_free(
    worker: MeasuredWorker, tmp_path: Path
) -> None:
    worker.ready_samples()

    second = MeasuredWorker(tmp_path, METRICS_PORT=str(worker.port))
    try:
        second.eventually(lambda: "no metrics on port" in second.log.read_text())
        worker.end()
        second.port = worker.port
        shown = second.ready_samples()
    finally:
        second.end(signal.SIGKILL)

    assert shown["veche_worker_children"] == CHILDREN
