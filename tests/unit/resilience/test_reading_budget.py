from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from chat.errors import ClientError
from chat.resilience import reading_budget
from chat.resilience.reading_budget import (
    AT_ONCE,
    BYTES_PER_UNIT,
    LEAST_FED_PER_SECOND,
    UNITS_BURST,
    UNITS_PER_SECOND,
    ReadingBudget,
)
from tests.unit.resilience.test_rate_limit import FakeClock

ANNA, BORIS = 1, 2


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def budget(clock: FakeClock) -> ReadingBudget:
    return ReadingBudget(clock)


def questions(budget: ReadingBudget, user_id: int) -> int:
    """How many questions the person may ask now."""
    count = 0
    while budget.take(user_id) == 0.0:
        count += 1
    return count


def test_person_may_ask_a_burst_and_then_at_a_steady_rate(
    budget: ReadingBudget, clock: FakeClock
) -> None:
    assert questions(budget, ANNA) == UNITS_BURST
    assert questions(budget, BORIS) == UNITS_BURST

    clock.now += 1.0

    assert questions(budget, ANNA) == UNITS_PER_SECOND


def test_who_is_refused_need_not_come_back_for_a_single_question(
    budget: ReadingBudget, clock: FakeClock
) -> None:
    questions(budget, ANNA)

    clock.now += budget.take(ANNA)

    assert questions(budget, ANNA) >= 10


def test_long_answers_are_paid_for_afterwards(budget: ReadingBudget) -> None:
    budget.take(ANNA)
    budget.spend(ANNA, 99 * BYTES_PER_UNIT)

    assert questions(budget, ANNA) == UNITS_BURST - 100


async def test_question_whose_turn_comes_while_something_is_owed_is_refused(
    budget: ReadingBudget,
) -> None:
    assert budget.take(ANNA) == 0.0  # paid for before the answers to others were known
    budget.spend(ANNA, int(2 * UNITS_BURST * BYTES_PER_UNIT))

    with pytest.raises(ClientError) as refused:
        async with budget.paid_turn(ANNA):
            pass

    assert refused.value.code == "rate_limited"
    assert refused.value.retry_after_seconds == pytest.approx(
        (UNITS_BURST + 1) / UNITS_PER_SECOND, abs=0.2
    )


async def test_person_has_only_so_many_turns_and_holds_up_nobody_else(
    budget: ReadingBudget,
) -> None:
    release, at_work, most = asyncio.Event(), 0, 0

    async def read() -> None:
        nonlocal at_work, most
        async with budget.slot(ANNA):
            at_work += 1
            most = max(most, at_work)
            await release.wait()
            at_work -= 1

    reading = [asyncio.create_task(read()) for _ in range(50)]
    await asyncio.sleep(0)
    async with budget.slot(BORIS):
        busy = at_work
    release.set()
    await asyncio.gather(*reading)

    assert busy == AT_ONCE
    assert most == AT_ONCE
    assert budget._slots == {}


async def test_nobody_waits_for_a_turn_without_end(
    budget: ReadingBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_budget, "LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(reading_budget, "MAX_ASKING", AT_ONCE + 1)

    async def code_of_slot() -> Any:
        try:
            async with budget.slot(ANNA):
                return "a slot"
        except ClientError as error:
            return error.code

    async with budget.slot(ANNA), budget.slot(ANNA):
        outcomes = await asyncio.gather(code_of_slot(), code_of_slot())

    assert set(outcomes) == {"rate_limited"}
    assert await code_of_slot() == "a slot"
    assert budget._slots == {}


PAGE_BYTES = 8 * BYTES_PER_UNIT


def test_who_is_fed_for_long_may_ask_all_the_time(budget: ReadingBudget, clock: FakeClock) -> None:
    fed, answers = 0, []
    for tick in range(6_000):  # a minute
        clock.now += 0.01
        if budget.take_for_feeding(ANNA) == 0.0:
            fed += 1
            budget.spend(ANNA, PAGE_BYTES)
        if tick % 20 == 0:
            answers.append(budget.take(ANNA) == 0.0)

    assert all(answers)
    # What the questions leave of the budget.
    assert fed >= (60 * UNITS_PER_SECOND - len(answers)) / (1 + PAGE_BYTES / BYTES_PER_UNIT)


def test_who_asks_all_that_they_may_is_fed_all_the_same(
    budget: ReadingBudget, clock: FakeClock
) -> None:
    fed = answered = 0
    for _ in range(6_000):
        clock.now += 0.01
        while budget.take(ANNA) == 0.0:
            answered += 1
        if budget.take_for_feeding(ANNA) == 0.0:
            fed += 1
            budget.spend(ANNA, PAGE_BYTES)

    assert fed == pytest.approx(60 * LEAST_FED_PER_SECOND, abs=1)
    assert answered > 0.7 * 60 * UNITS_PER_SECOND


async def test_what_the_server_does_by_itself_waits_instead_of_failing() -> None:
    budget = ReadingBudget()
    questions(budget, ANNA)

    began = time.monotonic()
    await budget.afford(ANNA)
    await budget.afford(ANNA)
    for _ in range(2):
        await budget.afford_feeding(ANNA)

    assert time.monotonic() - began > 2 / UNITS_PER_SECOND
