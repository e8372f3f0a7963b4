"""Which rooms a person may look into: checked before every read of a room.

An append checks the log's ACL itself. Reads check the same ACL here, so a person who was removed a
moment ago can read nothing more, whatever PostgreSQL still says.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat import room_log
from chat.errors import ClientError
from chat.events import Role, RoomKind
from chat.models import Room
from chat.protocol import MAX_ID
from chat.servers.postgres import in_database


@dataclass(frozen=True)
class Access:
    """A room that the person knows of; `role` is None for a public room they are not in."""

    room: Room
    role: Role | None


def no_such_room() -> ClientError:
    """The same answer for a room that does not exist and for one the person must not know of."""
    return ClientError("not_found", "There is no such room.")


def _find(room_id: int) -> Room | None:
    return Room.objects.filter(pk=room_id).first()


async def look_up(user_id: int, room_id: int) -> Access:
    """The room as that person may see it.

    Raises: ClientError (not_found) unless the room is public or they are in it; Unavailable when
    the log or PostgreSQL is down, because then nothing can tell.
    """
    if not 1 <= room_id <= MAX_ID:
        raise no_such_room()
    room = await in_database(_find, room_id)
    if room is None:
        raise no_such_room()
    await room_log.ensure_loaded([room_id])
    role = (await room_log.roles(user_id, [room_id])).get(room_id)
    if role is None and room.kind != RoomKind.PUBLIC:
        raise no_such_room()
    return Access(room, role)


async def as_member(user_id: int, room_id: int) -> Access:
    """Like `look_up`, for what only members may see.

    Also raises: ClientError (not_member) for a public room that the person is not in.
    """
    access = await look_up(user_id, room_id)
    if access.role is None:
        raise ClientError("not_member", "You are not a member of this room.")
    return access
