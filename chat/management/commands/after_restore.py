"""`manage.py after_restore`: makes a restored log and PostgreSQL one, before anybody is let in."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chat import persistence
from chat.errors import RetryableError
from chat.room_log import epochs


class Command(BaseCommand):
    help = (
        "Run it once after a backup was restored, with web and worker processes stopped. Stores "
        "what the log holds, and gives every shard a new epoch, so that clients which have seen "
        "more than the backup holds are told that it is gone."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        stored = 0
        try:
            for shard in range(settings.ENV.shards):
                stored += store_everything(shard)
                epochs.begin_anew(shard)
        except RetryableError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{stored} events of the log are stored; all shards begin a new epoch.")


def store_everything(shard: int) -> int:
    """Drains the shard to its end; returns how many events that were.

    Raises: CommandError when a drain stops or another process has the shard; RetryableError.
    """
    stored = 0
    while True:
        result = persistence.drain(shard)
        if result.stopped:
            raise CommandError(f"Shard {shard} has stopped: see `manage.py shards status`.")
        if result.busy:
            raise CommandError("A worker is running: stop workers and web processes first.")
        if not result.stored:
            return stored
        stored += result.stored
