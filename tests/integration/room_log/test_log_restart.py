"""The connection over which a process appends, when it ends between two messages or under one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.asyncio import Redis as AsyncRedis

from chat import room_log
from chat.errors import Unavailable
from chat.room_log import keys
from localstack.ports import free_port
from localstack.valkey import LOG_SETTINGS, Valkey
from tests.drill.proxy import Link
from tests.support.rooms import new_key, new_person, new_room, post
from tests.support.servers import OwnServer

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4
PASSWORD = "password-of-the-log"


@pytest.fixture
def log_server(tmp_path: Path, settings: Settings) -> Iterator[OwnServer]:
    server = OwnServer(Valkey("log", tmp_path, free_port(), PASSWORD, LOG_SETTINGS))
    server.start()
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url=server.url)
    yield server
    server.stop()


@pytest.fixture
async def link(log_server: OwnServer, settings: Settings) -> AsyncIterator[Link]:
    """The way to the log server. Connections end with the test, as its loop does."""
    link = Link("log", int(log_server.url.rpartition(":")[2].partition("/")[0]))
    await link.start()
    url = f"redis://:{PASSWORD}@127.0.0.1:{link.port}/0"
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url=url)
    yield link
    await room_log.close()
    await link.stop()


@pytest.mark.parametrize("way", ["stopped", "killed"])
async def test_first_append_after_a_restart_of_the_log_is_taken(
    log_server: OwnServer, way: str
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    before = await post(room, ann, "before")

    await asyncio.to_thread(log_server.stop if way == "stopped" else log_server.kill)
    await asyncio.to_thread(log_server.start)
    after = await post(room, ann, "after")
    await room_log.close()

    assert (after.event.epoch, after.event.seq) == (before.event.epoch, before.event.seq + 1)


@pytest.mark.parametrize("way", ["closed", "reset"])
async def test_first_append_after_the_connection_has_ended_is_taken(link: Link, way: str) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    before = await post(room, ann, "before")

    if way == "closed":
        link.half_close_all()
    else:
        link.reset_all()
    await loop_has_noticed(link)
    after = await post(room, ann, "after")

    assert after.event.seq == before.event.seq + 1


async def test_append_whose_answer_was_lost_is_not_sent_again(
    log_server: OwnServer, link: Link
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    before = await post(room, ann, "before")
    key = new_key()

    link.cut_replies = True
    with pytest.raises(Unavailable):
        await post(room, ann, "taken", key)
    link.heal()
    with redis.Redis.from_url(log_server.url) as client:
        logged = client.hget(keys.room(room.pk % SHARDS, room.pk), "head")
    again = await post(room, ann, "taken", key)

    assert link.cut_count == 1
    assert logged == str(before.event.seq + 1).encode()
    assert (again.event.seq, again.repeat) == (before.event.seq + 1, True)


async def loop_has_noticed(link: Link) -> None:
    """What came over connections before has been read, as the answer to a later question has."""
    async with AsyncRedis.from_url(f"redis://:{PASSWORD}@127.0.0.1:{link.port}/0") as client:
        await client.ping()
