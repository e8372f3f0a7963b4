"""What strace shows about a log server, and what a power cut would leave of its file."""

from __future__ import annotations

from tests.drill.disk import flushed_lengths

FILE = "/data/appendonly.aof.1.incr.aof"


def lines(text: str) -> list[str]:
    return [f"{line.strip()}\n" for line in text.replace("FILE", FILE).splitlines() if line.strip()]


def test_what_was_written_before_a_completed_flush_is_on_the_disk() -> None:
    trace = lines("""
        10 write(9<FILE>, ""..., 100) = 100
        10 fdatasync(9<FILE>) = 0
        10 write(9<FILE>, ""..., 50) = 50
    """)

    assert flushed_lengths(trace, {FILE: 7}) == {FILE: 107}


def test_what_was_written_while_a_flush_was_under_way_is_not() -> None:
    trace = lines("""
        10 write(9<FILE>, ""..., 100) = 100
        11 fdatasync(9<FILE> <unfinished ...>
        10 write(9<FILE>, ""..., 50) = 50
        11 <... fdatasync resumed>) = 0
    """)

    assert flushed_lengths(trace, {FILE: 0}) == {FILE: 100}


def test_flush_that_did_not_complete_or_failed_counts_for_nothing() -> None:
    trace = lines("""
        10 write(9<FILE>, ""..., 100) = 100
        10 fdatasync(9<FILE>) = -1 EIO (Input/output error)
        10 fdatasync(9<FILE> <unfinished ...>
    """)

    assert flushed_lengths(trace, {FILE: 3}) == {FILE: 3}


def test_without_any_flush_what_was_there_at_the_beginning_is_left() -> None:
    trace = lines('10 write(9<FILE>, ""..., 100) = 100')

    assert flushed_lengths(trace, {FILE: 42}) == {FILE: 42}


def test_writes_to_sockets_change_no_file() -> None:
    trace = lines("""
        10 write(12<socket:[4711]>, ""..., 5) = 5
        10 write(9<FILE>, ""..., 10 <unfinished ...>
        10 <... write resumed>) = 10
        10 fdatasync(9<FILE>) = 0
    """)

    assert flushed_lengths(trace, {FILE: 0})[FILE] == 10
