"""`manage.py shards status|resume|rewind`: how far the shards are, and getting them going again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, TextIO, cast

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from chat.errors import RetryableError
from chat.event_bus import event_bus
from chat.export import exporter
from chat.monitoring.shard_states import ShardState, shard_states
from chat.room_log import cursors


class Command(BaseCommand):
    help = (
        "Shows how far each shard is stored and exported; resumes a shard that has stopped, after "
        "its cause is fixed; publishes shards again after the event bus was replaced or lost. "
        "`status` exits with 1 if a shard has stopped."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)

        status = actions.add_parser("status", help="how far every shard is")
        status.add_argument("--json", action="store_true", help="one step of a shard a line")

        resume = actions.add_parser("resume", help="resumes stopped shards")
        resume.add_argument("step", choices=["persist", "export"])
        resume.add_argument("--shard", type=int, help="this one only; default: all")

        rewind = actions.add_parser("rewind", help="exports again what was exported before")
        rewind.add_argument("--shard", type=int, help="this one only; default: all")
        rewind.add_argument("--hours", type=float, help="only the last HOURS; default: everything")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            if action == "status":
                self.status(as_json=options["json"])
            elif action == "resume":
                self.resume(options["step"], chosen(options["shard"]))
            else:
                self.rewind(chosen(options["shard"]), options["hours"])
        except OperationalError as error:
            raise CommandError("PostgreSQL does not answer.", returncode=2) from error

    def status(self, *, as_json: bool) -> None:
        states = list(shard_states())
        if as_json:
            for state in states:
                self.stdout.write(msgspec.json.encode(state).decode())
        else:
            Console(file=cast(TextIO, self.stdout)).print(table_of(states))
        stopped = [state for state in states if state.stopped_at is not None]
        if stopped:
            names = ", ".join(f"{state.kind} of shard {state.shard}" for state in stopped)
            raise CommandError(f"stopped: {names}")

    def resume(self, step: str, shards: Iterable[int]) -> None:
        for shard in shards:
            cursors.resume(shard, cursors.Kind(step))
        self.stdout.write("The next sweep continues them.")

    def rewind(self, shards: list[int], hours: float | None) -> None:
        since = None if hours is None else timedelta(hours=hours)
        for shard in track(shards, "Rewinding", console=Console(stderr=True)):
            try:
                exporter.rewind(shard, since)
            except RetryableError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"The next sweep publishes them again on {event_bus().name}.")


def chosen(shard: int | None) -> list[int]:
    everyone = range(settings.ENV.shards)
    if shard is None:
        return list(everyone)
    if shard not in everyone:
        raise CommandError(f"There are shards 0 to {settings.ENV.shards - 1}.", returncode=2)
    return [shard]


def table_of(states: Iterable[ShardState]) -> Table:
    table = Table("shard", "step", "position", "waiting", "last moved", "stopped")
    for state in states:
        table.add_row(
            str(state.shard),
            state.kind,
            state.position,
            "?" if state.waiting is None else f"{state.waiting:,}",
            "never" if state.moved_at is None else f"{state.moved_at:%Y-%m-%d %H:%M:%S}",
            state.stopped_reason if state.stopped_at is not None else "",
        )
    return table
