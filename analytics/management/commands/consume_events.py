"""`manage.py consume_events`: counts the events of the event bus until it is told to stop."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, connections

from analytics.counting import pruning, rollups
from analytics.counting.bus_reader import open_reader
from analytics.counting.consumer import Consumer
from analytics.host import host

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Reads the event bus and counts what happens in the rooms, until it is stopped (Ctrl-C or "
        "SIGTERM). Any number of processes share the partitions of Kafka; on a Redis Stream one "
        "counts and the others stand by."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--instance",
            help="a name of this process that is the same after a restart and that no other "
            "process has: with Kafka it then continues at once after a crash",
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="resume partitions that stopped because of bad records, and exit; a running "
            "consumer takes them up within seconds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # One connection for as long as it works: there is no request after which to return it.
        database = connections.settings["default"]
        database["OPTIONS"].pop("pool", None)
        if options["resume"]:
            self._resume()
            return
        host().begin_process("analytics")
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        consumer = Consumer(
            functools.partial(open_reader, options["instance"]),
            host().new_dead_letters(),
            on_rolled_up=host().rolled_up,
            stopping=stopping,
        )
        logger.info("counting events")
        consumer.run(host().back_off, between=pruning.Pruner().prune_when_due)
        logger.info("stopped")

    def _resume(self) -> None:
        try:
            number = rollups.resume()
        except (DatabaseError, InterfaceError) as error:
            raise CommandError("The database does not answer.", returncode=2) from error
        self.stdout.write(f"{number} partitions resumed." if number else "None had stopped.")
