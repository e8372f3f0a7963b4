"""Which of two positions comes first."""

from __future__ import annotations

import pytest

from chat.events.positions import as_pair


@pytest.mark.parametrize(
    "in_order",
    [
        ["", "1-0", "1-1", "1-10", "2-0", "10-0"],
        ["", "1", "9", "10"],
    ],
    ids=["stream ids", "offsets"],
)
def test_positions_compare_as_numbers(in_order: list[str]) -> None:
    assert sorted(sorted(in_order), key=as_pair) == in_order


def test_names_of_the_beginning_are_one_place() -> None:
    assert as_pair("") == as_pair("0") == as_pair("0-0")
