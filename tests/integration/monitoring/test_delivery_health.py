"""Rooms are verified while people talk, and every process shows what was found (I9)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient

from chat import events, room_log
from chat.event_bus import Delivered, redis_stream
from chat.export import exporter
from chat.models import Room
from chat.monitoring import delivery_health, installation_metrics
from chat.monitoring.delivery_health import DeliveryHealth, WrongRoom, check_recent_rooms
from chat.persistence import drain as persistence
from chat.servers import clocks, redis_bus, streams
from chat.tasks import verify_recent_rooms
from chat.verify import event_bus_verification
from chat.verify.readers.lags import Lag, exported_lag, stored_lag
from tests.support.rooms import new_person, new_room, post

# Rooms with violations stay noted on the bus, and the next test would check them too.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("bus_redis")]


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


@pytest.fixture(autouse=True)
def every_scrape_reads_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation_metrics, "KEPT_SECONDS", 0.0)


def shard_of(room: Room) -> int:
    return events.shard_of(room.pk, settings.ENV.shards)


async def drain(room: Room) -> None:
    await sync_to_async(persistence.drain)(shard_of(room))


async def check(clock: Callable[[], float] = time.monotonic) -> DeliveryHealth:
    health = await sync_to_async(check_recent_rooms)(clock)
    assert health is not None
    return health


async def wrong_rooms() -> dict[int, WrongRoom]:
    return await sync_to_async(delivery_health.wrong_rooms)()


async def sql(statement: str) -> None:
    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    await sync_to_async(execute)()


async def metrics() -> dict[str, float]:
    answer = await AsyncClient().get("/metrics", REMOTE_ADDR="127.0.0.1")
    lines = answer.content.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


async def test_recent_rooms_are_verified_and_every_process_shows_the_result() -> None:
    ann = await new_person("ann")
    room, _ = await new_room(ann), await new_room(ann)
    await post(room, ann, "stored")
    await drain(room)
    await post(room, ann, "not stored yet")

    await sync_to_async(verify_recent_rooms)()

    shown = await metrics()
    health = await sync_to_async(delivery_health.last_check)()
    assert health is not None
    assert (health.rooms, health.violations) == (2, {})
    assert shown['veche_delivery_violations{check="seq"}'] == 0
    assert shown['veche_delivery_rooms{state="checked"}'] == 2
    assert shown["veche_delivery_checked_timestamp_seconds"] == health.checked_at.timestamp()
    assert shown['veche_watermark_lag_events{stage="stored"}'] == 3
    assert shown['veche_watermark_lag_events{stage="exported"}'] == 3


async def test_violation_is_shown_until_it_is_mended(caplog: pytest.LogCaptureFixture) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    said = (await post(room, ann, "said")).event
    await drain(room)
    await sql("UPDATE chat_message SET body = 'hacked'")

    first = await check()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery_health, "WINDOW", timedelta(0))  # the room has gone quiet
        second = await check()
        shown = await metrics()
        await sql("UPDATE chat_message SET body = 'said'")
        mended = await check()

    assert first.violations == second.violations == {"projection": 1}
    assert shown['veche_delivery_violations{check="projection"}'] == 1
    assert (mended.violations, await wrong_rooms()) == ({}, {})
    assert f"room {room.pk} seq {said.seq}: message body" in caplog.text
    assert "hacked" not in caplog.text


async def test_violation_stays_shown_as_to_be_looked_at_while_there_is_no_time_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "said")
    await drain(room)
    await sql("UPDATE chat_message SET body = 'hacked'")
    await check()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery_health, "CHECK_SECONDS", -1.0)
        hurried = await check()

    assert hurried.violations == {"projection": 1}
    assert list(await wrong_rooms()) == [room.pk]
    assert (await check()).violations == {"projection": 1}


async def room_that_the_bus_lost_a_record_of(log_redis: redis.Redis) -> Room:
    ann = await new_person("ann")
    room = await new_room(ann)
    for text in ("one", "two", "three"):
        await post(room, ann, text)
    await drain(room)
    await sync_to_async(exporter.of_process().export)(shard_of(room))
    lost, _ = streams.entries(log_redis, redis_stream.STREAM)[2]
    log_redis.xdel(redis_stream.STREAM, lost)
    return room


def records_are_counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records each read of the bus gives from now on."""
    counts: list[int] = []
    read = redis_stream.RedisStreamReader.read

    def counting(reader: redis_stream.RedisStreamReader, *limits: Any) -> list[Delivered]:
        found = read(reader, *limits)
        counts.append(len(found))
        return found

    monkeypatch.setattr(redis_stream.RedisStreamReader, "read", counting)
    return counts


async def test_bus_is_read_again_for_a_wrong_room_after_waits_that_double(
    monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis
) -> None:
    room = await room_that_the_bus_lost_a_record_of(log_redis)
    first = await check()
    reads = records_are_counted(monkeypatch)
    waits = [(await wrong_rooms())[room.pk].wait_seconds]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery_health, "WINDOW", timedelta(0))  # the room has gone quiet
        early = await check()
        early_reads = reads.copy()
        for _ in range(7):
            await wait_is_over(room)
            late = await check()
            waits.append((await wrong_rooms())[room.pk].wait_seconds)

    assert first.violations == early.violations == late.violations == {"exported": 1}
    assert (early_reads, reads) == ([], [4] * 14)  # two looks each
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def wait_is_over(room: Room) -> None:
    def write() -> None:
        found = delivery_health.wrong_rooms()[room.pk]
        ended = msgspec.structs.replace(found, again_at=clocks.BUS.now() - timedelta(minutes=1))
        client = redis_bus.blocking_client()
        client.hset(delivery_health.WRONG, str(room.pk), msgspec.json.encode(ended))

    await sync_to_async(write)()


