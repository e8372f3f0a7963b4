"""What other applications may ask the chat: who may see which rooms, and what people are called.

The analytics call this through `chatsite`; see `analytics.host` for the contract.
The log decides who owns a room, as it does for everything else that people may do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest

from chat.accounts import people, staff_access
from chat.errors import ClientError, Unavailable
from chat.events import EventType, Role, RoomKind
from chat.models import Membership, Room, RoomEvent, User
from chat.names.usernames import PROBE_USERNAME
from chat.protocol import MAX_ID, RoomInfo
from chat.queries import access, room_list
from chat.servers.postgres import in_database


@dataclass(frozen=True)
class NamedRoom:
    id: int
    name: str
    kind: str
    archived: bool


@dataclass(frozen=True)
class OwnTraffic:
    user_id: int | None
    rooms: list[int]


async def is_administrator(request: HttpRequest) -> bool:
    """Whether the caller sees all rooms' numbers: staff with the permission, let into the admin.

    `request` is signed in, here and below: by a session, or over the API.
    """
    return await in_database(_administers, request)


async def page_before_all_rooms(request: HttpRequest) -> str | None:
    """Where a session with the permission must give its second factor before it is let in."""
    return await in_database(_page_for_second_factor, request)


async def rooms_owned_by(request: HttpRequest) -> list[NamedRoom]:
    """Ordered by name. Direct conversations have no owner.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    user_id = await _user_id(request)
    # Rooms that are not stored yet are among those that the person sees.
    owned = {room.id: room for room in await room_list.rooms_of(user_id)}
    further = await in_database(_owned_by, user_id) - owned.keys()
    owned |= {room.id: room for room in await room_list.some_of(user_id, further)}
    return [_named(room) for room in sorted(owned.values(), key=_by_name) if _is_owned(room)]


async def room_for(request: HttpRequest, room_id: int) -> NamedRoom | None:
    """The room if the person owns it or is an administrator, and it is not a direct conversation.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    if not 1 <= room_id <= MAX_ID:
        return None
    if await is_administrator(request):
        return await in_database(_find, room_id)
    if not await _owns(await _user_id(request), room_id):
        return None
    return await in_database(_find, room_id)


async def may_look_inside(request: HttpRequest, room_id: int, kind: str) -> bool:
    """Whether a person who may see the room's numbers may see its people and words as well.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    if kind == RoomKind.PUBLIC or await _owns(await _user_id(request), room_id):
        return True
    return await in_database(_may_read_private_rooms, request)


async def _owns(user_id: int, room_id: int) -> bool:
    try:
        seen = await access.look_up(user_id, room_id)
    except Unavailable:
        raise
    except ClientError:
        return False
    return seen.role == Role.OWNER


def names_of(user_ids: Iterable[int]) -> dict[int, str]:
    """Uses the ORM; call it through `in_database`."""
    return {user_id: shown.name for user_id, shown in people.by_ids(user_ids).items()}


def newest_event_at() -> datetime | None:
    """Time of the newest stored event. Uses the ORM; call it through `in_database`."""
    events = RoomEvent.objects.exclude(type=EventType.EVENT_QUARANTINED).order_by("-id")
    return events.values_list("at", flat=True).first()


def own_traffic() -> OwnTraffic:
    """The probe's traffic, not people's. Uses the ORM; call it through `in_database`."""
    # One query, because every query of the analytics needs it. Without a room the probe has written
    # nothing.
    mine = Room.objects.filter(created_by__username=PROBE_USERNAME)
    found = list(mine.values_list("created_by_id", "pk"))
    return OwnTraffic(found[0][0] if found else None, [room for _, room in found])


async def _user_id(request: HttpRequest) -> int:
    caller = getattr(request, "auth", None)
    # An API caller may have sent a token along with somebody else's cookie.
    user_id: int = (await request.auser()).pk if caller is None else caller.user_id  # type: ignore[assignment] # signed in
    return user_id


def _staff(request: HttpRequest) -> User | None:
    """The caller, if the admin would let them in."""
    caller = getattr(request, "auth", None)
    if caller is not None and caller.by_token:
        return staff_access.staff_of_token(caller.user_id)
    return staff_access.staff_of_session(request)


def _administers(request: HttpRequest) -> bool:
    person = _staff(request)
    return person is not None and person.has_perm(staff_access.SEES_ANALYTICS)


def _page_for_second_factor(request: HttpRequest) -> str | None:
    user = request.user
    if (
        isinstance(user, User)
        and user.is_staff
        and user.has_perm(staff_access.SEES_ANALYTICS)
        and staff_access.lacks_second_factor(request)
    ):
        return staff_access.page_for_second_factor(request)
    return None


def _may_read_private_rooms(request: HttpRequest) -> bool:
    person = _staff(request)
    return person is not None and person.has_perm("chat.view_private_rooms")


def _owned_by(user_id: int) -> set[int]:
    owned = Membership.objects.filter(user_id=user_id, role=Role.OWNER)
    return set(owned.values_list("room_id", flat=True))


def _by_name(room: RoomInfo) -> tuple[str, int]:
    return room.name, room.id


def _is_owned(room: RoomInfo) -> bool:
    return room.role == Role.OWNER and room.kind != RoomKind.DIRECT


def _named(room: RoomInfo) -> NamedRoom:
    return NamedRoom(room.id, room.name, room.kind, room.archived)


def _find(room_id: int) -> NamedRoom | None:
    room = Room.objects.filter(pk=room_id).exclude(kind=RoomKind.DIRECT).first()
    if room is None:
        return None
    return NamedRoom(room.pk, room.name, room.kind, room.archived_at is not None)
