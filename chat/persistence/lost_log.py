"""Notices a log that lost its end, and gives its shard a new epoch once what it has is stored.

A log that was lost whole is noticed by comparing it with PostgreSQL's cursor: `room_log.epochs`.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError

from chat import events
from chat.errors import RetryableError
from chat.models import ShardCursor
from chat.persistence import drain
from chat.room_log import cursors, epochs, keys
from chat.servers.redis_log import blocking_client

logger = logging.getLogger(__name__)

# A busy shard has a new event within milliseconds of a drain's end, and an attempt succeeds only in
# a moment without one.
RAISE_ATTEMPTS = 10
# A backlog takes longer; the workers store it, so that the caller's thread is free again.
RAISE_SECONDS = 5.0


def report_regress(room: int, seen: int, epoch: int) -> bool:
    """A client saw event `seen` of `room` at `epoch`. True when the log had forgotten that event
    and the shard has a new epoch now.

    Such a log lost its end unnoticed (a lagging replica was promoted, or a copy was restored that
    is newer than PostgreSQL's cursor). The new epoch ends the time in which places are given out
    twice. What the log still has is stored first, because nothing of an earlier epoch is stored
    later. False also when the epoch cannot be raised, because the shard is stopped or has too much
    to store: call again with the next heartbeat.

    Raises: RetryableError when the log is down; OperationalError when PostgreSQL is.
    """
    shard = events.shard_of(room, settings.ENV.shards)
    deadline = time.monotonic() + RAISE_SECONDS
    for _ in range(RAISE_ATTEMPTS):
        try:
            with transaction.atomic():
                cursor = cursors.lock(shard, cursors.Kind.PERSIST, wait=True)
                assert cursor is not None
                if not _has_forgotten(room, seen, epoch, cursor):
                    return False
                if epochs.raise_if_stored(cursor):
                    return True
        except RedisError as error:
            raise RetryableError("The log does not answer.") from error
        if drain.drain(shard).stopped or time.monotonic() > deadline:
            break
    logger.warning(
        "log lost its end: shard %s of the log server gets a new epoch as soon as what it still "
        "has is stored",
        shard,
    )
    return False


def _has_forgotten(room: int, seen: int, epoch: int, cursor: ShardCursor) -> bool:
    room_epoch, head = blocking_client().hmget(keys.room(cursor.shard, room), "epoch", "head")
    if cursor.epoch != epoch or room_epoch is None or int(room_epoch) != epoch:
        return False
    return head is not None and int(head) < seen
