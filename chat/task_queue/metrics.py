"""Measures how long Celery tasks wait and run, in the process that runs them.

Every message carries the time at which it was sent. Each publisher sets it: a web process, beat or
another task.
"""

from __future__ import annotations

import time
from typing import Any

from celery import Task
from celery.signals import (
    before_task_publish,
    task_postrun,
    task_prerun,
    worker_process_init,
)

from chat.metrics import catalogue as metrics
from chat.servers import clocks

SENT_AT_HEADER = "veche_sent_at"
_BEGAN = "veche_began"


def connect() -> None:
    """Measures from now on. Calling it again changes nothing."""
    before_task_publish.connect(_stamp, dispatch_uid="chat.task_queue.metrics")
    task_prerun.connect(_begin, dispatch_uid="chat.task_queue.metrics")
    task_postrun.connect(_end, dispatch_uid="chat.task_queue.metrics")
    worker_process_init.connect(_count_child, dispatch_uid="chat.task_queue.metrics")


def _stamp(headers: dict[str, Any], **_: Any) -> None:
    headers[SENT_AT_HEADER] = clocks.BUS.seconds()


def _begin(task: Task[Any, Any], **_: Any) -> None:
    setattr(task.request, _BEGAN, time.monotonic())
    sent_at = getattr(task.request, SENT_AT_HEADER, None)
    # This comes from the broker, so it could be anything.
    if isinstance(sent_at, int | float):
        wait = max(0.0, clocks.BUS.seconds() - sent_at)
        metrics.TASK_WAIT_SECONDS.labels(task.name).observe(wait)


def _end(task: Task[Any, Any], **_: Any) -> None:
    began = getattr(task.request, _BEGAN, None)
    if began is not None:
        metrics.TASK_SECONDS.labels(task.name).observe(time.monotonic() - began)


def _count_child(**_: Any) -> None:
    metrics.WORKER_CHILDREN.set(1)
