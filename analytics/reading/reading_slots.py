"""Long readings wait for a slot: nobody's year takes all the database threads of a process.

The chat reads its history through the same threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from django.db import OperationalError

READ_SLOTS = 2
# Somebody who waits longer has long reloaded the page.
LONGEST_WAIT_SECONDS = 15.0

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def slot() -> AsyncIterator[None]:
    """One of `READ_SLOTS` slots of this process.

    Raises: OperationalError, as the database does when it is away, after `LONGEST_WAIT_SECONDS`.
    """
    semaphore = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(READ_SLOTS))
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await semaphore.acquire()
    except TimeoutError as error:
        raise OperationalError("The numbers are being read by too many.") from error
    try:
        yield
    finally:
        semaphore.release()
