"""The check of the log that web processes and workers make before they start."""

from __future__ import annotations

import logging
import sys

import redis
from django.conf import settings

from chat.servers.redis_durability import WeakLogError, look

logger = logging.getLogger(__name__)


def refuse_weak_log() -> None:
    """End this process if the log server's settings void the promise, unless that is allowed.

    If the log does not answer now, the process starts all the same: every new connection to it is
    checked again before the first append.
    """
    env = settings.ENV
    client = redis.Redis.from_url(
        env.log_redis_url,
        socket_timeout=env.redis_timeout_seconds,
        socket_connect_timeout=env.redis_connect_timeout_seconds,
    )
    try:
        with client:
            problems = look(client)
    except redis.RedisError as error:
        # Only the kind: the text may contain the address.
        logger.warning("the log's settings are not known yet: %s", type(error).__name__)
        return
    if not problems:
        return
    if not env.allow_weak_log:
        sys.exit(str(WeakLogError(problems)))
    logger.warning("ALLOW_WEAK_LOG: acknowledged messages may be lost (%s)", "; ".join(problems))
