"""Concurrent callers share one call, and no answer is older than its question."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from chat.resilience.coalescing import Coalescer


class Source:
    """Doubles numbers, each call when the test lets it; 13 is unknown, and 99 makes a call fail."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.gate = asyncio.Semaphore(0)

    async def load(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.calls.append(list(keys))
        await self.gate.acquire()
        if 99 in keys:
            raise LookupError
        return {key: 2 * key for key in keys if key != 13}

    def let(self, calls: int) -> None:
        for _ in range(calls):
            self.gate.release()


def ask(coalescer: Coalescer[int, int], *keys: int) -> list[asyncio.Task[int | None]]:
    return [asyncio.create_task(coalescer.get(key)) for key in keys]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_those_who_ask_during_a_call_share_the_next_one() -> None:
    source = Source()
    coalescer = Coalescer(source.load, at_most=10, at_once=1)

    asked = ask(coalescer, 1)
    await settle()
    asked += ask(coalescer, 2, 3, 13, 2)
    await settle()
    source.let(2)

    assert await asyncio.gather(*asked) == [2, 4, 6, None, 4]
    assert source.calls == [[1], [2, 3, 13]]


async def test_question_that_comes_during_a_call_for_the_same_key_gets_a_newer_answer() -> None:
    source = Source()
    coalescer = Coalescer(source.load, at_most=10, at_once=2)

    asked = ask(coalescer, 1)
    await settle()
    asked += ask(coalescer, 1)
    await settle()
    source.let(2)
    await asyncio.gather(*asked)

    assert source.calls == [[1], [1]]


async def test_calls_are_bounded_in_size_and_number() -> None:
    source = Source()
    coalescer = Coalescer(source.load, at_most=2, at_once=2)

    asked = ask(coalescer, *range(7))
    await settle()
    begun = list(source.calls)
    source.let(100)
    await asyncio.gather(*asked)

    assert begun == [[0], [1]]
    assert source.calls == [[0], [1], [2, 3], [4, 5], [6]]


async def test_failed_call_fails_those_it_was_for_and_nobody_else() -> None:
    source = Source()
    coalescer = Coalescer(source.load, at_most=10, at_once=1)

    asked = ask(coalescer, 1)
    await settle()
    asked += ask(coalescer, 99, 2)
    await settle()
    later = ask(coalescer, 99)
    source.let(1)
    first = await asked[0]
    await settle()
    asked += ask(coalescer, 3)
    source.let(5)
    answers = await asyncio.gather(*asked[1:], *later, return_exceptions=True)

    assert first == 2
    assert [type(answer) for answer in answers] == [LookupError, LookupError, int, LookupError]


async def test_somebody_who_stops_waiting_takes_nobody_along() -> None:
    source = Source()
    coalescer = Coalescer(source.load, at_most=10, at_once=1)

    ask(coalescer, 0)
    await settle()
    [impatient, patient] = ask(coalescer, 1, 1)
    await settle()
    impatient.cancel()
    source.let(2)

    assert await patient == 2
    with pytest.raises(asyncio.CancelledError):
        await impatient


def test_each_event_loop_is_served_by_itself() -> None:
    calls: list[list[int]] = []

    async def load(keys: Sequence[int]) -> Mapping[int, int]:
        calls.append(list(keys))
        if len(calls) == 1:
            await asyncio.sleep(60)  # its loop ends before
        return {key: key for key in keys}

    coalescer = Coalescer(load, at_most=1, at_once=1)

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await coalescer.get(1)

    asyncio.run(given_up())
    assert asyncio.run(coalescer.get(2)) == 2
