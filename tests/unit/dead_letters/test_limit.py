"""When dead letters stop a shard (docs/decisions/0012)."""

from __future__ import annotations

import pytest

from chat.dead_letters.limit import (
    MAX_IN_A_ROW,
    MIN_FOR_SHARE,
    DeadLetterLimit,
    DeadLetterLimitReached,
)


def test_one_batch_of_nothing_but_letters_may_be_as_long_as_the_limit() -> None:
    limit = DeadLetterLimit()

    limit.add(letters=MIN_FOR_SHARE - 1, entries=MIN_FOR_SHARE - 1)

    with pytest.raises(DeadLetterLimitReached):
        DeadLetterLimit().add(letters=MAX_IN_A_ROW + 1, entries=MAX_IN_A_ROW + 1)


def test_letters_in_a_row_are_counted_across_batches() -> None:
    limit = DeadLetterLimit()
    limit.add(letters=0, entries=10_000)  # so that the share stays small

    for _ in range(MAX_IN_A_ROW):
        limit.add(letters=1, entries=1)

    with pytest.raises(DeadLetterLimitReached):
        limit.add(letters=1, entries=1)


def test_event_that_is_stored_in_between_begins_a_new_row() -> None:
    limit = DeadLetterLimit()
    limit.add(letters=0, entries=10_000)

    for _ in range(4):
        limit.add(letters=MAX_IN_A_ROW // 2, entries=MAX_IN_A_ROW // 2)
        limit.add(letters=0, entries=1)

    assert limit.count == 4 * (MAX_IN_A_ROW // 2)


def test_more_than_one_in_twenty_stops_the_shard_once_there_are_enough_to_tell() -> None:
    few, many = DeadLetterLimit(), DeadLetterLimit()

    few.add(letters=MIN_FOR_SHARE - 1, entries=100)
    many.add(letters=MIN_FOR_SHARE, entries=20 * MIN_FOR_SHARE)

    assert few.count == MIN_FOR_SHARE - 1
    with pytest.raises(DeadLetterLimitReached):
        many.add(letters=1, entries=1)
    assert many.count == MIN_FOR_SHARE + 1
