"""What is read from entries that may hold anything."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from chat.dead_letters.letters import (
    DeadLetter,
    DeadLetterOrigin,
    RetryRecord,
    describe,
    pack_entry,
    read_dead_letter,
    unpack_entry,
)
from chat.dead_letters.listing import Filter
from chat.dead_letters.sources import Unretryable
from chat.dead_letters.store import is_id

ENTRY = {
    b"source": b"persist",
    b"reason": b"refused",
    b"error": b"no",
    b"attempts": b"1",
    b"first_at": b"2026-11-22T10:00:00+00:00",
    b"origin": b'{"room":5,"seq":7}',
    b"payload": b"\x00\xff",
}


def read(fields: dict[bytes, bytes]) -> DeadLetter:
    return read_dead_letter("1763805600000-0", fields, RetryRecord())


def test_letter_is_read_from_its_entry() -> None:
    letter = read(ENTRY)

    assert letter.problem is None
    assert letter.origin == DeadLetterOrigin(room=5, seq=7)
    assert (letter.source, letter.failures, letter.payload) == ("persist", 1, b"\x00\xff")


def test_letter_of_another_version_is_read_whatever_its_reason_and_origin_are() -> None:
    letter = read({**ENTRY, b"reason": b"worker_lost", b"origin": b'{"task_id":"5","room":5}'})

    assert letter.problem is None
    assert (letter.reason, letter.origin, letter.hopeless) == (
        "worker_lost",
        DeadLetterOrigin(room=5),
        None,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"junk": b"\xff\xfe"},
        {**ENTRY, b"origin": b"["},
        {**ENTRY, b"origin": b"\xff"},
        {**ENTRY, b"origin": b"[" * 100_000},
        {**ENTRY, b"origin": b'{"room":"five"}'},
        {name: value for name, value in ENTRY.items() if name != b"payload"},
        {name: value for name, value in ENTRY.items() if name != b"source"},
    ],
)
def test_entry_that_does_not_decode_is_a_letter_that_says_so(fields: dict[bytes, bytes]) -> None:
    assert read(fields).problem


@pytest.mark.parametrize(
    "change",
    [
        {b"attempts": b"many"},
        {b"attempts": b"9" * 40},
        {b"first_at": b"yesterday"},
        {b"first_at": b"\xff"},
        {b"source": b"\xff"},
    ],
)
def test_damaged_detail_does_not_hide_the_letter(change: dict[bytes, bytes]) -> None:
    letter = read({**ENTRY, **change})

    assert letter.origin.room == 5
    assert letter.first_at.year >= 2025


def test_packed_entry_comes_back_whatever_its_bytes_are() -> None:
    fields = {b"\xff": b"\x00", b"data": b'{"body":"\xff"}'}

    assert unpack_entry(pack_entry(fields)) == fields


def test_described_database_error_holds_no_values() -> None:
    error = IntegrityError(
        "insert violates a constraint\nDETAIL:  Failing row contains (1, hello\nsecond line)."
    )

    assert "insert violates" in describe(error)
    assert "hello" not in describe(error)
    assert "second line" not in describe(error)


def test_our_own_errors_are_described_by_their_words_alone() -> None:
    assert describe(Unretryable("Its room does not exist.")) == "Its room does not exist."


@pytest.mark.parametrize("text", ["", "-", "1", "1-", "-1", "a-1", "1-1-1", "١-٢", "1" * 60 + "-0"])
def test_what_is_no_stream_id_is_not_taken_for_one(text: str) -> None:
    assert not is_id(text)


def test_filter_takes_a_source_exactly_or_by_its_kind() -> None:
    letter = read({**ENTRY, b"source": b"task:chat.tasks.persist_shard"})

    assert Filter(source="task:").matches(letter)
    assert Filter(source="task:chat.tasks.persist_shard", room=5).matches(letter)
    assert not Filter(source="task").matches(letter)
    assert not Filter(room=6).matches(letter)
