"""Who wrote a message that has left the hot tail. It never changes, so it may be asked first."""

from __future__ import annotations

from chat.errors import ClientError
from chat.events import MessageEdited, MessageTarget, Reaction
from chat.models import Message
from chat.room_log.codec import REFUSALS, NewEvent


def find_author(event: NewEvent) -> int:
    """User id of who wrote the event's target; 0 for a message of the system.

    Raises: ClientError `not_found` when no message stands there; OperationalError.
    """
    assert isinstance(event.data, MessageEdited | MessageTarget | Reaction)
    authors = Message.objects.filter(room_id=event.room, seq=event.data.target).values_list(
        "author_id", flat=True
    )
    for author in authors:
        return author or 0
    raise ClientError("not_found", REFUSALS["not_found"])
