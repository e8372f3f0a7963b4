"""Dead letters: retried to their original place, parked, discarded, listed (I3; PITFALLS F19)."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, cast

import psutil
import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from bench.dead_letters import fill
from chat import dead_letters, ingest, persistence, room_log
from chat.actions import messages
from chat.dead_letters import (
    Filter,
    Letter,
    Origin,
    Outcome,
    Reason,
    Result,
    Retried,
    State,
    put_back,
    store,
)
from chat.events import (
    EventType,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    RoomArchived,
    RoomEvent,
    RoomUpdated,
)
from chat.letter_limit import LetterLimit, TooManyLetters
from chat.models import EventReplacement, Message, Reaction, Room, User
from chat.models import RoomEvent as StoredEvent
from chat.persistence import Drained
from chat.room_log import keys, streams
from tests.integration.projected import projected, replayed
from tests.integration.rooms import log, new_key, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


# --- given -------------------------------------------------------------------------------------


@contextmanager
def fault_in(*places: tuple[int, int]) -> Iterator[None]:
    """A fault of the code: the events at these (room, seq) are taken for invalid."""
    check = ingest.checked_data

    def checked(event: RoomEvent) -> Any:
        if (event.room, event.seq) in places:
            raise ValueError("the fault")
        return check(event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "checked_data", checked)
        yield


async def drain(room: Room) -> Drained:
    return await sync_to_async(persistence.drain)(room.pk % SHARDS)


async def set_apart(room: Room, *seqs: int) -> list[str]:
    """Drains the room while a fault refuses `seqs`; the ids of their letters."""

    def drain_with_fault() -> None:
        with fault_in(*((room.pk, seq) for seq in seqs)):
            persistence.drain(room.pk % SHARDS)

    await sync_to_async(drain_with_fault)()
    return [letter.id for letter in await letters()]


async def letters(wanted: Filter = dead_letters.listing.ALL) -> list[Letter]:
    return await sync_to_async(lambda: list(dead_letters.every(wanted)))()


async def retry(*ids: str) -> list[Result]:
    return await sync_to_async(lambda: list(dead_letters.retry(ids, by="olga")))()


async def retry_due() -> dict[Outcome, int]:
    return await sync_to_async(dead_letters.retry_due)()


def let_time_pass(log_redis: redis.Redis) -> None:
    """Every letter's time has come, and every claim has ended."""
    for letter_id, _ in log_redis.zscan_iter(store.DUE):
        log_redis.zadd(store.DUE, {letter_id: 0})
    for claim in log_redis.scan_iter(store.CLAIM + "*"):
        log_redis.delete(claim)


def add_letter(source: str = "test", **origin: Any) -> str:
    return dead_letters.add(
        source=source,
        reason=Reason.REFUSED,
        error="refused",
        origin=Origin(**(origin or {"stream_id": new_key()})),
        payload=b"payload",
    )


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(dead_letters.sources, "_registered", {})
    return dead_letters.register


async def store_under_key(room: Room, author: User, key: str, body: str) -> StoredEvent:
    """A message that another shard or an earlier log has stored under `key`."""
    return await StoredEvent.objects.acreate(
        shard=room.pk % SHARDS,
        room=room,
        seq=99,
        n=1,
        epoch=1,
        type=EventType.MESSAGE_POSTED,
        key=key,
        actor=author,
        at=datetime.now(UTC),
        data={"body": body},
    )


# --- then --------------------------------------------------------------------------------------


async def assert_projections_equal_a_replay(room: Room) -> None:
    found = await sync_to_async(projected)(room.pk)
    assert found == await sync_to_async(replayed)(room.pk)


async def kinds(room: Room) -> list[str]:
    rows = StoredEvent.objects.filter(room=room).order_by("seq").values_list("type", flat=True)
    return [row async for row in rows]


# --- putting an event back ---------------------------------------------------------------------


async def test_retried_event_lands_at_its_original_place_with_its_number() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "before")
    lost = (await post(room, ann, "lost and found")).event
    await post(room, ann, "after")
    [letter] = await set_apart(room, lost.seq)
    placeholder = await StoredEvent.objects.aget(room=room, seq=lost.seq)

    [result] = await retry(letter)

    assert result.outcome == Outcome.DONE
    row = await StoredEvent.objects.aget(room=room, seq=lost.seq)
    assert (row.pk, row.type, row.n, str(row.key)) == (
        placeholder.pk,
        EventType.MESSAGE_POSTED,
        lost.n,
        lost.key,
    )
    assert row.at == lost.at
    rows = Message.objects.filter(room=room).order_by("seq").values_list("n", "body")
    assert [row async for row in rows] == [(1, "before"), (2, "lost and found"), (3, "after")]
    await assert_projections_equal_a_replay(room)
    assert await letters() == []
    [line] = await sync_to_async(dead_letters.audit_lines)(10)
    assert (line.action, line.letter, line.by) == ("retry", letter, "olga")
    replacement = await EventReplacement.objects.aget()
    assert (replacement.event_id, replacement.letter, replacement.published_at) == (
        row.pk,
        letter,
        None,
    )


