"""Long queries wait for a slot, so that nobody's year occupies all database threads.

The chat reads its history through the same threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from django.db import OperationalError

READ_SLOTS = 2
# People who wait longer have reloaded the page by then.
LONGEST_WAIT_SECONDS = 15.0

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@asynccontextmanager
async def slot() -> AsyncIterator[None]:
    """One of `READ_SLOTS` slots of this process.

    Raises: OperationalError, as if the database were down, after `LONGEST_WAIT_SECONDS`.
    """
    semaphore = _slots.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(READ_SLOTS))
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await semaphore.acquire()
    except TimeoutError as error:
        raise OperationalError("Too many people are reading the numbers at the moment.") from error
    try:
        yield
    finally:
        semaphore.release()
