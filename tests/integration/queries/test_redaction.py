"""The past as it is served now: latecomers do not read what was deleted or replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import OperationalError

from chat import room_log
from chat.actions import messages, moderation
from chat.errors import ClientError, Unavailable
from chat.events import EventType, MessageTarget, Role, RoomEvent, RoomKind, shard_of
from chat.models import Room, User
from chat.queries import found_messages, history, redaction, search
from chat.room_log import epochs, keys
from chat.room_log.unloading import unload_idle
from localstack.web_process import WebProcess
from tests.support.chat_world import Api, by, make_user, store
from tests.support.moderation_world import WHY
from tests.support.rooms import key_of_age, log, new_key, new_room, post
from tests.support.web_process import ChatClient, web_process

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "hunter2-of-the-first-draft"
STANDS = "what stands in the end"


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest,
    django_db_setup: None,
    django_db_blocker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[WebProcess]:
    log_file = tmp_path_factory.mktemp("web") / "server.log"
    with (
        django_db_blocker.unblock(),
        web_process(log_file, ASGI_SERVER=request.param, SENDS_BURST="300") as process,
    ):
        yield process


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


async def two_people(kind: RoomKind = RoomKind.PRIVATE) -> tuple[User, User, Room]:
    anna, boris = await make_user("anna"), await make_user("boris")
    room = await new_room(anna, boris, kind=kind)
    await moderation.set_role(by(anna), room.pk, boris.pk, Role.MODERATOR)
    return anna, boris, room


async def told_secrets(anna: User, boris: User, room: Room) -> dict[str, int]:
    """A deleted message, one that a moderator removed, an edited one, one that was restored."""
    seqs = {}
    for name in ("deleted", "removed", "edited", "restored", "kept"):
        text = SECRET if name not in {"restored", "kept"} else STANDS
        seqs[name] = (await post(room, anna, f"{name}: {text}")).event.seq
    await messages.edit_message(anna.pk, room.pk, new_key(), seqs["deleted"], SECRET)
    await messages.edit_message(anna.pk, room.pk, new_key(), seqs["edited"], SECRET)
    await messages.edit_message(anna.pk, room.pk, new_key(), seqs["edited"], STANDS)
    await messages.delete_message(anna.pk, room.pk, new_key(), seqs["deleted"])
    for name in ("removed", "restored"):
        await moderation.delete_message(by(boris), room.pk, seqs[name], WHY)
    # A deleted message cannot be edited.
    with pytest.raises(ClientError):
        await messages.edit_message(anna.pk, room.pk, new_key(), seqs["removed"], SECRET)
    await restored(room, boris, seqs["restored"])
    return seqs


async def restored(room: Room, moderator: User, seq: int) -> None:
    """Restores a message even if its deletion is not stored yet; the action would refuse that."""
    await log(room, moderator, EventType.MESSAGE_RESTORED, MessageTarget(target=seq))


def check_past(events: list[dict[str, Any]], seqs: dict[str, int]) -> None:
    assert SECRET not in json.dumps(events)
    texts = {event["seq"]: event for event in events if "body" in event["data"]}
    shown = {seq: event["data"]["body"] for seq, event in texts.items() if event["data"]["body"]}
    edits = [seq for seq, one in texts.items() if one["data"].get("target") == seqs["edited"]]
    assert shown == {
        seqs["restored"]: f"restored: {STANDS}",
        seqs["kept"]: f"kept: {STANDS}",
        max(edits): STANDS,
    }
    for event in events:
        assert event.get("redacted", False) == (event["seq"] in texts and event["seq"] not in shown)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def make_it(place: str, room: Room, log_redis: redis.Redis) -> None:
    """`hot`: nothing is stored; `stored`: all is, and the tail still holds it."""
    shard = shard_of(room.pk, settings.ENV.shards)
    if place in {"stored", "unloaded", "lost"}:
        await store(room.pk)
    if place == "unloaded":
        assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    if place == "lost":
        log_redis.flushall()
        await sync_to_async(epochs.establish)(shard)


@pytest.mark.parametrize("place", ["hot", "stored", "unloaded", "lost"])
async def test_past_comes_without_texts_that_are_gone_by_every_door(
    place: str, server: WebProcess, log_redis: redis.Redis
) -> None:
    anna, boris, room = await two_people(RoomKind.PUBLIC)
    seqs = await told_secrets(anna, boris, room)
    await make_it(place, room, log_redis)
    eve = await make_user("eve")
    api = Api(eve)
    await api.post(f"rooms/{room.pk}/join")
    await store(room.pk)
    head = (await history.messages_before(room.pk, 2**53, 1, eve.pk)).upto

    over_rest = (await api.get(f"rooms/{room.pk}/events?limit=500")).body["events"]
    epoch = (await api.get(f"rooms/{room.pk}")).body["epoch"]
    async with await ChatClient.hello(server, eve, {room.pk: (epoch, 0)}) as resumed:
        over_resume = await resumed.events_until(room.pk, head)
        batch = await resumed.ask(t="sync", room=room.pk, after=0)

    assert len(over_rest) == head
    for events in (over_rest, over_resume, batch["events"]):
        check_past(events, seqs)


async def test_deletion_counts_before_it_is_stored() -> None:
    anna, _, room = await two_people()
    secret = (await post(room, anna, SECRET)).event.seq
    older = (await post(room, anna, "older")).event.seq
    await store(room.pk)
    shard = shard_of(room.pk, settings.ENV.shards)
    assert await sync_to_async(unload_idle)(shard, idle_ms=-10_000) >= 1
    # The messages are only in PostgreSQL; what happens to them from now on is only in the log.
    await messages.delete_message(anna.pk, room.pk, new_key(), secret)
    await messages.edit_message(anna.pk, room.pk, new_key(), older, SECRET)
    await messages.edit_message(anna.pk, room.pk, new_key(), older, STANDS)

    from_postgres = await history.events_after(room.pk, secret - 1, 2)
    from_the_log = await history.events_after(room.pk, older, 10)

    assert [event.redacted for event in from_postgres] == [True, True]
    assert [event.redacted for event in from_the_log] == [False, True, False]
    texts = b"".join(bytes(event.data) for event in [*from_postgres, *from_the_log])
    assert SECRET.encode() not in texts
    assert STANDS.encode() in texts


async def found(person: User, words: str, limit: int = 50) -> list[tuple[int, str]]:
    """What a search shows the person: seq and text."""
    result = await search.search(person.pk, words, None, limit)
    return [(one.seq, one.body) for one in result.found]


@pytest.mark.parametrize("place", ["hot", "unloaded"])
async def test_search_shows_no_text_that_was_deleted_or_replaced_a_moment_ago(
    place: str, log_redis: redis.Redis
) -> None:
    anna, boris, room = await two_people()
    seqs = {}
    for name in ("deleted", "removed", "edited", "kept"):
        seqs[name] = (await post(room, anna, f"{SECRET} {name}")).event.seq
    await store(room.pk)
    if place == "unloaded":
        await make_it(place, room, log_redis)
    assert len(await found(boris, SECRET)) == 4

    await messages.delete_message(anna.pk, room.pk, new_key(), seqs["deleted"])
    await moderation.delete_message(by(boris), room.pk, seqs["removed"], WHY)
    await messages.edit_message(anna.pk, room.pk, new_key(), seqs["edited"], STANDS)
    await restored(room, boris, seqs["removed"])

    assert await found(boris, SECRET) == [(seqs["kept"], f"{SECRET} kept")]
    # Earlier pages are still full.
    assert await found(boris, SECRET, limit=1) == [(seqs["kept"], f"{SECRET} kept")]
    await store(room.pk)
    assert {seq for seq, _ in await found(boris, SECRET)} == {seqs["removed"], seqs["kept"]}
    assert await found(boris, STANDS) == [(seqs["edited"], STANDS)]


async def test_search_knows_what_was_stored_or_taken_away_while_it_looked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anna, boris, room = await two_people()
    other = await new_room(anna, boris)
    seq = (await post(room, anna, f"{SECRET} 1")).event.seq
    elsewhere = (await post(other, anna, f"{SECRET} 2")).event.seq
    for one in (room, other):
        await store(one.pk)
    find, loop = found_messages.find, asyncio.get_running_loop()
    meanwhile: list[Coroutine[Any, Any, Any]] = []

    def find_and_be_late(*args: Any) -> Any:
        rows = find(*args)
        if meanwhile:
            asyncio.run_coroutine_threadsafe(meanwhile.pop(0), loop).result(30)
        return rows

    async def delete_and_say_much() -> None:
        await messages.delete_message(anna.pk, room.pk, new_key(), seq)
        for number in range(keys.HOT_TAIL_EVENTS + 1):
            await post(room, anna, f"message {number}")
        await store(room.pk)

    monkeypatch.setattr(found_messages, "find", find_and_be_late)

    # By the time of the question the log no longer has the deletion.
    meanwhile.append(delete_and_say_much())
    assert await found(boris, SECRET) == [(elsewhere, f"{SECRET} 2")]
    meanwhile.append(moderation.remove_member(by(anna), other.pk, boris.pk, WHY))
    assert await found(boris, SECRET) == []
    assert await found(anna, SECRET) == [(elsewhere, f"{SECRET} 2")]
    assert not meanwhile


async def test_part_of_the_past_knows_of_what_comes_after_it() -> None:
    anna, _, room = await two_people()
    first = (await post(room, anna, SECRET)).event.seq
    for number in range(20):
        await post(room, anna, f"message {number}")
    await messages.delete_message(anna.pk, room.pk, new_key(), first)

    [event] = await history.events_after(room.pk, first - 1, 1)
    cut = await history.events_after(room.pk, first - 1, 500, max_bytes=1)

    assert event.redacted
    assert cut == [event]


async def test_text_is_shown_that_was_replaced_and_brought_back() -> None:
    anna, _, room = await two_people()
    seq = (await post(room, anna, STANDS)).event.seq
    await messages.edit_message(anna.pk, room.pk, new_key(), seq, SECRET)
    await messages.edit_message(anna.pk, room.pk, new_key(), seq, STANDS)

    told = await history.events_after(room.pk, seq - 1, 3)

    assert [event.redacted for event in told] == [False, True, False]


async def test_authors_own_deletion_is_not_undone_for_the_past() -> None:
    anna, boris, room = await two_people()
    seq = (await post(room, anna, SECRET)).event.seq
    await moderation.delete_message(by(boris), room.pk, seq, WHY)
    await messages.delete_message(anna.pk, room.pk, new_key(), seq)
    await restored(room, boris, seq)

    for _ in range(2):
        [event, *_] = await history.events_after(room.pk, seq - 1, 5)
        assert event.redacted
        await store(room.pk)


async def test_live_events_carry_their_text(server: WebProcess) -> None:
    anna, boris, room = await two_people()
    await store(room.pk)
    async with await ChatClient.hello(server, boris) as b:
        await b.pong()
        posted = (await post(room, anna, SECRET)).event.seq
        [*_, event] = await b.events_until(room.pk, posted)

    assert event["data"]["body"] == SECRET
    assert "redacted" not in event


async def test_repeats_are_known_though_the_text_is_gone() -> None:
    anna, _, room = await two_people()
    for key in (new_key(), key_of_age(hours=7)):
        first = await messages.post_message(anna.pk, room.pk, key, SECRET)
        await messages.delete_message(anna.pk, room.pk, new_key(), first.event.seq)
        await store(room.pk)

        again = await messages.post_message(anna.pk, room.pk, key, SECRET)
        with pytest.raises(ClientError) as refused:
            await messages.post_message(anna.pk, room.pk, key, "another")

        assert (again.event.seq, again.repeat) == (first.event.seq, True)
        assert refused.value.code == "key_conflict"


@pytest.mark.parametrize("seed", range(4))
async def test_page_and_redacted_events_after_it_are_the_page_of_later(seed: int) -> None:
    dice = random.Random(seed)
    anna, boris, room = await two_people()
    seqs = [(await post(room, anna, f"first {number}")).event.seq for number in range(6)]

    async def something_happens() -> None:
        seq, what = dice.choice(seqs), dice.random()
        if what < 0.5:
            await messages.edit_message(anna.pk, room.pk, new_key(), seq, f"text {dice.random()}")
        elif what < 0.6:
            await messages.delete_message(anna.pk, room.pk, new_key(), seq)
        elif what < 0.7:
            await moderation.delete_message(by(boris), room.pk, seq, WHY)
        elif what < 0.8:
            await messages.react(boris.pk, room.pk, new_key(), seq, "👍", dice.random() < 0.7)
        else:
            seqs.append((await post(room, anna, f"later {dice.random()}")).event.seq)

    async def page() -> history.HistoryPage:
        return await history.messages_before(room.pk, 2**53, 100, anna.pk)

    for _ in range(3):
        early = await page()
        for _ in range(12):
            with contextlib.suppress(ClientError):  # nothing happens to what is deleted
                await something_happens()
        if dice.random() < 0.5:
            await store(room.pk)
        newer: list[RoomEvent] = []
        while part := await history.events_after(
            room.pk, newer[-1].seq if newer else early.upto, dice.randint(1, 6)
        ):
            newer += part
        folded = history.fold(
            {message.seq: message for message in early.messages}, newer, 2**53, anna.pk
        )
        fresh = await page()

        assert sorted(folded.values(), key=lambda one: one.seq) == fresh.messages


async def test_long_backlog_is_looked_through_or_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anna, _, room = await two_people()
    first = (await post(room, anna, SECRET)).event.seq
    for number in range(30):
        await post(room, anna, f"message {number}")
    await messages.delete_message(anna.pk, room.pk, new_key(), first)
    monkeypatch.setattr(redaction, "PART_EVENTS", 7)
    monkeypatch.setattr(redaction, "MAX_LATER_EVENTS", 70)

    [event] = await history.events_after(room.pk, first - 1, 1)
    assert event.redacted
    monkeypatch.setattr(redaction, "MAX_LATER_EVENTS", 21)
    with pytest.raises(Unavailable):
        await history.events_after(room.pk, first - 1, 1)


@pytest.mark.parametrize("postgres", ["there", "away"])
async def test_history_shows_no_deleted_text_however_much_is_not_stored(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_UNSTORED_EVENTS", 20)
    monkeypatch.setattr(history, "TAIL_STEP_EVENTS", 7)
    anna, boris, room = await two_people()
    old = (await post(room, anna, SECRET)).event.seq
    await store(room.pk)
    hot = (await post(room, anna, SECRET)).event.seq
    for number in range(60):
        await post(room, anna, f"message {number}")
    for seq in (old, hot):
        await messages.delete_message(anna.pk, room.pk, new_key(), seq)
    if postgres == "away":
        monkeypatch.setattr(history, "_read_page", refuse)

    for seq in (old, hot) if postgres == "there" else (hot,):
        page = await history.messages_before(room.pk, seq + 1, 1, boris.pk)
        assert [(one.seq, one.deleted, one.body) for one in page.messages] == [(seq, True, "")]
        assert page.upto < hot + 60
    monkeypatch.setattr(redaction, "MAX_LATER_EVENTS", 0)
    for seq in (old, hot):
        with pytest.raises(Unavailable):
            await history.messages_before(room.pk, seq + 1, 1, boris.pk)


def refuse(*_: Any) -> Any:
    raise OperationalError


async def test_newest_page_costs_what_it_shows_however_much_is_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anna, _, room = await two_people()
    for part in range(4):
        await asyncio.gather(*(post(room, anna, f"message {part}") for _ in range(500)))
    read: list[int] = []
    for name in ("hot_events", "hot_events_up_to", "hot_part"):
        original = getattr(room_log, name)

        async def counting(*args: Any, original: Any = original) -> Any:
            found = await original(*args)
            read.append(len(found or ()))
            return found

        monkeypatch.setattr(room_log, name, counting)

    page = await history.messages_before(room.pk, 2**53, 50, anna.pk)

    assert len(page.messages) == 50
    assert sum(read) <= history.TAIL_STEP_EVENTS
