"""The Celery application: `celery -A chatsite worker`, `celery -A chatsite beat`."""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
)

from chatsite.env_reader import env
from chatsite.observability import worker_metrics
from chatsite.worker.broker_slots import give_back_slots

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

# Before anything that has metrics is imported.
if worker_metrics.is_worker(sys.argv) and env().metrics_port:
    worker_metrics.prepare()

give_back_slots()
app = Celery("veche", task_cls="chat.task_queue.base:WakeUp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def prepare_worker(**_: Any) -> None:
    """Check the log and PostgreSQL, and remove the connection pool.

    A prefork child runs one task at a time. Its single connection stays open between tasks and is
    checked before each.
    """
    from django.db import connections

    from chat import event_bus
    from chatsite.observability import metrics_port
    from chatsite.startup_checks.database import refuse_weak_database
    from chatsite.startup_checks.log import refuse_weak_log

    refuse_weak_log()
    refuse_weak_database()
    if worker_metrics.prepared():
        metrics_port.serve_metrics(worker_metrics.registry(), tend=worker_metrics.sweep)
    event_bus.check_at_start()
    settings = connections.settings["default"]
    settings["OPTIONS"].pop("pool", None)
    settings["CONN_MAX_AGE"] = 600


@worker_init.connect
def name_tasks_in_logs(**_: Any) -> None:
    from chatsite.observability import logs

    logs.connect_tasks()


@worker_process_init.connect
def begin_child(**_: Any) -> None:
    from chatsite.observability import metrics_port, start

    metrics_port.leave_port_to_parent()
    start.begin("worker", serve_metrics=False)


@beat_init.connect
def begin_beat(**_: Any) -> None:
    from chatsite.observability import start

    start.begin("beat")


@worker_process_shutdown.connect
@worker_shutdown.connect
def let_go(**_: Any) -> None:
    """Close this process's event bus, so that its thread does not delay the exit."""
    from chat import event_bus
    from chatsite.observability import start

    event_bus.close()
    start.end()


@worker_shutdown.connect
def remove_metrics(**_: Any) -> None:
    worker_metrics.remove_own()
