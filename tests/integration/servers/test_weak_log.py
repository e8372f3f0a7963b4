"""A log server whose settings are right and whose file is not whole; and one behind another's name.

On real servers, which are killed: what was acknowledged must be there when they are back.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
import redis
from asgiref.sync import sync_to_async
from pytest_django.fixtures import Settings

from chat import room_log
from chat.errors import Unavailable
from chat.models import ShardCursor
from chat.persistence import drain
from chat.room_log import keys
from chat.servers import redis_durability, redis_log
from localstack.ports import free_port
from localstack.valkey import LOG_SETTINGS, Valkey
from tests.drill.proxy import Link
from tests.support.rooms import new_person, new_room, post
from tests.support.servers import OwnServer

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4
PASSWORD = "password-of-the-log"
# A rewrite of 10,000 keys then takes a quarter of an hour: it ends when the test says so.
SLOW = {"rdb-key-save-delay": "100000"}
MANY_KEYS = 10_000
PATIENCE_SECONDS = 30.0


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture
def log_server(tmp_path: Path, settings: Settings) -> Iterator[OwnServer]:
    """A durable log server of the test's own, full of keys that make a rewrite long."""
    valkey = Valkey("log", tmp_path, free_port(), PASSWORD, {**LOG_SETTINGS, **SLOW})
    server = OwnServer(valkey)
    server.start()
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url=server.url)
    with redis.Redis.from_url(server.url) as client:
        client.mset({f"filler:{number}": "x" for number in range(MANY_KEYS)})
    yield server
    server.stop()


def connected(server: OwnServer) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def rewrites(server: OwnServer) -> bool:
    with connected(server) as client:
        found = client.info("persistence")
    return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])


async def let_the_rewrite_end(server: OwnServer) -> None:
    """The slow one is ended, and the server makes another at once, which is quick."""
    with connected(server) as client:
        client.config_set("rdb-key-save-delay", 0)
        process = psutil.Process(client.info("server")["process_id"])
    for child in process.children():
        child.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while rewrites(server):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def test_nothing_is_appended_before_the_file_is_whole_and_what_is_then_survives_a_kill(
    log_server: OwnServer,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    with connected(log_server) as client:
        client.config_set("appendonly", "no")
        client.config_set("appendonly", "yes")
        await room_log.close()

        with pytest.raises(Unavailable):
            await post(room, ann, "into a file that is not there yet")
        weak = await asyncio.to_thread(redis_durability.look, client)
        refused_at = client.hget(keys.room(room.pk % SHARDS, room.pk), "head")
        await let_the_rewrite_end(log_server)
        acknowledged = await post(room, ann, "into a whole file")
    await room_log.close()
    await asyncio.to_thread(log_server.kill)
    await asyncio.to_thread(log_server.start)

    redis_log.BREAKER.reset()
    await sync_to_async(drain.drain)(room.pk % SHARDS)
    after = await post(room, ann, "after the crash")

    assert weak == [redis_durability.NOT_WHOLE]
    assert refused_at == b"2"
    assert acknowledged.event.seq == 3
    assert (after.event.epoch, after.event.seq) == (acknowledged.event.epoch, 4)


async def test_what_is_acknowledged_before_the_file_is_whole_is_gone_after_a_kill(
    log_server: OwnServer, settings: Settings
) -> None:
    """Why it is refused: with the refusal switched off it is lost, whatever the settings say."""
    settings.ENV = dataclasses.replace(settings.ENV, allow_weak_log=True)
    ann = await new_person("ann")
    room = await new_room(ann)
    with connected(log_server) as client:
        client.config_set("appendonly", "no")
        client.config_set("appendonly", "yes")
        await room_log.close()
        acknowledged = await post(room, ann, "acknowledged")
        weaknesses = redis_durability.weaknesses(
            {name: client.config_get(name)[name] for name in redis_durability.REQUIRED}
        )
    await room_log.close()
    await asyncio.to_thread(log_server.kill)
    await asyncio.to_thread(log_server.start)

    with connected(log_server) as client:
        head = client.hget(keys.room(room.pk % SHARDS, room.pk), "head")

    assert weaknesses == []
    assert acknowledged.event.seq == 3
    assert head == b"2"


async def test_ordinary_rewrite_keeps_nobody_from_appending(log_server: OwnServer) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    with connected(log_server) as client:
        client.bgrewriteaof()
        await room_log.close()

        appended = await post(room, ann, "while the file is rewritten")
        under_way = rewrites(log_server)
        weak = await asyncio.to_thread(redis_durability.look, client)

    assert (appended.event.seq, under_way, weak) == (3, True, [])
    await let_the_rewrite_end(log_server)


async def test_every_new_connection_is_checked_also_to_a_server_that_was_good(
    log_server: OwnServer,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    with connected(log_server) as client:
        client.config_set("appendfsync", "everysec")
        client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(Unavailable):  # the connection is gone
            await post(room, ann, "one")
        with pytest.raises(Unavailable):
            await post(room, ann, "two")
        refused_at = client.hget(keys.room(room.pk % SHARDS, room.pk), "head")
        client.config_set("appendfsync", "always")

    redis_log.BREAKER.reset()
    assert refused_at == b"2"
    assert (await post(room, ann, "three")).event.seq == 3


async def test_server_that_is_appended_to_is_compared_itself_and_not_another_one(
    log_server: OwnServer, settings: Settings, tmp_path: Path
) -> None:
    """The log's address leads elsewhere, to an older copy; kept connections lead to the old one."""
    good = log_server.server
    assert isinstance(good, Valkey)
    other = Valkey("old", tmp_path, free_port(), PASSWORD, LOG_SETTINGS)
    old = OwnServer(other)
    old.start()
    link = Link("log", int(good.configuration["port"]))
    await link.start()
    url = good.url.replace(f":{good.configuration['port']}/", f":{link.port}/")
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url=url)
    try:
        ann = await new_person("ann")
        room = await new_room(ann)
        shard = room.pk % SHARDS
        before = await post(room, ann, "stored")
        await asyncio.to_thread(redis_log.blocking_client().ping)
        await sync_to_async(drain.drain)(shard)
        with connected(old) as client:
            client.set(keys.epoch(shard), before.event.epoch)
        await room_log.close()
        link.lead_to(int(other.configuration["port"]))

        after = await post(room, ann, "to the other one")
        with connected(old) as client:
            epoch = client.get(keys.epoch(shard))
    finally:
        await room_log.close()
        await link.stop()
        old.stop()

    cursor = await ShardCursor.objects.aget(shard=shard, kind="persist")
    assert after.event.epoch > before.event.epoch
    assert after.event.seq == before.event.seq + 1
    assert epoch == str(cursor.epoch).encode() == str(after.event.epoch).encode()
