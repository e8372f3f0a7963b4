"""The event log of one message: what was written, and every change, with before and after."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from django.db import connection
from django.db.models import BigIntegerField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from chat.events import POSTS, EventType
from chat.models import RoomEvent
from chat.models.events import MESSAGE_CHANGES

# Changes of a message that a page shows; only a program edits a message more often.
MAX_CHANGES = 500

EPOCHS = """
    SELECT event.room_id, event.seq, event.epoch
    FROM unnest(%s::bigint[], %s::bigint[]) AS place (room, seq)
    JOIN chat_roomevent AS event ON event.room_id = place.room AND event.seq = place.seq
"""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One event about the message. `before` and `after` are set if the text changed."""

    seq: int
    type: str
    at: datetime
    actor: str
    epoch: int
    before: str | None = None
    after: str | None = None
    emoji: str = ""


def posted(room: int, seq: int) -> RoomEvent | None:
    """The event that posted the message; None when nothing is stored at that place."""
    return RoomEvent.objects.filter(room=room, seq=seq).select_related("actor").first()


def changes(first: RoomEvent) -> tuple[list[Change], bool]:
    """The posting and what followed, in order; True when there is more than is shown.

    Deleted text is kept here: a moderator has to judge it.
    """
    later = list(
        RoomEvent.objects.annotate(
            target=Cast(KeyTextTransform("target", "data"), BigIntegerField())
        )
        .filter(room=first.room_id, target=first.seq, type__in=MESSAGE_CHANGES)
        .select_related("actor")
        .order_by("seq")[: MAX_CHANGES + 1]
    )
    return list(_told([first, *later[:MAX_CHANGES]])), len(later) > MAX_CHANGES


def _told(rows: Iterable[RoomEvent]) -> Iterable[Change]:
    text: str | None = None
    for row in rows:
        before, after = None, None
        if row.type in {*POSTS, EventType.MESSAGE_EDITED}:
            before, after = text, str(row.data.get("body", ""))
            text = after
        yield Change(
            seq=row.seq,
            type=row.type,
            at=row.at,
            actor="" if row.actor is None else row.actor.username,
            epoch=row.epoch,
            before=before,
            after=after,
            emoji=str(row.data.get("emoji", "")),
        )


def epochs_of(places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """(room, seq) → epoch of the event at that place; one statement, however many rooms."""
    wanted = list(places)
    with connection.cursor() as cursor:
        cursor.execute(EPOCHS, [[room for room, _ in wanted], [seq for _, seq in wanted]])
        return {(room, seq): epoch for room, seq, epoch in cursor.fetchall()}
