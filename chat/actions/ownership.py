"""Who owns a room when its owner goes: no room that has members is left without an owner.

The rule is docs/decisions/0041. The last owner cannot leave or step down while others are there:
they name another owner first. When the owner has no say, because staff remove them from the room or
their account ends, the next in line becomes owner: the moderator who has been there longest, else
the member who has. The append refuses any event that would remove the last owner. This module adds
what the append cannot see: whose account is in use. `fill_vacancies` finds rooms that lost their
owner in any other way, and rooms that had none before this rule.

Rooms that Veche made (#general) and direct conversations have no owners.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec
from django.db import connection

from chat import room_log
from chat.errors import ClientError, Unavailable
from chat.events import EventType, MemberJoined, Role
from chat.models import Membership, Room
from chat.room_log import NewEvent
from chat.room_log.appender import Unchanged
from chat.room_log.codec import refused
from chat.room_log.reading import number_of_owners
from chat.servers.postgres import in_database

logger = logging.getLogger(__name__)

# Picked at random, so that rooms that cannot be filled now do not block the others.
MAX_VACANCIES = 200

VACANCIES = """
    SELECT room.id FROM chat_room AS room
    WHERE room.kind <> 'direct' AND room.created_by_id IS NOT NULL
        AND (%(rooms)s::bigint[] IS NULL OR room.id = ANY(%(rooms)s))
        AND EXISTS (
            SELECT FROM chat_membership AS member
            JOIN chat_user AS person ON person.id = member.user_id
            WHERE member.room_id = room.id AND person.is_active)
        AND NOT EXISTS (
            SELECT FROM chat_membership AS member
            JOIN chat_user AS person ON person.id = member.user_id
            WHERE member.room_id = room.id AND person.is_active AND member.role = 'owner')
    ORDER BY random() LIMIT %(limit)s
"""
NEXT_IN_LINE = """
    SELECT member.user_id, member.role, person.is_active
    FROM chat_membership AS member JOIN chat_user AS person ON person.id = member.user_id
    WHERE member.room_id = %s AND member.user_id IS DISTINCT FROM %s
    ORDER BY person.is_active DESC, member.role = 'owner' DESC, member.role = 'moderator' DESC,
        member.joined_at, member.user_id
    LIMIT 1
"""


class Heir(msgspec.Struct, frozen=True):
    user: int
    role: Role
    active: bool


async def check_owner_stays(room_id: int, user_id: int) -> None:
    """Refuses an owner's leaving or stepping down when no other owner's account is in use.

    The append refuses it for the last of all owners; this covers the last owner who can act.

    Raises: ClientError `forbidden`; Unavailable.
    """
    if await _role(room_id, user_id) == Role.OWNER and await in_database(
        _only_inactive_owners_stay, room_id, user_id
    ):
        raise refused("last_owner")


async def hand_over(room_id: int, user_id: int) -> None:
    """Makes the next in line owner of a room whose only owner is about to be removed.

    A room with nobody else in it is left alone. Raises: Unavailable.
    """
    if await _role(room_id, user_id) != Role.OWNER:
        return
    heir = await in_database(next_in_line, room_id, user_id)
    if heir is not None and heir.role != Role.OWNER:
        await _appoint(room_id, heir)


async def own_if_nobody_does(user_id: int, room_id: int) -> None:
    """Makes somebody the owner of a room that they entered after everybody had left it.

    Raises: Unavailable; `fill_vacancies` then does it later.
    """
    if await number_of_owners(room_id) == 0 and await in_database(_has_maker, room_id):
        await _appoint(room_id, Heir(user_id, Role.MEMBER, active=True))


async def pass_on_rooms_of(user_id: int) -> None:
    """Appoints an owner in each room left without one by a person whose account just ended.

    `fill_vacancies` later does what cannot be done now.
    """
    try:
        await fill_vacancies(await in_database(_owned, user_id))
    except Unavailable:
        logger.warning("rooms of user %s will get new owners later", user_id)


async def fill_vacancies(rooms: Sequence[int] | None = None) -> int:
    """Appoints an owner in those of `rooms` (default: all) that have members and no owner.

    Returns how many it appointed. PostgreSQL does not know the owner of a room with events not yet
    stored; the next call handles that room.

    Raises: Unavailable.
    """
    found = await in_database(_vacancies, rooms)
    states = await room_log.room_states(found)
    stored = await in_database(_stored_seqs, found)
    appointed = 0
    for room in found:
        if room in states and states[room].head != stored.get(room):
            continue
        heir = await in_database(next_in_line, room, None)
        if heir is not None and heir.active:
            appointed += await _appoint(room, heir)
    if appointed:
        logger.warning("%s rooms had no owner; the next in line owns them now", appointed)
    return appointed


async def _appoint(room_id: int, heir: Heir) -> bool:
    """False when the heir has left meanwhile, or owns the room already."""
    event = NewEvent(
        room=room_id,
        type=EventType.MEMBER_JOINED,
        data=MemberJoined(user=heir.user, role=Role.OWNER, previous=heir.role),
        actor=None,
        key=None,
        trusted=True,
    )
    try:
        await room_log.append(event)
    except Unavailable:
        raise
    except (Unchanged, ClientError):
        return False
    return True


async def _role(room_id: int, user_id: int) -> Role | None:
    return (await room_log.roles(user_id, [room_id])).get(room_id)


def next_in_line(room_id: int, leaving: int | None) -> Heir | None:
    """Who owns the room without `leaving`, according to PostgreSQL; an owner, if one stays."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_IN_LINE, [room_id, leaving])
        row = cursor.fetchone()
    return None if row is None else Heir(row[0], Role(row[1]), row[2])


def _only_inactive_owners_stay(room_id: int, user_id: int) -> bool:
    owners = Membership.objects.filter(room_id=room_id, role=Role.OWNER).exclude(user_id=user_id)
    return owners.exists() and not owners.filter(user__is_active=True).exists()


def _vacancies(rooms: Sequence[int] | None) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            VACANCIES,
            {"rooms": None if rooms is None else list(rooms), "limit": MAX_VACANCIES},
        )
        return [room for (room,) in cursor.fetchall()]


def _owned(user_id: int) -> list[int]:
    rooms = Membership.objects.filter(user_id=user_id, role=Role.OWNER)
    return list(rooms.values_list("room_id", flat=True))


def _stored_seqs(rooms: Sequence[int]) -> dict[int, int]:
    return dict(Room.objects.filter(pk__in=rooms).values_list("pk", "stored_seq"))


def _has_maker(room_id: int) -> bool:
    return Room.objects.filter(pk=room_id, created_by__isnull=False).exists()
