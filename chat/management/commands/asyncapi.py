"""`manage.py asyncapi`: writes docs/asyncapi.json, the document of the wire protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat import asyncapi

DEFAULT_PATH = Path(__file__).parents[3] / "docs" / "asyncapi.json"


class Command(BaseCommand):
    help = "Write the AsyncAPI document of the wire protocol."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, help="default: docs/asyncapi.json")

    def handle(self, *args: Any, path: Path | None, **options: Any) -> None:
        target = path or DEFAULT_PATH
        target.write_text(asyncapi.text())
        self.stdout.write(f"{target} written")
