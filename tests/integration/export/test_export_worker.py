"""The export as it really runs: in a forking Celery worker whose children come and go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat import tasks
from chat.event_bus import envelope
from chat.event_bus.kafka import KafkaEventBus
from chat.models import ExportedRoom, Room
from tests.integration.export.test_export import store, stored_room, url_of_test_database
from tests.support.buses import first_occurrences
from tests.support.servers import OwnServer

pytestmark = pytest.mark.django_db(transaction=True)

# Children are replaced all the time, each with a producer of its own.
WORKER = ["celery", "-A", "chatsite", "worker", "-c", "2", "--max-tasks-per-child", "3"]
QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
# A worker that waits for a producer's thread would take its soft shutdown and more.
STOP_SECONDS = 15.0
EVENTS = 120


@pytest.fixture
def worker(kafka_server: OwnServer, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    kafka_server.start()
    process = subprocess.Popen(
        [sys.executable, "-m", *WORKER, *QUIET],
        env={
            **os.environ,
            "DATABASE_URL": url_of_test_database(),
            "KAFKA_BOOTSTRAP_SERVERS": kafka_server.url,
        },
        stdout=(tmp_path / "worker.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def eventually(is_so: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def are_exported(rooms: list[Room], seq: int) -> bool:
    return ExportedRoom.objects.filter(room__in=rooms, seq=seq).count() == len(rooms)


def test_worker_whose_children_come_and_go_exports_everything_in_order_and_stops_at_once(
    worker: subprocess.Popen[bytes], kafka_server: OwnServer, tmp_path: Path
) -> None:
    rooms = [stored_room(0) for _ in range(6)]
    for last in range(20, EVENTS + 1, 20):
        for room in rooms:
            store(room, range(last - 19, last + 1), body="nobody-may-read-this")
        tasks.sweep_exports()
        eventually(lambda last=last: are_exported(rooms, last), 60.0)  # type: ignore[misc]

    worker.send_signal(signal.SIGTERM)
    code = worker.wait(STOP_SECONDS)

    log = (tmp_path / "worker.log").read_text()
    bus = KafkaEventBus([kafka_server.url], 12)
    reader = bus.reader()
    seqs: dict[int, list[int]] = {room.pk: [] for room in rooms}
    while found := reader.read(500, 2.0):
        for one in found:
            event = envelope.decode(one.value or b"")
            if event.room in seqs:
                seqs[event.room].append(event.seq)
    reader.close()
    assert code == 0, log
    assert "nobody-may-read-this" not in log
    for of_one in seqs.values():
        assert first_occurrences(of_one) == list(range(1, EVENTS + 1))
