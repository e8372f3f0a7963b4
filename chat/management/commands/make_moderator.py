"""`manage.py make_moderator NAME`: lets somebody into the admin when nobody in it can do so."""

from __future__ import annotations

import getpass
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from chat.audit import entries as audit
from chat.audit.entries import Actor, Channel, NewEntry
from chat.audit.permissions import GROUPS, Act
from chat.models import User


class Command(BaseCommand):
    help = "Makes somebody staff and puts them into a group: moderator, unless told otherwise."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--group", choices=sorted(GROUPS), default="moderator")
        parser.add_argument("--why", default="", help="the reason, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        name, group_name = options["username"], options["group"]
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).filter(username=name).first()
            if user is None:
                raise CommandError(f"There is no {name!r}.")
            group = Group.objects.filter(name=group_name).first()
            if group is None:
                raise CommandError(f"The group {group_name!r} was removed. Make it in the admin.")
            before = {"staff": user.is_staff, "groups": _groups(user)}
            user.is_staff = True
            user.save(update_fields=["is_staff"])
            user.groups.add(group)
            audit.record(
                NewEntry(
                    by=Actor(
                        user_id=None, name=getpass.getuser(), channel=Channel.COMMAND, staff=True
                    ),
                    action=Act.PERSON_GROUPS,
                    target=audit.person_target(user.pk),
                    reason=audit.check_reason(options["why"], needed=False),
                    before=before,
                    after={"staff": True, "groups": _groups(user)},
                )
            )
        self.stdout.write(f"{name} is a {group_name} now and may sign in to /admin/.")


def _groups(user: User) -> list[str]:
    return sorted(user.groups.values_list("name", flat=True))
