"""`verify_delivery` finds each kind of damage by its place, and nothing where all is right (I9)."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, TypeVar

import msgspec
import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from kafka import KafkaAdminClient, TopicPartition
from pytest_django.fixtures import Settings

from chat import dead_letters, events, room_log
from chat.actions import messages
from chat.event_bus import EventBus, Record, envelope, event_bus, redis_stream
from chat.events import (
    EventType,
    MemberJoined,
    MemberMuted,
    MemberRemoved,
    MessageTarget,
    Role,
    RoomArchived,
    RoomUpdated,
)
from chat.events.positions import as_pair
from chat.export import exporter
from chat.export.exporter import Exporter
from chat.models import Message, Room, User
from chat.persistence import drain as persistence
from chat.room_log import epochs, keys
from chat.room_log.unloading import unload_idle
from chat.servers import streams
from chat.verify import Check, Finding, VerificationReport, Verifier
from chat.verify.readers import stored_reader
from tests.support.buses import EventBusUnderTest
from tests.support.rooms import log, new_key, new_person, new_room, post

T = TypeVar("T")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def connections_end_with_the_loop() -> AsyncIterator[None]:
    yield
    await room_log.close()


def verify(rooms: list[int] | None = None, since: datetime | None = None) -> VerificationReport:
    verifier = Verifier(settings.ENV.shards, event_bus(), since=since, pause=lambda: None)
    return verifier.verify(rooms)


async def found(rooms: list[int] | None = None, since: datetime | None = None) -> list[Finding]:
    return (await sync_to_async(verify)(rooms, since)).findings


async def drain(room: Room) -> None:
    await sync_to_async(persistence.drain)(shard_of(room))


async def carry_on(room: Room) -> None:
    """Stores what is logged and exports what is stored."""
    await drain(room)
    await sync_to_async(exporter.of_process().export)(shard_of(room))


def shard_of(room: Room) -> int:
    return events.shard_of(room.pk, settings.ENV.shards)


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


async def sql(statement: str, *values: Any) -> None:
    await sync_to_async(execute)(statement, *values)


def add(client: redis.Redis, stream: str, fields: Any, stream_id: bytes = b"*") -> None:
    client.xadd(stream, fields, stream_id)


def subjects(findings: list[Finding]) -> set[tuple[Check, int | None, str]]:
    return {(one.check, one.seq, one.what) for one in findings}


async def lively_room() -> tuple[User, User, Room, list[int]]:
    """A room in which everything that can happen has happened; the seqs of its ten posts."""
    ann, bob = await new_person("ann"), await new_person("bob")
    cleo = await new_person("cleo")
    room = await new_room(ann, bob, cleo)
    said = [(await post(room, bob, f"message {i}")).event.seq for i in range(10)]
    await messages.edit_message(bob.pk, room.pk, new_key(), said[1], "changed")
    await messages.react(ann.pk, room.pk, new_key(), said[2], "👍")
    await messages.react(bob.pk, room.pk, new_key(), said[2], "👍")
    await messages.react(bob.pk, room.pk, new_key(), said[2], "👍", on=False)
    for target in (said[3], said[4]):
        await messages.delete_message(ann.pk, room.pk, new_key(), target)
    await log(room, ann, EventType.MESSAGE_RESTORED, MessageTarget(target=said[4]))
    until = datetime.now(UTC) + timedelta(hours=1)
    await log(room, ann, EventType.MEMBER_MUTED, MemberMuted(user=bob.pk, until=until))
    await log(room, ann, EventType.MEMBER_REMOVED, MemberRemoved(user=cleo.pk))
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=cleo.pk))
    await log(room, ann, EventType.MEMBER_JOINED, MemberJoined(user=bob.pk, role=Role.MODERATOR))
    await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(name="Renamed"))
    await log(room, ann, EventType.ROOM_UPDATED, RoomUpdated(topic="Things"))
    await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived(archived=True))
    return ann, bob, room, said


async def test_nothing_is_found_before_during_and_after_storing() -> None:
    _, _, room, _ = await lively_room()
    logged = await found()
    await drain(room)
    stored = await found()
    await carry_on(room)

    exported = await sync_to_async(verify)()

    assert (logged, stored, exported.findings, exported.suspects) == ([], [], [], 0)
    assert (exported.rooms, exported.events, exported.bus_records) == (1, 28, 28)


async def test_nothing_is_found_in_rooms_that_left_the_log() -> None:
    _, _, room, _ = await lively_room()
    await carry_on(room)
    await sync_to_async(unload_idle)(shard_of(room), idle_ms=-1000)

    assert await room_log.room_states([room.pk]) == {}
    assert await found() == []


async def test_nothing_is_found_while_everything_moves() -> None:
    people = [await new_person(f"person-{i}") for i in range(3)]
    rooms = [await new_room(*people) for _ in range(3)]
    over = threading.Event()
    reports: list[VerificationReport] = []
    # One round of posts for each step of the verification, so that neither runs away.
    steps = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()

    def step() -> None:
        loop.call_soon_threadsafe(steps.release)

    def carry_all_on() -> None:
        while not over.is_set():
            for room in rooms:
                in_own_connection(persistence.drain, shard_of(room))
                in_own_connection(exporter.of_process().export, shard_of(room))

    def verify_again_and_again() -> None:
        while not over.is_set():
            verifier = Verifier(
                settings.ENV.shards,
                event_bus(),
                on_progress=lambda _: step(),
            )
            reports.append(in_own_connection(verifier.verify))

    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(carry_all_on), threads.submit(verify_again_and_again)]
        try:
            while len(reports) < 10:
                await asyncio.wait_for(steps.acquire(), 30)
                posts = [post(room, who, "more") for room in rooms for who in people]
                said = [one.event for one in await asyncio.gather(*posts)]
                ann = people[0].pk
                await asyncio.gather(
                    *(messages.react(ann, one.room, new_key(), one.seq, "👍") for one in said)
                )
        finally:
            over.set()
        for one in work:
            await asyncio.to_thread(one.result, 60)

    assert [one for report in reports for one in report.findings] == []
    assert sum(report.suspects for report in reports) == 0
    assert max(report.bus_records for report in reports) > 0


@pytest.mark.parametrize("between", ["an event is stored", "the epoch goes up"])
async def test_nothing_is_found_when_a_shard_moves_on_between_two_reads(
    monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    await drain(room)
    moved = False

    async def move_on() -> None:
        if between == "the epoch goes up":
            await sync_to_async(epochs.begin_anew)(shard_of(room))
        else:
            await post(room, ann, "in between")
            await drain(room)

    def then_move_on(read: Callable[..., T]) -> Callable[..., T]:
        """Whichever of the two is called first moves the shard on before it returns."""

        def reading(shard: int, *rest: Any) -> T:
            nonlocal moved
            answer = read(shard, *rest)
            if not moved and shard == shard_of(room):
                moved = True  # first, because storing reads the same
                async_to_sync(move_on)()
            return answer

        return reading

    monkeypatch.setattr(epochs, "read_log", then_move_on(epochs.read_log))
    monkeypatch.setattr(
        stored_reader, "read_persist_cursor", then_move_on(stored_reader.read_persist_cursor)
    )

    report = await sync_to_async(verify)()

    assert (moved, report.suspects, report.findings) == (True, 0, [])


def in_own_connection(call: Callable[..., T], *args: Any) -> T:
    try:
        return call(*args)
    finally:
        connection.close()


# --- damage in PostgreSQL -------------------------------------------------------------------------


async def test_deleted_event_is_found_wherever_it_stood() -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    await sql("DELETE FROM chat_roomevent WHERE room_id = %s AND seq = %s", room.pk, said[5])

    marks = subjects(await found())

    assert marks >= {
        (Check.SEQ, said[5], "events"),
        (Check.STORED, said[5], "event"),
        (Check.EXPORTED, said[5], "record"),
        (Check.PROJECTION, said[5], "message"),
    }


async def test_deleted_last_event_is_found_in_a_room_that_left_the_log() -> None:
    _, _, room, _ = await lively_room()
    await drain(room)
    await sync_to_async(unload_idle)(shard_of(room), idle_ms=-1000)
    await sql("DELETE FROM chat_roomevent WHERE room_id = %s AND seq = 28", room.pk)

    assert (Check.SEQ, 28, "events") in subjects(await found())
    since = datetime.now(UTC) + timedelta(hours=1)
    assert (Check.SEQ, 28, "events") in subjects(await found(since=since))


async def test_changed_body_is_found_and_never_shown() -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    await sql(
        "UPDATE chat_roomevent SET data = jsonb_set(data, '{body}', '\"hacked\"')"
        " WHERE room_id = %s AND seq = %s",
        room.pk,
        said[7],
    )

    findings = await found()

    assert subjects(findings) == {
        (Check.STORED, said[7], "data"),
        (Check.PROJECTION, said[7], "message body"),
        (Check.EXPORTED, said[7], "data of the record"),
    }
    told = " ".join(str(one) for one in findings)
    assert "hacked" not in told
    assert "message 7" not in told


async def test_second_event_at_a_seq_is_found() -> None:
    _, _, room, said = await lively_room()
    await drain(room)
    await sql("ALTER TABLE chat_roomevent DROP CONSTRAINT one_event_per_place")
    try:
        await sql(
            "INSERT INTO chat_roomevent (shard, room_id, seq, n, epoch, type, actor_id, at, data)"
            " SELECT shard, room_id, seq, n, epoch, type, actor_id, at, data"
            " FROM chat_roomevent WHERE room_id = %s AND seq = %s",
            room.pk,
            said[0],
        )

        marks = subjects(await found())
    finally:
        await sql(
            "DELETE FROM chat_roomevent AS a USING chat_roomevent AS b"
            " WHERE a.room_id = b.room_id AND a.seq = b.seq AND a.id > b.id"
        )
        await sql(
            "ALTER TABLE chat_roomevent ADD CONSTRAINT one_event_per_place UNIQUE (room_id, seq)"
        )

    assert (Check.SEQ, said[0], "event at this place") in marks


async def test_events_that_changed_places_are_found() -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    for seq, to in ((said[2], -1), (said[6], said[2]), (-1, said[6])):
        await sql(
            "UPDATE chat_roomevent SET seq = %s WHERE room_id = %s AND seq = %s", to, room.pk, seq
        )

    marks = subjects(await found())

    assert {seq for check, seq, _ in marks if check == Check.STORED} == {said[2], said[6]}
    assert {seq for check, seq, _ in marks if check == Check.EXPORTED} == {said[2], said[6]}
    assert any(check == Check.SEQ and what == "order of storing" for check, _, what in marks)


PROJECTIONS = {
    "body": ("UPDATE chat_message SET body = 'hacked' WHERE seq = %(said)s", "message body"),
    "author": ("UPDATE chat_message SET author_id = NULL WHERE seq = %(said)s", "message author"),
    "number": ("UPDATE chat_message SET n = 999 WHERE seq = %(said)s", "message n"),
    "deleted": (
        "UPDATE chat_message SET deleted_at = now() WHERE seq = %(said)s",
        "message deleted_at",
    ),
    "edited": (
        "UPDATE chat_message SET edited_at = now() WHERE seq = %(said)s",
        "message edited_at",
    ),
    "lost": ("DELETE FROM chat_message WHERE seq = %(said)s", "message"),
    "invented": (
        "INSERT INTO chat_message (room_id, seq, n, at, body) VALUES (%(room)s, 1, 999, now(), '')",
        "message",
    ),
    "reaction lost": ("DELETE FROM chat_reaction", "reaction 👍 of user %(ann)s"),
    "reaction invented": (
        "INSERT INTO chat_reaction (room_id, target, user_id, emoji)"
        " VALUES (%(room)s, %(said)s, %(ann)s, '🎉')",
        "reaction 🎉 of user %(ann)s",
    ),
    "role": ("UPDATE chat_membership SET role = 'owner'", "role of user %(bob)s"),
    "mute": ("UPDATE chat_membership SET muted_until = NULL", "muted_until of user %(bob)s"),
    "member lost": (
        "DELETE FROM chat_membership WHERE user_id = %(bob)s",
        "membership of user %(bob)s",
    ),
    "member invented": (
        "INSERT INTO chat_membership (room_id, user_id, role, joined_at)"
        " VALUES (%(room)s, %(dan)s, 'member', now())",
        "membership of user %(dan)s",
    ),
    "name": ("UPDATE chat_room SET name = 'hacked'", "room name"),
    "topic": ("UPDATE chat_room SET topic = 'hacked'", "room topic"),
    "archived": ("UPDATE chat_room SET archived_at = NULL", "room archived_at"),
    "stored seq": ("UPDATE chat_room SET stored_seq = 27", "stored_seq of the room"),
    "stored n": ("UPDATE chat_room SET stored_n = 27", "stored_n of the room"),
    "exported": ("UPDATE chat_exportedroom SET seq = 7", "exported seq of the room"),
}


@pytest.mark.parametrize(("change", "what"), PROJECTIONS.values(), ids=PROJECTIONS.keys())
async def test_projection_that_was_changed_by_hand_is_found(change: str, what: str) -> None:
    ann, bob, room, said = await lively_room()
    dan = await new_person("dan")
    await carry_on(room)
    ids = {"ann": ann.pk, "bob": bob.pk, "dan": dan.pk, "room": room.pk, "said": said[8]}
    await sql(change % ids)

    findings = await found()

    assert what % ids in {one.what for one in findings}
    assert "hacked" not in " ".join(str(one) for one in findings)


# --- damage in the log ----------------------------------------------------------------------------


async def test_missing_hot_event_is_found_stored_or_not(log_redis: redis.Redis) -> None:
    ann, _, room, said = await lively_room()
    await carry_on(room)
    await log(room, ann, EventType.ROOM_ARCHIVED, RoomArchived(archived=False))
    fresh = (await post(room, ann, "not stored yet")).event.seq
    await post(room, ann, "nor this")
    for seq in (said[3], fresh):
        log_redis.xdel(keys.log(shard_of(room), room.pk), f"{seq}-0")

    assert subjects(await found()) == {
        (Check.LOGGED, said[3], "hot tail entry"),
        (Check.LOGGED, fresh, "hot tail entry"),
    }


async def test_event_that_left_the_ingest_stream_unstored_is_found(log_redis: redis.Redis) -> None:
    _, _, room, _ = await lively_room()
    ingest = keys.ingest(shard_of(room))
    stream_id, _ = streams.entries(log_redis, ingest)[12]
    log_redis.xdel(ingest, stream_id)

    assert subjects(await found()) == {(Check.LOGGED, 13, "ingest entry")}


async def test_changed_hot_event_is_found(log_redis: redis.Redis) -> None:
    _, _, room, said = await lively_room()
    await drain(room)
    name = keys.log(shard_of(room), room.pk)
    entries = streams.entries(log_redis, name)
    log_redis.delete(name)
    for stream_id, fields in entries:
        if int(fields[b"seq"]) == said[1]:
            fields[b"data"] = b'{"body":"x","reply_to":null}'
        add(log_redis, name, fields, stream_id)

    assert subjects(await found()) == {(Check.STORED, said[1], "data")}


async def test_entries_that_belong_nowhere_are_found(log_redis: redis.Redis) -> None:
    _, _, room, _ = await lively_room()
    ingest = keys.ingest(shard_of(room))
    [*_, (_, template)] = streams.entries(log_redis, ingest)
    for change in ({b"room": b"424242"}, {b"seq": b"77"}, {b"data": b"{}", b"seq": b"1"}):
        add(log_redis, ingest, {**template, **change})
    add(log_redis, ingest, {b"junk": b"1"})

    findings = await found()

    assert {(one.check, one.room, one.seq, one.found) for one in findings} >= {
        (Check.INGEST, 424242, 28, "none"),
        (Check.INGEST, room.pk, 77, "an event beyond it"),
        (Check.INGEST, None, None, "something unreadable"),
    }
    assert Check.LOGGED in {one.check for one in findings if one.seq == 1}


async def test_log_that_was_emptied_is_found_until_the_loss_is_reported(
    log_redis: redis.Redis,
) -> None:
    _, _, room, _ = await lively_room()
    await drain(room)
    log_redis.flushall()

    lost = await found()
    await sync_to_async(epochs.establish_all)()

    assert {one.check for one in lost} == {Check.WATERMARK}
    assert f"epoch of shard {shard_of(room)} in the log" in {one.what for one in lost}
    assert await found() == []


# --- dead letters ---------------------------------------------------------------------------------


async def room_with_a_placeholder(log_redis: redis.Redis) -> tuple[User, Room, int, str]:
    """A room, the seq of a post that PostgreSQL refused, and the id of its dead letter."""
    ann = await new_person("ann")
    room = await new_room(ann)
    await sql("ALTER TABLE chat_message ADD CONSTRAINT refuse CHECK (body <> 'refused')")
    try:
        await post(room, ann, "before")
        refused = (await post(room, ann, "refused")).event.seq
        await messages.edit_message(ann.pk, room.pk, new_key(), refused, "mended")
        await carry_on(room)
    finally:
        await sql("ALTER TABLE chat_message DROP CONSTRAINT refuse")
    [(letter, _)] = streams.entries(log_redis, dead_letters.STREAM)
    return ann, room, refused, letter.decode()


async def test_placeholder_with_its_dead_letter_is_as_promised(log_redis: redis.Redis) -> None:
    await room_with_a_placeholder(log_redis)

    assert await found() == []


async def test_event_that_was_put_back_is_as_promised_before_and_after_it_is_published(
    log_redis: redis.Redis,
) -> None:
    _, room, refused, letter = await room_with_a_placeholder(log_redis)

    [result] = await sync_to_async(lambda: list(dead_letters.retry([letter])))()
    before = await found()
    await carry_on(room)

    assert result.outcome == dead_letters.Outcome.DONE
    assert (await Message.objects.aget(room=room, seq=refused)).body == "mended"
    assert (before, await found()) == ([], [])


async def test_discarded_dead_letter_is_on_record(log_redis: redis.Redis) -> None:
    _, _, _, letter = await room_with_a_placeholder(log_redis)
    discard = dead_letters.discard([letter], why="spam", by="ann")
    await sync_to_async(lambda: list(discard))()

    assert await found() == []


async def test_missing_dead_letter_is_found(log_redis: redis.Redis) -> None:
    _, _, refused, letter = await room_with_a_placeholder(log_redis)
    log_redis.xdel(dead_letters.STREAM, letter)

    assert subjects(await found()) == {(Check.PLACEHOLDER, refused, "dead letter")}


# --- damage on the bus ----------------------------------------------------------------------------


async def rewrite_bus(log_redis: redis.Redis, change: Callable[[int, bytes], bytes | None]) -> None:
    """Publishes every record again as `change` (seq, value) gives it, or not at all."""
    records = streams.entries(log_redis, redis_stream.STREAM)
    log_redis.delete(redis_stream.STREAM)
    for _, fields in records:
        value = change(envelope.decode(fields[b"value"]).seq, fields[b"value"])
        if value is not None:
            add(log_redis, redis_stream.STREAM, {b"key": fields[b"key"], b"value": value})


async def test_missing_record_is_found(log_redis: redis.Redis) -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    await rewrite_bus(log_redis, lambda seq, value: None if seq == said[4] else value)

    assert subjects(await found()) == {(Check.EXPORTED, said[4], "records")}


async def test_record_that_was_deleted_by_hand_is_found(log_redis: redis.Redis) -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    for stream_id, fields in streams.entries(log_redis, redis_stream.STREAM):
        if envelope.decode(fields[b"value"]).seq == said[4]:
            log_redis.xdel(redis_stream.STREAM, stream_id)

    assert subjects(await found()) == {(Check.EXPORTED, said[4], "records")}


async def test_changed_record_is_found(log_redis: redis.Redis) -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    await rewrite_bus(log_redis, lambda _, value: value.replace(b"message 9", b"message 8"))

    assert subjects(await found()) == {(Check.EXPORTED, said[9], "data of the record")}


async def test_records_in_another_order_are_found(log_redis: redis.Redis) -> None:
    _, _, room, said = await lively_room()
    await carry_on(room)
    held: list[bytes] = []

    def swap(seq: int, value: bytes) -> bytes | None:
        if seq == said[0]:
            held.append(value)
            return None
        return value

    await rewrite_bus(log_redis, swap)
    add(log_redis, redis_stream.STREAM, {b"key": str(room.pk).encode(), b"value": held[0]})

    assert subjects(await found()) == {(Check.EXPORTED, said[0], "order of the records")}


async def test_bus_that_forgot_what_was_published_is_found(log_redis: redis.Redis) -> None:
    _, _, room, _ = await lively_room()
    await carry_on(room)
    log_redis.delete(redis_stream.STREAM)

    [finding] = await found()

    assert (finding.expected, finding.found) == ("seq 1 to 28", "nothing")
    await sync_to_async(exporter.rewind)(shard_of(room))
    await carry_on(room)
    assert await found() == []


async def test_bus_that_is_filled_again_need_only_have_what_the_export_has_passed(
    log_redis: redis.Redis,
) -> None:
    """As while the workers publish everything again after a restore."""
    _, _, room, said = await lively_room()
    await carry_on(room)
    await rewrite_bus(log_redis, lambda seq, value: value if seq <= said[4] else None)
    await sync_to_async(exporter.rewind)(shard_of(room))
    nothing_yet = await found()
    await sql(
        "UPDATE chat_shardcursor SET position = (SELECT id FROM chat_roomevent"
        f" WHERE room_id = {room.pk} AND seq = {said[4]}) WHERE kind = 'export'"
    )
    half = await found()
    await rewrite_bus(log_redis, lambda seq, value: None if seq == said[2] else value)
    lost = await found()

    assert (nothing_yet, half) == ([], [])
    assert subjects(lost) == {(Check.EXPORTED, said[2], "records")}


async def test_event_that_the_bus_refused_may_come_after_its_placeholder(
    log_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    with monkeypatch.context() as patch:
        patch.setattr(redis_stream, "MAX_RECORD_BYTES", 900)
        refused = (await post(room, ann, "x" * 2000)).event
        await carry_on(room)
    kept = await found()
    [(letter, _)] = streams.entries(log_redis, dead_letters.STREAM)
    log_redis.xdel(dead_letters.STREAM, letter)
    lost = await found()
    record = Record(room.pk, refused.seq, envelope.encode(refused))
    assert await sync_to_async(event_bus().publish)([record], 10) == [None]

    assert (kept, await found()) == ([], [])
    assert subjects(lost) == {(Check.EXPORTED, refused.seq, "record")}


# --- the same on a real Kafka ---------------------------------------------------------------------


async def test_kafka_is_verified_whole_in_part_and_after_retention(
    on_kafka: EventBusUnderTest,
) -> None:
    _, bob, room, said = await lively_room()
    other = await new_room(bob)
    early = (await post(other, bob, "early")).event
    bus = on_kafka.bus
    await export_to(bus, room, other)
    moment = early.at + timedelta(milliseconds=1)
    late = (await post(other, bob, "late")).event
    await export_to(bus, other)

    def verify_kafka(since: datetime | None = None) -> VerificationReport:
        verifier = Verifier(settings.ENV.shards, bus, since=since, pause=lambda: None)
        return verifier.verify()

    whole = await sync_to_async(verify_kafka)()
    part = await sync_to_async(verify_kafka)(moment)
    await sync_to_async(drop_first_record_of_each_partition)(on_kafka)
    trimmed = await sync_to_async(verify_kafka)()
    changed = msgspec.structs.replace(late, data=msgspec.Raw(b'{"body":"x","reply_to":null}'))
    record = Record(other.pk, late.seq, envelope.encode(changed))
    assert await sync_to_async(bus.publish)([record], 10) == [None]
    await sql("DELETE FROM chat_message WHERE seq = %s AND room_id = %s", said[0], room.pk)
    damaged = await sync_to_async(verify_kafka)()

    assert (whole.findings, part.findings, trimmed.findings) == ([], [], [])
    assert whole.bus_records == 32
    assert trimmed.bus_records in (30, 31)  # the rooms may be in one partition
    assert subjects(damaged.findings) == {
        (Check.EXPORTED, late.seq, "data of the record"),
        (Check.PROJECTION, said[0], "message"),
    }


async def export_to(bus: EventBus, *rooms: Room) -> None:
    for room in rooms:
        await drain(room)
        await sync_to_async(Exporter(bus).export)(shard_of(room))


def drop_first_record_of_each_partition(kafka: EventBusUnderTest) -> None:
    """As retention does."""
    with closing(KafkaAdminClient(bootstrap_servers=[kafka.server.url])) as admin:
        admin.delete_records(
            {
                TopicPartition(kafka.topic, partition): 1
                for partition, end in kafka.bus.ends().items()
                if end != "0"
            }
        )


# --- a window of time -----------------------------------------------------------------------------


async def test_window_sees_what_happened_in_it_and_only_that(log_redis: redis.Redis) -> None:
    ann = await new_person("ann")
    old, new = await new_room(ann), await new_room(ann)
    early = (await post(new, ann, "early")).event
    for room in (old, new):
        await carry_on(room)
        log_redis.delete(keys.log(shard_of(room), room.pk))
    # What the log still has is always compared; here that is nothing.
    moment = early.at + timedelta(milliseconds=1)
    late = (await post(new, ann, "late")).event
    await messages.react(ann.pk, new.pk, new_key(), late.seq, "👍")
    await carry_on(new)
    log_redis.delete(keys.log(shard_of(new), new.pk))
    await sql("UPDATE chat_message SET body = 'hacked' WHERE seq = %s", early.seq)

    clean = await sync_to_async(verify)(None, moment)
    await sql("UPDATE chat_message SET body = 'hacked' WHERE seq = %s", late.seq)
    damaged = await found(since=moment)

    assert (clean.rooms, clean.events, clean.findings) == (1, 2, [])
    assert subjects(damaged) == {(Check.PROJECTION, late.seq, "message body")}


async def test_window_asks_the_bus_for_nothing_older_though_the_log_still_has_it(
    log_redis: redis.Redis,
) -> None:
    ann = await new_person("ann")
    room = await new_room(ann)
    early = [(await post(room, ann, f"early {i}")).event for i in range(10)]
    await carry_on(room)
    records = streams.entries(log_redis, redis_stream.STREAM)
    log_redis.delete(redis_stream.STREAM)
    for stream_id, fields in records:  # four minutes go by
        milliseconds, counter = as_pair(stream_id.decode())
        add(log_redis, redis_stream.STREAM, fields, b"%d-%d" % (milliseconds - 240_000, counter))
    await post(room, ann, "late")
    await carry_on(room)

    since = early[-1].at + timedelta(milliseconds=1)
    report = await sync_to_async(verify)(None, since)

    assert (report.findings, report.suspects, report.bus_records) == ([], 0, 1)
    assert report.events == 13  # the log has all of them


async def test_trimmed_bus_may_begin_with_an_event_that_was_put_back(
    log_redis: redis.Redis,
) -> None:
    ann, room, refused, letter = await room_with_a_placeholder(log_redis)
    await sync_to_async(lambda: list(dead_letters.retry([letter])))()
    await carry_on(room)
    *earlier, (_, fields) = streams.entries(log_redis, redis_stream.STREAM)
    log_redis.xdel(redis_stream.STREAM, *(stream_id for stream_id, _ in earlier))
    await post(room, ann, "after")
    await carry_on(room)

    assert envelope.decode(fields[b"value"]).seq == refused
    assert await found() == []


# --- the command ----------------------------------------------------------------------------------


def run_command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("verify_delivery", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


async def test_command_says_that_all_is_well_and_exits_0() -> None:
    _, _, room, _ = await lively_room()
    await carry_on(room)

    code, said = await sync_to_async(run_command)()
    one_code, one_said = await sync_to_async(run_command)("--room", room.slug, "--since", "1h")

    assert (code, one_code) == (0, 0)
    assert said.startswith("No difference in 1 rooms, 28 events, 28 records")
    assert one_said.startswith("No difference in 1 rooms, 28 events")


async def test_command_names_every_difference_and_exits_1() -> None:
    _, _, room, said = await lively_room()
    await drain(room)
    await sql("UPDATE chat_message SET n = 999 WHERE seq = %s", said[3])

    code, text = await sync_to_async(run_command)("--room", str(room.pk))
    _, as_json = await sync_to_async(run_command)("--json")

    expected = f"room {room.pk} seq {said[3]}: message n: expected 4, found 999"
    assert code == 1
    assert f"projection: {expected}" in text
    report = json.loads(as_json)
    assert report["findings"] == [
        {
            "check": "projection",
            "room": room.pk,
            "seq": said[3],
            "what": "message n",
            "expected": "4",
            "found": "999",
        }
    ]
    assert "message 3" not in text + as_json


async def test_command_exits_2_when_a_source_is_away(settings: Settings) -> None:
    _, _, room, _ = await lively_room()
    await drain(room)
    settings.ENV = dataclasses.replace(settings.ENV, log_redis_url="redis://127.0.0.1:1/0")

    code, said = await sync_to_async(run_command)()

    assert (code, said) == (2, "The log does not answer. Nothing was compared.")


async def test_command_refuses_what_it_does_not_understand() -> None:
    for arguments in (["--room", "nowhere"], ["--since", "yesterday"]):
        code, _ = await sync_to_async(run_command)(*arguments)
        assert code == 1
