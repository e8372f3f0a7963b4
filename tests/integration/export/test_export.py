"""From PostgreSQL to the event bus: at least once, in room order (I4)."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis
from asgiref.sync import async_to_sync
from django.db import connection, transaction

from chat import dead_letters, room_log, tasks
from chat.errors import RetryableError
from chat.event_bus import EventBusMisconfigured, Record, envelope
from chat.event_bus.kafka import KafkaEventBus
from chat.events import EventType
from chat.export import exporter, outbox
from chat.export.exporter import Exported, Exporter
from chat.export.rest import LONGEST_REST_SECONDS, Resting
from chat.metrics import catalogue as metrics
from chat.models import EventReplacement, ExportedRoom, Room, RoomEvent, ShardCursor, User
from chat.persistence import drain
from chat.room_log import cursors
from tests.support import buses, rooms
from tests.support.buses import EventBusUnderTest, first_occurrences

pytestmark = pytest.mark.django_db(transaction=True)

SHARDS = 4


def stored_room(count: int, body: str = "words") -> Room:
    """A room whose `count` posts are stored, put into the outbox without the log."""
    name = f"room-{uuid.uuid4().hex}"
    author = User.objects.create_user(name)
    room = Room.objects.create(slug=name, name=name, kind="private", created_by=author)
    store(room, range(1, count + 1), body)
    return room


def store(room: Room, seqs: range, body: str = "words") -> None:
    RoomEvent.objects.bulk_create(
        RoomEvent(
            shard=room.pk % SHARDS,
            room=room,
            seq=seq,
            n=seq,
            epoch=1,
            type=EventType.MESSAGE_POSTED,
            key=uuid.uuid4(),
            actor_id=room.created_by_id,
            at=datetime.now(UTC),
            data={"body": f"{body} {seq}"},
        )
        for seq in seqs
    )


def run(room: Room, on: EventBusUnderTest) -> Exported:
    return on.exporter.export(room.pk % SHARDS)


def letters(log_redis: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    found: list[tuple[bytes, dict[bytes, bytes]]] = log_redis.xrange(dead_letters.STREAM)
    return found


def exported(room: Room) -> int:
    return ExportedRoom.objects.filter(room=room).values_list("seq", flat=True).first() or 0


def in_own_connection(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    finally:
        connection.close()


def test_stored_events_reach_the_bus_as_they_are_stored(on: EventBusUnderTest) -> None:
    async def talk() -> Room:
        ann = await rooms.new_person("ann")
        made = await rooms.new_room(ann)
        for i in range(20):
            await rooms.post(made, ann, f'message {i} ✓ "quoted"\n')
        await room_log.close()
        return made

    room = async_to_sync(talk)()
    drain.drain(room.pk % SHARDS)

    result = run(room, on)

    assert (result.published, result.letters) == (22, 0)
    events = [event for event in on.events() if event.room == room.pk]
    rows = list(RoomEvent.objects.filter(room=room).order_by("seq"))
    assert [event.seq for event in events] == list(range(1, 23))
    for event, row in zip(events, rows, strict=True):
        assert (event.type, event.n, event.epoch) == (row.type, row.n, row.epoch)
        assert (event.key, event.actor) == (str(row.key), row.actor_id)
        assert event.at == row.at
        assert msgspec.json.decode(event.data) == row.data
    assert exported(room) == 22
    assert run(room, on).published == 0


def test_events_of_many_rooms_keep_the_order_of_each(on: EventBusUnderTest) -> None:
    made = [stored_room(0) for _ in range(8)]
    for first in range(1, 300, 10):
        for room in made:
            store(room, range(first, first + 10))

    for shard in range(SHARDS):
        on.exporter.export(shard)

    events = on.events()
    for room in made:
        assert [event.seq for event in events if event.room == room.pk] == list(range(1, 301))
        assert exported(room) == 300


def test_exporter_killed_after_publishing_publishes_again_and_readers_can_tell(
    on: EventBusUnderTest,
) -> None:
    room = stored_room(30)
    made = {
        "kafka": f"KafkaEventBus([{on.server.url!r}], {buses.PARTITIONS}, topic={on.topic!r})",
        "redis-stream": f"RedisStreamEventBus(max_bytes=2**30, stream={on.topic!r}, "
        f"client=lambda: Redis.from_url({on.server.url!r}))",
    }[on.kind]
    code = f"""
        import django
        django.setup()
        from redis import Redis
        from chat.export.exporter import Exporter
        from chat.event_bus.kafka import KafkaEventBus
        from chat.event_bus.redis_stream import RedisStreamEventBus
        Exporter({made}).export({room.pk % SHARDS})
    """

    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={
            **os.environ,
            "DATABASE_URL": url_of_test_database(),
            "VECHE_CRASH_POINT": "export.after_publish",
        },
        timeout=60,
        check=False,
        capture_output=True,
    )
    seen_before = on.read_all()
    marked_before = exported(room)
    run(room, on)

    assert died.returncode == -signal.SIGKILL, died.stderr
    assert (len(seen_before), marked_before) == (30, 0)
    assert on.seqs(room.pk) == [*range(1, 31), *range(1, 31)]
    again = [one for one in on.read_all() if one.key == str(room.pk).encode()]
    assert {one.value for one in again} == {one.value for one in seen_before}
    assert exported(room) == 30


def url_of_test_database() -> str:
    base, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{base}/{connection.settings_dict['NAME']}"


def test_shard_that_another_exporter_holds_is_left_alone(on: EventBusUnderTest) -> None:
    room = stored_room(5)

    cursors.ensure_export(room.pk % SHARDS)

    with transaction.atomic(), ThreadPoolExecutor(1) as other:
        cursors.lock(room.pk % SHARDS, cursors.Kind.EXPORT)
        result = other.submit(in_own_connection, run, room, on).result(timeout=30)

    assert result.busy
    assert on.read_all() == []
    assert run(room, on).published == 5


def test_exporters_that_compete_publish_everything_once(
    on: EventBusUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "BATCH_EVENTS", 50)
    room = stored_room(1_000)
    others = [on.bus, on.another(), on.another()]
    start = threading.Barrier(len(others))

    def compete(bus: Any) -> int:
        start.wait()
        of_process = Exporter(bus)
        return sum(of_process.export(room.pk % SHARDS).published for _ in range(20))

    with ThreadPoolExecutor(len(others)) as pool:
        published = sum(pool.map(lambda bus: in_own_connection(compete, bus), others))

    assert published == 1_000
    assert on.seqs(room.pk) == list(range(1, 1_001))


def test_exporter_that_was_paused_cannot_move_the_cursor_after_another_has(
    on: EventBusUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cursors.PAUSED_TRANSACTION_MS, cursors.Kind.EXPORT, 300)
    room = stored_room(10)
    published, go_on = threading.Event(), threading.Event()

    class Paused:
        """The bus of an exporter that is stopped right after its acknowledgements."""

        name = "paused"
        bus = on.another()
        prepare = bus.prepare

        def publish(self, records: list[Record], within_seconds: float) -> Any:
            outcomes = self.bus.publish(records, within_seconds)
            published.set()
            assert go_on.wait(30)
            return outcomes

    with ThreadPoolExecutor(1) as pool:
        paused_one = Exporter(Paused())  # type: ignore[arg-type]
        paused = pool.submit(in_own_connection, paused_one.export, room.pk % SHARDS)
        assert published.wait(30)
        while (result := run(room, on)).busy:
            pass
        go_on.set()
        with pytest.raises(RetryableError):
            paused.result(timeout=30)

    assert result.published == 10
    assert exported(room) == 10
    assert first_occurrences(on.seqs(room.pk)) == list(range(1, 11))


def test_bus_that_is_away_moves_nothing_and_makes_no_dead_letter(
    on: EventBusUnderTest, log_redis: redis.Redis
) -> None:
    room = stored_room(10)
    run(room, on)
    store(room, range(11, 21))
    on.server.kill()

    for _ in range(2):
        with pytest.raises(RetryableError):
            run(room, on)
    before = exported(room)
    on.server.start()
    while exported(room) < 20:
        run(room, on)

    assert before == 10
    assert letters(log_redis) == []
    assert first_occurrences(on.seqs(room.pk)) == list(range(1, 21))


def test_bus_killed_and_restarted_in_the_middle_of_a_backlog_loses_nothing(
    on: EventBusUnderTest, monkeypatch: pytest.MonkeyPatch, log_redis: redis.Redis
) -> None:
    monkeypatch.setattr(exporter, "BATCH_EVENTS", 100)
    made = [stored_room(1_000), stored_room(0)]
    while made[1].pk % SHARDS != made[0].pk % SHARDS:
        made[1] = stored_room(0)
    store(made[1], range(1, 1_001))
    killer = threading.Thread(target=on.server.kill)
    batches = itertools.count(1)
    publish = on.bus.publish

    def publish_while_it_dies(records: Sequence[Record], within_seconds: float) -> Any:
        if next(batches) == 5:
            killer.start()
        return publish(records, within_seconds)

    monkeypatch.setattr(on.bus, "publish", publish_while_it_dies)

    while min(exported(room) for room in made) < 1_000:
        try:
            run(made[0], on)
        except RetryableError:
            if killer.ident is not None:  # else the bus was only slow
                killer.join()
            on.server.start()

    events = on.events()
    for room in made:
        seqs = [event.seq for event in events if event.room == room.pk]
        assert first_occurrences(seqs) == list(range(1, 1_001))
    assert letters(log_redis) == []


def make_too_large(room: Room, seqs: list[int]) -> None:
    RoomEvent.objects.filter(room=room, seq__in=seqs).update(data={"body": "x" * 1_200_000})


@pytest.mark.parametrize("place", [1, 5, 10], ids=["first", "middle", "last"])
def test_event_that_the_bus_refuses_is_kept_and_its_place_is_marked(
    on: EventBusUnderTest, log_redis: redis.Redis, place: int
) -> None:
    room = stored_room(10)
    make_too_large(room, [place])

    result = run(room, on)

    assert (result.published, result.letters, result.stopped) == (10, 1, False)
    events = on.events()
    assert [event.seq for event in events] == list(range(1, 11))
    marked = events[place - 1]
    assert marked.type is EventType.EVENT_QUARANTINED
    [(letter_id, letter)] = letters(log_redis)
    data = msgspec.json.decode(marked.data)
    assert (data["dead_letter"], data["original_type"]) == (letter_id.decode(), "message.posted")
    assert letter[b"source"] == b"export"
    assert msgspec.json.decode(letter[b"origin"])["seq"] == place
    assert envelope.decode(letter[b"payload"]).seq == place
    assert exported(room) == 10


@pytest.fixture
def letters_go_to_this_bus(on: EventBusUnderTest) -> Iterator[None]:
    usual = dead_letters.sources.retry_of("export")
    dead_letters.register("export", on.exporter.retry_dead_letter)
    yield
    dead_letters.register("export", usual)


def test_letter_of_a_refused_event_is_retried_until_the_bus_takes_it(
    on: EventBusUnderTest, log_redis: redis.Redis, letters_go_to_this_bus: None
) -> None:
    room = stored_room(3)
    make_too_large(room, [2])
    run(room, on)
    [(raw_id, _)] = letters(log_redis)
    letter = raw_id.decode()

    [refused_again] = dead_letters.retry([letter])
    still_there = len(letters(log_redis))
    RoomEvent.objects.filter(room=room, seq=2).update(data={"body": "small enough"})
    [taken] = dead_letters.retry([letter])

    assert (still_there, letters(log_redis)) == (1, [])
    assert refused_again.outcome != taken.outcome
    last = on.events()[-1]
    assert (last.seq, last.type) == (2, EventType.MESSAGE_POSTED)


def test_bus_that_refuses_everything_stops_the_shard_and_keeps_everything(
    on: EventBusUnderTest, log_redis: redis.Redis
) -> None:
    room = stored_room(60)
    make_too_large(room, list(range(1, 61)))

    result = run(room, on)

    cursor = ShardCursor.objects.get(shard=room.pk % SHARDS, kind="export")
    assert result.stopped
    assert cursor.stopped_at is not None
    assert cursor.position == cursors.START_OF_EVENTS
    assert exported(room) == 0
    assert run(room, on).stopped

    RoomEvent.objects.filter(room=room).update(data={"body": "small"})
    cursors.resume(room.pk % SHARDS, cursors.Kind.EXPORT)
    assert run(room, on).published == 60


def test_shard_that_a_person_resumed_goes_on_past_what_the_bus_will_never_take(
    on: EventBusUnderTest, log_redis: redis.Redis
) -> None:
    room = stored_room(60)
    make_too_large(room, list(range(1, 61)))
    assert run(room, on).stopped

    cursors.resume(room.pk % SHARDS, cursors.Kind.EXPORT)
    result = run(room, on)

    assert not result.stopped
    assert exported(room) == 60
    assert log_redis.xlen(dead_letters.STREAM) == 60


def test_event_that_took_the_place_of_its_placeholder_is_published_after_it(
    on: EventBusUnderTest,
) -> None:
    room = stored_room(3)
    row = RoomEvent.objects.get(room=room, seq=2)
    data, key, actor = row.data, row.key, row.actor_id
    placeholder = {"reason": "refused", "original_type": "message.posted"}
    RoomEvent.objects.filter(pk=row.pk).update(
        type=EventType.EVENT_QUARANTINED, data=placeholder, key=None, actor=None
    )
    run(room, on)

    RoomEvent.objects.filter(pk=row.pk).update(
        type=EventType.MESSAGE_POSTED, data=data, key=key, actor=actor
    )
    EventReplacement.objects.create(
        shard=row.shard, event=row, letter="1-0", replaced_at=datetime.now(UTC)
    )
    waiting = outbox.waiting_shards(SHARDS, on.bus.name)
    run(room, on)

    events = on.events()
    assert [event.seq for event in events] == [1, 2, 3, 2]
    assert (events[1].type, events[3].type) == (
        EventType.EVENT_QUARANTINED,
        EventType.MESSAGE_POSTED,
    )
    ids = [msgspec.json.decode(one.value or b"")["id"] for one in on.read_all()]
    assert len(set(ids)) == 4
    assert waiting == [room.pk % SHARDS]
    assert outbox.waiting_shards(SHARDS, on.bus.name) == []


def test_replacement_of_an_event_that_is_still_to_come_waits_for_it(on: EventBusUnderTest) -> None:
    room = stored_room(3)
    row = RoomEvent.objects.get(room=room, seq=2)
    EventReplacement.objects.create(
        shard=row.shard, event=row, letter="1-0", replaced_at=datetime.now(UTC)
    )

    run(room, on)

    assert first_occurrences(on.seqs(room.pk)) == [1, 2, 3]
    assert EventReplacement.objects.get().published_at is not None


def test_rewound_shard_is_published_again_and_its_watermark_stays(on: EventBusUnderTest) -> None:
    room = stored_room(10)
    run(room, on)

    exporter.rewind(room.pk % SHARDS)
    marked = exported(room)
    run(room, on)

    assert marked == 10
    assert on.seqs(room.pk) == [*range(1, 11), *range(1, 11)]


def test_shard_can_be_rewound_by_time(on: EventBusUnderTest) -> None:
    room = stored_room(10)
    RoomEvent.objects.filter(room=room, seq__lte=6).update(
        at=datetime.now(UTC) - timedelta(hours=3)
    )
    run(room, on)

    exporter.rewind(room.pk % SHARDS, timedelta(hours=1))
    run(room, on)

    assert on.seqs(room.pk) == [*range(1, 11), *range(7, 11)]


def test_another_bus_gets_everything_from_the_start(on: EventBusUnderTest) -> None:
    room = stored_room(10)
    run(room, on)
    ShardCursor.objects.update(bus="the one before")

    waiting = outbox.waiting_shards(SHARDS, on.bus.name)
    store(room, range(11, 13))

    class TakesOne:
        """The event bus that is down again after the first event."""

        name = on.bus.name
        bus = on.bus
        prepare = bus.prepare

        def publish(self, records: list[Record], within_seconds: float) -> Any:
            outcomes: list[Any] = self.bus.publish(records[:1], within_seconds)
            return outcomes + [RetryableError("No leader.")] * (len(records) - 1)

    with pytest.raises(RetryableError, match="No leader"):
        Exporter(TakesOne()).export(room.pk % SHARDS)  # type: ignore[arg-type]
    on_its_way = exported(room)
    run(room, on)

    assert room.pk % SHARDS in waiting
    assert on_its_way == 1
    assert on.seqs(room.pk) == [*range(1, 11), *range(1, 13)]
    assert exported(room) == 12
    assert outbox.waiting_shards(SHARDS, on.bus.name) == []


def test_bus_that_was_deleted_and_made_again_gets_everything_from_the_start(
    on: EventBusUnderTest, caplog: pytest.LogCaptureFixture
) -> None:
    room, quiet = stored_room(10), stored_room(3)
    while quiet.pk % SHARDS == room.pk % SHARDS:
        quiet = stored_room(3)
    run(room, on)
    run(quiet, on)
    begun_again = metrics.EXPORTS_BEGUN_AGAIN._value.get()

    buses.delete(on)
    store(room, range(11, 13))
    while exported(room) < 12:
        with suppress(RetryableError):  # the producer that still had the old topic
            run(room, on)
    elsewhere = outbox.shards_elsewhere(SHARDS, on.bus.name, on.bus.prepare())
    for shard in elsewhere:
        on.exporter.export(shard)

    assert first_occurrences(on.seqs(room.pk)) == list(range(1, 13))
    assert list(elsewhere) == [quiet.pk % SHARDS]
    assert on.seqs(quiet.pk) == [1, 2, 3]
    assert outbox.shards_elsewhere(SHARDS, on.bus.name, on.bus.prepare()) == {}
    assert metrics.EXPORTS_BEGUN_AGAIN._value.get() - begun_again == 2
    assert "is not on" in caplog.text


def test_bus_that_is_made_anew_while_a_batch_is_on_its_way_gets_that_batch_too(
    on: EventBusUnderTest,
) -> None:
    """The old topic has acknowledged it, or the new one has: nobody can tell, so it goes again."""
    room = stored_room(10)
    run(room, on)
    store(room, range(11, 21))

    class Replaced:
        name = on.bus.name
        bus = on.bus
        prepare = bus.prepare
        holds = bus.holds

        def publish(self, records: list[Record], within_seconds: float) -> Any:
            outcomes = self.bus.publish(records, within_seconds)
            buses.delete(on)
            other = on.another()
            prepared(other)
            return outcomes

    with pytest.raises(RetryableError):
        Exporter(Replaced()).export(room.pk % SHARDS)  # type: ignore[arg-type]
    moved = exported(room)
    while exported(room) < 20:
        with suppress(RetryableError):
            run(room, on)

    assert moved == 10
    assert first_occurrences(on.seqs(room.pk)) == list(range(1, 21))


def prepared(bus: Any) -> None:
    """Until the topic is there again: Kafka deletes in the background."""
    while True:
        with suppress(RetryableError):
            bus.prepare()
            return


def test_cursor_from_before_ids_were_kept_goes_on_where_it_was(on: EventBusUnderTest) -> None:
    room = stored_room(10)
    run(room, on)
    ShardCursor.objects.update(bus_id="")
    store(room, range(11, 13))

    run(room, on)

    assert on.seqs(room.pk) == list(range(1, 13))
    assert exported(room) == 12


def test_nothing_is_published_in_other_partitions_than_before(on_kafka: EventBusUnderTest) -> None:
    room = stored_room(5)
    run(room, on_kafka)
    topic_id, _, _ = on_kafka.bus.prepare().partition(":")
    ShardCursor.objects.update(bus_id=f"{topic_id}:{buses.PARTITIONS - 1}")
    store(room, range(6, 8))

    with pytest.raises(EventBusMisconfigured, match="Set KAFKA_PARTITIONS=2"):
        run(room, on_kafka)

    assert exported(room) == 5
    assert on_kafka.seqs(room.pk) == [1, 2, 3, 4, 5]


def test_sweep_finds_the_shards_that_have_something_to_publish(
    on: EventBusUnderTest,
) -> None:
    room = stored_room(3)

    before = outbox.waiting_shards(SHARDS, on.bus.name)
    run(room, on)

    assert before == [room.pk % SHARDS]
    assert outbox.waiting_shards(SHARDS, on.bus.name) == []


def test_drain_wakes_the_export_and_a_dead_broker_of_celery_does_not_fail_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def talk() -> Room:
        ann = await rooms.new_person("ann")
        made = await rooms.new_room(ann)
        await room_log.close()
        return made

    room = async_to_sync(talk)()
    asked: list[int] = []

    def refuse(args: tuple[int], **_: Any) -> None:
        asked.append(args[0])
        raise ConnectionError

    monkeypatch.setattr(tasks.export_shard, "apply_async", refuse)

    tasks.persist_shard(room.pk % SHARDS)

    assert asked == [room.pk % SHARDS]
    assert RoomEvent.objects.filter(room=room).count() == 2


def test_after_a_failure_the_shard_is_probed_with_one_event(
    on: EventBusUnderTest,
) -> None:
    room = stored_room(200)
    sizes: list[int] = []

    class Counting:
        name = "counting"
        bus = on.another()
        prepare = bus.prepare

        def publish(self, records: list[Record], within_seconds: float) -> Any:
            sizes.append(len(records))
            if len(sizes) == 1:
                return [RetryableError("No leader.")] * len(records)
            return self.bus.publish(records, within_seconds)

    of_process = Exporter(Counting())  # type: ignore[arg-type]
    with pytest.raises(RetryableError, match="No leader"):
        of_process.export(room.pk % SHARDS)
    of_process.export(room.pk % SHARDS)

    assert sizes == [200, 1, 2, 4, 8, 16, 32, 64, 73]


def test_worker_asks_a_bus_that_is_away_only_so_often_and_soon_when_it_is_back(
    on: EventBusUnderTest,
) -> None:
    now = 1_000.0
    of_process = Exporter(on.bus, clock=lambda: now)
    room = stored_room(3)
    on.server.kill()

    asked = 0
    for _ in range(60):
        try:
            of_process.export_when_rested(room.pk % SHARDS)
        except Resting:
            now += 0.5
        except RetryableError:
            asked += 1
    on.server.start()
    now += LONGEST_REST_SECONDS * 1.25
    exported_again = of_process.export_when_rested(room.pk % SHARDS)

    assert 3 <= asked <= 8
    assert exported_again.published == 3


def test_no_log_line_holds_what_people_wrote(
    on: EventBusUnderTest, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    room = stored_room(5, body="nobody-may-read-this")
    make_too_large(room, [2])
    run(room, on)
    store(room, range(6, 9), body="nobody-may-read-this")
    on.server.kill()

    with pytest.raises(RetryableError) as failure:
        run(room, on)
    on.server.start()

    printed = capfd.readouterr()
    for text in (caplog.text, printed.out, printed.err, str(failure.value)):
        assert "nobody-may-read-this" not in text
        assert "xxxxxxxxxxxx" not in text


def test_room_that_one_partition_cannot_take_holds_back_nothing_already_done(
    on_kafka: EventBusUnderTest,
) -> None:
    """Nothing after the first failure counts, everything before it does."""
    room = stored_room(10)

    class HalfDead:
        name = "half dead"
        bus = on_kafka.another()
        prepare = bus.prepare

        def publish(self, records: list[Record], within_seconds: float) -> Any:
            taken = [one for one in records if one.seq != 5]
            outcomes: list[Any] = self.bus.publish(taken, within_seconds)
            if len(taken) < len(records):
                outcomes.insert(
                    next(i for i, one in enumerate(records) if one.seq == 5),
                    RetryableError("No leader."),
                )
            return outcomes

    with pytest.raises(RetryableError, match="No leader"):
        Exporter(HalfDead()).export(room.pk % SHARDS)  # type: ignore[arg-type]

    assert exported(room) == 4
    run(room, on_kafka)
    assert exported(room) == 10


def test_bus_of_the_settings_is_a_redis_stream_without_brokers() -> None:
    from chat.event_bus import event_bus

    assert event_bus().name == "redis-stream"
    assert not isinstance(event_bus(), KafkaEventBus)
