"""Dead letters: retried, parked and discarded, once each, however many try at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from chat import dead_letters, room_log
from chat.actions import messages
from chat.dead_letters import DeadLetter, Outcome, Retried, State, store
from chat.models import EventReplacement, Message, ShardCursor
from chat.models import RoomEvent as StoredEvent
from chat.persistence import drain
from chat.room_log import cursors
from tests.support.dead_letter_world import (
    SHARDS,
    add_letter,
    assert_projections_equal_a_replay,
    fault_in,
    let_time_pass,
    letters,
    retry,
    retry_due,
    set_apart,
)
from tests.support.rooms import new_key, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


# --- again and again, and at the same time -------------------------------------------------------


async def test_poison_that_stays_poison_is_parked_after_eight_attempts_and_never_loops(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "words")).event
    [letter_id] = await set_apart(room, lost.seq)

    def retry_twenty_times() -> list[dict[Outcome, int]]:
        outcomes = []
        with fault_in((room.pk, lost.seq)):
            for _ in range(20):
                let_time_pass(log_redis)
                outcomes.append(dead_letters.retry_due())
        return outcomes

    outcomes = await sync_to_async(retry_twenty_times)()

    assert outcomes == [{Outcome.WAITING: 1}] * 7 + [{Outcome.PARKED: 1}] + [{}] * 12
    [letter] = await letters()
    assert (letter.state, letter.attempts, letter.id) == (State.PARKED, 8, letter_id)
    assert letter.last_error
    # The fault is fixed, and a person says so.
    assert [result.outcome for result in await retry(letter_id)] == [Outcome.DONE]
    await assert_projections_equal_a_replay(room)


async def test_time_between_attempts_doubles(log_redis: redis.Redis) -> None:
    dead_letters.register("test", fails)
    letter_id = await sync_to_async(add_letter)()
    waits = []

    for _ in range(store.MAX_ATTEMPTS - 1):
        let_time_pass(log_redis)
        await retry_due()
        letter = await sync_to_async(dead_letters.get)(letter_id)
        assert letter is not None
        assert letter.next_at is not None
        assert letter.last_at is not None
        waits.append((letter.next_at - letter.last_at).total_seconds())

    for attempt, wait in enumerate(waits, 1):
        assert 0.7 * 30 * 2**attempt <= wait <= 1.3 * 30 * 2**attempt


def fails(letter: DeadLetter, token: str) -> Retried:
    raise ValueError("still")


async def test_letter_of_two_retries_at_once_is_stored_once() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "once")).event
    [letter] = await set_apart(room, lost.seq)
    together = threading.Barrier(6)

    def retry_together() -> Outcome:
        try:
            together.wait(20)
            return next(iter(dead_letters.retry([letter], by="olga"))).outcome
        finally:
            connection.close()

    def in_threads() -> list[Outcome]:
        with ThreadPoolExecutor(6) as threads:
            return [one.result() for one in [threads.submit(retry_together) for _ in range(6)]]

    outcomes = await sync_to_async(in_threads)()

    assert outcomes.count(Outcome.DONE) == 1
    assert set(outcomes) <= {Outcome.DONE, Outcome.BUSY, Outcome.GONE}
    assert await Message.objects.filter(room=room).acount() == 1
    assert await EventReplacement.objects.acount() == 1


async def test_retry_that_was_paused_past_its_claim_changes_nothing_more(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "once")).event
    [letter] = await set_apart(room, lost.seq)
    paused, go_on = threading.Event(), threading.Event()
    lock = cursors.lock

    def lock_after_a_pause(shard: int, kind: cursors.Kind, *, wait: bool) -> ShardCursor | None:
        if not paused.is_set():
            paused.set()
            assert go_on.wait(20)
        return lock(shard, kind, wait=wait)

    monkeypatch.setattr(cursors, "lock", lock_after_a_pause)

    def retry_in_own_connection() -> Outcome:
        try:
            return next(iter(dead_letters.retry([letter], by="olga"))).outcome
        finally:
            connection.close()

    def both() -> tuple[Outcome, Outcome]:
        with ThreadPoolExecutor(1) as thread:
            slow = thread.submit(retry_in_own_connection)
            assert paused.wait(20)
            let_time_pass(log_redis)
            quick = next(iter(dead_letters.retry([letter], by="olga"))).outcome
            go_on.set()
            return quick, slow.result()

    assert await sync_to_async(both)() == (Outcome.DONE, Outcome.DONE)
    assert await Message.objects.filter(room=room).acount() == 1
    assert await EventReplacement.objects.acount() == 1


async def test_drain_and_retry_at_the_same_time_leave_what_a_replay_gives() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = [(await post(room, ann, f"message {i}")).event for i in range(10)]
    ids = await set_apart(room, *(event.seq for event in said))
    for event in said:
        await messages.edit_message(ann.pk, room.pk, new_key(), event.seq, "edited")
    together = threading.Barrier(2)

    def drain_all() -> None:
        try:
            together.wait(20)
            while drain.drain(room.pk % SHARDS).busy:
                pass
        finally:
            connection.close()

    def at_once() -> list[Outcome]:
        with ThreadPoolExecutor(1) as thread:
            drained = thread.submit(drain_all)
            together.wait(20)
            outcomes = [result.outcome for result in dead_letters.retry(ids, by="olga")]
            drained.result()
        return outcomes

    assert await sync_to_async(at_once)() == [Outcome.DONE] * 10
    assert await Message.objects.filter(room=room, body="edited").acount() == 10
    await assert_projections_equal_a_replay(room)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_worker_killed_in_a_retry_leaves_it_to_the_next(
    log_redis: redis.Redis, moment: str
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "once")).event
    [letter_id] = await set_apart(room, lost.seq)
    function = {
        "before": "reprojection.replace_placeholder",
        "after": "dead_letters.store.remove",
    }[moment]
    code = (
        "import django, os, signal; django.setup()\n"
        "from chat import dead_letters\n"
        "from chat.persistence import reprojection\n"
        f"call = {function}\n"
        "def die(*args):\n"
        f"    {'call(*args); ' if moment == 'before' else ''}os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{function} = die\n"
        f"list(dead_letters.retry(['{letter_id}'], by='olga'))\n"
    )
    environment = {**os.environ, "DATABASE_URL": await sync_to_async(url_of_test_database)()}

    died = await sync_to_async(subprocess.run)(
        [sys.executable, "-c", code], env=environment, timeout=60, check=False, text=True
    )
    [held] = await letters()
    at_once = await retry_due()
    let_time_pass(log_redis)
    later = await retry_due()

    assert died.returncode == -signal.SIGKILL
    assert (held.state, held.attempts) == (State.RETRYING, 1)
    assert at_once == {}
    assert later == {Outcome.DONE: 1}
    assert await Message.objects.filter(room=room).acount() == 1
    assert await EventReplacement.objects.acount() == 1
    assert await letters() == []


def url_of_test_database() -> str:
    base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{base}/{connection.settings_dict['NAME']}"


def test_retry_that_never_ends_is_counted_and_parked(log_redis: redis.Redis) -> None:
    letter_id = add_letter()
    for _ in range(store.MAX_ATTEMPTS):
        let_time_pass(log_redis)
        assert isinstance(store.claim(letter_id, asked=False), store.Claim)
    let_time_pass(log_redis)

    outcomes = dead_letters.retry_due()

    assert outcomes == {Outcome.PARKED: 1}
    letter = dead_letters.get(letter_id)
    assert letter is not None
    assert (letter.state, letter.last_error) == (State.PARKED, store.NEVER_ENDED)


def test_answer_that_comes_after_the_claim_has_passed_on_changes_nothing(
    log_redis: redis.Redis,
) -> None:
    letter_id = add_letter()
    first = store.claim(letter_id, asked=True)
    let_time_pass(log_redis)
    second = store.claim(letter_id, asked=True)
    assert isinstance(first, store.Claim)
    assert isinstance(second, store.Claim)

    late = store.settle(letter_id, first.token, store.Ending.HOPELESS, "late", 1)

    assert late == "lost"
    letter = dead_letters.get(letter_id)
    assert letter is not None
    assert letter.state == State.RETRYING


# --- infrastructure ------------------------------------------------------------------------------


def test_retry_while_infrastructure_is_away_does_not_count(log_redis: redis.Redis) -> None:
    def away(letter: DeadLetter, token: str) -> Retried:
        raise OperationalError("the connection was lost")

    dead_letters.register("test", away)
    letter_id = add_letter()

    for _ in range(store.MAX_ATTEMPTS * 3):
        let_time_pass(log_redis)
        assert dead_letters.retry_due() == {Outcome.WAITING: 1}

    letter = dead_letters.get(letter_id)
    assert letter is not None
    assert (letter.state, letter.attempts) == (State.WAITING, 0)


def test_letter_of_a_source_that_nobody_knows_is_parked() -> None:
    letter_id = add_letter("unheard:of")

    [result] = dead_letters.retry([letter_id], by="olga")

    assert (result.outcome, bool(result.detail)) == (Outcome.PARKED, True)


def test_run_is_bounded_and_takes_the_longest_overdue_first(log_redis: redis.Redis) -> None:
    order = []

    def note(letter: DeadLetter, token: str) -> Retried:
        order.append(letter.id)
        return Retried.DONE

    dead_letters.register("test", note)
    ids = [add_letter() for _ in range(10)]
    for age, letter_id in enumerate(reversed(ids)):
        log_redis.zadd(store.DUE, {letter_id: age})

    outcomes = dead_letters.retry_due(limit=4)

    assert outcomes == {Outcome.DONE: 4}
    assert order == ids[:5:-1]


def test_bulk_retry_that_is_stopped_half_way_leaves_the_rest_as_it_was() -> None:
    dead_letters.register("test", lambda letter, token: Retried.DONE)
    ids = [add_letter() for _ in range(10)]
    retried = dead_letters.retry((letter.id for letter in dead_letters.every()), by="olga")

    list(islice(retried, 4))

    left = list(dead_letters.every())
    assert [letter.id for letter in left] == ids[4:]
    assert {(letter.state, letter.attempts) for letter in left} == {(State.WAITING, 0)}


def test_released_letters_are_due_with_all_their_attempts_before_them(
    log_redis: redis.Redis,
) -> None:
    dead_letters.register("test", fails)
    ids = [add_letter() for _ in range(3)]
    for _ in range(store.MAX_ATTEMPTS):
        let_time_pass(log_redis)
        dead_letters.retry_due()
    store.claim(ids[2], asked=True)
    dead_letters.register("test", lambda letter, token: Retried.DONE)

    released = list(dead_letters.release([*ids, "1-1", "junk"], by="olga"))
    outcomes = dead_letters.retry_due()

    assert [result.outcome for result in released] == [
        Outcome.WAITING,
        Outcome.WAITING,
        Outcome.BUSY,
        Outcome.GONE,
        Outcome.GONE,
    ]
    assert outcomes == {Outcome.DONE: 2}


# --- given up ------------------------------------------------------------------------------------


async def test_discarded_letter_is_gone_and_on_record_and_its_placeholder_stays() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "words")).event
    [letter] = await set_apart(room, lost.seq)

    results = await sync_to_async(
        lambda: list(dead_letters.discard([letter], why="spam\nrobot", by="olga"))
    )()

    assert [result.outcome for result in results] == [Outcome.DONE]
    assert await letters() == []
    placeholder = await StoredEvent.objects.aget(room=room, seq=lost.seq)
    assert placeholder.data["dead_letter"] == letter
    record = await sync_to_async(dead_letters.discarded)(letter)
    assert record is not None
    assert (record.by, record.why, record.origin.seq) == ("olga", "spam\nrobot", lost.seq)
    [line] = await sync_to_async(dead_letters.audit_lines)(10)
    assert (line.action, line.letter, line.by) == ("discard", letter, "olga")
    assert [result.outcome for result in await retry(letter)] == [Outcome.GONE]


def test_letter_that_is_being_retried_cannot_be_discarded() -> None:
    letter_id = add_letter()
    store.claim(letter_id, asked=True)

    [result] = dead_letters.discard([letter_id], why="wrong", by="olga")

    assert result.outcome == Outcome.BUSY
    assert dead_letters.get(letter_id) is not None


@pytest.mark.parametrize(("why", "by"), [("", "olga"), ("  ", "olga"), ("x", ""), ("x" * 501, "o")])
def test_discarding_needs_a_reason_and_a_name(why: str, by: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        dead_letters.discard([add_letter()], why=why, by=by)

    assert dead_letters.counts().total == 1


def test_letter_of_the_same_origin_may_come_again_after_the_first_is_gone() -> None:
    first = add_letter(stream_id="1-1")
    same = add_letter(stream_id="1-1")
    list(dead_letters.discard([first], why="x", by="olga"))

    again = add_letter(stream_id="1-1")

    assert first == same
    assert again != first
    assert [letter.id for letter in dead_letters.every()] == [again]
