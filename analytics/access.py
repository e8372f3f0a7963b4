"""Whose numbers a person may see: administrators everybody's, owners those of their rooms."""

from __future__ import annotations

from dataclasses import dataclass

from ninja.errors import HttpError

from analytics.host import NamedRoom, host
from analytics.models import ALL_ROOMS


@dataclass(frozen=True)
class Scope:
    """What is asked about: a room, or all rooms together."""

    room: NamedRoom | None

    @property
    def room_id(self) -> int:
        return ALL_ROOMS if self.room is None else self.room.id


async def scope_for(user_id: int, room_id: int | None) -> Scope:
    """What the person asked about, if it is for them.

    Raises: HttpError 404 for a room that is not there, is a direct conversation, or that the
    person neither owns nor administers, all alike; HttpError 403 for all rooms together, which
    are for administrators.
    """
    if room_id is None:
        if not await host().is_administrator(user_id):
            raise HttpError(403, "Name a room of yours: all of them are for administrators.")
        return Scope(None)
    room = await host().room_for(user_id, room_id)
    if room is None:
        raise HttpError(404, "There is no such room.")
    return Scope(room)
