"""The hub's one channel in the channel layer, and the groups it wants to be in.

The layer's server may be down for any length of time. The wanted groups are kept here and asked for
until the server has them, and nobody waits for that.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import get_channel_layer

from chat.errors import Unavailable
from chat.hints.to_hubs import HUBS_GROUP
from chat.servers import redis_bus

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
# When `group_add` returns, the subscription has only been asked for. Events published before the
# server had it show as a gap in this second look.
SECOND_LOOK_SECONDS = 0.5


class Subscription:
    """Keeps one channel subscribed to HUBS_GROUP and to the groups of `want`."""

    def __init__(
        self,
        on_message: Callable[[dict[str, Any]], None],
        on_joined: Callable[[set[str]], Awaitable[None]],
    ) -> None:
        self._on_message = on_message
        self._on_joined = on_joined
        self._wanted: set[str] = {HUBS_GROUP}
        self._joined: set[str] = set()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._looks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run(), name="hub subscription")]

    def want(self, group: str) -> None:
        self._wanted.add(group)
        self._changed.set()

    def unwant(self, group: str) -> None:
        self._wanted.discard(group)
        self._changed.set()

    async def close(self) -> None:
        tasks = [*self._tasks, *self._looks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    async def _run(self) -> None:
        channel = await self._new_channel()
        self._tasks.append(asyncio.create_task(self._listen(channel), name="hub listener"))
        while True:
            self._changed.clear()
            if await self._reconcile(channel):
                await self._changed.wait()
            else:
                await asyncio.sleep(RETRY_SECONDS)

    async def _new_channel(self) -> str:
        while True:
            layer = get_channel_layer()
            before = set(layer.channels)
            try:
                return await redis_bus.ask(functools.partial(layer.new_channel, "hub."))
            except Unavailable:
                _forget_channels(layer, before)
                await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, channel: str) -> None:
        while True:
            try:
                message = await get_channel_layer().receive(channel)
                self._on_message(message)
            except Exception:
                # An unreadable message is one lost hint; the hub goes on.
                logger.exception("a hint could not be read")
                await asyncio.sleep(0)

    async def _reconcile(self, channel: str) -> bool:
        """Join and leave groups until the joined ones are the wanted ones; False to try again."""
        layer = get_channel_layer()
        new: set[str] = set()
        try:
            for group in self._wanted - self._joined:
                await redis_bus.ask(functools.partial(layer.group_add, group, channel))
                self._joined.add(group)
                new.add(group)
            for group in self._joined - self._wanted:
                self._joined.discard(group)
                await redis_bus.ask(functools.partial(layer.group_discard, group, channel))
        except Unavailable:
            return False
        finally:
            if new:
                task = asyncio.create_task(self._look(new), name="look at new rooms")
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)
        return True

    async def _look(self, groups: set[str]) -> None:
        await self._on_joined(groups)
        await asyncio.sleep(SECOND_LOOK_SECONDS)
        await self._on_joined(groups)


def _forget_channels(layer: Any, before: set[str]) -> None:
    """Drops channels that are not in `before`, and their queues.

    The layer keeps a queue for each channel that it could not subscribe to, one more each second
    while the bus is down. No upstream issue known. `channels` is undocumented: without it, no hub
    would start.
    """
    for name in set(layer.channels) - before:
        del layer.channels[name]
