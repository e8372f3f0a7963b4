"""Rooms that a person entered a moment ago, until PostgreSQL has the membership too.

A membership is a projection of the log, stored shortly after. A page that is loaded in between
must show the new room all the same. The list only says where to look: the log's ACL decides whether
the person really is a member. While the bus is down, the room shows once it is stored.

| Key on the bus | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:recent-rooms:<user>` | zset | 10 min | room → ms of entering it |
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from chat.errors import Unavailable
from chat.servers import clocks, redis_bus

logger = logging.getLogger(__name__)

# How long storing may lag before a page load misses a new room.
REMEMBERED_SECONDS = 600
MAX_REMEMBERED = 200
# This list only improves an answer, so it must not hold one up.
TIMEOUT_SECONDS = 0.5


async def remember(user_id: int, room_id: int) -> None:
    """Note that the person entered the room. Never raises on a bus failure."""
    key = f"veche:recent-rooms:{user_id}"
    pipe = redis_bus.client().pipeline()
    pipe.zadd(key, {str(room_id): int(clocks.BUS.seconds() * 1000)})
    pipe.zremrangebyrank(key, 0, -MAX_REMEMBERED - 1)
    pipe.expire(key, REMEMBERED_SECONDS)
    try:
        await redis_bus.ask(pipe.execute, TIMEOUT_SECONDS)
    except Unavailable:
        logger.warning("The bus did not take note of user %s entering room %s", user_id, room_id)


async def entered_by(user_ids: Sequence[int]) -> dict[int, list[int]]:
    """Ids of rooms that each person may have entered recently; none while the bus is down."""
    oldest = int((clocks.BUS.seconds() - REMEMBERED_SECONDS) * 1000)
    pipe = redis_bus.client().pipeline(transaction=False)
    for user_id in user_ids:
        pipe.zrange(f"veche:recent-rooms:{user_id}", oldest, "+inf", byscore=True)
    try:
        found = await redis_bus.ask(pipe.execute, TIMEOUT_SECONDS)
    except Unavailable:
        return {user_id: [] for user_id in user_ids}
    return {user_id: list(map(int, rooms)) for user_id, rooms in zip(user_ids, found, strict=True)}
