from __future__ import annotations

import pytest

from chat.resilience.backoff import delay_seconds


def test_delay_doubles_with_each_failure_up_to_the_longest() -> None:
    delays = [delay_seconds(n, first=30, longest=300, jitter=lambda: 0.5) for n in range(1, 7)]

    assert delays == [30, 60, 120, 240, 300, 300]


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 75.0), (1.0, 125.0)])
def test_delay_is_a_quarter_less_to_a_quarter_more(chance: float, expected: float) -> None:
    assert delay_seconds(1, first=100, longest=1000, jitter=lambda: chance) == expected


def test_delay_after_very_many_failures_is_still_a_number() -> None:
    assert delay_seconds(10_000, first=1, longest=60) <= 75
