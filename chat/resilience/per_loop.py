"""One object for each event loop, such as a client whose connections belong to the loop.

A web process has one loop for its whole life. Commands, Celery tasks and tests have one loop after
another, and nothing of a loop that has ended may be used in the next.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """What `make` makes for each loop when it is first asked for there; it ends with its loop."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, T] = (
            weakref.WeakKeyDictionary()
        )

    def get(self) -> T:
        """The running loop's object."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._make()
        return self._made[loop]

    def if_made(self) -> T | None:
        """The running loop's object; None when it was not asked for yet."""
        return self._made.get(asyncio.get_running_loop())

    def take(self) -> T | None:
        """Like `if_made`, but leaves none behind: the caller ends it, `get` makes another."""
        return self._made.pop(asyncio.get_running_loop(), None)
