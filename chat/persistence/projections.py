"""Applies events to the projections, the tables that people read.

Called by `chat.persistence.drain` inside its transaction, with events of one shard in log order.
Statements take whole batches, because a round trip costs more than a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from chat import events
from chat.events import EventType, RoomEvent
from chat.persistence import folding, mentions, threads

COPY_EVENTS = """
    COPY chat_roomevent (shard, room_id, seq, n, epoch, type, key, actor_id, at, data) FROM STDIN
"""

COPY_MESSAGES = """
    COPY chat_message (room_id, seq, n, author_id, key, at, body, reply_to, thread) FROM STDIN
"""

EDIT_MESSAGES = """
    UPDATE chat_message SET body = edit.body, edited_at = edit.at
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[])
        AS edit (room, target, body, at)
    WHERE room_id = edit.room AND seq = edit.target AND deleted_at IS NULL
"""

# The first deletion counts, but the author's own replaces it: nobody may restore a message that its
# author deleted.
DELETE_MESSAGES = """
    UPDATE chat_message AS message SET deleted_at = deletion.at, deleted_by_id = deletion.actor
    FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[])
        AS deletion (room, target, at, actor), chat_message AS before
    WHERE message.room_id = deletion.room AND message.seq = deletion.target
        AND (message.deleted_at IS NULL
            OR message.author_id = deletion.actor
            AND message.deleted_by_id IS DISTINCT FROM deletion.actor)
        AND before.id = message.id
    RETURNING message.room_id, message.thread, before.deleted_at IS NULL
"""

RESTORE_MESSAGE = """
    UPDATE chat_message AS message SET deleted_at = NULL, deleted_by_id = NULL
    FROM chat_message AS before
    WHERE message.room_id = %s AND message.seq = %s
        AND message.deleted_by_id IS DISTINCT FROM message.author_id AND before.id = message.id
    RETURNING message.room_id, message.thread, before.deleted_at IS NOT NULL
"""

ADD_REACTIONS = """
    INSERT INTO chat_reaction (room_id, target, user_id, emoji)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
    ON CONFLICT DO NOTHING
"""

REMOVE_REACTIONS = """
    DELETE FROM chat_reaction
    USING unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[])
        AS removal (room, target, actor, emoji)
    WHERE room_id = removal.room AND chat_reaction.target = removal.target
        AND user_id = removal.actor AND chat_reaction.emoji = removal.emoji
"""

MOVE_ROOMS = """
    UPDATE chat_room SET stored_seq = moved.seq, stored_n = moved.n, last_stored_at = now()
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS moved (room, seq, n)
    WHERE chat_room.id = moved.room
"""


class Placed(msgspec.Struct, frozen=True):
    """An event that is to be stored, with its data decoded."""

    event: RoomEvent
    data: events.EventData


def store(shard: int, placed: Sequence[Placed]) -> None:
    """Inserts events and applies them to the projections.

    Raises: DataError or IntegrityError when PostgreSQL refuses one of them; OperationalError.
    """
    _insert_events(shard, [one.event for one in placed])
    _insert_messages(placed)
    _change(folding.fold((one.event, one.data) for one in placed if one.event.type in _APPLY))
    _move_rooms([one.event for one in placed])


def apply(placed: Placed) -> None:
    """Applies one event to the projections, like `store`; its row must be stored already."""
    _insert_messages([placed])
    change = _APPLY.get(placed.event.type)
    if change is not None:
        change(placed.event, placed.data)


def _insert_events(shard: int, rows: Sequence[RoomEvent]) -> None:
    _copy(
        COPY_EVENTS,
        (
            (
                shard,
                row.room,
                row.seq,
                row.n,
                row.epoch,
                row.type.value,
                row.key,
                row.actor,
                row.at,
                bytes(row.data).decode(),
            )
            for row in rows
        ),
    )


def _insert_messages(placed: Sequence[Placed]) -> None:
    posted = [
        (one.event, one.data)
        for one in placed
        if isinstance(one.data, events.MessagePosted | events.ReplyPosted)
    ]
    if not posted:
        return
    _copy(
        COPY_MESSAGES,
        (
            (
                event.room,
                event.seq,
                event.n if event.type is EventType.MESSAGE_POSTED else None,
                event.actor,
                event.key,
                event.at,
                data.body,
                data.reply_to,
                events.thread_of(data),
            )
            for event, data in posted
        ),
    )
    mentions.add(posted)
    threads.count_replies(posted)


def _copy(statement: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts `rows` by COPY, at a third of the cost of an INSERT: nothing is quoted twice."""
    # `copy` is the driver's own method, so its errors must be turned into Django's.
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _change(folded: folding.Folded) -> None:
    _execute_columns(
        EDIT_MESSAGES,
        [(event.room, data.target, data.body, event.at) for event, data in folded.edited],
    )
    mentions.replace(folded.edited)
    _delete(folded.deleted)
    for statement, reactions in (
        (ADD_REACTIONS, folded.added),
        (REMOVE_REACTIONS, folded.removed),
    ):
        _execute_columns(
            statement,
            [(event.room, data.target, event.actor, data.emoji) for event, data in reactions],
        )
    for event, data in folded.in_turn:
        _APPLY[event.type](event, data)


