"""What one person may ask of the past, over all their sockets and requests to this process.

A page of history costs the process a hundred times what a ping costs, and PostgreSQL as much again.
So everything that asks the past draws on one budget of its person: `history` and `sync`, what is
missed and fed after `hello`, and every GET of the REST API. And nobody has more than a few of these
under way: what a person asks beyond that waits for their own, not in front of others.

What is fed after `hello` can go on for minutes, and somebody waits for the answers to questions. So
feeding leaves some of the budget to questions, but questions do not take all of it either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.errors import ClientError
from chat.resilience.rate_limit import BucketsByUser, Clock

# One unit is one question with a short answer: 5 to 10 ms of the process. The burst is a page that
# opens, with the members of its rooms and the newest messages of fifty of them.
UNITS_PER_SECOND = 20.0
UNITS_BURST = 200.0
# Longer answers cost more: reading, checking and encoding grow with them.
BYTES_PER_UNIT = 32 * 1024
# What feeding leaves to questions: more than the pages that are read for it at the moment cost, and
# a room that is opened.
LEFT_TO_QUESTIONS = 40.0
# Pages that somebody is fed all the same while they ask for all that they may.
LEAST_FED_PER_SECOND = 0.5
# Looking for words reads far more than it finds.
SEARCH_UNITS = 10.0
# A quarter of the threads that wait for PostgreSQL, see `chat.servers.postgres`.
AT_ONCE = 2
# A page that opens asks for the members of all its rooms at once.
MAX_ASKING = 400
LONGEST_WAIT_SECONDS = 15.0
# Who is refused comes back when there is enough for some questions, not for one.
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
        self._slots: dict[int, _Slots] = {}  # of those who ask at the moment

    def take(self, user_id: int, units: float = 1.0) -> float:
        """Pay for a question: 0.0, or the seconds to wait, and then nothing is paid."""
        wait = self._buckets.take(user_id, units)
        return max(wait, LEAST_RETRY_SECONDS) if wait > 0 else 0.0

    def spend(self, user_id: int, answer_bytes: int) -> None:
        """Pay for an answer, whose length is known only afterwards. One may owe it."""
        self._buckets.spend(user_id, answer_bytes / BYTES_PER_UNIT)

    def take_for_feeding(self, user_id: int) -> float:
        """As `take`, for a page of what the person missed; it may be owed."""
        wait = self._buckets.take(user_id, 1.0 + LEFT_TO_QUESTIONS)
        if wait == 0:
            self._buckets.spend(user_id, -LEFT_TO_QUESTIONS)
            return 0.0
        least = self._least_fed.take(user_id)
        if least == 0:
            self._buckets.spend(user_id, 1.0)
        return min(wait, least)

    async def afford(self, user_id: int) -> None:
        """Pay for `hello`; waits as long as something is owed instead of refusing.

        At most a few tasks of a person wait here.
        """
        while (wait := self._buckets.take(user_id)) > 0:  # noqa: ASYNC110 - time fills it, no event
            await asyncio.sleep(wait)

    async def afford_feeding(self, user_id: int) -> None:
        """Pay for a page of what the person missed; waits instead of refusing, as `afford`."""
        while (wait := self.take_for_feeding(user_id)) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def slot(self, user_id: int) -> AsyncIterator[None]:
        """One of the person's `AT_ONCE` slots, in the order in which they asked.

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
        """`slot` for a question that was paid for when it came.

        Raises: also ClientError (rate_limited) when the answers before it were so long that the
        person owes something.
        """
        async with self.slot(user_id):
            owed = self._buckets.debt_seconds(user_id)
            if owed > 0:
                raise refusal(max(owed, LEAST_RETRY_SECONDS))
            yield


def refusal(wait_seconds: float) -> ClientError:
    return ClientError("rate_limited", "You read faster than allowed.", wait_seconds)


BUDGET = ReadingBudget()
