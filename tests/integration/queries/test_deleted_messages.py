"""Acts on deleted messages, and replies to them, are refused, wherever the deletion is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from chat import room_log
from chat.actions import messages, moderation
from chat.errors import ClientError
from chat.events import shard_of
from chat.models import Message
from chat.queries import history
from chat.room_log import keys
from chat.room_log.unloading import unload_idle
from tests.support.chat_world import Api, by, code_of, log_of, store
from tests.support.moderation_world import WHY, World, make_world, verify
from tests.support.rooms import new_key, post

pytestmark = pytest.mark.django_db(transaction=True)

Request = Callable[[World, int], Awaitable[object]]

REQUESTS: dict[str, Request] = {
    "react": lambda world, seq: messages.react(
        world.mod.pk, world.room.pk, new_key(), seq, "\N{THUMBS UP SIGN}"
    ),
    "take a reaction back": lambda world, seq: messages.react(
        world.mod.pk, world.room.pk, new_key(), seq, "\N{THUMBS UP SIGN}", on=False
    ),
    "edit": lambda world, seq: messages.edit_message(
        world.boris.pk, world.room.pk, new_key(), seq, "changed"
    ),
    "reply": lambda world, seq: messages.post_message(
        world.anna.pk, world.room.pk, new_key(), "an answer", reply_to=seq
    ),
    "delete again": lambda world, seq: messages.delete_message(
        world.boris.pk, world.room.pk, new_key(), seq
    ),
    "delete again as a moderator": lambda world, seq: messages.delete_message(
        world.mod.pk, world.room.pk, new_key(), seq
    ),
}


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def said(world: World) -> int:
    return (await post(world.room, world.boris, "hello")).event.seq


async def let_tail_pass(world: World) -> None:
    """Stores so many events that nothing before them is left in the hot tail."""
    for number in range(keys.HOT_TAIL_EVENTS + 1):
        await post(world.room, world.anna, f"number {number}")
    await store(world.room.pk)


async def make_it(place: str, world: World) -> None:
    """Brings the log to a state in which it finds the deletion in another place."""
    room = world.room.pk
    if place == "stored":
        await store(room)
    elif place == "unloaded":
        await store(room)
        shard = shard_of(room, settings.ENV.shards)
        assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    elif place == "out of the tail":
        await let_tail_pass(world)
    else:
        assert place == "hot"


PLACES = ["hot", "stored", "unloaded", "out of the tail"]


@pytest.mark.parametrize("place", PLACES)
async def test_nothing_is_done_to_a_deleted_message(place: str) -> None:
    world = await make_world()
    seq = await said(world)
    await messages.react(world.anna.pk, world.room.pk, new_key(), seq, "\N{PARTY POPPER}")
    await messages.delete_message(world.boris.pk, world.room.pk, new_key(), seq)
    await make_it(place, world)
    before = len(await history.events_after(world.room.pk, seq, 500))

    codes = {name: await code_of(request(world, seq)) for name, request in REQUESTS.items()}

    assert codes == dict.fromkeys(REQUESTS, "not_found")
    assert len(await history.events_after(world.room.pk, seq, 500)) == before
    assert await sync_to_async(verify)(world.room.pk) == []


@pytest.mark.parametrize("place", PLACES)
async def test_old_message_that_is_deleted_now_is_at_once(place: str) -> None:
    world = await make_world()
    seq = await said(world)
    await make_it(place, world)

    await messages.delete_message(world.boris.pk, world.room.pk, new_key(), seq)
    codes = {name: await code_of(request(world, seq)) for name, request in REQUESTS.items()}

    assert codes == dict.fromkeys(REQUESTS, "not_found")


@pytest.mark.parametrize("place", PLACES)
async def test_restored_message_takes_reactions_edits_and_replies_again(place: str) -> None:
    world = await make_world()
    seq = await said(world)
    await moderation.delete_message(by(world.mod), world.room.pk, seq, WHY)
    await store(world.room.pk)
    await moderation.restore_message(by(world.anna), world.room.pk, seq, WHY)
    await make_it(place, world)

    for name in ("react", "edit", "reply"):
        await REQUESTS[name](world, seq)

    assert await sync_to_async(verify)(world.room.pk) == []


@pytest.mark.parametrize("place", PLACES)
async def test_author_deletes_for_good_what_a_moderator_deleted(place: str) -> None:
    world = await make_world()
    seq = await said(world)
    await moderation.delete_message(by(world.mod), world.room.pk, seq, WHY)
    await make_it(place, world)

    own = await messages.delete_message(world.boris.pk, world.room.pk, new_key(), seq)
    again = await code_of(REQUESTS["delete again"](world, seq))

    assert again == "not_found"
    await store(world.room.pk)
    row = await Message.objects.aget(room=world.room, seq=seq)
    assert (row.deleted_at, row.deleted_by_id) == (own.event.at, world.boris.pk)


async def test_repeat_of_what_was_accepted_before_the_deletion_has_its_place() -> None:
    world = await make_world()
    seq, key = await said(world), new_key()
    reply = (world.anna.pk, world.room.pk, key, "an answer", seq)
    first = await messages.post_message(*reply)
    await messages.delete_message(world.boris.pk, world.room.pk, new_key(), seq)

    again = await messages.post_message(*reply)

    assert (again.repeat, again.event.seq) == (True, first.event.seq)


@pytest.mark.parametrize("place", PLACES)
async def test_one_replies_to_messages_only(place: str) -> None:
    world = await make_world()
    seq = await said(world)
    edit = await messages.edit_message(world.boris.pk, world.room.pk, new_key(), seq, "changed")
    await make_it(place, world)
    head = (await history.events_after(world.room.pk, seq, 500))[-1].seq

    async def answer_to(target: int) -> str:
        try:
            await messages.post_message(world.anna.pk, world.room.pk, new_key(), "yes", target)
        except ClientError as refused:
            return refused.code
        return "ok"

    events = [1, 2, edit.event.seq]  # the room's making, an entry, an edit
    assert [await answer_to(target) for target in events] == ["not_found"] * 3
    assert [await answer_to(head + 100), await answer_to(2**53 - 1)] == ["not_found"] * 2
    assert await answer_to(seq) == "ok"


async def test_rest_refuses_a_reply_to_nothing_and_says_why() -> None:
    world = await make_world()
    path, body = f"rooms/{world.room.pk}/messages", {"body": "yes", "reply_to": 1}

    answer = await Api(world.anna).post(path, body, new_key())

    assert (answer.status, answer.body["code"]) == (404, "not_found")
    assert "reply" in answer.body["detail"]


async def test_marks_of_deletions_leave_the_log_with_the_events(log_redis: redis.Redis) -> None:
    world = await make_world()
    room = world.room.pk
    shard = shard_of(room, settings.ENV.shards)
    marks = f"{keys.room(shard, room)}:deletions"
    seqs = [await said(world) for _ in range(3)]
    for seq in seqs:
        await messages.delete_message(world.boris.pk, room, new_key(), seq)
    kept = log_redis.zcard(marks)

    await let_tail_pass(world)

    assert (kept, log_redis.zcard(marks)) == (3, 0)


async def test_outsiders_do_not_learn_from_replies_what_a_room_holds() -> None:
    world = await make_world()
    seq = await said(world)
    outsider, room = world.vera.pk, world.room.pk

    codes = {
        await code_of(messages.post_message(outsider, room, new_key(), "x", target))
        for target in (1, seq, 99)
    }

    assert codes == {"not_found"}
    assert all(event.actor != outsider for event in await log_of(room))
