from __future__ import annotations

import pytest

from chat.resilience.rate_limit import BucketsByUser, TokenBucket


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_bucket_gives_its_burst_and_then_the_seconds_to_wait() -> None:
    clock = FakeClock()
    bucket = TokenBucket(rate=2.0, burst=3.0, clock=clock)

    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take() == pytest.approx(0.5)

    clock.now += 0.5
    assert bucket.take() == 0.0


def test_refused_request_costs_nothing() -> None:
    clock = FakeClock()
    bucket = TokenBucket(rate=1.0, burst=1.0, clock=clock)
    bucket.take()

    for _ in range(10):
        assert bucket.take() == pytest.approx(1.0)


def test_bucket_never_holds_more_than_its_burst() -> None:
    clock = FakeClock()
    bucket = TokenBucket(rate=10.0, burst=2.0, clock=clock)
    clock.now += 3_600

    assert [bucket.take() for _ in range(2)] == [0.0, 0.0]
    assert bucket.take() > 0


def test_what_was_spent_beyond_the_balance_is_owed() -> None:
    clock = FakeClock()
    bucket = TokenBucket(rate=100.0, burst=50.0, clock=clock)

    bucket.spend(250.0)
    assert bucket.debt_seconds() == pytest.approx(2.0)

    clock.now += 2.0
    assert bucket.debt_seconds() == 0.0


def test_people_do_not_share_a_bucket_and_only_so_many_are_remembered() -> None:
    buckets = BucketsByUser(rate=1.0, burst=1.0, limit=2, clock=FakeClock())

    assert buckets.take(1) == 0.0
    assert buckets.take(2) == 0.0
    assert buckets.take(1) > 0
    assert buckets.take(3) == 0.0  # forgets 2, used longest ago

    assert len(buckets) == 2
    assert buckets.take(1) > 0