def _delete(deletions: Sequence[tuple[RoomEvent, events.MessageTarget]]) -> None:
    if not deletions:
        return
    rows = [(event.room, data.target, event.at, event.actor) for event, data in deletions]
    columns = [list(column) for column in zip(*rows, strict=True)]
    threads.change_standing(_now_otherwise(DELETE_MESSAGES, columns), -1)


def _now_otherwise(statement: str, values: Sequence[Any]) -> list[tuple[int, int | None]]:
    """(room, thread) of the messages that a statement deleted or restored: not of those that were
    so before."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [(room, thread) for room, thread, is_news in cursor.fetchall() if is_news]


def _execute_columns(statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Runs a statement that takes `rows` as one array per column; does nothing without rows."""
    if rows:
        _execute(statement, *(list(column) for column in zip(*rows, strict=True)))


def _move_rooms(rows: Sequence[RoomEvent]) -> None:
    last = {row.room: row for row in rows}  # rows are in log order, so the last one wins
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE_ROOMS,
            [list(last), [row.seq for row in last.values()], [row.n for row in last.values()]],
        )


def _execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _message_edited(event: RoomEvent, data: events.MessageEdited) -> None:
    _execute(
        "UPDATE chat_message SET body = %s, edited_at = %s"
        " WHERE room_id = %s AND seq = %s AND deleted_at IS NULL",
        data.body,
        event.at,
        event.room,
        data.target,
    )
    mentions.replace([(event, data)])


def _message_deleted(event: RoomEvent, data: events.MessageTarget) -> None:
    _delete([(event, data)])


def _message_restored(event: RoomEvent, data: events.MessageTarget) -> None:
    threads.change_standing(_now_otherwise(RESTORE_MESSAGE, [event.room, data.target]), 1)


def _reaction_added(event: RoomEvent, data: events.Reaction) -> None:
    _execute(
        "INSERT INTO chat_reaction (room_id, target, user_id, emoji) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        event.room,
        data.target,
        event.actor,
        data.emoji,
    )


def _reaction_removed(event: RoomEvent, data: events.Reaction) -> None:
    _execute(
        "DELETE FROM chat_reaction"
        " WHERE room_id = %s AND target = %s AND user_id = %s AND emoji = %s",
        event.room,
        data.target,
        event.actor,
        data.emoji,
    )


def _member_joined(event: RoomEvent, data: events.MemberJoined) -> None:
    _execute(
        "INSERT INTO chat_membership (room_id, user_id, role, joined_at, muted_until)"
        " VALUES (%s, %s, %s, %s, (SELECT until FROM chat_absentmute"
        " WHERE room_id = %s AND user_id = %s AND until > %s))"
        " ON CONFLICT (user_id, room_id) DO UPDATE SET role = EXCLUDED.role",
        event.room,
        data.user,
        data.role.value,
        event.at,
        event.room,
        data.user,
        event.at,
    )
    _forget_absent_mute(event.room, data.user)
    _unban(event.room, data.user)  # joining ends a ban
    # Earlier messages are not new to somebody who joins. Those who come back keep their marker.
    _execute(
        "INSERT INTO chat_readmarker (user_id, room_id, seq) VALUES (%s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        data.user,
        event.room,
        event.seq,
    )


