"""Takes rooms out of the log's memory when nobody has written to them for a day."""

from __future__ import annotations

from typing import cast

from chat.models import Room, ShardCursor
from chat.room_log import keys
from chat.room_log.scripts import UNLOAD
from chat.servers.redis_log import blocking_client

# Rooms taken out in one call; the next call takes more.
MAX_ROOMS = 1_000


def unload_idle(shard: int, idle_ms: int = keys.IDLE_ROOM_MS) -> int:
    """Unloads rooms of `shard` that are idle for `idle_ms` and completely stored.

    PostgreSQL itself is asked what it holds, so a room that is ahead of a restored database stays.
    Returns how many rooms were unloaded.

    Raises: redis.RedisError, OperationalError.
    """
    client = blocking_client()
    seconds, _ = client.time()
    idle_since = seconds * 1000 - idle_ms
    idle = cast(
        list[bytes],
        client.zrange(
            keys.active(shard), "-inf", idle_since, byscore=True, offset=0, num=MAX_ROOMS
        ),
    )
    if not idle:
        return 0
    epoch = ShardCursor.objects.get(shard=shard, kind=ShardCursor.Kind.PERSIST).epoch
    stored = Room.objects.filter(id__in=map(int, idle)).values_list("id", "stored_seq")
    places = [number for room in stored for number in room]
    left = UNLOAD.call(
        client, [keys.epoch(shard), keys.active(shard)], [shard, epoch, idle_since, *places]
    )
    return int(cast(int, left))
