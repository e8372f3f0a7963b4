"""What PostgreSQL knows of the messages that an append is about, or replies to.

Its author never changes. Its reactions and whether it is deleted do, so the append compares how far
the room was stored when they were read.
"""

from __future__ import annotations

import msgspec
from django.db import connection
from msgspec import structs

from chat.events import (
    POSTS,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    Reaction,
    ReplyPosted,
    thread_of,
)
from chat.models import Message
from chat.room_log import reading
from chat.room_log.codec import NewEvent, refused
from chat.servers.postgres import in_database

SYSTEM = 0


# One statement, so that everything is read in one snapshot.
MESSAGE = """
    SELECT room.stored_seq, message.seq, COALESCE(message.author_id, 0),
           message.deleted_at IS NOT NULL,
           message.deleted_at IS NOT NULL
               AND message.deleted_by_id IS NOT DISTINCT FROM message.author_id,
           message.n IS NOT NULL, message.thread
"""
REACTIONS = """,
           ARRAY(SELECT count(*) || ' ' || emoji FROM chat_reaction
                 WHERE room_id = room.id AND target = message.seq GROUP BY emoji),
           ARRAY(SELECT emoji FROM chat_reaction
                 WHERE room_id = room.id AND target = message.seq AND user_id = %(user)s)
"""
OF_ROOM = """
    FROM chat_room AS room
    LEFT JOIN chat_message AS message
        ON message.room_id = room.id AND message.seq = ANY(%(seqs)s)
    WHERE room.id = %(room)s
"""


def look_up(event: NewEvent) -> NewEvent:
    """The event with what PostgreSQL knows of the messages that it is about or replies to.

    Raises: ClientError `not_found` when there is no message there; OperationalError.
    """
    sought = _sought(event)
    reacts = isinstance(event.data, Reaction)
    with connection.cursor() as cursor:
        cursor.execute(
            MESSAGE + (REACTIONS if reacts else "") + OF_ROOM,
            {"room": event.room, "seqs": list(sought), "user": event.actor},
        )
        rows = cursor.fetchall()
    if not rows:
        raise refused(next(iter(sought.values())))
    stored = rows[0][0]
    messages: dict[int, dict[str, object]] = {}
    known: dict[str, object] = {"stored": stored, "messages": messages}
    for _, seq, author, deleted, by_author, in_room, thread, *reactions in rows:
        if seq is None:
            continue
        messages[seq] = {
            "author": author,
            "deleted": deleted,
            "by_author": by_author,
            "in_room": in_room,
        }
        if thread is not None:
            messages[seq]["thread"] = thread
        if reacts:
            counted, mine = reactions
            parts = (text.partition(" ") for text in counted)
            known |= {"people": {emoji: int(count) for count, _, emoji in parts}, "mine": mine}
    for seq, refusal in sought.items():
        if seq not in messages and seq <= stored:
            raise refused(refusal)
    # A message that is not stored yet is in the hot tail, and the log finds it there.
    return structs.replace(event, known=msgspec.json.encode(known) if messages else b"")


def _sought(event: NewEvent) -> dict[int, str]:
    """The seqs of the messages to look up, each with the refusal if there is none."""
    data = event.data
    if isinstance(data, MessageEdited | MessageTarget | Reaction):
        return {data.target: "not_found"}
    assert isinstance(data, MessagePosted | ReplyPosted)
    root = thread_of(data)
    found = {} if data.reply_to is None else {data.reply_to: "reply_to"}
    return found if root is None else {**found, root: "not_found"}


async def author_of(room: int, seq: int) -> int | None:
    """User id of the author of the message at `seq`, from the log or from PostgreSQL.

    `SYSTEM` for a message of the system; None when there is no message there.

    Raises: Unavailable.
    """
    found = await reading.hot_events(room, seq - 1, 1)
    if found:
        [event] = found
        return (event.actor or SYSTEM) if event.type in POSTS else None
    if found == []:
        return None  # beyond the head
    return await in_database(_stored_author, room, seq)


def _stored_author(room: int, seq: int) -> int | None:
    authors = Message.objects.filter(room_id=room, seq=seq).values_list("author_id", flat=True)
    for author in authors:
        return author or SYSTEM
    return None
