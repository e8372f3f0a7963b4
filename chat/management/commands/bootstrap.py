"""`manage.py bootstrap`: what an empty installation needs before the first person comes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from chat.actions.event_loop import run_actions
from chat.actions.rooms import ensure_general
from chat.errors import ClientError


class Command(BaseCommand):
    help = "Makes #general, where everybody starts. May be run again at any time."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            general = run_actions(ensure_general())
        except ClientError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"#{general.slug} is there (room {general.pk}).")
