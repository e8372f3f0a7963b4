"""The Lua scripts of the log server and how to call one without ever calling it twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError


class Script:
    """A script file, by default one beside this module, called by its digest."""

    def __init__(self, name: str, folder: Path = Path(__file__).parent) -> None:
        self.text = (folder / name).read_text()
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


APPEND = Script("append.lua")
BEGIN_EPOCH = Script("begin_epoch.lua")
CHANGED = Script("changed.lua")
FORGET = Script("forget.lua")
FORGET_PEOPLE = Script("forget_people.lua")
LOAD = Script("load.lua")
PROVE = Script("prove.lua")
RAISE_EPOCH = Script("raise_epoch.lua")
RESTRICT_PEOPLE = Script("restrict_people.lua")
STORED = Script("stored.lua")
UNLOAD = Script("unload.lua")
