"""Who wrote a message. It never changes, so it may be asked before an append."""

from __future__ import annotations

from chat.database import in_database
from chat.errors import ClientError
from chat.events import EventType, MessageEdited, MessageTarget, Reaction
from chat.models import Message
from chat.room_log import reading
from chat.room_log.codec import REFUSALS, NewEvent

SYSTEM = 0


def find_author(event: NewEvent) -> int:
    """User id of who wrote the event's target, as PostgreSQL has it.

    Raises: ClientError `not_found` when no message stands there; OperationalError.
    """
    assert isinstance(event.data, MessageEdited | MessageTarget | Reaction)
    author = _stored_author(event.room, event.data.target)
    if author is None:
        raise ClientError("not_found", REFUSALS["not_found"])
    return author


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
