"""How far apart the watermarks of the whole installation are: head ≥ stored ≥ exported."""

from __future__ import annotations

import msgspec
from django.db import connection

from chat.events.positions import as_pair
from chat.room_log import keys
from chat.servers import streams
from chat.servers.redis_log import blocking_client

# A shard's backlog is not counted beyond this: from there its age says more.
MAX_COUNTED = 10_000

NOT_EXPORTED = """
    SELECT (SELECT count(*) FROM (
                SELECT FROM chat_roomevent AS event
                WHERE event.shard = waiting.shard AND event.id > waiting.position
                LIMIT %s) AS counted),
           (SELECT extract(epoch FROM clock_timestamp() - event.at) FROM chat_roomevent AS event
            WHERE event.shard = waiting.shard AND event.id > waiting.position
            ORDER BY event.id LIMIT 1)
    FROM (SELECT shard.shard, COALESCE(cursor.position, '0')::bigint AS position
          FROM unnest(%s::smallint[]) AS shard (shard)
          LEFT JOIN chat_shardcursor AS cursor
              ON cursor.shard = shard.shard AND cursor.kind = 'export') AS waiting
"""


class Lag(msgspec.Struct, frozen=True):
    """What one stage still has to do: how many events, and how long the oldest has waited."""

    events: int = 0
    seconds: float = 0.0


def stored_lag(shards: int) -> Lag:
    """Events logged but not yet stored. Raises: redis.RedisError."""
    client = blocking_client()
    seconds, microseconds = client.time()
    now_ms = seconds * 1000 + microseconds // 1000
    waiting, oldest_ms = 0, now_ms
    for shard in range(shards):
        waiting += client.xlen(keys.ingest(shard))
        for raw_id, _ in streams.entries(client, keys.ingest(shard), count=1):
            oldest_ms = min(oldest_ms, as_pair(raw_id.decode())[0])
    return Lag(waiting, (now_ms - oldest_ms) / 1000)


def exported_lag(shards: int) -> Lag:
    """Events stored but not yet on the event bus; at most `MAX_COUNTED` events per shard.

    Raises: OperationalError.
    """
    with connection.cursor() as cursor:
        cursor.execute(NOT_EXPORTED, [MAX_COUNTED, list(range(shards))])
        rows = cursor.fetchall()
    return Lag(
        sum(events for events, _ in rows),
        max((float(seconds) for _, seconds in rows if seconds is not None), default=0.0),
    )
