"""Celery's entry points. Tasks carry no data: each wakes a step that finds its work by itself."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings
from structlog.contextvars import bound_contextvars

from chat import dead_letters
from chat.actions import audit_outcomes, ownership
from chat.actions.event_loop import run_actions
from chat.errors import RetryableError
from chat.event_bus import event_bus
from chat.export import exporter, outbox
from chat.export.rest import Resting
from chat.mail import queue
from chat.monitoring import delivery_health, event_bus_state
from chat.persistence import batch_times, drain
from chat.room_log import epochs, keys, restrictions
from chat.room_log.unloading import unload_idle
from chat.servers.redis_log import blocking_client

logger = logging.getLogger(__name__)

# After this time the sweep has sent a newer wake-up.
EXPIRES_SECONDS = 60


@shared_task(name="chat.tasks.persist_shard", ignore_result=True)
def persist_shard(shard: int) -> None:
    """Drains one shard. If it cannot do so now, the sweep asks for it again."""
    try:
        with bound_contextvars(shard=shard):
            drained = drain.drain(shard)
    except RetryableError as error:
        logger.warning("shard %s left to the sweep: %s", shard, error)
        return
    if drained.stored:
        _wake_export(shard)


@shared_task(name="chat.tasks.export_shard", ignore_result=True)
def export_shard(shard: int) -> None:
    """Publishes the stored events of one shard. If it cannot now, the sweep asks for it again."""
    try:
        with bound_contextvars(shard=shard):
            exporter.of_process().export_when_rested(shard)
    except Resting:
        return
    except RetryableError as error:
        logger.warning("export of shard %s left to the sweep: %s", shard, error)


def _wake_export(shard: int) -> None:
    try:
        export_shard.apply_async(args=(shard,), expires=EXPIRES_SECONDS)
    except Exception as error:
        # The drain is done. For whatever reason the broker did not take this, the sweep will come.
        logger.warning("export of shard %s left to the sweep: %s", shard, type(error).__name__)


@shared_task(name="chat.tasks.sweep_shards", ignore_result=True)
def sweep_shards() -> None:
    """Drains every shard that has something in its stream; beat calls it every 2 s."""
    epochs.establish_all()
    for shard in range(settings.ENV.shards):
        if blocking_client().xlen(keys.ingest(shard)):
            persist_shard.apply_async(args=(shard,), expires=EXPIRES_SECONDS)


@shared_task(name="chat.tasks.sweep_exports", ignore_result=True)
def sweep_exports() -> None:
    """Exports every shard that has something to publish; beat calls it every 2 s."""
    for shard in outbox.waiting_shards(settings.ENV.shards, event_bus().name):
        export_shard.apply_async(args=(shard,), expires=EXPIRES_SECONDS)


@shared_task(name="chat.tasks.look_at_event_bus", ignore_result=True)
def look_at_event_bus() -> None:
    """Checks the event bus's settings, and whether it is another one; once a minute."""
    try:
        shards = event_bus_state.look()
    except RetryableError as error:
        logger.warning("the event bus cannot be looked at: %s", error)
        return
    for shard in shards:
        _wake_export(shard)


@shared_task(name="chat.tasks.unload_idle_rooms", ignore_result=True)
def unload_idle_rooms() -> None:
    """Unloads rooms that are completely stored and idle for a day from the log; once an hour."""
    for shard in range(settings.ENV.shards):
        unload_idle(shard)


@shared_task(name="chat.tasks.forget_batch_ends", ignore_result=True)
def forget_batch_ends() -> None:
    """Deletes times of storing and exporting that are too old to keep; once an hour."""
    batch_times.forget()


@shared_task(name="chat.tasks.agree_on_restrictions", ignore_result=True)
def agree_on_restrictions() -> None:
    """Tells the log who is muted everywhere or deactivated; beat calls it every 10 s."""
    restrictions.agree()


@shared_task(name="chat.tasks.settle_audit_log", ignore_result=True)
def settle_audit_log() -> None:
    """Finds the outcomes of acts that have none on record; beat calls it every minute."""
    audit_outcomes.complete()


@shared_task(name="chat.tasks.fill_vacancies", ignore_result=True)
def fill_vacancies() -> None:
    """Gives rooms without an owner to the next in line; beat calls it every 5 minutes."""
    try:
        run_actions(ownership.fill_vacancies())
    except RetryableError as error:
        logger.warning("rooms without an owner get one later: %s", error)


@shared_task(name="chat.tasks.verify_recent_rooms", ignore_result=True)
def verify_recent_rooms() -> None:
    """Verifies rooms in which something has just happened; beat calls it every minute."""
    delivery_health.check_recent_rooms()


@shared_task(name="chat.tasks.retry_dead_letters", ignore_result=True)
def retry_dead_letters() -> None:
    """Retries dead letters whose time has come; beat calls it every 10 s."""
    dead_letters.retry_due()


@shared_task(name="chat.tasks.send_mail", ignore_result=True)
def send_mail() -> None:
    """Sends mail that is due; beat calls it every 2 s."""
    queue.send_due()
