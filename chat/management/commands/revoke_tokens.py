"""`manage.py revoke_tokens`: ends tokens of programs, of one person or of everybody."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models import Q

from chat.accounts import tokens
from chat.audit import entries as audit
from chat.audit.entries import Actor, Channel, NewEntry
from chat.audit.permissions import Act
from chat.errors import ClientError
from chat.models import ApiToken, User


class Command(BaseCommand):
    help = (
        "Revokes all tokens of USERNAME, or those named by id or first characters; their sockets "
        "close within seconds. On record in the audit log."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", help="whose tokens")
        parser.add_argument("--token", action="append", metavar="ID", help="its id or beginning")
        parser.add_argument("--everybody", action="store_true", help="all tokens of all people")
        parser.add_argument("--why", default="", help="the reason, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            why = audit.check_reason(options["why"], needed=False)
        except ClientError as error:
            raise CommandError(error.message) from error
        revoked = 0
        of_people: dict[int, list[int]] = {}
        for user_id, token_id in self._chosen(**options).values_list("user_id", "pk"):
            of_people.setdefault(user_id, []).append(token_id)
        for user_id, token_ids in of_people.items():
            with transaction.atomic():
                ended = tokens.revoke_some(user_id, token_ids)
                revoked += len(ended)
                audit.record(
                    NewEntry(
                        by=Actor(
                            user_id=None,
                            name=getpass.getuser(),
                            channel=Channel.COMMAND,
                            staff=True,
                        ),
                        action=Act.TOKEN_REVOKE,
                        target=audit.person_target(user_id),
                        reason=why,
                        before={"tokens": ended},
                    )
                )
        self.stdout.write(f"Revoked: {revoked}.")

    def _chosen(self, *, username: str | None, **options: Any) -> Any:
        """The tokens asked for that have not been revoked."""
        named, everybody = options["token"], options["everybody"]
        if sum(map(bool, (username or named, everybody))) != 1:
            raise CommandError("Name a person, some --token, or --everybody.")
        rows = ApiToken.objects.filter(revoked_at=None).order_by("user_id", "pk")
        if username:
            user = User.objects.filter(username=username).first()
            if user is None:
                raise CommandError(f"There is no {username!r}.")
            rows = rows.filter(user=user)
        if named:
            wanted = Q()
            for text in named:
                wanted |= self._token(text)
            rows = rows.filter(wanted)
        return rows

    @staticmethod
    def _token(text: str) -> Q:
        """Matches by id, by the prefix that lists show, or by the whole text, as a leak has it."""
        if text.isascii() and text.isdecimal() and len(text) < 19:
            return Q(pk=int(text))
        shown = tokens.SHOWN_PREFIX_CHARACTERS
        if not text.startswith(tokens.TOKEN_PREFIX) or len(text) < shown:
            raise CommandError(f"{text[:shown]!r} is neither the id nor the beginning of a token.")
        return Q(prefix=text) if len(text) == shown else Q(digest=tokens.digest_of(text))
