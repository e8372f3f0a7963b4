"""Whether the people whom a hub serves are still in their rooms, in case hints were lost."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection

from chat import room_log
from chat.errors import ClientError, Unavailable
from chat.models import Membership
from chat.servers.postgres import in_database

if TYPE_CHECKING:
    from chat.hub.core import Hub

# A membership is dated when its statement runs but visible only when its transaction ends, which
# takes seconds; a paused transaction is ended after 15 s.
NOT_COMMITTED_FOR = timedelta(minutes=2)

ENTERED = """
    SELECT user_id, room_id, NULL::bigint, NULL::bigint FROM chat_membership
    WHERE stored_at > %(moment)s AND user_id = ANY(%(people)s)
    UNION ALL
    SELECT member.user_id, room.id, first.seq - 1, first.n - 1
    FROM chat_membership AS member JOIN chat_room AS room ON room.id = member.room_id
    CROSS JOIN LATERAL (
        SELECT seq, n FROM chat_message
        WHERE room_id = room.id AND at > %(moment)s AND n IS NOT NULL ORDER BY seq LIMIT 1
    ) AS first
    WHERE member.user_id = ANY(%(people)s)
        AND room.kind = 'direct' AND room.last_stored_at > %(moment)s
"""


async def who_is_in(rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    """For each room, those of the given people who are in it.

    The log decides for rooms that it holds; for others PostgreSQL's copy is exact. Rooms that only
    PostgreSQL could answer for are absent while it is down.

    Raises: Unavailable when the log is down.
    """
    found = await room_log.members_among(rooms)
    unloaded = {room: people for room, people in rooms.items() if room not in found}
    if unloaded:
        with contextlib.suppress(Unavailable):
            found |= await in_database(_stored_among, unloaded)
    return found


async def put_out(hub: Hub, user_id: int, room: int) -> None:
    """Take the room away from a person who is no longer in it, though no hint has said so.

    They first get the events up to their removal, so that they learn what has happened.

    Raises: Unavailable.
    """
    with contextlib.suppress(ClientError, TimeoutError):
        await hub.healer.bring_up(room)
    members = (await hub.source.who_is_in({room: {user_id}})).get(room)
    if members is not None and user_id not in members:
        hub.expel(user_id, room)


def entered_since(
    people: Collection[int], moment: datetime | None
) -> tuple[datetime, list[tuple[int, int, tuple[int, int] | None]]]:
    """The time of the look, and the rooms that became visible to people since `moment`.

    These are rooms that they entered, and direct conversations with the (seq, n) after which
    something was said. Some from shortly before `moment` are repeated. Uses the ORM's connection.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        [now] = cursor.fetchone()
        since = (moment or now) - NOT_COMMITTED_FOR
        cursor.execute(ENTERED, {"moment": since, "people": list(people)})
        found: dict[tuple[int, int], tuple[int, int] | None] = {}
        for user_id, room, seq, n in cursor.fetchall():
            found[user_id, room] = found.get((user_id, room)) if seq is None else (seq, n)
        return now, [(user_id, room, after) for (user_id, room), after in found.items()]


def _stored_among(rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {room: set() for room in rooms}
    people = set().union(*rooms.values())
    memberships = Membership.objects.filter(room_id__in=list(rooms), user_id__in=people)
    for room, user_id in memberships.values_list("room_id", "user_id"):
        found[room].add(user_id)
    return found
