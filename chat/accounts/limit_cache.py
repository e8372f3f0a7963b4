"""The cache in which allauth counts attempts: on the bus, or in this process when the bus is down.

Limits must hold across web processes, and signing in must not fail with the bus. Falling back to
the process's own memory keeps a limit, though one per process; failing open would keep none.
Values are JSON: with pickle, anybody who can write to the bus could run code here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# Enough that an attacker cannot evict a counter by creating others; at most about 30 MB.
MAX_LOCAL_ENTRIES = 100_000


class JsonSerializer:
    """Serialises the values of `RedisCache`. Whole numbers stay bare, so that Redis can count."""

    def dumps(self, value: Any) -> bytes | int:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


class LimitCache(RedisCache):
    """A Redis cache whose calls fall back to memory when the server does not answer."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._local = LocMemCache("limits", {"OPTIONS": {"MAX_ENTRIES": MAX_LOCAL_ENTRIES}})

    def _try(self, on_bus: Callable[[], Any], in_memory: Callable[[], Any]) -> Any:
        try:
            return on_bus()
        except (RedisError, OSError):
            logger.warning("The bus is unreachable: sign-in limits count in this process only")
            return in_memory()

    def add(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        added: bool = self._try(
            lambda: super(LimitCache, self).add(key, value, timeout, version),
            lambda: self._local.add(key, value, timeout, version),
        )
        return added

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        return self._try(
            lambda: super(LimitCache, self).get(key, default, version),
            lambda: self._local.get(key, default, version),
        )

    def set(
        self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._try(
            lambda: super(LimitCache, self).set(key, value, timeout, version),
            lambda: self._local.set(key, value, timeout, version),
        )

    def delete(self, key: str, version: int | None = None) -> bool:
        deleted: bool = self._try(
            lambda: super(LimitCache, self).delete(key, version),
            lambda: self._local.delete(key, version),
        )
        return deleted
