"""When an event was stored, and when it was on the event bus: for people who look into a message.

Every drain and every export notes the end of its batch in its own transaction; an event's time is
that of the first end at or after it. They are kept for `KEPT`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from chat.models import BatchEnd, ShardCursor

KEPT = timedelta(days=90)

# Every event of the shard is older than the transaction, which holds the shard's cursor.
_STORED = """
    INSERT INTO chat_batchend (kind, shard, upto, at)
    SELECT 'persist', %s, id, clock_timestamp() FROM chat_roomevent
    WHERE shard = %s ORDER BY id DESC LIMIT 1
"""


def note_stored(shard: int) -> None:
    """All events of the shard that there are have been inserted. Raises: DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [shard, shard])


def note_exported(shard: int, upto: int) -> None:
    """The event bus has the shard up to this `RoomEvent.id`. Raises: DatabaseError."""
    BatchEnd.objects.create(kind=ShardCursor.Kind.EXPORT, shard=shard, upto=upto, at=timezone.now())


def time_of(kind: ShardCursor.Kind, shard: int, event_id: int) -> datetime | None:
    """When the event was stored, or exported; None when it is not, or when it was too long ago.

    After a rewind, an event's export is the last one. Raises: DatabaseError.
    """
    ends = BatchEnd.objects.filter(kind=kind, shard=shard, upto__gte=event_id)
    return ends.order_by("upto", "-at").values_list("at", flat=True).first()


def forget() -> None:
    """Deletes what is older than `KEPT`. Raises: DatabaseError."""
    BatchEnd.objects.filter(at__lt=timezone.now() - KEPT).delete()
