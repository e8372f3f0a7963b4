"""Projects mentions: the rows of a new message, and of one whose text was replaced.

A message that was logged while PostgreSQL was down comes with names only: they are looked up here,
by what is stored at that moment (nobody enters a room while PostgreSQL is down). Its event stays as
it is, so whoever reads the log alone sees text; whoever reads the stored message sees its mentions,
and is counted among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from msgspec import UNSET

from chat.accounts import mentionable
from chat.events import MessageEdited, MessagePosted, ReplyPosted, RoomEvent, thread_of
from chat.names.mentions import MAX_MENTIONS, written_in

Post = MessagePosted | ReplyPosted
Row = tuple[int, int, str, int, str]  # room, seq of the message, kind, target, name

ADD = """
    INSERT INTO chat_mention (room_id, seq, kind, target, name, at)
    SELECT new.room, new.seq, new.kind, new.target, new.name, message.at
    FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[])
        AS new (room, seq, kind, target, name)
    JOIN chat_message AS message ON message.room_id = new.room AND message.seq = new.seq
    WHERE message.deleted_at IS NULL
"""

# Whoever is named in a thread follows it, and has not read it from there on.
FOLLOW = """
    INSERT INTO chat_threadfollow AS follow (user_id, room_id, root, following, read_seq)
    SELECT mention.target, mention.room_id, message.thread, true, min(mention.seq) - 1
    FROM unnest(%s::bigint[], %s::bigint[]) AS new (room, seq)
    JOIN chat_message AS message ON message.room_id = new.room AND message.seq = new.seq
    JOIN chat_mention AS mention ON mention.room_id = new.room AND mention.seq = new.seq
    JOIN chat_user AS person ON person.id = mention.target
    WHERE mention.kind = 'person' AND message.thread IS NOT NULL
        AND mention.target IS DISTINCT FROM message.author_id
    GROUP BY mention.target, mention.room_id, message.thread
    ORDER BY mention.target, mention.room_id, message.thread
    ON CONFLICT (user_id, room_id, root) DO UPDATE SET following = true
    WHERE follow.following IS NULL
"""

REMOVE = """
    DELETE FROM chat_mention AS mention
    USING unnest(%s::bigint[], %s::bigint[]) AS edited (room, seq), chat_message AS message
    WHERE message.room_id = edited.room AND message.seq = edited.seq
        AND message.deleted_at IS NULL
        AND mention.room_id = edited.room AND mention.seq = edited.seq
"""


def add(posted: Sequence[tuple[RoomEvent, Post]]) -> None:
    """The mentions of new messages, whose rows are in the table."""
    _insert([row for event, data in posted for row in _rows(event, event.seq, data)])
    replies = [
        (event.room, event.seq)
        for event, data in posted
        if data.mentions is not UNSET and thread_of(data) is not None
    ]
    if replies:
        _execute(FOLLOW, [room for room, _ in replies], [seq for _, seq in replies])


def replace(edited: Sequence[tuple[RoomEvent, MessageEdited]]) -> None:
    """The mentions of messages with a new text; those of a deleted message stay as they are."""
    if not edited:
        return
    rooms = [event.room for event, _ in edited]
    _execute(REMOVE, rooms, [data.target for _, data in edited])
    _insert([row for event, data in edited for row in _rows(event, data.target, data)])


def _rows(event: RoomEvent, seq: int, data: Post | MessageEdited) -> list[Row]:
    if data.mentions is UNSET:
        return []
    found = data.mentions
    if found.unresolved:
        found = mentionable.as_stored(event.actor, event.room, written_in(data.body))
    named = [(event.room, seq, kind, target, name) for kind, target, name in found.rows()]
    return named[:MAX_MENTIONS] if data.mentions.unresolved else named


def _insert(rows: Sequence[Row]) -> None:
    if rows:
        _execute(ADD, *(list(column) for column in zip(*rows, strict=True)))


def _execute(statement: str, *columns: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, columns)