async def test_retried_message_shows_the_edits_and_reactions_that_came_later() -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann, bob)
    said = (await post(room, ann, "first words")).event
    await messages.edit_message(ann.pk, room.pk, new_key(), said.seq, "second words")
    await messages.react(bob.pk, room.pk, new_key(), said.seq, "👍", True)
    await messages.react(ann.pk, room.pk, new_key(), said.seq, "👎", True)
    await messages.react(ann.pk, room.pk, new_key(), said.seq, "👎", False)
    [letter] = await set_apart(room, said.seq)

    await retry(letter)

    message = await Message.objects.aget(room=room)
    assert (message.body, message.n) == ("second words", 1)
    assert message.edited_at is not None
    reactions = Reaction.objects.filter(room=room).values_list("user_id", "emoji")
    assert [one async for one in reactions] == [(bob.pk, "👍")]
    await assert_projections_equal_a_replay(room)


async def test_retried_message_that_was_deleted_meanwhile_stays_deleted() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = (await post(room, ann, "not for long")).event
    await messages.delete_message(ann.pk, room.pk, new_key(), said.seq)
    [letter] = await set_apart(room, said.seq)

    await retry(letter)

    assert (await Message.objects.aget(room=room)).deleted_by_id == ann.pk
    await assert_projections_equal_a_replay(room)


async def test_retried_edit_does_not_undo_a_later_edit() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = (await post(room, ann, "one")).event
    lost = (await messages.edit_message(ann.pk, room.pk, new_key(), said.seq, "two")).event
    await messages.edit_message(ann.pk, room.pk, new_key(), said.seq, "three")
    [letter] = await set_apart(room, lost.seq)

    await retry(letter)

    assert (await Message.objects.aget(room=room)).body == "three"
    await assert_projections_equal_a_replay(room)


async def test_retried_deletion_is_applied_before_the_restoring_that_followed() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = (await post(room, ann, "one")).event
    lost = (await messages.delete_message(ann.pk, room.pk, new_key(), said.seq)).event
    await messages.edit_message(ann.pk, room.pk, new_key(), said.seq, "while deleted")
    [letter] = await set_apart(room, lost.seq)

    await retry(letter)

    message = await Message.objects.aget(room=room)
    assert message.deleted_at is not None
    # A deleted message is not edited: the replay says "one".
    assert message.body == "one"
    await assert_projections_equal_a_replay(room)


async def test_events_that_are_put_back_in_any_order_give_what_a_replay_gives() -> None:
    ann, bob, cid = [await new_person(name) for name in ("ann", "bob", "cid")]
    room = await new_room(ann, bob)
    said = (await post(room, bob, "one")).event
    other = (await post(room, ann, "two")).event
    lost = [
        said,
        (await messages.edit_message(bob.pk, room.pk, new_key(), said.seq, "uno")).event,
        (await messages.react(ann.pk, room.pk, new_key(), said.seq, "👍", True)).event,
        (await messages.react(ann.pk, room.pk, new_key(), said.seq, "👍", False)).event,
        (await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=cid.pk))).event,
        (
            await log(
                room,
                ann,
                EventType.MEMBER_MUTED,
                MemberMuted(user=cid.pk, until=other.at.replace(year=2099)),
            )
        ).event,
        (await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(name="A", topic="a"))).event,
        (await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(name="B"))).event,
        (await log(room, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=bob.pk))).event,
        (await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived())).event,
    ]
    await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived(archived=False))
    await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(topic="last"))
    ids = await set_apart(room, *(event.seq for event in lost))

    for letter in [*ids[1::2], *reversed(ids[::2])]:
        [result] = await retry(letter)
        assert result.outcome == Outcome.DONE

    assert EventType.EVENT_QUARANTINED not in await kinds(room)
    await assert_projections_equal_a_replay(room)
    await room.arefresh_from_db()
    assert (room.name, room.topic, room.archived_at) == ("B", "last", None)


async def test_member_whose_joining_was_refused_may_speak_after_the_retry(
    log_redis: redis.Redis,
) -> None:
    ann, bob = await new_person("ann"), await new_person("bob")
    room = await new_room(ann)
    joined = (await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk))).event
    [letter] = await set_apart(room, joined.seq)
    # The room left the log and came back as PostgreSQL had it, without bob.
    log_redis.delete(*log_redis.keys(f"veche:{{{room.pk % SHARDS}}}:room:{room.pk}*"))
    await room_log.ensure_loaded([room.pk])
    assert (await room_log.roles(bob.pk, [room.pk]))[room.pk] is None

    [result] = await retry(letter)

    assert result.outcome == Outcome.DONE
    assert (await post(room, bob, "here I am")).event.seq == joined.seq + 1
    await drain(room)
    await assert_projections_equal_a_replay(room)


