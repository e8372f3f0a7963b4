from __future__ import annotations

import random

import pytest

from chat.resilience.rate_limit import BucketsByUser
from chat.websocket.frame_gate import (
    BYTES_PER_UNIT,
    FRAMES_AT_ONCE,
    PERSON_UNITS_BURST,
    PERSON_UNITS_PER_SECOND,
    UNITS_BURST,
    UNITS_PER_SECOND,
    FrameGate,
)
from localstack.raw_sockets import CLOSE, CONTINUE, PING, PONG, TEXT, frame
from tests.unit.resilience.test_rate_limit import FakeClock

EMPTY_PING = frame(b"", PING)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def people(clock: FakeClock) -> BucketsByUser:
    return BucketsByUser(PERSON_UNITS_PER_SECOND, PERSON_UNITS_BURST, clock=clock)


@pytest.fixture
def gate(people: BucketsByUser, clock: FakeClock) -> FrameGate:
    return FrameGate(people, clock)


def take_all(gate: FrameGate) -> tuple[bytes, float | None]:
    """What passes at this moment, in as many steps as it takes."""
    passed = b""
    while True:
        data, wait = gate.take()
        passed += data
        if wait != 0.0:
            return passed, wait


def frames_that_pass(gate: FrameGate, unit: bytes) -> int:
    gate.put(unit * 10_000)
    return len(take_all(gate)[0]) // len(unit)


def test_frames_pass_as_they_came_however_the_network_cut_them(gate: FrameGate) -> None:
    stream = b"".join(
        [
            frame(b'{"t":"hello"}'),
            EMPTY_PING,
            frame(b"x" * 125, PONG),
            frame(b"x" * 126),
            frame(b"x" * 70_000, TEXT, final=False),
            frame(b"", CONTINUE),
            b"\x81\x02hi",  # not masked, which is for the parser to refuse
            frame(b"\x03\xe8", CLOSE),
        ]
    )
    cuts = random.Random(10)

    passed, position = b"", 0
    while position < len(stream):
        size = cuts.choice([1, 1, 2, 3, 7, 5_000])
        gate.put(stream[position : position + size])
        position += size
        data, wait = take_all(gate)
        passed += data
        assert wait is None

    assert passed == stream


@pytest.mark.parametrize(
    "unit",
    [
        EMPTY_PING,
        frame(b"", PONG),
        frame(b"", CONTINUE, final=False),
        frame(b"{}"),
        b"\xf1\x80abcd",
    ],
    ids=["ping", "pong", "fragment", "message", "nonsense"],
)
def test_every_frame_of_any_opcode_draws_on_the_budget(
    gate: FrameGate, clock: FakeClock, unit: bytes
) -> None:
    assert frames_that_pass(gate, unit) == UNITS_BURST

    clock.now += 1.0
    passed, wait = take_all(gate)

    assert len(passed) // len(unit) == UNITS_PER_SECOND
    assert wait is not None
    assert wait > 0


def test_long_frames_cost_more_and_are_paid_before_their_payload_comes(gate: FrameGate) -> None:
    long = frame(b"x" * BYTES_PER_UNIT * 9)

    assert frames_that_pass(gate, long[:100] + long[100:]) == UNITS_BURST // 10


def test_only_so_many_frames_pass_before_others_have_their_turn(gate: FrameGate) -> None:
    gate.put(EMPTY_PING * 1_000)

    data, wait = gate.take()

    assert (len(data), wait) == (FRAMES_AT_ONCE * len(EMPTY_PING), 0.0)


def test_connections_of_a_person_share_a_budget_and_other_people_have_their_own(
    people: BucketsByUser, clock: FakeClock
) -> None:
    mine, other = [FrameGate(people, clock) for _ in range(10)], FrameGate(people, clock)
    for gate in mine:
        gate.belongs_to(7)
    other.belongs_to(8)

    assert sum(frames_that_pass(gate, EMPTY_PING) for gate in mine) == PERSON_UNITS_BURST
    assert frames_that_pass(other, EMPTY_PING) == UNITS_BURST


def test_frame_that_the_person_cannot_pay_costs_the_connection_nothing(
    people: BucketsByUser, clock: FakeClock
) -> None:
    gate = FrameGate(people, clock)
    gate.belongs_to(7)
    people.take(7, PERSON_UNITS_BURST)
    gate.put(EMPTY_PING)
    for _ in range(1_000):
        assert gate.take()[0] == b""

    clock.now += PERSON_UNITS_BURST / PERSON_UNITS_PER_SECOND

    assert gate.take() == (EMPTY_PING, None)
    assert frames_that_pass(gate, EMPTY_PING) == UNITS_BURST - 1


def test_nothing_passes_and_nothing_is_held_after_the_end(gate: FrameGate) -> None:
    gate.put(EMPTY_PING * 5_000)
    take_all(gate)

    gate.drop()
    gate.put(EMPTY_PING)

    assert gate.take() == (b"", None)
