"""Lua scripts, called by their digest and never run twice for one call."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError


class Script:
    """A script file, called by its digest."""

    def __init__(self, file: Path) -> None:
        self.text = file.read_text()
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    # NOSCRIPT means that nothing ran, so the second call is not a repeat.

    def call(
        self, client: Redis, keys: Sequence[str], arguments: Sequence[str | int | bytes]
    ) -> object:
        try:
            return client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(self.text, len(keys), *keys, *arguments)

    async def acall(
        self, client: AsyncRedis, keys: Sequence[str], arguments: Sequence[str | int | bytes]
    ) -> object:
        try:
            return await client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self.text, len(keys), *keys, *arguments)