async def test_event_whose_key_was_stored_meanwhile_names_the_first() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = new_key()
    lost = (await post(room, ann, "once", key)).event
    [letter] = await set_apart(room, lost.seq)
    first = await store_under_key(room, ann, key, "once")

    [result] = await retry(letter)

    assert result.outcome == Outcome.DONE
    placeholder = await StoredEvent.objects.aget(room=room, seq=lost.seq)
    assert placeholder.type == EventType.EVENT_QUARANTINED
    assert placeholder.data["duplicate_of"] == [room.pk, first.seq]
    assert await letters() == []


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_event_whose_key_was_stored_for_something_else_meanwhile_keeps_its_bytes(
    elsewhere: bool,
) -> None:
    ann = await new_person("ann")
    room, other = await new_room(ann), await new_room(ann)
    key = new_key()
    lost = (await post(room, ann, "acknowledged too", key)).event
    [letter] = await set_apart(room, lost.seq)
    text = "acknowledged too" if elsewhere else "something else"
    await store_under_key(other if elsewhere else room, ann, key, text)

    [result] = await retry(letter)

    assert result.outcome == Outcome.PARKED
    [kept] = await letters()
    assert b"acknowledged too" in kept.payload
    placeholder = await StoredEvent.objects.aget(room=room, seq=lost.seq)
    assert placeholder.data["dead_letter"] == letter
    assert await EventReplacement.objects.acount() == 0


async def test_event_that_stands_at_its_place_already_is_not_stored_again() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "once")).event
    [letter] = await set_apart(room, lost.seq)
    found = await sync_to_async(dead_letters.get)(letter)
    assert found is not None
    await retry(letter)
    again = await sync_to_async(dead_letters.add)(
        source=found.source,
        reason=Reason.REFUSED,
        error=found.error,
        origin=found.origin,
        payload=found.payload,
    )

    [result] = await retry(again)

    assert result.outcome == Outcome.DONE
    assert await Message.objects.filter(room=room).acount() == 1
    assert await EventReplacement.objects.acount() == 1


# --- what no retry can help ----------------------------------------------------------------------


