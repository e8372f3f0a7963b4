"""The scheduler of `celery -A chatsite beat`."""

from __future__ import annotations

from typing import Any

from celery import beat

from chat.task_queue import beat_heartbeat


class Scheduler(beat.Scheduler):
    """Celery's, in memory, that also says it is alive.

    Whenever a task's time has come, not only when one was published: while the queue is full
    nothing is (`chat.hints.queue_limit`), and that is not beat's fault.
    """

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **options: Any
    ) -> Any:
        result = super().apply_async(entry, producer=producer, advance=advance, **options)
        beat_heartbeat.write()
        return result
