"""`manage.py migrate`: Django's, which then grants the role of DATABASE_URL access."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate

from chat.servers import postgres_roles


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        owner_url = settings.ENV.database_owner_url
        # If both are the same, there is nothing to grant; web processes and workers warn of it.
        if owner_url not in ("", settings.ENV.database_url) and not options["plan"]:
            try:
                postgres_roles.let_in(settings.ENV.database_url)
            except postgres_roles.CannotLetIn as error:
                raise CommandError(str(error)) from error
