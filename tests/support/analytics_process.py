"""Consumers in processes of their own, for tests that kill them.

Run as a program, it forks a consumer for each line of its input, `<name in the group>`, and
answers with its process id: a fork of a process with everything imported starts in no time. When
its input ends, it kills them all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # For type checking only: the program sets Django up first.
    from tests.support.buses import EventBusUnderTest

PROJECT = Path(__file__).resolve().parents[2]


class Nursery:
    """Starts consumers of `on` that count `batch_records` at a time."""

    def __init__(self, on: EventBusUnderTest, database_url: str, batch_records: int) -> None:
        arguments = [on.kind, on.server.url, on.topic, str(batch_records)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.analytics_process", *arguments],
            env={**os.environ, "DATABASE_URL": database_url, "LOG_LEVEL": "ERROR"},
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, name: str) -> int:
        """Start a consumer; returns its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def kill(process_id: int) -> None:
    """SIGKILL; it may have ended by itself."""
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return


def main() -> None:
    kind, url, topic, batch_records = sys.argv[1:]
    import django

    django.setup()
    from analytics.counting.bus_reader import EventBusReader
    from analytics.counting.bus_reader.kafka import KafkaReader
    from analytics.counting.bus_reader.redis_stream import RedisStreamReader
    from analytics.counting.consumer import Consumer
    from chat.resilience.backoff import delay_seconds
    from chatsite.analytics_wiring.dead_letters import AnalyticsDeadLetters

    def work(name: str) -> None:
        def open_reader() -> EventBusReader:
            if kind == "kafka":
                return KafkaReader(
                    [url], topic=topic, group=f"analytics-{topic}", instance=name, session_ms=6_000
                )
            from redis import Redis

            client = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
            return RedisStreamReader(client, stream=topic, group="analytics")

        Consumer(open_reader, AnalyticsDeadLetters(), batch_records=int(batch_records)).run(
            delay_seconds
        )

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # their logs must not mix with the answers
    children = []
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(line.strip())
            os._exit(0)
        children.append(child)
        answers.write(f"{child}\n")
        answers.flush()
    for child in children:
        kill(child)


if __name__ == "__main__":
    main()