async def test_wrong_room_that_the_bus_has_again_is_right_after_its_wait(
    log_redis: redis.Redis,
) -> None:
    room = await room_that_the_bus_lost_a_record_of(log_redis)
    await check()
    log_redis.delete(redis_stream.STREAM)
    await sync_to_async(exporter.rewind)(shard_of(room))
    await sync_to_async(exporter.of_process().export)(shard_of(room))
    before = await check()
    await wait_is_over(room)

    assert before.violations == {"exported": 1}
    assert (await check()).violations == {}
    assert await wrong_rooms() == {}


async def test_command_that_finds_a_room_right_ends_its_wait(log_redis: redis.Redis) -> None:
    room = await room_that_the_bus_lost_a_record_of(log_redis)
    await check()
    verify = sync_to_async(call_command)
    with pytest.raises(SystemExit):
        await verify("verify_delivery", "--room", str(room.pk))
    still = await wrong_rooms()
    log_redis.delete(redis_stream.STREAM)
    await sync_to_async(exporter.rewind)(shard_of(room))
    await sync_to_async(exporter.of_process().export)(shard_of(room))
    await verify("verify_delivery", "--room", str(room.pk), "--since", "1h")
    in_part = await wrong_rooms()

    await verify("verify_delivery", "--room", str(room.pk))

    assert (list(still), list(in_part), await wrong_rooms()) == ([room.pk], [room.pk], {})
    assert (await check()).violations == {}


async def test_room_is_wrong_until_there_is_time_to_read_all_of_the_bus(
    monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis
) -> None:
    room = await room_that_the_bus_lost_a_record_of(log_redis)
    await check()
    await wait_is_over(room)
    monkeypatch.setattr(event_bus_verification, "BATCH_RECORDS", 1)
    reads = records_are_counted(monkeypatch)

    def clock() -> float:
        """An hour goes by with the second record."""
        return time.monotonic() + 3600 * (len(reads) >= 2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delivery_health, "WINDOW", timedelta(0))
        hurried = await check(clock)

    assert reads == [1, 1]
    assert (hurried.violations, hurried.rooms_left) == ({"exported": 1}, 1)
    assert (await wrong_rooms())[room.pk].wait_seconds == 120


async def test_room_that_is_wrong_elsewhere_has_the_bus_read_for_the_window_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await post(room, ann, "said")
    await drain(room)
    await sync_to_async(exporter.of_process().export)(shard_of(room))
    await sql("UPDATE chat_message SET body = 'hacked'")
    await check()
    reads = records_are_counted(monkeypatch)

    monkeypatch.setattr(delivery_health, "WINDOW", timedelta(0))
    again = await check()

    assert (again.violations, reads) == ({"projection": 1}, [])


async def test_what_was_wrong_is_kept_however_long_no_check_ends(
    bus_redis: redis.Redis, log_redis: redis.Redis
) -> None:
    room = await room_that_the_bus_lost_a_record_of(log_redis)

    await check()

    kept = [delivery_health.KEY, delivery_health.WRONG]
    assert [bus_redis.ttl(key) for key in kept] == [-1, -1]
    assert list(await wrong_rooms()) == [room.pk]


async def test_only_one_check_runs_at_a_time(bus_redis: redis.Redis) -> None:
    bus_redis.set(delivery_health.LOCK, 1)

    assert await sync_to_async(check_recent_rooms)() is None
    bus_redis.delete(delivery_health.LOCK)
    assert await sync_to_async(check_recent_rooms)() is not None


async def test_rooms_for_which_there_is_no_time_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = await new_person("ann")
    await new_room(ann), await new_room(ann)
    monkeypatch.setattr(delivery_health, "CHECK_SECONDS", -1.0)

    health = await check()

    assert (health.rooms, health.rooms_left) == (0, 2)


async def test_lags_are_what_waits_and_for_how_long(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    shards = settings.ENV.shards
    await sql(f"UPDATE chat_roomevent SET at = '{datetime.now(UTC) - timedelta(hours=1)}'")
    waiting = await sync_to_async(exported_lag)(shards)
    await sync_to_async(exporter.of_process().export)(shard_of(room))
    nothing = await sync_to_async(exported_lag)(shards)
    await post(room, ann, "one")

    logged = await sync_to_async(stored_lag)(shards)

    assert waiting.events == 2
    assert 3600 <= waiting.seconds < 3700
    assert nothing == Lag()
    assert logged.events == 1
    assert 0 <= logged.seconds < 60


async def test_metrics_answer_while_the_bus_does_not(bus_redis: redis.Redis) -> None:
    await metrics()  # a process's first request loads the routes, which may outlast the pause
    bus_redis.client_pause(int(installation_metrics.ANSWER_SECONDS * 1000) + 1000)

    shown = await metrics()

    assert shown['veche_source_up{source="bus"}'] == 0
    assert shown['veche_source_up{source="log"}'] == 1
    assert shown['veche_source_up{source="database"}'] == 1
    assert "veche_delivery_checked_timestamp_seconds" not in shown
