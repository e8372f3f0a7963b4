"""One call for all callers that ask at the same time.

When a web process ends, its people reconnect to the others within seconds. One by one, the same few
queries would run thousands of times. Here, callers that ask while calls are under way wait for the
next one, which answers all that have asked by then. A caller that asks alone is answered as before.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from chat.resilience.per_loop import PerLoop

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Asked(Generic[K, V]):
    """The waiting keys and running calls of one event loop."""

    def __init__(self) -> None:
        self.waiting: dict[K, asyncio.Future[V | None]] = {}
        self.under_way: set[asyncio.Task[None]] = set()


class Coalescer(Generic[K, V]):
    """Calls `load` for at most `at_most` keys, and at most `at_once` times in parallel.

    An answer is never older than its question: a key that is asked for while a call for it is under
    way goes into the next call. Event loops do not share calls.
    """

    def __init__(
        self,
        load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        at_most: int,
        at_once: int,
    ) -> None:
        self._load = load
        self._at_most = at_most
        self._at_once = at_once
        self._asked: PerLoop[_Asked[K, V]] = PerLoop(_Asked)

    async def get(self, key: K) -> V | None:
        """What `load` has for `key`; None when it has nothing.

        Raises: what `load` raises, in every caller that the call was to answer.
        """
        asked = self._asked.get()
        future = asked.waiting.get(key)
        if future is None:
            future = asked.waiting[key] = asyncio.get_running_loop().create_future()
            self._start(asked)
        # A caller that is cancelled must not cancel the others.
        return await asyncio.shield(future)

    def _start(self, asked: _Asked[K, V]) -> None:
        while asked.waiting and len(asked.under_way) < self._at_once:
            keys = list(itertools.islice(asked.waiting, self._at_most))
            answers = {key: asked.waiting.pop(key) for key in keys}
            task = asyncio.create_task(self._answer(asked, answers), name="coalesced call")
            asked.under_way.add(task)

    async def _answer(
        self, asked: _Asked[K, V], answers: Mapping[K, asyncio.Future[V | None]]
    ) -> None:
        try:
            found = await self._load(list(answers))
            for key, future in answers.items():
                future.set_result(found.get(key))
        except BaseException as error:
            for future in answers.values():
                if not future.done():
                    future.set_exception(error)
                    # All callers may be gone; mark the exception as retrieved, so asyncio is quiet.
                    future.exception()
            if not isinstance(error, Exception):
                raise
        finally:
            task = asyncio.current_task()
            assert task is not None
            asked.under_way.discard(task)
            self._start(asked)
