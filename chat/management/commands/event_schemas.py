"""`manage.py event_schemas`: writes docs/events/, the JSON Schemas of what is on the event bus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.event_bus import schemas

DEFAULT_FOLDER = Path(__file__).parents[3] / "docs" / "events"


class Command(BaseCommand):
    help = (
        "Write the JSON Schema of every event type. Refuses to change a schema in a way that "
        "would break its readers: the event type then needs a new version."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", nargs="?", type=Path, help="default: docs/events")

    def handle(self, *args: Any, folder: Path | None, **options: Any) -> None:
        folder = folder or DEFAULT_FOLDER
        texts = schemas.files()
        problems = []
        for name, text in texts.items():
            path = folder / name
            if path.exists():
                found = schemas.incompatible(json.loads(path.read_text()), json.loads(text))
                problems += [f"{name}: {problem}" for problem in found]
        if problems:
            raise CommandError(
                "\n".join(
                    [
                        "This would break readers of what is already published:",
                        *(f"  {problem}" for problem in problems),
                        "Raise the type's version in chat.events.envelope.VERSIONS instead.",
                    ]
                )
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        self.stdout.write(f"{len(texts)} schemas in {folder}")
