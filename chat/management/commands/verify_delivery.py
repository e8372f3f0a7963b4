"""`manage.py verify_delivery`: proves that nothing was lost, repeated, swapped or changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from chat.errors import RetryableError
from chat.event_bus import event_bus
from chat.management.moments import moment
from chat.models import Room
from chat.monitoring import delivery_health
from chat.verify import Progress, VerificationReport, Verifier

CLEAN, DIFFERENT, AWAY = 0, 1, 2
SECONDS_BETWEEN_LINES = 5.0


class Command(BaseCommand):
    help = (
        "Compares the log, PostgreSQL, the event bus and the projections, and names each place "
        "where they differ. Safe while everything runs. Exit code 0: no difference; 1: "
        "differences; 2: the log, PostgreSQL or the event bus is unreachable. Rooms found right "
        "from their beginning no longer count as wrong in the check that runs every minute."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--room", help="id or address of one room; all rooms without it")
        parser.add_argument(
            "--since",
            type=moment,
            help="only what happened since then: 2026-11-22T09:30, or 10m, 2h, 3d ago",
        )
        parser.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            rooms = None if options["room"] is None else [find_room(options["room"])]
            wrong = wrong_rooms()
            with shown_progress() as on_progress:
                verifier = Verifier(
                    settings.ENV.shards,
                    event_bus(),
                    since=options["since"],
                    on_progress=on_progress,
                )
                report = verifier.verify(rooms)
        except RetryableError as error:
            raise CommandError(f"{error} Nothing was compared.", returncode=AWAY) from error
        if options["since"] is None and not report.violations:
            forget(wrong if rooms is None else {one: wrong[one] for one in rooms if one in wrong})
        if options["json"]:
            self.stdout.write(msgspec.json.encode(report).decode())
        else:
            for line in lines(report):
                self.stdout.write(line)
        if report.violations:
            sys.exit(DIFFERENT)


def wrong_rooms() -> dict[int, delivery_health.WrongRoom]:
    """The rooms that the check of recent rooms keeps watching; none while the bus is down."""
    try:
        return delivery_health.wrong_rooms()
    except RedisError:
        return {}


def forget(rooms: dict[int, delivery_health.WrongRoom]) -> None:
    """Ends an alert at once that would otherwise wait until a check has time for the room."""
    with suppress(RedisError):  # the bus went down: the check ends the alert later
        delivery_health.forget(rooms)


def find_room(text: str) -> int:
    """The id of the room with this id or address. Raises: CommandError."""
    by = {"pk": int(text)} if text.isascii() and text.isdecimal() else {"slug": text}
    room = Room.objects.filter(**by).values_list("pk", flat=True).first()
    if room is None:
        raise CommandError(f"There is no room {text!r}.")
    return room


def lines(report: VerificationReport) -> Iterator[str]:
    """The report as lines for a person to read."""
    for finding in report.findings:
        yield str(finding)
    if report.findings_not_listed:
        yield f"… and {report.findings_not_listed:,} more"
    read = (
        f"{report.rooms:,} rooms, {report.events:,} events, {report.bus_records:,} records "
        f"of the bus in {report.seconds:.1f} s"
    )
    yield (
        f"{report.violations:,} differences in {read}."
        if report.violations
        else (f"No difference in {read}.")
    )


@contextmanager
def shown_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, an occasional line elsewhere; standard output is kept for the report."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield plain_lines()
        return
    with ProgressBar(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                description=progress.doing,
                completed=progress.done,
                total=max(progress.total, 1),
            )

        yield show


def plain_lines() -> Callable[[Progress], None]:
    last = time.monotonic()

    def show(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            sys.stderr.write(f"{progress.doing}: {progress.done:,} of {progress.total:,}\n")

    return show
