"""When an event was stored and when it was exported, for people who investigate a message.

Every drain and every export notes the end of its batch in its own transaction; an event's time is
that of the first batch end at or after it. Batch ends are kept for `KEPT`. After a rewind, the new
export counts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from chat.models import BatchEnd, RoomEvent, ShardCursor

KEPT = timedelta(days=90)

# No other transaction inserts events of the shard meanwhile: this one holds the shard's cursor.
_STORED = """
    INSERT INTO chat_batchend (kind, shard, upto, at)
    SELECT 'persist', %s, id, clock_timestamp() FROM chat_roomevent
    WHERE shard = %s ORDER BY id DESC LIMIT 1
"""


def note_stored(shard: int) -> None:
    """Notes that every event of the shard so far has been inserted. Raises: DatabaseError."""
    with connection.cursor() as cursor:
        cursor.execute(_STORED, [shard, shard])


def note_exported(shard: int, upto: int) -> None:
    """Notes that the event bus has the shard up to this `RoomEvent.id`. Raises: DatabaseError."""
    BatchEnd.objects.create(kind=ShardCursor.Kind.EXPORT, shard=shard, upto=upto, at=timezone.now())


def rewound(shard: int, upto: int) -> None:
    """Forgets the exports of events after `upto`, since they are exported again.

    Else an event's time would be that of whichever export, old or new, ended nearer to it.

    Raises: DatabaseError.
    """
    ends = BatchEnd.objects.filter(kind=ShardCursor.Kind.EXPORT, shard=shard, upto__gt=upto)
    # The batch in which `upto` itself was ends there now: its earlier events keep their time.
    BatchEnd.objects.filter(pk__in=ends.order_by("upto")[:1].values("pk")).update(upto=upto)
    ends.delete()


def time_of(kind: ShardCursor.Kind, event: RoomEvent) -> datetime | None:
    """When the event was stored or exported; None if it has not been, or was too long ago.

    Raises: DatabaseError.
    """
    if event.at < timezone.now() - KEPT:
        return None  # its batch end is forgotten, and the next one is that of later events
    ends = BatchEnd.objects.filter(kind=kind, shard=event.shard, upto__gte=event.pk)
    return ends.order_by("upto").values_list("at", flat=True).first()


def forget() -> None:
    """Deletes what is older than `KEPT`. Raises: DatabaseError."""
    BatchEnd.objects.filter(at__lt=timezone.now() - KEPT).delete()
