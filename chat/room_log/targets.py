"""What PostgreSQL knows of a message that is the target of an append.

Who wrote it never changes. The reactions to it do: the append compares how far they were stored.
"""

from __future__ import annotations

import msgspec
from django.db import connection
from msgspec import structs

from chat.database import in_database
from chat.errors import ClientError
from chat.events import EventType, MessageEdited, MessageTarget, Reaction
from chat.models import Message
from chat.room_log import reading
from chat.room_log.codec import REFUSALS, NewEvent

SYSTEM = 0


# One statement, so that it is all of one moment.
KNOWN = """
    SELECT room.stored_seq,
           (SELECT COALESCE(author_id, 0) FROM chat_message
            WHERE room_id = room.id AND seq = %(seq)s),
           ARRAY(SELECT count(*) || ' ' || emoji FROM chat_reaction
                 WHERE room_id = room.id AND target = %(seq)s GROUP BY emoji),
           ARRAY(SELECT emoji FROM chat_reaction
                 WHERE room_id = room.id AND target = %(seq)s AND user_id = %(user)s)
    FROM chat_room AS room WHERE room.id = %(room)s
"""


def look_up(event: NewEvent) -> NewEvent:
    """The event with what PostgreSQL knows of its target.

    Raises: ClientError `not_found` when no message stands there; OperationalError.
    """
    assert isinstance(event.data, MessageEdited | MessageTarget | Reaction)
    if isinstance(event.data, Reaction):
        return _with_reactions(event, event.data.target)
    author = _stored_author(event.room, event.data.target)
    if author is None:
        raise ClientError("not_found", REFUSALS["not_found"])
    return structs.replace(event, target_author=author)


def _with_reactions(event: NewEvent, seq: int) -> NewEvent:
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"room": event.room, "seq": seq, "user": event.actor})
        found = cursor.fetchone()
    if found is None:
        raise ClientError("not_found", REFUSALS["not_found"])
    stored, author, counted, mine = found
    if author is None and seq <= stored:
        raise ClientError("not_found", REFUSALS["not_found"])
    parts = (text.partition(" ") for text in counted)
    people = {emoji: int(count) for count, _, emoji in parts}
    known = {"stored": stored, "people": people, "mine": mine}
    # A message that is not stored yet is in the hot tail, and the log finds its author there.
    return structs.replace(event, target_author=author, known=msgspec.json.encode(known))


async def author_of(room: int, seq: int) -> int | None:
    """User id of who wrote the message at `seq`, in the log or in PostgreSQL.

    `SYSTEM` for a message of the system; None when no message stands there.

    Raises: Unavailable.
    """
    found = await reading.hot_events(room, seq - 1, 1)
    if found:
        [event] = found
        return (event.actor or SYSTEM) if event.type is EventType.MESSAGE_POSTED else None
    if found == []:
        return None  # beyond the head
    return await in_database(_stored_author, room, seq)


def _stored_author(room: int, seq: int) -> int | None:
    authors = Message.objects.filter(room_id=room, seq=seq).values_list("author_id", flat=True)
    for author in authors:
        return author or SYSTEM
    return None
