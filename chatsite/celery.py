"""The Celery application: `celery -A chatsite worker`, `celery -A chatsite beat`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_shutdown, worker_shutdown

from chatsite.broker_slots import give_back_slots

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

give_back_slots()
app = Celery("veche", task_cls="chat.celery_task:WakeUp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def prepare_worker(**_: Any) -> None:
    """Check the log, and take the connection pool away: a prefork child runs one task at a time.

    Its single connection lives on between tasks and is checked before each.
    """
    from django.db import connections

    from chat import event_bus
    from chatsite.log_guard import refuse_weak_log

    refuse_weak_log()
    event_bus.check_at_start()
    settings = connections.settings["default"]
    settings["OPTIONS"].pop("pool", None)
    settings["CONN_MAX_AGE"] = 600


@worker_process_shutdown.connect
@worker_shutdown.connect
def let_go(**_: Any) -> None:
    """Close the event bus of this process, so that its thread does not hold up the exit."""
    from chat import event_bus

    event_bus.close()
