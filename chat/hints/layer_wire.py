"""What the channel layer writes to Redis, written without it, for code that has no event loop.

`async_to_sync` gives each call an event loop of its own, and the layer opens connections for each
loop: one for every hint (https://github.com/django/channels_redis/issues/266). Unless the caller
closes them, they end with a traceback (https://github.com/django/channels_redis/issues/332). So
code without a loop publishes here, through one plain client per process.

Which channel stands for a group, and how a message is packed, is private to channels_redis: if it
changes there, hubs do not hear these hints, and tests/integration/hub/test_live.py fails.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import redis
from channels_redis.serializers import registry
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


def publish(group: str, message: Mapping[str, Any]) -> None:
    """Sends `message` to all channels in `group`.

    Waits no longer than the time-outs in the layer's settings. Raises: redis.RedisError, OSError.
    """
    layers: Any = settings.CHANNEL_LAYERS
    config: dict[str, Any] = layers["default"]["CONFIG"]
    [host] = config["hosts"]  # of several, the layer would choose one by the channel's name
    _client(**host).publish(f"{config['prefix']}__group__{group}", packed(message))


def packed(message: Mapping[str, Any]) -> bytes:
    made: bytes = registry.get_serializer("msgpack").serialize(message)
    return made


@functools.cache
def _client(address: str, **options: Any) -> redis.Redis:
    # Once more for a connection that the server closed by restarting: a hint may arrive twice.
    return redis.Redis.from_url(address, retry=Retry(NoBackoff(), 1), **options)
