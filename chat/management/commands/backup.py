"""`manage.py backup FOLDER`: saves PostgreSQL and the log as of one moment, while people chat."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from chat.backup.moment import Moment, one_moment
from chat.errors import RetryableError
from chat.models import QueuedMail

DATABASE_FILE = "database.dump"
LOG_FILE = "log.rdb"
NOTE_FILE = "backup.json"


class Command(BaseCommand):
    help = (
        "Writes database.dump (by pg_dump), log.rdb and backup.json into an empty folder. People "
        "can go on chatting; storing pauses for a moment. docs/operations.md says how to restore "
        "the backup."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="created if it does not exist")
        parser.add_argument(
            "--pg-dump",
            default="pg_dump",
            help="at least as new as the server; default: the one on PATH",
        )
        parser.add_argument(
            "--elsewhere",
            action="store_true",
            help="another program runs pg_dump: print `snapshot <name>`, hold it, wait for `done`",
        )

    def handle(
        self, *args: Any, folder: Path, pg_dump: str, elsewhere: bool, **options: Any
    ) -> None:
        # All three files contain what people wrote.
        os.umask(0o077)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise CommandError(f"{folder} is not empty.", returncode=2)
            close_to_others(folder)
        except OSError as error:
            raise CommandError(f"{folder}: {error.strerror}.", returncode=2) from error
        made_at = datetime.now(UTC)
        try:
            with one_moment() as moment:
                if elsewhere:
                    self.stdout.write(f"snapshot {moment.database}")
                    self.stdout.flush()
                copy_log(moment, folder / LOG_FILE)
                if elsewhere:
                    if sys.stdin.readline().strip() != "done":
                        raise CommandError("No database.dump was made.")
                else:
                    run_pg_dump(pg_dump, moment, folder / DATABASE_FILE)
        except RetryableError as error:
            raise CommandError(str(error)) from error
        note = {
            "made_at": made_at.isoformat(timespec="seconds"),
            "shards": settings.ENV.shards,
            "cursors": moment.cursors,
        }
        (folder / NOTE_FILE).write_text(json.dumps(note, indent=1) + "\n")
        self.stderr.write(f"The backup is in {folder}.")


def close_to_others(folder: Path) -> None:
    """Lets only its owner into the folder, even if it existed before. If it is not ours to change,
    the files are still private: we make each of them for ourselves alone."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)


def copy_log(moment: Moment, path: Path) -> None:
    with path.open("wb") as file:
        moment.log.copy_to(file)
        file.flush()
        os.fsync(file.fileno())


def run_pg_dump(program: str, moment: Moment, path: Path) -> None:
    """Raises: CommandError."""
    given = connections["default"].get_connection_params()
    # In the environment, because everybody on the machine can see a command line.
    names = {
        "PGHOST": "host",
        "PGPORT": "port",
        "PGUSER": "user",
        "PGPASSWORD": "password",
        "PGDATABASE": "dbname",
    }
    environment = {name: str(given[key]) for name, key in names.items() if given.get(key)}
    command = [
        program,
        "--format=custom",
        f"--snapshot={moment.database}",
        f"--file={path}",
        # Waiting mail contains links that reset passwords, and a restore would send it again.
        f"--exclude-table-data={QueuedMail._meta.db_table}",
    ]
    try:
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CommandError(f"{program} cannot be run: {error.strerror}.") from error
    if done.returncode:
        raise CommandError(f"{program} failed: {done.stderr.strip()}")
