"""Reads PostgreSQL for a verification: whole rooms in batches, all within one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from chat.events.positions import as_pair
from chat.room_log import cursors
from chat.verify.checks.content import text_digest
from chat.verify.checks.log_checks import StoredUpTo
from chat.verify.checks.projection_checks import (
    MemberRow,
    MessageRow,
    RoomRow,
    ThreadRow,
)
from chat.verify.checks.sequence import StoredRow

BATCH_ROWS = 2_000

_EVENTS = """
    SELECT room_id, epoch, seq, n, type, key::text, actor_id, at, data::text, id, shard
    FROM chat_roomevent WHERE room_id = %s AND seq >= %s AND (seq > %s OR id > %s)
    ORDER BY seq, id LIMIT %s
"""

_EVENTS_AT = """
    SELECT room_id, epoch, seq, n, type, key::text, actor_id, at, data::text, id, shard
    FROM chat_roomevent
    WHERE (room_id, seq) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
"""

_ROOMS = """
    SELECT id, stored_seq FROM chat_room AS room
    WHERE (%(rooms)s::bigint[] IS NULL OR id = ANY(%(rooms)s))
      AND (%(since)s::timestamptz IS NULL OR id = ANY(%(active)s)
           -- a room whose last event is gone is looked at too
           OR (stored_seq > 0 AND NOT EXISTS (
               SELECT FROM chat_roomevent AS event
               WHERE event.room_id = room.id AND event.seq = room.stored_seq
                 AND event.at < %(since)s)))
    ORDER BY id %% %(shards)s, id
"""

_COUNT_TYPES = """
    SELECT event.room_id, event.type, count(*),
        COALESCE(sum(char_length(event.data->>'body'))
            FILTER (WHERE event.type = 'message.posted'), 0)::bigint
    FROM unnest(%(span_room)s::bigint[], %(span_first)s::bigint[], %(span_last)s::bigint[])
        AS span (room, first, last)
    JOIN chat_roomevent AS event
        ON event.room_id = span.room AND event.seq BETWEEN span.first AND span.last
    WHERE (%(since)s::timestamptz IS NULL OR event.at >= %(since)s)
      -- Another role, a ban of somebody outside and its end: nobody comes or goes.
      AND NOT (event.type = 'member.joined' AND event.data->'previous' IS NOT NULL)
      AND NOT (event.type = 'member.removed' AND
          (event.data->'outside' IS NOT NULL
              OR event.data->>'banned' IS NOT DISTINCT FROM 'false'))
      AND NOT EXISTS (
          SELECT FROM unnest(
              %(out_room)s::bigint[], %(out_first)s::bigint[], %(out_last)s::bigint[]
          ) AS left_out (room, first, last)
          WHERE left_out.room = event.room_id
            AND event.seq BETWEEN left_out.first AND left_out.last)
    GROUP BY 1, 2
"""


def find_rooms(
    shards: int,
    rooms: Sequence[int] | None = None,
    since: datetime | None = None,
    active: Sequence[int] = (),
) -> list[tuple[int, int]]:
    """(id, stored seq) of all rooms, or of `rooms`, or of those with an event since `since`.

    `active` are rooms with such an event according to the log. The result is ordered by shard.
    """
    values = {"rooms": rooms, "since": since, "active": list(active), "shards": shards}
    return [(room, seq) for room, seq in _select(_ROOMS, values)]


@contextmanager
def snapshot() -> Iterator[None]:
    """All reads within see the same snapshot."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def read_room(room: int) -> RoomRow | None:
    rows = _select(
        "SELECT id, slug, kind, name, topic, archived_at, slow_mode_seconds, stored_seq, stored_n"
        " FROM chat_room WHERE id = %s",
        [room],
    )
    return RoomRow(*rows[0]) if rows else None


def read_persist_cursor(shard: int, seq: int) -> StoredUpTo:
    """The shard's cursor together with the room's stored `seq`."""
    rows = _select(
        "SELECT epoch, position FROM chat_shardcursor WHERE shard = %s AND kind = 'persist'",
        [shard],
    )
    epoch, position = rows[0] if rows else (0, cursors.START_OF_STREAM)
    return StoredUpTo(seq, epoch, as_pair(position))


def last_before(rooms: Sequence[int], moment: datetime) -> dict[int, int]:
    """For each room the seq of its last event before `moment`; 0 when there is none."""
    found = _select(
        "SELECT wanted.room, COALESCE((SELECT seq FROM chat_roomevent"
        " WHERE room_id = wanted.room AND at < %s ORDER BY seq DESC LIMIT 1), 0)"
        " FROM unnest(%s::bigint[]) AS wanted (room)",
        [moment, list(rooms)],
    )
    return dict(found)


def event_at(room: int, seq: int) -> StoredRow | None:
    return events_at([(room, seq)]).get((room, seq))


def events_at(places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], StoredRow]:
    """The events at those (room, seq) of `places` that exist."""
    if not places:
        return {}
    rows = _select(_EVENTS_AT, [[room for room, _ in places], [seq for _, seq in places]])
    return {(row[0], row[2]): _event(row) for row in rows}


def events(room: int, start: int) -> Iterator[StoredRow]:
    """The room's events from seq `start` on, in seq order; repeats of a seq in id order."""
    seq, row_id = start, 0
    while True:
        rows = _select(_EVENTS, [room, seq, seq, row_id, BATCH_ROWS])
        for row in rows:
            yield _event(row)
        if len(rows) < BATCH_ROWS:
            return
        seq, row_id = rows[-1][2], rows[-1][9]


