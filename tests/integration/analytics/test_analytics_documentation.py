"""The consumer in docs/analytics.md is run as it stands there."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chat.models import RoomEvent
from chatsite.env import BASE_DIR
from tests.support.analytics_events import placeholder
from tests.support.analytics_world import World, publish
from tests.support.buses import EventBusUnderTest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
DEADLINE_SECONDS = 100.0


class Counts:
    """What the example's database holds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "messages.db"

    def read(self) -> dict[int, tuple[int, int]]:
        """Room → highest seq, messages."""
        if not self._file.exists():
            return {}
        database = sqlite3.connect(self._file, timeout=10)
        try:
            rows = database.execute("SELECT id, seq, messages FROM room").fetchall()
        except sqlite3.OperationalError:  # the tables are not there yet
            return {}
        finally:
            database.close()
        return {room: (seq, messages) for room, seq, messages in rows}

    def wait(self, events: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while sum(seq for seq, _ in self.read().values()) < events:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_consumer_of_the_documentation_counts_each_message_once_although_it_is_killed(
    on_kafka: EventBusUnderTest, tmp_path: Path
) -> None:
    [source] = EXAMPLE.findall((BASE_DIR / "docs" / "analytics.md").read_text())
    script = tmp_path / "example.py"
    script.write_text(source.replace('"chat.events.v1"', repr(on_kafka.topic)))
    world = World()
    world.happen(600)
    events = list(world.events())
    late = next(one for one in events if one.seq == 3)
    stand_in = placeholder(late.seq, late.room)
    first = [stand_in if one is late else one for one in events]
    counts = Counts(tmp_path)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, str(script)],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": on_kafka.server.url},
            cwd=tmp_path,
        )

    publish(on_kafka, first[:400])
    process = start()
    try:
        counts.wait(300)
        process.kill()
        process.wait()
        publish(on_kafka, [*first[300:], *first[:100], late, late])
        process = start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        expected = {
            room.pk: (
                RoomEvent.objects.filter(room=room).count(),
                RoomEvent.objects.filter(room=room, type="message.posted").count(),
            )
            for room in world.rooms
        }
        while counts.read() != expected:
            assert time.monotonic() < deadline, (counts.read(), expected)
            assert process.poll() is None
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


def test_example_is_short_enough_to_be_read() -> None:
    [source] = EXAMPLE.findall((BASE_DIR / "docs" / "analytics.md").read_text())

    assert len([line for line in source.splitlines() if line.strip()]) <= 42
