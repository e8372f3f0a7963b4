"""The check that web processes and workers make before they start."""

from __future__ import annotations

import logging
import sys

import redis
from django.conf import settings

from chat.servers.redis_durability import WeakLogError, look

logger = logging.getLogger(__name__)


def refuse_weak_log() -> None:
    """End this process when the log server's settings void the promise and nobody allowed that.

    A log that does not answer now does not prevent the start: every new connection to it is
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
        # Only the kind: the text may hold the address.
        logger.warning("the log's settings are not known yet: %s", type(error).__name__)
        return
    if not problems:
        return
    if not env.allow_weak_log:
        sys.exit(str(WeakLogError(problems)))
    logger.warning("ALLOW_WEAK_LOG: acknowledged messages may be lost (%s)", "; ".join(problems))
