"""`manage.py issue_token USERNAME`: a bearer token for a person's program."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.accounts import tokens
from chat.errors import ClientError
from chat.models import User
from chat.names.labels import MAX_NAME_CHARACTERS, check_label
from chat.protocol.scopes import Scope


class Command(BaseCommand):
    help = "Prints a new bearer token of USERNAME. It is shown this once: only its hash is kept."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument(
            "--scope",
            action="append",
            choices=[str(scope) for scope in Scope],
            help="what it may do; may be given several times (without: everything)",
        )
        parser.add_argument(
            "--days",
            type=int,
            default=tokens.DEFAULT_DAYS,
            help=f"how long it works: 1 to {tokens.MAX_DAYS} days; 0: for ever",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None or not user.is_active:
            raise CommandError(f"There is no active person called {options['username']!r}.")
        try:
            name = check_label(options["name"], "Name", MAX_NAME_CHARACTERS)
            granted = {Scope(scope) for scope in options["scope"] or Scope}
            row, text = tokens.issue(user.pk, name, granted, options["days"] or None)
        except ClientError as error:
            raise CommandError(error.message) from error
        # The token alone goes to standard output, so that a script can take it from there.
        until = "for ever" if row.expires_at is None else f"until {row.expires_at:%Y-%m-%d}"
        self.stderr.write(f"Token {row.pk} of {user.username}, {until}, shown this once:")
        self.stdout.write(text)
