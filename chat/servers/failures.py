"""Tells a dependency that is down from data that is wrong.

A dependency is waited for, and nothing is dead-lettered meanwhile; waiting never fixes wrong data.
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
    """Whether the same statement with the same values would always be refused."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state is None:
        return isinstance(error, DataError | IntegrityError)
    return str(state)[:2] in DATA_ERROR_CLASSES


def is_infrastructure_error(error: BaseException) -> bool:
    """Whether `error` says that PostgreSQL, a Redis server or the network is down.

    Deadlocks, time-outs and servers out of memory or disk count too: the data may not be the cause.
    """
    if isinstance(error, OperationalError):
        return not is_data_error(error)
    return isinstance(
        error,
        RetryableError | InterfaceError | RedisError | OSError | kombu.exceptions.OperationalError,
    )


def is_redis_down(error: Exception) -> bool:
    """Whether a Redis server gave no answer; an error is an answer.

    If all connections of our own pool are in use, that says nothing about the server.
    """
    if isinstance(error, MaxConnectionsError):
        return False
    return isinstance(error, redis.ConnectionError | redis.TimeoutError | OSError)
