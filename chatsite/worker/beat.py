"""The scheduler of `celery -A chatsite beat`."""

from __future__ import annotations

from typing import Any

from celery import beat

from chat.task_queue import beat_heartbeat


class Scheduler(beat.Scheduler):
    """Celery's in-memory scheduler, which also writes a heartbeat.

    It does so whenever a task is due, even if none is published: while the queue is full, nothing
    is (`chat.hints.queue_limit`), and that is not beat's fault.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._heartbeat = beat_heartbeat.Heartbeat()
        super().__init__(*args, **options)

    def apply_async(
        self, entry: Any, producer: Any = None, advance: bool = True, **options: Any
    ) -> Any:
        result = super().apply_async(entry, producer=producer, advance=advance, **options)
        self._heartbeat.write()
        return result
