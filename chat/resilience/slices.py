"""Splits long work into slices, so that it never holds the event loop for long."""

from __future__ import annotations

import asyncio
import time

# Far shorter than anybody notices, far longer than a switch takes.
SLICE_SECONDS = 0.002


class Slices:
    """Gives the loop to others whenever the work has had it for `SLICE_SECONDS`."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def pause(self) -> None:
        """Call this between two steps; most of the time it returns at once."""
        if time.perf_counter() - self._began >= SLICE_SECONDS:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
