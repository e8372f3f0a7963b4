"""Which numbers a person may see: administrators those of all rooms, owners those of their rooms.

For a private room, these numbers do not include who writes there and which words: those are shown
only to its owners, and to people who may read private rooms.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from ninja.errors import HttpError

from analytics.host import NamedRoom, host
from analytics.models import ALL_ROOMS


@dataclass(frozen=True)
class Selection:
    """What is asked about: a room, or all rooms together."""

    room: NamedRoom | None

    @property
    def room_id(self) -> int:
        return ALL_ROOMS if self.room is None else self.room.id


async def selection_for(request: HttpRequest, room_id: int | None) -> Selection:
    """What the person asked about, if they may see it.

    Raises: HttpError 404 for a room that does not exist, that is a direct conversation, or that
    the person neither owns nor administers, indistinguishably; HttpError 403 for all rooms
    together, which only administrators may see.
    """
    if room_id is None:
        if not await host().is_administrator(request):
            raise HttpError(403, "Choose one of your rooms: only administrators see all rooms.")
        return Selection(None)
    room = await host().room_for(request, room_id)
    if room is None:
        raise HttpError(404, "There is no such room.")
    return Selection(room)


async def look_inside(request: HttpRequest, selection: Selection) -> None:
    """Raises: HttpError 403 if the person may not see the people and words of this room."""
    room = selection.room
    if room is not None and not await host().may_look_inside(request, room.id, room.kind):
        raise HttpError(
            403,
            "People and words of a private room are shown to its owners and those who may read it.",
        )
