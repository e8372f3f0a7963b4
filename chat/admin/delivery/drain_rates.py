"""How fast shards are stored and exported: the difference between two samples of all rooms.

A room's `stored_seq` counts its stored events, and its exported seq those on the event bus, so
their sums over a shard's rooms are exact counts, without reading a single event.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:drain-samples` | list | 1 h | the last `Sample`s as JSON, newest first |
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import msgspec
from django.conf import settings
from django.db import connection

from chat.servers import redis_bus

KEY = "veche:drain-samples"
KEPT_SECONDS = 3600
MAX_SAMPLES = 40
# Several people who look at once share a sample, and a rate over a shorter time would jump about.
EVERY_SECONDS = 4.0
# A rate describes the present: it covers this long, or what samples there are.
OVER_SECONDS = 30.0

SUMS = """
    SELECT room.id %% %s, sum(room.stored_seq), COALESCE(sum(exported.seq), 0)
    FROM chat_room AS room LEFT JOIN chat_exportedroom AS exported ON exported.room_id = room.id
    GROUP BY 1
"""


class Sample(msgspec.Struct, frozen=True):
    """Stored and exported events of each shard that has rooms, at one moment."""

    at: datetime
    stored: dict[int, int]
    exported: dict[int, int]


class Rates(msgspec.Struct, frozen=True):
    """Events per second by shard, over `seconds`; 0 means that there is nothing to compare yet.

    `unexported`: events of each shard that are stored but not on the event bus.
    """

    seconds: float
    stored: dict[int, float]
    exported: dict[int, float]
    unexported: dict[int, int]


def rates() -> Rates:
    """The present rates. Each call leaves a sample behind for the next.

    Raises: redis.RedisError; OperationalError.
    """
    client = redis_bus.blocking_client()
    raw = cast(list[bytes], client.lrange(KEY, 0, MAX_SAMPLES - 1))
    samples = [msgspec.json.decode(one, type=Sample) for one in raw]
    now = _sample()
    if not samples or (now.at - samples[0].at).total_seconds() >= EVERY_SECONDS:
        pipeline = client.pipeline(transaction=True)
        pipeline.lpush(KEY, msgspec.json.encode(now))
        pipeline.ltrim(KEY, 0, MAX_SAMPLES - 1)
        pipeline.expire(KEY, KEPT_SECONDS)
        pipeline.execute()
    unexported = {
        shard: max(count - now.exported.get(shard, 0), 0) for shard, count in now.stored.items()
    }
    ages = [((now.at - sample.at).total_seconds(), sample) for sample in samples]
    usable = [one for one in ages if 1.0 <= one[0] <= 2 * OVER_SECONDS]
    if not usable:
        return Rates(0.0, {}, {}, unexported)
    seconds, before = min(usable, key=lambda one: abs(one[0] - OVER_SECONDS))
    return Rates(
        seconds,
        _per_second(before.stored, now.stored, seconds),
        _per_second(before.exported, now.exported, seconds),
        unexported,
    )


def _per_second(before: dict[int, int], now: dict[int, int], seconds: float) -> dict[int, float]:
    # A restored database may hold fewer events; that is not a negative rate.
    return {shard: max(count - before.get(shard, 0), 0) / seconds for shard, count in now.items()}


def _sample() -> Sample:
    with connection.cursor() as cursor:
        cursor.execute(SUMS, [settings.ENV.shards])
        rows = cursor.fetchall()
    return Sample(
        at=datetime.now(UTC),
        stored={shard: int(stored) for shard, stored, _ in rows},
        exported={shard: int(exported) for shard, _, exported in rows},
    )
