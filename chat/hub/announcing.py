"""Which web processes run, how many sockets each has, and which servers each considers down.

Sockets and circuit breakers belong to one process, so each process announces its own state on the
bus. Readers find there the processes that announced themselves within the last 15 s.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:web-processes` | hash | 1 min after the last | name → `WebProcess` as JSON |
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from chat.errors import Unavailable
from chat.servers import clocks, postgres, redis_bus, redis_log

if TYPE_CHECKING:
    from chat.hub.core import Hub

logger = logging.getLogger(__name__)

KEY = "veche:web-processes"
# How often a person watching the numbers would like to see them change.
ANNOUNCED_EVERY_SECONDS = 5.0
# Three announcements missed: the process is gone, or cut off from the bus.
COUNTS_AS_GONE_AFTER = timedelta(seconds=3 * ANNOUNCED_EVERY_SECONDS)
KEY_SECONDS = 60


class WebProcess(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one process at `at`. `breakers`: dependency → closed, half_open or open."""

    name: str
    at: datetime
    started_at: datetime
    sockets: int
    rooms: int
    draining: bool
    breakers: dict[str, str]


async def announce(hub: Hub) -> None:
    """Announce the state of this process for as long as its hub lives."""
    name, started_at = f"{socket.gethostname()}:{os.getpid()}", clocks.BUS.now()
    while True:
        state = WebProcess(
            name=name,
            at=clocks.BUS.now(),
            started_at=started_at,
            sockets=len(hub.sockets),
            rooms=len(hub.feeds),
            draining=hub.draining,
            breakers=breakers(),
        )
        pipeline = redis_bus.client().pipeline(transaction=False)
        pipeline.hset(KEY, name, msgspec.json.encode(state))
        pipeline.expire(KEY, KEY_SECONDS)
        try:
            await redis_bus.ask(pipeline.execute)
        except Unavailable:
            logger.debug("the bus is unreachable: this process cannot report its state")
        await asyncio.sleep(ANNOUNCED_EVERY_SECONDS)


def breakers() -> dict[str, str]:
    """The circuit breakers of this process."""
    return {
        "database": postgres.BREAKER.state,
        "log": redis_log.BREAKER.state,
        "bus": redis_bus.BREAKER.state,
    }


def processes() -> list[WebProcess]:
    """The processes that announced themselves recently, by name. Raises: redis.RedisError."""
    client = redis_bus.blocking_client()
    since = clocks.BUS.now() - COUNTS_AS_GONE_AFTER
    found, gone = [], []
    for name, raw in cast(dict[bytes, bytes], client.hgetall(KEY)).items():
        try:
            process = msgspec.json.decode(raw, type=WebProcess)
        except msgspec.MsgspecError:  # of another version of Veche, during a deploy
            gone.append(name)
            continue
        if process.at >= since:
            found.append(process)
        else:
            gone.append(name)
    if gone:
        client.hdel(KEY, *gone)
    return sorted(found, key=lambda process: process.name)
