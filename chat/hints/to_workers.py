"""Asks Celery to drain a shard; the event loop never waits for the broker.

A request carries no data and may be lost: beat sweeps every shard every 2 s.
"""

from __future__ import annotations

import logging
import threading
import time

from celery import current_app

from chat.hints import queue_limit, queues

logger = logging.getLogger(__name__)

TASK = "chat.tasks.persist_shard"
# The shortest time between two requests for a shard. A drain takes everything there is, so under
# load one task does what many events asked for. An event of a quiet shard does not wait.
ASK_INTERVAL_SECONDS = 0.1


class _Waker:
    """One thread, and the set of shards that it still has to ask for: at most all of them."""

    def __init__(self) -> None:
        self._shards: set[int] = set()
        self._asked_at: dict[int, float] = {}
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, shard: int) -> None:
        with self._ready:
            self._shards.add(shard)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                self._thread.start()
            self._ready.notify()

    def _run(self) -> None:
        while True:
            ask(self._next())

    def _next(self) -> int:
        """The shard that has waited longest, once it may be asked for again."""
        with self._ready:
            while True:
                while not self._shards:
                    self._ready.wait()
                shard = min(self._shards, key=lambda one: self._asked_at.get(one, 0.0))
                pause = self._asked_at.get(shard, 0.0) + ASK_INTERVAL_SECONDS - time.monotonic()
                if pause <= 0:
                    self._shards.discard(shard)
                    self._asked_at[shard] = time.monotonic()
                    return shard
                self._ready.wait(pause)


def ask(shard: int) -> None:
    """Asks for a drain of `shard` now, waiting for the broker. Never raises."""
    try:
        if not queue_limit.is_full(queues.DRAINS):
            current_app.send_task(TASK, args=[shard], ignore_result=True, expires=60)
    except Exception as error:
        # Any broker failure means the same: the sweep will come. Only the class name is logged,
        # because a broker's error text may contain its address.
        logger.warning("broker unreachable, drain left to the sweep: %s", type(error).__name__)


_waker = _Waker()


def wake(shard: int) -> None:
    """Asks for a drain of `shard`; returns at once and never raises."""
    _waker.wake(shard)
