"""Whom and what a message names, as ids: a name may change, and the message stays right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec


class Mentions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was meant by the names in a text when it was logged: the name as it is written (in
    lower case; without its sign) → id. Everything else in the text is text.

    `people` are in the room. `all`: everybody in it, or everybody who is present. `unresolved`:
    PostgreSQL was down, so the names are looked up when the event is stored.
    """

    people: dict[str, int] = {}
    groups: dict[str, int] = {}
    rooms: dict[str, int] = {}
    all: Literal["room", "here"] | None = None
    unresolved: bool = False

    def __len__(self) -> int:
        return len(self.people) + len(self.groups) + len(self.rooms) + (self.all is not None)

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """(kind, id, name) of each, as `chat.models.Mention` has them."""
        for kind, ids in (("person", self.people), ("group", self.groups), ("room", self.rooms)):
            for name, target in ids.items():
                yield kind, target, name
        if self.all is not None:
            yield "all", 0, self.all
