"""Keeps wake-ups from filling the bus while no worker takes them (I8).

An expiry does not help here: only a worker looks at it, and until then the message stays in the
broker's memory. A wake-up carries no data, and beat sends it again, so it is simply not sent while
the queue is full.
"""

from __future__ import annotations

from redis.exceptions import RedisError

from chat.hints import queues
from chat.servers import redis_bus

QUEUE = queues.DEFAULT
# About a megabyte of the bus. Far more than ever waits while workers run: a drain takes everything
# there is, and each shard is asked for only once until its drain has begun.
MAX_QUEUED = 1_000


def is_full(queue: str = QUEUE) -> bool:
    """Whether nothing more may be sent to `queue` now.

    Processes that ask at the same moment may each send one more.

    False also when the broker does not answer: the sender will notice that, and can handle it.
    """
    try:
        return redis_bus.broker_client().llen(queue) >= MAX_QUEUED
    except RedisError:
        return False
