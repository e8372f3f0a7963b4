"""Tells a dependency that is away from data that is wrong.

The first is waited for and never dead-lettered; the second never gets better by waiting.
"""

from __future__ import annotations

import kombu.exceptions
import redis
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError
from redis.exceptions import MaxConnectionsError, RedisError

from chat.errors import RetryableError

# Classes of SQLSTATE that say that the data, not the server, is at fault: data exception,
# integrity violation, program limit exceeded (a value too large to index, nesting too deep).
DATA_ERROR_CLASSES = ("22", "23", "54")


def is_data_error(error: DatabaseError) -> bool:
    """Whether the same statement with the same values would be refused for ever."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:
        return isinstance(error, DataError | IntegrityError)
    return str(state)[:2] in DATA_ERROR_CLASSES


def is_infrastructure_error(error: BaseException) -> bool:
    """Whether `error` says that PostgreSQL, a Redis server or the network is away.

    A deadlock, a time-out, a server out of memory or disk count too: others may be the cause.
    """
    if isinstance(error, OperationalError):
        return not is_data_error(error)
    return isinstance(
        error,
        RetryableError | InterfaceError | RedisError | OSError | kombu.exceptions.OperationalError,
    )


def is_redis_away(error: Exception) -> bool:
    """Whether a Redis server gave no answer; an answer that is an error is one.

    That all connections of our own pool are in use says nothing about the server.
    """
    if isinstance(error, MaxConnectionsError):
        return False
    return isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError)
