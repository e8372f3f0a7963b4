"""How far each shard is stored and exported, which is what an operator looks at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec
from django.conf import settings
from django.db.models import QuerySet
from redis.exceptions import RedisError

from chat.models import ExportedRoom, RoomEvent, ShardCursor
from chat.room_log import keys
from chat.room_log.cursors import START_OF_EVENTS
from chat.servers.redis_log import blocking_client

# Events counted per shard, for pages that look every few seconds.
MAX_COUNTED = 100_000


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one shard. `waiting`: events before it; None when the log server is down."""

    shard: int
    kind: str  # persist or export
    position: str
    waiting: int | None
    moved_at: datetime | None
    stopped_at: datetime | None
    stopped_reason: str


def shard_states(unexported: Mapping[int, int] | None = None) -> Iterator[ShardState]:
    """Both steps of every shard.

    `unexported` are the numbers of events that wait for the export, by shard, according to the
    rooms' watermarks. Without them events are counted, which takes longer the more there are. For
    an export that was set back the watermarks stay, so at most `MAX_COUNTED` events are counted.

    Raises: OperationalError.
    """
    cursors = {(cursor.shard, cursor.kind): cursor for cursor in ShardCursor.objects.all()}
    for shard in range(settings.ENV.shards):
        for kind in ShardCursor.Kind:
            cursor = cursors.get((shard, kind)) or ShardCursor(shard=shard, kind=kind)
            export = kind is ShardCursor.Kind.EXPORT
            position = cursor.position if cursor.pk or not export else START_OF_EVENTS
            if not export:
                waiting = _unstored(shard)
            elif unexported is None:
                waiting = _events_after(shard, position).count()
            elif _is_set_back(shard, position):
                waiting = _events_after(shard, position)[:MAX_COUNTED].count()
            else:
                waiting = unexported.get(shard, 0)
            yield ShardState(
                shard=shard,
                kind=kind.value,
                position=position,
                waiting=waiting,
                moved_at=cursor.moved_at,
                stopped_at=cursor.stopped_at,
                stopped_reason=cursor.stopped_reason,
            )


def _events_after(shard: int, position: str) -> QuerySet[RoomEvent]:
    return RoomEvent.objects.filter(shard=shard, id__gt=int(position))


def _is_set_back(shard: int, position: str) -> bool:
    """Whether the next event that the shard exports was exported before."""
    following = _events_after(shard, position).order_by("id").only("room_id", "seq").first()
    return (
        following is not None
        and ExportedRoom.objects.filter(room=following.room_id, seq__gte=following.seq).exists()
    )


def _unstored(shard: int) -> int | None:
    try:
        return int(blocking_client().xlen(keys.ingest(shard)))
    except (RedisError, OSError):
        return None
