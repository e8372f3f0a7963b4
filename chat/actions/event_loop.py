"""Gives commands that call actions an event loop of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from chat import room_log
from chat.hints import to_hubs
from chat.servers import redis_bus

T = TypeVar("T")


def run_actions(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` and returns its result; by then its hints are sent, its connections closed."""
    return asyncio.run(_and_close(work))


async def _and_close(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    finally:
        await to_hubs.publisher().flush()
        await room_log.close()
        await redis_bus.close()
