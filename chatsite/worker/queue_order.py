"""Keeps one process of each worker free for the queue `drains`.

Before each poll of the broker, kombu asks which queues to poll. While all processes but one work on
tasks of other queues, the answer is `drains` alone. A worker takes a task only when a process is
free for it (`worker_disable_prefetch`), so nothing waits inside the worker either. A worker with a
single process has none to keep free.
"""

from __future__ import annotations

from celery.worker import state
from kombu.utils.scheduling import round_robin_cycle

from chat.hints.queues import DRAINS


class Limit:
    """How many processes this worker has; `chatsite.worker.consumer` sets it at the start."""

    processes = 1


class QueueOrder(round_robin_cycle):  # type: ignore[type-arg]
    """The broker's `queue_order_strategy`."""

    def consume(self, n: int) -> list[str]:  # type: ignore[override]
        queues: list[str] = list(self.items or ())[:n]
        if DRAINS in queues and not may_take_others(Limit.processes):
            return [DRAINS]
        return queues


def may_take_others(processes: int) -> bool:
    """Whether a process is left for a drain after a task of another queue has begun."""
    others = sum(
        one.delivery_info.get("routing_key") != DRAINS for one in tuple(state.reserved_requests)
    )
    return processes < 2 or others < processes - 1
