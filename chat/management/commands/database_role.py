"""`manage.py database_role ROLE`: the rights of the role as which web and workers run."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError

from chat.database_roles import OwnsTables, give_rights


class Command(BaseCommand):
    help = (
        "Gives ROLE the rights that web processes and workers need in PostgreSQL, and no others. "
        "Run it as the owner of the tables, after each migrate; see docs/operations.md."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            give_rights(options["role"])
        except OwnsTables as error:
            raise CommandError(str(error)) from error
        except ProgrammingError as error:
            raise CommandError(str(error).splitlines()[0]) from error
        self.stdout.write(f"{options['role']} reads and writes rows, and owns nothing.")