async def test_what_has_no_place_is_parked_at_once_and_says_why(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    ingest_stream = keys.ingest(room.pk % SHARDS)
    [*_, (_, template)] = streams.entries(log_redis, ingest_stream)
    for fields in (
        {**template, b"seq": b"2", b"key": new_key().encode()},  # taken
        {**template, b"epoch": b"99"},
        {**template, b"room": b"424242"},
        {**template, b"seq": b"seven"},
    ):
        log_redis.xadd(ingest_stream, fields)  # type: ignore[arg-type]
    await drain(room)
    before = await kinds(room)

    found = await letters()
    let_time_pass(log_redis)
    due = await retry_due()
    results = await retry(*(letter.id for letter in found))

    assert {letter.reason for letter in found} == {
        Reason.PLACE_TAKEN,
        Reason.STALE_EPOCH,
        Reason.NO_ROOM,
        Reason.UNREADABLE,
    }
    assert {letter.state for letter in found} == {State.PARKED}
    assert all(letter.hopeless for letter in found)
    assert due == {}
    assert [result.outcome for result in results] == [Outcome.PARKED] * 4
    assert all(result.detail for result in results)
    assert await kinds(room) == before
    assert len(await letters()) == 4


async def test_other_message_under_a_key_is_kept_however_often_it_is_retried(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    key = new_key()
    await post(room, ann, "first", key)
    log_redis.delete(f"veche:{{{room.pk % SHARDS}}}:key:{ann.pk}:{key}")
    second = (await post(room, ann, "acknowledged too", key)).event
    await drain(room)

    let_time_pass(log_redis)
    due = await retry_due()
    [found] = await letters()
    [result] = await retry(found.id)

    assert due == {}
    assert (found.reason, found.state) == (Reason.KEY_CONFLICT, State.PARKED)
    assert result.outcome == Outcome.PARKED
    [kept] = await letters()
    assert b"acknowledged too" in kept.payload
    placeholder = await StoredEvent.objects.aget(room=room, seq=second.seq)
    assert placeholder.data["dead_letter"] == found.id


async def test_event_that_the_log_lost_is_parked_and_its_placeholder_stays(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    gone = (await post(room, ann, "gone")).event.seq
    await post(room, ann, "stays")
    [(first_id, _), _] = streams.entries(log_redis, keys.ingest(room.pk % SHARDS))
    log_redis.xdel(keys.ingest(room.pk % SHARDS), first_id)
    log_redis.xdel(keys.log(room.pk % SHARDS, room.pk), f"{gone}-0")
    await drain(room)

    [letter] = await letters()
    [result] = await retry(letter.id)

    assert (letter.reason, letter.state) == (Reason.MISSING, State.PARKED)
    assert result.outcome == Outcome.PARKED
    assert (await kinds(room))[gone - 1] == EventType.EVENT_QUARANTINED


async def test_letter_whose_drain_was_rolled_back_waits_until_its_place_is_stored() -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "words")).event

    def drain_and_roll_back() -> None:
        with fault_in((room.pk, lost.seq)), pytest.MonkeyPatch.context() as patch:
            patch.setattr(persistence, "LetterLimit", StopsAtOnce)
            persistence.drain(room.pk % SHARDS)

    await sync_to_async(drain_and_roll_back)()
    [letter] = await letters()

    [early] = await retry(letter.id)
    await sync_to_async(persistence.resume)(room.pk % SHARDS)
    await drain(room)
    [late] = await retry(letter.id)

    assert early.outcome == Outcome.WAITING
    assert late.outcome == Outcome.DONE
    assert (await Message.objects.aget(room=room)).seq == lost.seq


class StopsAtOnce(LetterLimit):
    def add(self, letters: int, entries: int) -> None:
        raise TooManyLetters


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
    # The fault is mended, a person says so.
    assert [result.outcome for result in await retry(letter_id)] == [Outcome.DONE]
    await assert_projections_equal_a_replay(room)


async def test_time_between_attempts_doubles(log_redis: redis.Redis, register: Any) -> None:
    register("test", fails)
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


def fails(letter: Letter, token: str) -> Retried:
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
    lock = put_back._lock_shard

    def lock_after_a_pause(shard: int) -> None:
        if not paused.is_set():
            paused.set()
            assert go_on.wait(20)
        lock(shard)

    monkeypatch.setattr(put_back, "_lock_shard", lock_after_a_pause)

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
            while persistence.drain(room.pk % SHARDS).busy:
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
    function = {"before": "late_events.take_place", "after": "dead_letters.store.remove"}[moment]
    code = (
        "import django, os, signal; django.setup()\n"
        "from chat import dead_letters, late_events\n"
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


def test_retry_while_infrastructure_is_away_does_not_count(
    log_redis: redis.Redis, register: Any
) -> None:
    def away(letter: Letter, token: str) -> Retried:
        raise OperationalError("the connection was lost")

    register("test", away)
    letter_id = add_letter()

    for _ in range(store.MAX_ATTEMPTS * 3):
        let_time_pass(log_redis)
        assert dead_letters.retry_due() == {Outcome.WAITING: 1}

    letter = dead_letters.get(letter_id)
    assert letter is not None
    assert (letter.state, letter.attempts) == (State.WAITING, 0)


def test_letter_of_a_source_that_nobody_knows_is_parked(register: Any) -> None:
    letter_id = add_letter("unheard:of")

    [result] = dead_letters.retry([letter_id], by="olga")

    assert (result.outcome, bool(result.detail)) == (Outcome.PARKED, True)


def test_run_is_bounded_and_takes_the_longest_overdue_first(
    log_redis: redis.Redis, register: Any
) -> None:
    order = []

    def note(letter: Letter, token: str) -> Retried:
        order.append(letter.id)
        return Retried.DONE

    register("test", note)
    ids = [add_letter() for _ in range(10)]
    for age, letter_id in enumerate(reversed(ids)):
        log_redis.zadd(store.DUE, {letter_id: age})

    outcomes = dead_letters.retry_due(limit=4)

    assert outcomes == {Outcome.DONE: 4}
    assert order == ids[:5:-1]


def test_bulk_retry_that_is_stopped_half_way_leaves_the_rest_as_it_was(register: Any) -> None:
    register("test", lambda letter, token: Retried.DONE)
    ids = [add_letter() for _ in range(10)]
    retried = dead_letters.retry((letter.id for letter in dead_letters.every()), by="olga")

    list(islice(retried, 4))

    left = list(dead_letters.every())
    assert [letter.id for letter in left] == ids[4:]
    assert {(letter.state, letter.attempts) for letter in left} == {(State.WAITING, 0)}


def test_released_letters_are_due_with_all_their_attempts_before_them(
    log_redis: redis.Redis, register: Any
) -> None:
    register("test", fails)
    ids = [add_letter() for _ in range(3)]
    for _ in range(store.MAX_ATTEMPTS):
        let_time_pass(log_redis)
        dead_letters.retry_due()
    store.claim(ids[2], asked=True)
    register("test", lambda letter, token: Retried.DONE)

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


# --- found among many ----------------------------------------------------------------------------


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
        source="persist", reason=Reason.NO_ROOM, error="", origin=Origin(room=9), payload=b""
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
        origin=Origin(stream_id="1-1"),
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
