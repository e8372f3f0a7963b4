"""A person says how far they have read: marks messages unread, or rooms read.

Reading itself moves markers forward through `chat.hub.read_markers`. What is set by hand may also
go back, and holds against what was read before.
Source: docs/decisions/0047-a-marker-set-by-hand-holds.md
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection

from chat.broken_rules import Rule
from chat.errors import ClientError
from chat.hints import to_hubs
from chat.protocol import Marker, Markers, RoomInfo, encode
from chat.protocol.rules import CLIENT_CLOCK_MAY_LEAD_BY
from chat.queries import room_list
from chat.servers import clocks
from chat.servers.postgres import in_database

MAX_MARKERS = 1_000

# In the order in which `chat.hub.read_markers` stores: no deadlock with it. The later act holds; of
# one act that is repeated, the further position, because the person may have read on meanwhile.
SET = """
    INSERT INTO chat_readmarker AS marker (user_id, room_id, seq, set_at_ms)
    SELECT person.id, room.id, given.seq, %s
    FROM unnest(%s::bigint[], %s::bigint[]) AS given (room_id, seq)
    JOIN chat_user AS person ON person.id = %s
    JOIN chat_room AS room ON room.id = given.room_id
    ORDER BY room.id
    ON CONFLICT (user_id, room_id) DO UPDATE SET
        seq = EXCLUDED.seq,
        set_at_ms = EXCLUDED.set_at_ms,
        put_back_from = greatest(marker.put_back_from, marker.seq)
    WHERE (marker.set_at_ms, marker.seq) < (EXCLUDED.set_at_ms, EXCLUDED.seq)
"""


async def set_by_hand(user_id: int, seqs: Mapping[int, int], set_at_ms: int) -> list[Marker]:
    """Set the person's markers, room → seq, to exactly there, and tell all of their devices.

    Positions beyond a room's head become its head. Returns the markers as they are afterwards,
    without those of rooms that the person is not in.

    Raises: ClientError `bad_request` when `set_at_ms` is more than 5 min in the future; Unavailable
    when the log or PostgreSQL is down: the same call may then be repeated, whenever.
    """
    latest = clocks.LOG.now() + CLIENT_CLOCK_MAY_LEAD_BY
    if set_at_ms > latest.timestamp() * 1000:
        raise ClientError(
            "bad_request",
            "The markers were set in the future.",
            rule=Rule.MARK_NOT_OF_THE_FUTURE,
        )
    heads = {room.id: room.head for room in await room_list.some_of(user_id, seqs)}
    if not heads:
        return []
    places = {room: min(seqs[room], head) for room, head in heads.items()}
    await in_database(_store, user_id, places, set_at_ms)
    markers = [_marker_of(room) for room in await room_list.some_of(user_id, places)]
    frame = encode(Markers(markers=markers))
    to_hubs.publisher().to_hubs({"type": "markers", "user": user_id, "frame": frame})
    return markers


def _store(user_id: int, places: Mapping[int, int], set_at_ms: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SET, [set_at_ms, list(places), list(places.values()), user_id])


def _marker_of(room: RoomInfo) -> Marker:
    return Marker(
        room=room.id,
        read=room.read,
        read_n=room.read_n,
        own_after=room.own_after,
        deleted_after=room.deleted_after,
        mentions=room.mentions,
        set_at_ms=room.set_at_ms,
    )
