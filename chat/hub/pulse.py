"""What a web process reports about itself: its event loop, its hub, its database pool."""

from __future__ import annotations

import asyncio
import platform
import time
from typing import TYPE_CHECKING

from django.db import connections

from chat import room_log
from chat.metrics import catalogue as metrics

if TYPE_CHECKING:
    from chat.hub.core import Hub

PULSE_SECONDS = 0.5


async def pulse(hub: Hub) -> None:
    """Measure the event loop's lag and set the hub's gauges for as long as the hub lives.

    The gauges are set here and not when metrics are scraped: that happens in another thread.
    """
    while True:
        before = time.monotonic()
        await asyncio.sleep(PULSE_SECONDS)
        metrics.EVENT_LOOP_LAG_SECONDS.observe(max(0.0, time.monotonic() - before - PULSE_SECONDS))
        metrics.PEOPLE_CONNECTED.set(hub.people())
        metrics.ROOMS_OPEN.set(len(hub.feeds))
        metrics.APPENDS_WAITING.set(room_log.waiting())


def refresh() -> None:
    """Measure the database pool. For the thread that answers `/metrics`."""
    settings = connections.settings["default"]["OPTIONS"].get("pool")
    if not settings:
        return
    pool = connections["default"].pool  # type: ignore[attr-defined]
    found = pool.get_stats()
    idle = found.get("pool_available", 0)
    metrics.DATABASE_POOL.labels("idle").set(idle)
    metrics.DATABASE_POOL.labels("used").set(found.get("pool_size", 0) - idle)
    metrics.DATABASE_POOL.labels("max").set(found.get("pool_max", 0))
    metrics.DATABASE_POOL_WAITING.set(found.get("requests_waiting", 0))


def say_what_runs(version_of_veche: str) -> None:
    """Set the version metrics. Call once in every process that serves metrics."""
    metrics.BUILD_INFO.labels(version_of_veche, platform.python_version()).set(1)