def _member_gone(event: RoomEvent, data: events.Member) -> None:
    # A mute outlasts the membership: it is kept for when the person comes back.
    _execute(
        "WITH gone AS (DELETE FROM chat_membership WHERE room_id = %s AND user_id = %s"
        " RETURNING room_id, user_id, muted_until)"
        " INSERT INTO chat_absentmute (room_id, user_id, until)"
        " SELECT * FROM gone WHERE muted_until > %s"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET until = EXCLUDED.until",
        event.room,
        data.user,
        event.at,
    )


def _member_removed(event: RoomEvent, data: events.MemberRemoved) -> None:
    _member_gone(event, data)
    if data.banned:
        _execute(
            "INSERT INTO chat_ban (room_id, user_id, banned_at, banned_by_id)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            event.room,
            data.user,
            event.at,
            event.actor,
        )
    elif data.banned is not None:
        _unban(event.room, data.user)


def _unban(room: int, user: int) -> None:
    _execute("DELETE FROM chat_ban WHERE room_id = %s AND user_id = %s", room, user)


def _forget_absent_mute(room: int, user: int) -> None:
    _execute("DELETE FROM chat_absentmute WHERE room_id = %s AND user_id = %s", room, user)


def _mute(room: int, user: int, until: datetime | None) -> None:
    _execute(
        "WITH member AS (UPDATE chat_membership SET muted_until = %s"
        " WHERE room_id = %s AND user_id = %s RETURNING id)"
        " INSERT INTO chat_absentmute (room_id, user_id, until)"
        " SELECT %s, %s, %s WHERE %s::timestamptz IS NOT NULL AND NOT EXISTS (SELECT FROM member)"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET until = EXCLUDED.until",
        until,
        room,
        user,
        room,
        user,
        until,
        until,
    )
    if until is None:
        _forget_absent_mute(room, user)


def _member_muted(event: RoomEvent, data: events.MemberMuted) -> None:
    if not data.everywhere:
        _mute(event.room, data.user, data.until)


def _member_unmuted(event: RoomEvent, data: events.MemberUnmuted) -> None:
    if not data.everywhere:
        _mute(event.room, data.user, None)


def _room_updated(event: RoomEvent, data: events.RoomUpdated) -> None:
    _execute(
        "UPDATE chat_room SET name = COALESCE(%s, name), topic = COALESCE(%s, topic),"
        " slow_mode_seconds = COALESCE(%s, slow_mode_seconds) WHERE id = %s",
        data.name,
        data.topic,
        data.slow_mode_seconds,
        event.room,
    )


def _room_archived(event: RoomEvent, data: events.RoomArchived) -> None:
    _execute(
        "UPDATE chat_room SET archived_at = %s WHERE id = %s",
        event.at if data.archived else None,
        event.room,
    )


# `room.created` changes nothing (its row came first); posts are inserted in bulk above.
_APPLY: dict[EventType, Callable[[RoomEvent, Any], None]] = {
    EventType.ROOM_UPDATED: _room_updated,
    EventType.ROOM_ARCHIVED: _room_archived,
    EventType.MEMBER_JOINED: _member_joined,
    EventType.MEMBER_LEFT: _member_gone,
    EventType.MEMBER_REMOVED: _member_removed,
    EventType.MEMBER_MUTED: _member_muted,
    EventType.MEMBER_UNMUTED: _member_unmuted,
    EventType.MESSAGE_EDITED: _message_edited,
    EventType.MESSAGE_DELETED: _message_deleted,
    EventType.MESSAGE_RESTORED: _message_restored,
    EventType.REACTION_ADDED: _reaction_added,
    EventType.REACTION_REMOVED: _reaction_removed,
}
