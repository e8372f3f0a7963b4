"""How much one person may read of the past, over all their sockets and requests to this process.

A page of history costs the process a hundred times what a ping costs, and PostgreSQL as much again.
So everything that reads the past draws on one budget per person: `history` and `sync`, the missed
events fed after `hello`, and every GET of the REST API. Nobody has more than a few of these under
way; further ones wait for the person's own, and do not delay other people.

Feeding after `hello` can go on for minutes, while somebody waits for the answers to questions. So
feeding leaves some of the budget to questions, but questions do not take all of it either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.errors import ClientError
from chat.resilience.rate_limit import BucketsByUser, Clock

# One unit is one question with a short answer: 5 to 10 ms of the process. The burst is enough to
# open a page, with the members of its rooms and the newest messages of fifty of them.
UNITS_PER_SECOND = 20.0
UNITS_BURST = 200.0
# Longer answers cost more: reading, checking and encoding grow with them.
BYTES_PER_UNIT = 32 * 1024
# What feeding leaves to questions: more than what the pages being read for it cost, plus the
# opening of a room.
LEFT_TO_QUESTIONS = 40.0
# Pages that people are still fed while their questions use up the budget.
LEAST_FED_PER_SECOND = 0.5
# A search reads far more than it finds.
SEARCH_UNITS = 10.0
# A quarter of the threads that wait for PostgreSQL, see `chat.servers.postgres`.
AT_ONCE = 2
# A page that opens asks for the members of all its rooms at the same time.
MAX_ASKING = 400
LONGEST_WAIT_SECONDS = 15.0
# A refused person comes back when there is enough for several questions, not just one.
LEAST_RETRY_SECONDS = 1.0


class _Slots:
    def __init__(self) -> None:
        self.free = asyncio.Semaphore(AT_ONCE)
        self.asking = 0


class ReadingBudget:
    """The budgets of everybody in this process. Its methods are called on event loops only."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._buckets = BucketsByUser(UNITS_PER_SECOND, UNITS_BURST, clock=clock)
        self._least_fed = BucketsByUser(LEAST_FED_PER_SECOND, 1.0, clock=clock)
        self._slots: dict[int, _Slots] = {}  # only of people with questions at the moment

    def take(self, user_id: int, units: float = 1.0) -> float:
        """Pays for a question: 0.0, or the seconds to wait, and then nothing is paid."""
        wait = self._buckets.take(user_id, units)
        return max(wait, LEAST_RETRY_SECONDS) if wait > 0 else 0.0

    def spend(self, user_id: int, answer_bytes: int) -> None:
        """Pays for an answer, whose length is known only afterwards; the balance may go below 0."""
        self._buckets.spend(user_id, answer_bytes / BYTES_PER_UNIT)

    def take_for_feeding(self, user_id: int) -> float:
        """Like `take`, for a page of what the person missed; the balance may go below 0."""
        wait = self._buckets.take(user_id, 1.0 + LEFT_TO_QUESTIONS)
        if wait == 0:
            self._buckets.spend(user_id, -LEFT_TO_QUESTIONS)
            return 0.0
        least = self._least_fed.take(user_id)
        if least == 0:
            self._buckets.spend(user_id, 1.0)
        return min(wait, least)

    async def afford(self, user_id: int) -> None:
        """Pays for `hello`; waits until there is enough instead of refusing.

        At most a few tasks of a person wait here.
        """
        while (wait := self._buckets.take(user_id)) > 0:  # noqa: ASYNC110 - time fills it, no event
            await asyncio.sleep(wait)

    async def afford_feeding(self, user_id: int) -> None:
        """Pays for a page of what the person missed; waits instead of refusing, like `afford`."""
        while (wait := self.take_for_feeding(user_id)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def slot(self, user_id: int) -> AsyncIterator[None]:
        """One of the person's `AT_ONCE` slots, given in the order of the requests.

        Raises: ClientError (rate_limited) when too many wait already, or for too long.
        """
        slots = self._slots.setdefault(user_id, _Slots())
        if slots.asking >= MAX_ASKING:
            raise refusal(LEAST_RETRY_SECONDS)
        slots.asking += 1
        try:
            try:
                async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                    await slots.free.acquire()
            except TimeoutError:
                raise refusal(LEAST_RETRY_SECONDS) from None
            try:
                yield
            finally:
                slots.free.release()
        finally:
            slots.asking -= 1
            if slots.asking == 0:
                del self._slots[user_id]

    @asynccontextmanager
    async def paid_turn(self, user_id: int) -> AsyncIterator[None]:
        """Like `slot`, for a question that was paid for when it came.

        Also raises ClientError (rate_limited) when earlier answers were so long that the balance is
        still below 0.
        """
        async with self.slot(user_id):
            owed = self._buckets.debt_seconds(user_id)
            if owed > 0:
                raise refusal(max(owed, LEAST_RETRY_SECONDS))
            yield


def refusal(wait_seconds: float) -> ClientError:
    return ClientError("rate_limited", "You are reading faster than allowed.", wait_seconds)


BUDGET = ReadingBudget()
