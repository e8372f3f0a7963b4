"""Dead letters: found among many, also those that do not decode."""

from __future__ import annotations

import gc
import time
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import psutil
import pytest
import redis

from bench.dead_letters import fill
from chat import dead_letters
from chat.dead_letters import DeadLetterOrigin, Filter, Outcome, Reason, State, store
from tests.support.dead_letter_world import add_letter

pytestmark = pytest.mark.django_db(transaction=True)


def test_entries_that_do_not_decode_are_listed_parked_and_can_be_discarded(
    log_redis: redis.Redis,
) -> None:
    junk: list[dict[Any, Any]] = [
        {b"\xff": b"\xfe"},
        {b"source": b"persist", b"origin": b"[" * 50_000, b"payload": b"x", b"reason": b"refused"},
        {b"source": b"persist", b"origin": b"{}", b"reason": b"refused", b"payload": b"\x00" * 999},
        {str(i).encode(): b"x" for i in range(500)},
    ]
    ids = [cast(bytes, log_redis.xadd(store.STREAM, fields)).decode() for fields in junk]

    found = list(dead_letters.every())
    results = list(dead_letters.retry(ids, by="olga"))

    assert [letter.id for letter in found] == ids
    assert {letter.state for letter in found} == {State.PARKED}
    assert [bool(letter.problem) for letter in found] == [True, True, False, True]
    assert {result.outcome for result in results} == {Outcome.PARKED}
    assert all(dead_letters.get(letter_id) for letter_id in ids)
    list(dead_letters.discard(ids, why="junk", by="olga"))
    assert dead_letters.counts().total == 0


def test_pages_follow_one_another_in_both_directions() -> None:
    ids = [add_letter() for _ in range(25)]

    def walk(newest_first: bool) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page = dead_letters.page(limit=10, after=after, newest_first=newest_first)
            found += [letter.id for letter in page.letters]
            if page.next is None:
                return found
            after = page.next

    assert walk(False) == ids
    assert walk(True) == ids[::-1]


def test_filters_find_letters_by_what_they_are(log_redis: redis.Redis) -> None:
    in_room = add_letter("persist", room=7, seq=1)
    of_task = add_letter("task:chat.tasks.persist_shard", call="x")
    held = add_letter("export", room=8, seq=1)
    store.claim(held, asked=True)
    parked = dead_letters.add(
        source="persist",
        reason=Reason.NO_ROOM,
        error="",
        origin=DeadLetterOrigin(room=9),
        payload=b"",
    )

    def found(**wanted: Any) -> list[str]:
        return [letter.id for letter in dead_letters.every(Filter(**wanted))]

    assert found(room=7) == [in_room]
    assert found(source="task:") == [of_task]
    assert found(reason=Reason.NO_ROOM) == [parked]
    assert found(state=State.PARKED) == [parked]
    assert found(state=State.RETRYING) == [held]
    assert found(state=State.WAITING, source="persist") == [in_room]
    now = datetime.now(UTC)
    assert found(since=now + timedelta(minutes=1)) == []
    assert found(until=now - timedelta(minutes=1)) == []
    assert len(found(since=now - timedelta(minutes=1), until=now + timedelta(minutes=1))) == 4


def test_long_payloads_are_cut_off_in_listings_and_whole_for_one(log_redis: redis.Redis) -> None:
    letter_id = dead_letters.add(
        source="test",
        reason=Reason.REFUSED,
        error="",
        origin=DeadLetterOrigin(stream_id="1-1"),
        payload=b"x" * 1_000_000,
    )

    [listed] = dead_letters.page().letters
    whole = dead_letters.get(letter_id)

    assert (len(listed.payload), listed.payload_bytes) == (dead_letters.listing.VALUE_BYTES, 10**6)
    assert whole is not None
    assert len(whole.payload) == 10**6


def test_a_hundred_thousand_letters_are_paged_in_bounded_time_and_memory(
    log_redis: redis.Redis,
) -> None:
    fill(log_redis, 100_000)
    gc.collect()
    process = psutil.Process()
    before = process.memory_info().rss

    begun = time.monotonic()
    page = dead_letters.page(limit=50)
    newest = dead_letters.page(limit=50, newest_first=True)
    rare = dead_letters.page(Filter(room=99_999), limit=50)
    page_seconds = (time.monotonic() - begun) / 3
    begun = time.monotonic()
    count = sum(1 for _ in dead_letters.every())
    scan_seconds = time.monotonic() - begun
    grown = process.memory_info().rss - before

    assert len(page.letters) == len(newest.letters) == 50
    assert (rare.letters, rare.looked_at) == ([], dead_letters.listing.PAGE_LETTERS)
    assert count == 100_000
    assert grown < 50 * 1024 * 1024
    # Ten times what it takes on a quiet machine.
    assert page_seconds < 2
    assert scan_seconds < 60
