"""When a circuit breaker opens, whom it lets through, and what it says. No server needed."""

from __future__ import annotations

import asyncio
import logging

import pytest
import redis
from django.db import OperationalError
from prometheus_client import REGISTRY
from redis.exceptions import (
    BusyLoadingError,
    MaxConnectionsError,
    OutOfMemoryError,
    ResponseError,
)

from chat.errors import ClientError, Unavailable
from chat.resilience.circuit_breaker import (
    FAILURES_TO_OPEN,
    MAX_PROBES,
    PROBE_AFTER_SECONDS,
    CircuitBreaker,
)
from chat.servers.failures import is_redis_down


class Dependency:
    """Something that answers, fails, or keeps its callers waiting."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.calls = 0
        self.breaker = CircuitBreaker("test", is_redis_down, clock=lambda: self.now)

    async def __call__(self) -> str:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return "answer"

    async def outcome(self) -> str | Exception:
        try:
            return await self.breaker.call(self)
        except Exception as error:
            return error

    async def fail(self, times: int = FAILURES_TO_OPEN) -> None:
        self.error = redis.ConnectionError("refused")
        for _ in range(times):
            await self.outcome()
        self.error = None


@pytest.fixture
def dependency() -> Dependency:
    return Dependency()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, {"dependency": "test", **labels}) or 0.0


async def test_failures_in_a_row_open_it_and_then_nothing_reaches_the_dependency(
    dependency: Dependency,
) -> None:
    await dependency.fail()
    calls = dependency.calls

    outcome = await dependency.outcome()

    assert dependency.breaker.state == "open"
    assert dependency.calls == calls
    assert isinstance(outcome, Unavailable)
    assert outcome.retry_after_seconds == PROBE_AFTER_SECONDS


async def test_retry_after_is_the_time_until_the_next_probe(dependency: Dependency) -> None:
    await dependency.fail()

    dependency.now += 0.75 * PROBE_AFTER_SECONDS
    with pytest.raises(Unavailable) as refused:
        dependency.breaker.check()

    assert refused.value.retry_after_seconds == pytest.approx(0.25 * PROBE_AFTER_SECONDS)


async def test_one_success_in_between_keeps_it_closed(dependency: Dependency) -> None:
    for _ in range(10):
        await dependency.fail(FAILURES_TO_OPEN - 1)
        await dependency.outcome()

    assert dependency.breaker.state == "closed"


@pytest.mark.parametrize(
    "error",
    [
        ClientError("forbidden", "no"),
        Unavailable("Another dependency is down."),
        ResponseError("ERR"),
        OutOfMemoryError("OOM"),
        MaxConnectionsError("ours are all in use"),
        OperationalError("another driver's"),
        ValueError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_errors_that_are_answers_never_open_it(
    dependency: Dependency, error: Exception
) -> None:
    dependency.error = error

    outcomes = [await dependency.outcome() for _ in range(100)]

    assert outcomes == [error] * 100
    assert dependency.breaker.state == "closed"


@pytest.mark.parametrize(
    "error",
    [redis.ConnectionError(), BusyLoadingError(), TimeoutError(), ConnectionResetError()],
    ids=lambda error: type(error).__name__,
)
async def test_no_answer_opens_it_whichever_way_it_shows(
    dependency: Dependency, error: Exception
) -> None:
    dependency.error = error

    for _ in range(FAILURES_TO_OPEN):
        await dependency.outcome()

    assert dependency.breaker.state == "open"


async def test_cancelled_calls_count_neither_way(dependency: Dependency) -> None:
    await dependency.fail(FAILURES_TO_OPEN - 1)
    dependency.gate = asyncio.Event()

    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await dependency.breaker.call(dependency)
    state = dependency.breaker.state
    dependency.gate = None
    await dependency.fail(1)

    assert (state, dependency.breaker.state) == ("closed", "open")


async def test_half_open_lets_a_few_of_a_hundred_through_and_refuses_the_rest_at_once(
    dependency: Dependency,
) -> None:
    await dependency.fail()
    calls = dependency.calls
    dependency.now += PROBE_AFTER_SECONDS
    dependency.gate = asyncio.Event()

    callers = [asyncio.create_task(dependency.outcome()) for _ in range(100)]
    done, waiting = await asyncio.wait(callers, timeout=0.2)
    state = dependency.breaker.state
    dependency.gate.set()
    outcomes = await asyncio.gather(*callers)

    assert dependency.calls - calls == MAX_PROBES == len(waiting)
    assert len(done) == 100 - MAX_PROBES
    assert all(isinstance(task.result(), Unavailable) for task in done)
    assert outcomes.count("answer") == MAX_PROBES
    assert (state, dependency.breaker.state) == ("half_open", "closed")


async def test_failed_probe_opens_it_again_and_probes_that_hang_stay_bounded(
    dependency: Dependency,
) -> None:
    await dependency.fail()
    calls = dependency.calls
    dependency.gate = asyncio.Event()
    dependency.now += PROBE_AFTER_SECONDS
    hanging = [asyncio.create_task(dependency.outcome()) for _ in range(MAX_PROBES - 1)]
    await asyncio.sleep(0)
    gate, dependency.gate = dependency.gate, None
    dependency.error = redis.ConnectionError("refused")

    await dependency.outcome()
    state = dependency.breaker.state
    dependency.gate = asyncio.Event()
    dependency.now += PROBE_AFTER_SECONDS
    callers = [asyncio.create_task(dependency.outcome()) for _ in range(50)]
    await asyncio.wait(callers, timeout=0.1)

    # The earlier probes that still hang, the one that failed, and one more in its place.
    assert state == "open"
    assert dependency.calls - calls == MAX_PROBES - 1 + 1 + 1
    gate.set()
    dependency.gate.set()
    await asyncio.gather(*hanging, *callers)


@pytest.mark.parametrize("ends", ["answers", "fails"])
async def test_probe_of_an_earlier_half_open_period_decides_nothing_in_a_later_one(
    dependency: Dependency, ends: str
) -> None:
    hangs, late = asyncio.Event(), asyncio.Event()

    async def end_late() -> None:
        await late.wait()
        if ends == "fails":
            raise redis.ConnectionError("refused")

    await dependency.fail()
    dependency.now += PROBE_AFTER_SECONDS
    early = asyncio.create_task(dependency.breaker.call(end_late))
    await asyncio.sleep(0)
    await dependency.fail(1)
    dependency.now += PROBE_AFTER_SECONDS
    dependency.gate = hangs
    later = asyncio.create_task(dependency.outcome())
    await asyncio.sleep(0)

    late.set()
    await asyncio.wait({early})
    after_the_early_one = dependency.breaker.state
    hangs.set()
    await later

    assert after_the_early_one == "half_open"
    assert dependency.breaker.state == "closed"
    assert (early.exception() is None) == (ends == "answers")


async def test_cancelled_probe_makes_room_for_the_next(dependency: Dependency) -> None:
    await dependency.fail()
    dependency.now += PROBE_AFTER_SECONDS
    dependency.gate = asyncio.Event()

    for _ in range(3 * MAX_PROBES):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await dependency.breaker.call(dependency)
    dependency.gate = None

    assert await dependency.outcome() == "answer"
    assert dependency.breaker.state == "closed"


async def test_call_from_before_the_outage_does_not_decide_after_it(
    dependency: Dependency,
) -> None:
    late = asyncio.Event()

    async def succeed_late() -> None:
        await late.wait()

    caller = asyncio.create_task(dependency.breaker.call(succeed_late))
    await asyncio.sleep(0)
    await dependency.fail()
    late.set()
    await caller

    assert dependency.breaker.state == "open"


async def test_state_and_transitions_are_counted_and_logged_once(
    dependency: Dependency, caplog: pytest.LogCaptureFixture
) -> None:
    def opened() -> float:
        return metric("veche_breaker_transitions_total", to="open")

    opened_before = opened()

    with caplog.at_level(logging.INFO, logger="chat.resilience.circuit_breaker"):
        await dependency.fail()
        await dependency.outcome()
        state = metric("veche_breaker_state")
        dependency.now += PROBE_AFTER_SECONDS
        await dependency.fail(1)
        dependency.now += PROBE_AFTER_SECONDS
        await dependency.outcome()

    assert (state, metric("veche_breaker_state")) == (2.0, 0.0)
    assert opened() - opened_before == 2
    assert [record.message for record in caplog.records] == [
        "the test is unreachable (ConnectionError): its circuit breaker is open",
        "the test answers again: its circuit breaker is closed",
    ]


async def test_queue_in_front_of_it_takes_no_more_than_probes_in_while_it_is_not_closed(
    dependency: Dependency,
) -> None:
    dependency.breaker.check(waiting=10_000)
    await dependency.fail()
    dependency.now += PROBE_AFTER_SECONDS

    dependency.breaker.check(waiting=MAX_PROBES - 1)
    with pytest.raises(Unavailable):
        dependency.breaker.check(waiting=MAX_PROBES)