def messages(room: int, start: int) -> Iterator[MessageRow]:
    """The room's messages from seq `start` on, in seq order."""
    seq = start - 1
    while True:
        rows = _select(
            "SELECT n, author_id, key::text, at, body, reply_to, thread, edited_at,"
            " deleted_at, deleted_by_id, seq FROM chat_message WHERE room_id = %s AND seq > %s"
            " ORDER BY seq LIMIT %s",
            [room, seq, BATCH_ROWS],
        )
        for n, author, key, at, body, *rest, found_seq in rows:
            yield MessageRow(n, author, key, at, text_digest(body), *rest, seq=found_seq)
        if len(rows) < BATCH_ROWS:
            return
        seq = rows[-1][-1]


def threads(room: int, start: int) -> list[ThreadRow]:
    """The room's threads whose roots are at seq `start` or later."""
    return [
        ThreadRow(*row)
        for row in _select(
            "SELECT root, replies, people, first_people, last_seq, last_at FROM chat_thread"
            " WHERE room_id = %s AND root >= %s",
            [room, start],
        )
    ]


def mentions(room: int, start: int) -> Iterable[tuple[int, str, int, str]]:
    """(seq, kind, target, name) of the mentions in messages at seq `start` or later."""
    return _select(
        "SELECT seq, kind, target, name FROM chat_mention WHERE room_id = %s AND seq >= %s",
        [room, start],
    )


def reactions(room: int, start: int) -> Iterable[tuple[int, int, str]]:
    """(target, user, emoji) of reactions to messages at seq `start` or later."""
    return _select(
        "SELECT target, user_id, emoji FROM chat_reaction WHERE room_id = %s AND target >= %s",
        [room, start],
    )


def members(room: int) -> list[MemberRow]:
    return [
        MemberRow(*row)
        for row in _select(
            "SELECT user_id, role, muted_until, joined_at FROM chat_membership WHERE room_id = %s",
            [room],
        )
    ]


def banned(room: int) -> set[int]:
    """User ids of the people who may not come back."""
    return {one for (one,) in _select("SELECT user_id FROM chat_ban WHERE room_id = %s", [room])}


def exported_seq(room: int) -> int:
    """Up to which seq the room is on the event bus, according to the export; 0 for nothing."""
    rows = _select("SELECT seq FROM chat_exportedroom WHERE room_id = %s", [room])
    return rows[0][0] if rows else 0


def last_up_to_export_cursor(room: int, shard: int) -> int:
    """The room's highest seq that the shard's export cursor has passed; 0 when there is none.

    After a rewind of the export this is less than what was exported.
    """
    rows = _select(
        "SELECT seq FROM chat_roomevent WHERE room_id = %s AND id <= COALESCE("
        " (SELECT position::bigint FROM chat_shardcursor WHERE shard = %s AND kind = 'export'), 0)"
        " ORDER BY seq DESC LIMIT 1",
        [room, shard],
    )
    return rows[0][0] if rows else 0


def first_from(room: int, row_id: int) -> int:
    """The room's lowest seq whose row id is at least `row_id`; beyond all seqs when none is."""
    rows = _select(
        "SELECT COALESCE(min(seq), %s) FROM chat_roomevent WHERE room_id = %s AND id >= %s",
        [2**62, room, row_id],
    )
    return int(rows[0][0])


def count_types(
    spans: Sequence[tuple[int, int, int]],
    without: Sequence[tuple[int, int, int]],
    since: datetime | None,
) -> list[tuple[int, str, int, int]]:
    """(room, event type, events, characters of messages) in `spans` of (room, first, last seq).

    Leaves out the stretches in `without`, events before `since`, and member events with which
    nobody comes in or leaves.
    """
    values = {
        "span_room": [room for room, _, _ in spans],
        "span_first": [first for _, first, _ in spans],
        "span_last": [last for _, _, last in spans],
        "out_room": [room for room, _, _ in without],
        "out_first": [first for _, first, _ in without],
        "out_last": [last for _, _, last in without],
        "since": since,
    }
    return list(_select(_COUNT_TYPES, values))


def replaced(row_ids: Iterable[int], *, published: bool = False) -> set[int]:
    """The event rows that replaced a placeholder; `published`: only those on the event bus too."""
    rows = _select(
        "SELECT event_id FROM chat_eventreplacement WHERE event_id = ANY(%s)"
        " GROUP BY event_id HAVING NOT %s OR bool_and(published_at IS NOT NULL)",
        [list(row_ids), published],
    )
    return {one for (one,) in rows}


def existing_rooms(rooms: Iterable[int]) -> set[int]:
    return {one for (one,) in _select("SELECT id FROM chat_room WHERE id = ANY(%s)", [list(rooms)])}


def existing_users(users: Iterable[int]) -> set[int]:
    return {one for (one,) in _select("SELECT id FROM chat_user WHERE id = ANY(%s)", [list(users)])}


def _event(row: tuple[Any, ...]) -> StoredRow:
    room, epoch, seq, n, kind, key, actor, at, data, row_id, shard = row
    return StoredRow(
        room, epoch, seq, n, kind, key, actor, at, data.encode(), id=row_id, shard=shard
    )


def _select(statement: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
