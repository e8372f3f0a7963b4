"""What an event loop has of its own."""

from __future__ import annotations

import asyncio

from chat.resilience.per_loop import PerLoop


def test_each_loop_has_one_of_its_own() -> None:
    lists: PerLoop[list[int]] = PerLoop(list)

    async def twice() -> tuple[list[int], list[int]]:
        return lists.get(), lists.get()

    first, again = asyncio.run(twice())
    other, _ = asyncio.run(twice())

    assert first is again
    assert other is not first


async def test_nothing_is_made_before_it_is_asked_for() -> None:
    lists: PerLoop[list[int]] = PerLoop(list)

    before = lists.if_made()
    made = lists.get()

    assert before is None
    assert lists.if_made() is made


async def test_what_was_taken_is_made_anew() -> None:
    lists: PerLoop[list[int]] = PerLoop(list)
    made = lists.get()

    taken = lists.take()

    assert taken is made
    assert lists.take() is None
    assert lists.get() is not made
