"""`manage.py probe`: sends a message through everything and says how long each stage took."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.utils.module_loading import import_string

from chat.actions.event_loop import run_actions
from chat.errors import ClientError
from chat.metrics import catalogue as metrics
from chat.monitoring import probe, probe_account
from chat.monitoring.probe import Measured
from chat.servers.postgres import in_database

OK, FAILED, AWAY = 0, 1, 2
LEAST_EVERY_SECONDS = 10.0
TITLES = {
    "connect": "connected",
    "ack": "acknowledged",
    "delivery": "delivered",
    "stored": "stored",
    "exported": "exported",
    "rolled_up": "rolled up",
}


def seconds(text: str) -> float:
    """A pause between runs. Raises: argparse.ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not LEAST_EVERY_SECONDS <= found <= 86_400:
        raise argparse.ArgumentTypeError(
            f"give {LEAST_EVERY_SECONDS:g} to 86400 seconds: each run is a message that is kept"
        )
    return found


class Command(BaseCommand):
    help = (
        "Sends a message into a hidden room as a program does, and shows how long it took until "
        "it was acknowledged, delivered, stored, exported and counted by the analytics. Exit code "
        "0: all in time; 1: not all; 2: the database is unreachable, so the probe has no account."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")
        parser.add_argument(
            "--every",
            type=seconds,
            metavar="SECONDS",
            help="repeat until stopped, and show the results as metrics on METRICS_PORT",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["every"] is not None:
            import_string(settings.BEGIN_PROCESS)("probe")
            run_actions(self._go_on(options["every"]))
            return
        try:
            measured = run_actions(self._once())
        except (ClientError, DatabaseError, InterfaceError) as error:
            raise CommandError(
                f"Nothing was sent: {type(error).__name__}.", returncode=AWAY
            ) from error
        if options["json"]:
            self.stdout.write(msgspec.json.encode(measured).decode())
        else:
            for line in lines(measured):
                self.stdout.write(line)
        sys.exit(OK if measured.is_ok else FAILED)

    async def _once(self) -> Measured:
        account = await Account.new()
        try:
            return await probe.probe(account.room, account.token)
        finally:
            await account.end()

    async def _go_on(self, every_seconds: float) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        account: Account | None = None

        async def run_once() -> None:
            nonlocal account
            try:
                account = account or await Account.new()
            except (ClientError, DatabaseError, InterfaceError) as error:
                metrics.PROBE_RUNS.labels("failed").inc()
                metrics.PROBE_FAILURES.labels("connect").inc()
                self.stderr.write(f"no account for the probe: {type(error).__name__}")
                return
            measured = await probe.probe(account.room, account.token)
            if "connect" in measured.failures:
                account = None  # the token may have been revoked, or the database restored

        await probe.repeat(run_once, every_seconds, stop)
        if account is not None:
            await account.end()


class Account(msgspec.Struct, frozen=True):
    """The account and token with which one probe process writes."""

    user_id: int
    room: int
    token_id: int
    token: str

    @classmethod
    async def new(cls) -> Account:
        """Raises: ClientError; DatabaseError."""
        user = await in_database(probe_account.ensure_user)
        room = await probe_account.ensure_room(user.pk)
        token_id, token = await in_database(probe_account.new_token, user.pk)
        return cls(user.pk, room, token_id, token)

    async def end(self) -> None:
        """Revokes the token; if that fails, a later process revokes it."""
        try:
            await in_database(probe_account.end_token, self.user_id, self.token_id)
        except ClientError:
            pass


def lines(measured: Measured) -> list[str]:
    """The result as lines for a person to read."""
    found = []
    for stage, title in TITLES.items():
        if stage in measured.failures:
            found.append(f"{title:<14} no: {measured.failures[stage]}")
        elif stage in measured.seconds:
            found.append(f"{title:<14} {measured.seconds[stage] * 1000:8.1f} ms")
    return found
