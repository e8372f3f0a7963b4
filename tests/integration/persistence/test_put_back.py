"""Dead letters of the drain: put back at their place, or parked where no retry can help (I3)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from chat import dead_letters, room_log
from chat.actions import messages
from chat.dead_letters import Outcome, Reason, State
from chat.dead_letters.limit import DeadLetterLimit, DeadLetterLimitReached
from chat.events import (
    EventType,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    RoomArchived,
    RoomUpdated,
    shard_of,
)
from chat.models import EventReplacement, Message, Reaction
from chat.models import RoomEvent as StoredEvent
from chat.persistence import drain as persistence
from chat.room_log import cursors, keys
from chat.servers import streams
from tests.support.dead_letter_world import (
    SHARDS,
    assert_projections_equal_a_replay,
    drain,
    fault_in,
    kinds,
    let_time_pass,
    letters,
    retry,
    retry_due,
    set_apart,
    store_under_key,
)
from tests.support.rooms import log, new_key, new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


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


async def test_retried_deletion_is_applied_before_the_restoring_that_followed(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = (await post(room, ann, "one")).event
    lost = (await messages.delete_message(ann.pk, room.pk, new_key(), said.seq)).event
    # As it was logged by a version that did not keep what is deleted.
    shard = shard_of(room.pk, settings.ENV.shards)
    log_redis.delete(f"{keys.room(shard, room.pk)}:deletions")
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
            patch.setattr(persistence, "DeadLetterLimit", StopsAtOnce)
            persistence.drain(room.pk % SHARDS)

    await sync_to_async(drain_and_roll_back)()
    [letter] = await letters()

    [early] = await retry(letter.id)
    await sync_to_async(cursors.resume)(room.pk % SHARDS, cursors.Kind.PERSIST)
    await drain(room)
    [late] = await retry(letter.id)

    assert early.outcome == Outcome.WAITING
    assert late.outcome == Outcome.DONE
    assert (await Message.objects.aget(room=room)).seq == lost.seq


class StopsAtOnce(DeadLetterLimit):
    def add(self, letters: int, entries: int) -> None:
        raise DeadLetterLimitReached
