"""`manage.py metrics_page`: writes docs/metrics.md, the list of all metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat.metrics import page

DEFAULT_PATH = Path(__file__).parents[3] / "docs" / "metrics.md"


class Command(BaseCommand):
    help = "Write the list of all metrics."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, help="default: docs/metrics.md")

    def handle(self, *args: Any, path: Path | None, **options: Any) -> None:
        target = path or DEFAULT_PATH
        target.write_text(page.text())
        self.stdout.write(f"{target} written")
