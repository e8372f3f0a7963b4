"""The event table as the outbox of the export: what is still to be published, in order.

Source: docs/decisions/0004-the-event-table-is-the-outbox.md
"""

from __future__ import annotations

import msgspec
from django.db import connection

from chat.events import EventType, RoomEvent

READ_EVENTS = """
    SELECT id, room_id, epoch, seq, n, type, key::text, actor_id, at, data::text
    FROM chat_roomevent WHERE shard = %s AND id > %s ORDER BY id LIMIT %s
"""

READ_ONE = """
    SELECT id, room_id, epoch, seq, n, type, key::text, actor_id, at, data::text
    FROM chat_roomevent WHERE room_id = %s AND seq = %s
"""

READ_REPLACEMENTS = """
    SELECT replacement.id, room_id, epoch, seq, n, type, key::text, actor_id, at, data::text
    FROM chat_eventreplacement AS replacement
    JOIN chat_roomevent AS event ON event.id = replacement.event_id
    WHERE replacement.shard = %s AND published_at IS NULL AND event.id <= %s
    ORDER BY replacement.id LIMIT %s
"""

FIND_ELSEWHERE = """
    SELECT shard, CASE WHEN bus = %s THEN bus_id END FROM chat_shardcursor
    WHERE kind = 'export' AND stopped_at IS NULL AND position <> '0' AND shard = ANY(%s::smallint[])
        AND (bus, bus_id) <> (%s, %s)
    ORDER BY shard
"""

FIND_WAITING = """
    SELECT waiting.shard FROM unnest(%s::smallint[]) AS waiting (shard)
    LEFT JOIN chat_shardcursor AS cursor ON cursor.shard = waiting.shard AND kind = 'export'
    WHERE cursor.stopped_at IS NULL AND (
        cursor.bus NOT IN ('', %s)
        OR EXISTS (SELECT FROM chat_roomevent AS event WHERE event.shard = waiting.shard
                AND event.id > COALESCE(cursor.position, '0')::bigint)
        OR EXISTS (SELECT FROM chat_eventreplacement AS replacement
                   WHERE replacement.shard = waiting.shard AND published_at IS NULL)
    )
"""


class Row(msgspec.Struct, frozen=True):
    id: int
    event: RoomEvent


def events_after(shard: int, position: str, limit: int) -> list[Row]:
    """At most `limit` events of `shard` after the cursor's `position`, in the order of storing."""
    return _read(READ_EVENTS, shard, int(position), limit)


def event_at(room: int, seq: int) -> RoomEvent | None:
    """The event that holds this place of the room now."""
    found = _read(READ_ONE, room, seq)
    return found[0].event if found else None


def replacements(shard: int, position: str, limit: int) -> list[Row]:
    """Unpublished events that replaced a placeholder which the cursor has passed, oldest first.

    The ids are those of the replacements, not of the events.
    """
    return _read(READ_REPLACEMENTS, shard, int(position), limit)


def _read(statement: str, *parameters: int) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [
            Row(
                row_id,
                RoomEvent(
                    room=room,
                    epoch=epoch,
                    seq=seq,
                    n=n,
                    type=EventType(kind),
                    key=key,
                    actor=actor,
                    at=at,
                    data=msgspec.Raw(data.encode()),
                ),
            )
            for row_id, room, epoch, seq, n, kind, key, actor, at, data in cursor.fetchall()
        ]


def waiting_shards(shards: int, bus: str) -> list[int]:
    """Shards that have something to publish on the event bus named `bus` and are not stopped.

    Raises: OperationalError.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND_WAITING, [list(range(shards)), bus])
        return sorted(row[0] for row in cursor.fetchall())


def shards_elsewhere(shards: int, bus: str, bus_id: str) -> dict[int, str | None]:
    """Shards whose exported events may not be on this event bus, each with the id of the event bus
    that has them; None when that is of another kind.

    Raises: OperationalError.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIND_ELSEWHERE, [bus, list(range(shards)), bus, bus_id])
        return dict(cursor.fetchall())
