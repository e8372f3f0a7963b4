"""`manage.py asyncapi`: writes docs/asyncapi.json, and the UI's types generated from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from chat.protocol import asyncapi, typescript

ROOT = Path(__file__).parents[3]
DEFAULT_PATH = ROOT / "docs" / "asyncapi.json"
UI_PATH = ROOT / "chat" / "ui" / "src" / "lib" / "client" / "frames.ts"


class Command(BaseCommand):
    help = "Write the AsyncAPI document of the wire protocol, and the frames of the UI."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, help="write only the document, to here")

    def handle(self, *args: Any, path: Path | None, **options: Any) -> None:
        written = {path or DEFAULT_PATH: asyncapi.text()}
        if path is None:
            written[UI_PATH] = typescript.text(asyncapi.document())
        for target, text in written.items():
            target.write_text(text)
            self.stdout.write(f"{target} written")
