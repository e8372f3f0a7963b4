"""`manage.py after_restore`: aligns a restored log and PostgreSQL, before anybody is let in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from chat.errors import RetryableError
from chat.event_bus import event_bus
from chat.export import exporter
from chat.persistence import drain
from chat.room_log import epochs
from chat.verify.rollups import rollups


class Command(BaseCommand):
    help = (
        "Run this once after a backup was restored and `migrate` was run, with all of Veche "
        "stopped. It stores what the log holds. It gives every shard a new epoch: clients that "
        "have seen more than the backup holds are told that it is gone. It empties Kafka's topic, "
        "to which everything is then published again."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        stored = 0
        try:
            for shard in range(settings.ENV.shards):
                stored += store_everything(shard)
                epochs.begin_anew(shard)
            self.stdout.write(
                f"{stored} events of the log are stored; all shards begin a new epoch."
            )
            # Last, because this step cannot be undone.
            if event_bus().empty_unless_restored():
                publish_everything_again()
                self.stdout.write(
                    f"{event_bus().name} is empty; the workers will publish everything again."
                )
        except (RetryableError, OperationalError) as error:
            reason = (
                str(error) if isinstance(error, RetryableError) else "PostgreSQL is unreachable."
            )
            raise CommandError(f"{reason} Run it again.") from error


def store_everything(shard: int) -> int:
    """Drains the shard to its end; returns how many events it stored.

    Raises: CommandError when a drain stops or another process holds the shard; RetryableError.
    """
    stored = 0
    while True:
        result = drain.drain(shard)
        if result.stopped:
            raise CommandError(f"Shard {shard} has stopped: see `manage.py shards status`.")
        if result.busy:
            raise CommandError("A worker is running: stop workers and web processes first.")
        if not result.stored:
            return stored
        stored += result.stored


def publish_everything_again() -> None:
    """Rewinds the exports and the analytics, whose positions refer to the lost event bus.

    Raises: RetryableError; OperationalError.
    """
    rollups().read_all_again()
    for shard in range(settings.ENV.shards):
        exporter.rewind(shard)
