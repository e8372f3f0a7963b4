"""`manage.py rebuild_rollups`: counts everything on the event bus again."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, ProgrammingError, connections
from psycopg.errors import InsufficientPrivilege
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from analytics.counting import rebuilding
from analytics.counting.bus_reader import EventBusReader, open_reader
from analytics.counting.errors import Unavailable
from analytics.counting.rebuilding import Lost, Rebuild
from analytics.host import host

INTERRUPTED = 130
SWAP_TRIES = 10
SHOWN_LOST = 20
SECONDS_BETWEEN_LINES = 5.0


class Command(BaseCommand):
    help = (
        "Counts all events of the event bus again from the beginning and then replaces the old "
        "numbers by the new ones, all at once. Safe while everything runs. Ctrl-C stops it; the "
        "next run continues where it stopped."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--accept-gaps",
            action="store_true",
            help="take the new numbers even if the bus has lost events that are counted now",
        )
        parser.add_argument(
            "--abandon", action="store_true", help="give up a rebuild that was interrupted"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        connections.settings["default"]["OPTIONS"].pop("pool", None)
        try:
            if options["abandon"]:
                self._abandon()
            else:
                self._rebuild(options["accept_gaps"])
        except ProgrammingError as error:
            if not isinstance(error.__cause__, InsufficientPrivilege):
                raise
            raise CommandError(
                "Only the owner of the tables can make new ones: run this with DATABASE_OWNER_URL."
            ) from error
        except (Unavailable, OperationalError, InterfaceError) as error:
            known = isinstance(error, Unavailable)
            reason = str(error) if known else "The database does not answer."
            raise CommandError(f"{reason} Run it again to go on.", returncode=2) from error

    def _abandon(self) -> None:
        there = rebuilding.abandon()
        _reader().forget()
        self.stdout.write("The rebuild is given up." if there else "No rebuild was under way.")

    def _rebuild(self, accept_gaps: bool) -> None:
        if rebuilding.exists():
            self.stderr.write("Going on with the rebuild that was interrupted.")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        began = time.monotonic()
        with shown_progress() as on_progress:
            rebuild = Rebuild(
                _reader,
                host().new_dead_letters(),
                stopping=stopping,
                on_progress=on_progress,
            )
            complete = rebuild.run()
        if not complete:
            self.stderr.write("Stopped. The old numbers stand; run it again to go on.")
            sys.exit(INTERRUPTED)
        gaps = rebuilding.lost()
        if gaps and not accept_gaps:
            raise CommandError(_explain(gaps))
        _swap()
        _reader().forget()
        self.stdout.write(
            f"The numbers are new: all was counted again in {time.monotonic() - began:.1f} s."
        )


def _reader() -> EventBusReader:
    return open_reader(group=rebuilding.GROUP)


def _swap() -> None:
    for left in reversed(range(SWAP_TRIES)):
        try:
            rebuilding.swap()
            return
        except OperationalError:
            if not left:
                raise


def _explain(gaps: list[Lost]) -> str:
    places = [
        f"room {one.room} seq {one.first}" + (f" to {one.last}" if one.last > one.first else "")
        for one in gaps[:SHOWN_LOST]
    ]
    more = f" and {len(gaps) - SHOWN_LOST} more" if len(gaps) > SHOWN_LOST else ""
    return (
        f"The event bus lost events that are in the old numbers: {', '.join(places)}{more}. The "
        "old numbers stay. Publish everything again (`manage.py shards rewind`), wait for it and "
        "run this again; or accept the gaps with --accept-gaps; or give up with --abandon."
    )


@contextmanager
def shown_progress() -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal; otherwise a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("events")
        yield lambda done, total: bar.update(task, completed=done, total=max(total, 1))


def _plain_lines() -> Callable[[int, int], None]:
    last = 0.0

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            sys.stderr.write(f"events: {done:,} of {total:,}\n")

    return show
