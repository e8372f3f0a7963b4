"""A log server that has no memory left: it can still be drained, whatever it holds, and managed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from asgiref.sync import sync_to_async

import chat
from chat import dead_letters, room_log
from chat.dead_letters import Outcome, store
from chat.errors import RetryableError
from chat.event_bus.interface import Record
from chat.event_bus.redis_stream import RedisStreamEventBus
from chat.models import Message, Room
from chat.room_log import epochs, keys
from chat.servers import streams
from tests.support.dead_letter_world import SHARDS, drain, fault_in, letters, retry, set_apart
from tests.support.rooms import new_person, new_room, post

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


def test_only_what_adds_for_people_needs_memory() -> None:
    folder = Path(chat.__file__).parent
    of_the_bus = {"presence.lua"}
    flags = {path.name: path.read_text().splitlines()[0] for path in folder.rglob("*.lua")}

    needy = {
        name
        for name, first in flags.items()
        if not {"allow-oom", "no-writes"} & set(first.partition("flags=")[2].split(","))
    }

    assert needy - of_the_bus == {"append.lua", "load.lua"}


def ingest_of(log_redis: redis.Redis, room: Room) -> streams.Entries:
    return streams.entries(log_redis, keys.ingest(room.pk % SHARDS))


@contextlib.contextmanager
def without_memory(log_redis: redis.Redis) -> Iterator[None]:
    log_redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        log_redis.config_set("maxmemory", 0)


async def test_bad_entry_in_a_log_without_memory_is_set_apart_and_the_rest_is_stored(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    log_redis.xadd(keys.ingest(room.pk % SHARDS), {"room": "none of ours"})
    lost = (await post(room, ann, "a fault refuses it")).event
    await post(room, ann, "after them")

    with without_memory(log_redis):
        [unreadable, letter] = await set_apart(room, lost.seq)
        drained_again = await drain(room)
        retried = await retry(letter)
        gone = await sync_to_async(
            lambda: list(dead_letters.discard([unreadable], why="Not ours.", by="olga"))
        )()
        left = await letters()

    assert ingest_of(log_redis, room) == []
    assert (drained_again.stored, drained_again.stopped) == (0, False)
    assert [one.outcome for one in (*retried, *gone)] == [Outcome.DONE, Outcome.DONE]
    assert left == []
    bodies = Message.objects.filter(room=room).order_by("seq").values_list("body", flat=True)
    assert [body async for body in bodies] == ["a fault refuses it", "after them"]


async def test_letter_with_a_place_that_is_discarded_in_a_full_log_stays_on_record(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    lost = (await post(room, ann, "refused")).event

    with without_memory(log_redis):
        [letter] = await set_apart(room, lost.seq)
        with fault_in((room.pk, lost.seq)):
            [failed] = await retry(letter)
        [released] = await sync_to_async(lambda: list(dead_letters.release([letter], by="olga")))()
        results = await sync_to_async(
            lambda: list(dead_letters.discard([letter], why="Nobody needs it.", by="olga"))
        )()

    assert failed.outcome == released.outcome == Outcome.WAITING
    assert [one.outcome for one in results] == [Outcome.DONE]
    kept = dead_letters.discarded(letter)
    assert kept is not None
    assert (kept.why, kept.origin.seq) == ("Nobody needs it.", lost.seq)


async def test_dead_letters_do_not_fill_a_full_log_without_end(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    log_redis.xadd(keys.ingest(room.pk % SHARDS), {"room": "none of ours"})
    monkeypatch.setattr(store, "BEYOND_FULL_BYTES", 1_000)

    with without_memory(log_redis), pytest.raises(RetryableError):
        await drain(room)
    before = (len(ingest_of(log_redis, room)), log_redis.xlen(store.STREAM))
    await drain(room)

    assert before == (3, 0)
    assert (ingest_of(log_redis, room), log_redis.xlen(store.STREAM)) == ([], 1)


async def test_shard_begins_anew_although_the_log_has_no_memory(log_redis: redis.Redis) -> None:
    ann, eve = await new_person("ann"), await new_person("eve")
    room = await new_room(ann)
    before = await post(room, ann, "stored")
    await drain(room)
    eve.muted_until = datetime(2100, 1, 1, tzinfo=UTC)
    await eve.asave()

    with without_memory(log_redis):
        log_redis.flushall()
        await sync_to_async(epochs.establish_all)()
        await sync_to_async(epochs.begin_anew)(room.pk % SHARDS)
        told = log_redis.hget(keys.people(room.pk % SHARDS), str(eve.pk))

    assert told == b"4102444800000:0"
    after = await post(room, ann, "goes on")
    assert after.event.epoch > before.event.epoch


def test_worker_that_starts_trims_a_stream_that_fills_the_log_to_its_smaller_limit(
    log_redis: redis.Redis,
) -> None:
    stream = "veche:bus:test"
    bus = RedisStreamEventBus(max_bytes=100_000_000, stream=stream)
    bus.publish([Record(room=5, seq=1, value=b"x" * 1_000) for _ in range(500)], 5.0)

    with without_memory(log_redis):
        RedisStreamEventBus(max_bytes=100_000, stream=stream).check()

    assert (log_redis.memory_usage(stream) or 0) <= 100_000
