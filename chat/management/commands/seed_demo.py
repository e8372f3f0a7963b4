"""`manage.py seed_demo`: people, rooms and messages to look at."""

from __future__ import annotations

import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import IO, Any, cast

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chat.actions.event_loop import run_actions
from chat.errors import ClientError
from chat.management.demo import Amounts, fill


def number_between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text[:12]) <= high:
            raise ArgumentTypeError(f"a number from {low:,} to {high:,}")
        return int(text)

    return parse


class Command(BaseCommand):
    help = (
        "Adds demo people, rooms and messages. Running it again adds nothing that is there, "
        "so a run that was cut off is completed by the next one."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--users", type=number_between(2, 10_000), default=20)
        parser.add_argument("--rooms", type=number_between(1, 1_000), default=10)
        parser.add_argument("--messages", type=number_between(0, 10_000_000), default=2_000)
        parser.add_argument(
            "--password",
            help="of the demo people; without it they cannot sign in",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        amounts = Amounts(options["users"], options["rooms"], options["messages"])
        console = Console(file=cast(IO[str], self.stdout))
        started = time.monotonic()
        try:
            with Progress(
                TextColumn("{task.description:<9}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=console,
            ) as progress:
                tasks = {
                    name: progress.add_task(name, total=total)
                    for name, total in (
                        ("People", amounts.users),
                        ("Rooms", amounts.rooms),
                        ("Messages", amounts.messages),
                    )
                }
                added = run_actions(
                    fill(
                        amounts,
                        options["password"],
                        lambda what, count: progress.advance(tasks[what], count),
                    )
                )
        except ClientError as error:
            raise CommandError(f"{error.message} What was added stays; run it again.") from error
        seconds = time.monotonic() - started
        self.stdout.write(f"{added:,} events added in {seconds:.1f} s.")
