"""The rollups rebuilt from the event bus, and compared by `verify_delivery`."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection

from analytics.counting import late_records, rebuilding
from analytics.counting.bus_reader import open_reader
from analytics.counting.bus_reader.kafka import KafkaReader
from analytics.counting.consumer import Consumer
from analytics.counting.rebuilding import Lost, Rebuild
from analytics.models import ConsumedPartition, CountedRoom, DayRollup, OpenPlaces
from chat import dead_letters
from chat.event_bus import event_bus
from chat.events.envelope import STREAM
from chat.export import exporter
from chat.models import RoomEvent
from chat.resilience.backoff import delay_seconds
from chat.verify import Finding, Verifier, verifier
from chat.verify.readers import stored_reader
from chatsite.analytics_wiring.dead_letters import AnalyticsDeadLetters
from tests.support import analytics_truth
from tests.support.analytics_events import post, record_of
from tests.support.analytics_world import SHARDS, KeptDeadLetters, World
from tests.support.buses import EventBusUnderTest, record
from tests.support.web_process import owner_url_of_test_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def no_rebuild() -> Iterator[None]:
    yield
    rebuilding.abandon()


def exported_world(events: int = 300) -> World:
    world = World()
    world.happen(events)
    export_all()
    return world


def export_all() -> None:
    for shard in range(SHARDS):
        while exporter.of_process().export(shard).published:
            pass


def count_all() -> None:
    consumer = Consumer(open_reader, AnalyticsDeadLetters())
    while consumer.step(0.2).events or consumer.step(0.2).events:
        pass
    consumer.close()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100.0
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def rollup_findings() -> list[Finding]:
    verifier = Verifier(SHARDS, None, pause=lambda: None)
    return [one for one in verifier.verify().findings if one.check == "rollup"]


def rebuild_command(**options: object) -> str:
    output = io.StringIO()
    call_command("rebuild_rollups", stdout=output, stderr=output, **options)
    return output.getvalue()


def test_rebuilt_rollups_take_the_place_of_wrong_ones_and_counting_goes_on() -> None:
    world = exported_world()
    count_all()
    DayRollup.objects.update(messages=7)
    CountedRoom.objects.update(name="wrong")

    said = rebuild_command()
    rebuilt = analytics_truth.differences()
    world.happen(50)
    export_all()
    count_all()

    assert "The numbers are new" in said
    assert rebuilt == []
    assert analytics_truth.differences() == []
    assert not rebuilding.exists()


def test_names_of_constraints_and_indexes_are_the_same_after_a_rebuild() -> None:
    """So that later migrations find them."""
    exported_world(20)
    names = (
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'analytics_%'"
    )
    constraints = "SELECT conrelid::regclass::text, conname FROM pg_constraint"
    before = analytics_truth.rows(names), analytics_truth.rows(constraints)

    rebuild_command()

    assert (analytics_truth.rows(names), analytics_truth.rows(constraints)) == before
    call_command("makemigrations", check=True, dry_run=True)


def test_rebuild_that_was_stopped_goes_on_where_it_was() -> None:
    exported_world()
    count_all()
    stopping = threading.Event()
    seen: list[int] = []

    def stop_at_half(done: int, total: int) -> None:
        seen.append(done)
        if done > total / 2:
            stopping.set()

    first = Rebuild(
        lambda: open_reader(group=rebuilding.GROUP),
        KeptDeadLetters(),
        stopping=stopping,
        on_progress=stop_at_half,
        batch_records=40,
    )
    complete = first.run()
    while_interrupted = analytics_truth.differences()
    second = Rebuild(
        lambda: open_reader(group=rebuilding.GROUP), KeptDeadLetters(), stopping=threading.Event()
    )

    assert not complete
    assert 0 < seen[-1] < CountedRoom.objects.count() * 1_000
    assert while_interrupted == []
    assert second.run()
    rebuilding.swap()
    assert analytics_truth.differences() == []


def test_rebuild_does_not_wait_for_what_was_removed_from_the_bus(
    on_kafka: EventBusUnderTest,
) -> None:
    records = [record(room, 1) for room in range(1, 9)]
    on_kafka.bus.prepare()
    on_kafka.bus.publish(records, 20)
    on_kafka.bus.empty_unless_restored()

    complete = Rebuild(
        lambda: KafkaReader([on_kafka.server.url], topic=on_kafka.topic, group="rebuild"),
        KeptDeadLetters(),
        stopping=threading.Event(),
    ).run()

    assert complete


def test_consumer_that_runs_meanwhile_is_neither_stopped_nor_doubled(
    log_redis: redis.Redis,
) -> None:
    world = exported_world()
    consumer = Consumer(open_reader, AnalyticsDeadLetters(), batch_records=50)
    thread = threading.Thread(target=consumer.run, args=(delay_seconds,), daemon=True)
    thread.start()
    try:
        for _ in range(3):
            world.happen(60)
            export_all()
            rebuild_command()
        newest = log_redis.xinfo_stream(STREAM)["last-generated-id"].decode()
        wait_until(lambda: ConsumedPartition.objects.get().position == newest)
    finally:
        consumer.stopping.set()
        thread.join(30)

    assert analytics_truth.differences() == []
    assert [one["name"] for one in log_redis.xinfo_groups(STREAM)] == [b"veche-analytics"]


def test_bus_that_has_lost_events_does_not_make_the_numbers_smaller(log_redis: redis.Redis) -> None:
    world = exported_world()
    count_all()
    oldest = cast(list[tuple[bytes, Any]], log_redis.xrange(STREAM, count=50))
    log_redis.xdel(STREAM, *(stream_id for stream_id, _ in oldest))

    with pytest.raises(CommandError, match="The event bus lost events"):
        rebuild_command()
    kept = analytics_truth.differences()
    for shard in range(SHARDS):
        exporter.rewind(shard)
    export_all()
    again = rebuild_command()

    assert kept == []
    assert "Going on" in again
    assert analytics_truth.differences() == []
    assert world.rooms


def test_abandoned_rebuild_leaves_nothing_behind(log_redis: redis.Redis) -> None:
    exported_world(20)
    count_all()
    rebuilding.ensure_tables()
    open_reader(group=rebuilding.GROUP).seek(0, "")

    said = rebuild_command(abandon=True)

    assert "given up" in said
    assert not rebuilding.exists()
    assert [one["name"] for one in log_redis.xinfo_groups(STREAM)] == [b"veche-analytics"]


def test_dead_letter_that_is_retried_during_a_rebuild_is_in_the_new_numbers_too() -> None:
    exported_world(20)
    count_all()
    rebuilding.ensure_tables()

    late_records.count(record_of(post(1, room=77)))
    rebuilding.swap()

    assert CountedRoom.objects.get(room=77).seq == 1


def test_places_that_were_open_before_are_not_called_lost() -> None:
    rebuilding.ensure_tables()
    for room, seq in ((1, 9), (2, 5), (3, 4)):
        CountedRoom.objects.create(room=room, seq=seq)
    OpenPlaces.objects.create(room=1, first=2, last=4, reason="missing")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO analytics_rebuild.analytics_countedroom"
            " (room, seq, kind, slug, name, name_seq, archived, archived_seq)"
            " VALUES (1, 12, '', '', '', 0, false, 0), (2, 4, '', '', '', 0, false, 0)"
        )
        cursor.execute(
            "INSERT INTO analytics_rebuild.analytics_openplaces VALUES"
            " (1, 2, 3, 'missing'), (1, 8, 8, 'missing'), (1, 10, 10, 'missing'),"
            " (1, 6, 6, 'refused')"
        )

    found = rebuilding.lost()

    assert sorted(found, key=lambda one: one.room) == [
        Lost(1, 8, 8),
        Lost(2, 5, 5),
        Lost(3, 1, 4),
    ]


def test_command_that_is_interrupted_says_so_and_changes_nothing(tmp_path: Path) -> None:
    exported_world(1_000)
    count_all()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "rebuild_rollups"],
        env={**os.environ, "DATABASE_OWNER_URL": owner_url_of_test_database()},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: rebuilding.exists() or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)

    # It may have been done before the signal came.
    assert process.returncode in {0, 130}, output
    assert analytics_truth.differences() == []


def test_verify_delivery_finds_rollups_right_and_nothing_to_say_before_anything_is_counted() -> (
    None
):
    exported_world()

    before = rollup_findings()
    count_all()
    after = rollup_findings()

    assert (before, after) == ([], [])


def test_verify_delivery_names_the_room_and_the_sum_that_is_wrong() -> None:
    world = exported_world()
    count_all()
    room = world.rooms[0].pk
    DayRollup.objects.filter(room=room).update(reactions=0)

    found = rollup_findings()

    assert {(one.room, one.what) for one in found} == {
        (room, "reactions in days"),
        (None, "reactions of all rooms in days"),
    }


def test_verify_delivery_of_the_last_minutes_compares_these(log_redis: redis.Redis) -> None:
    from datetime import UTC, datetime, timedelta

    world = exported_world()
    RoomEvent.objects.filter(room=world.rooms[0], type="message.posted").update(
        at=datetime.now(UTC) - timedelta(seconds=1)
    )
    log_redis.delete(STREAM)
    for shard in range(SHARDS):
        exporter.rewind(shard)
    export_all()
    count_all()
    since = datetime.now(UTC) - timedelta(minutes=3)

    def findings() -> set[str]:
        verifier = Verifier(SHARDS, None, since=since, pause=lambda: None)
        report = verifier.verify([world.rooms[0].pk])
        return {one.what for one in report.findings if one.check == "rollup"}

    before = findings()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE analytics_minuterollup SET edits = edits + 1, messages = 0")

    assert before == set()
    assert {"messages in minutes", "characters in minutes"} & findings() == {"messages in minutes"}


def test_sums_that_there_is_no_time_to_compare_are_neither_right_nor_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = exported_world()
    count_all()
    DayRollup.objects.update(reactions=0)
    monkeypatch.setattr(verifier, "ROOMS", 1)
    compared = []
    count_types = stored_reader.count_types

    def counted(*args: Any) -> Any:
        compared.append(args)
        return count_types(*args)

    monkeypatch.setattr(stored_reader, "count_types", counted)

    def clock() -> float:
        """An hour goes by with the first room."""
        return time.monotonic() + 3600 * len(compared)

    hurried = Verifier(SHARDS, None, seconds=60, pause=lambda: None, clock=clock)
    rooms = sorted(room.pk for room in world.rooms)
    report = hurried.verify(rooms)

    assert (report.findings, len(compared)) == ([], 1)
    assert len(report.rollups_left) == len(rooms) - 1
    assert sorted(report.unfinished) == rooms


def test_verify_delivery_says_which_events_never_came() -> None:
    world = exported_world()
    count_all()
    room = world.rooms[0].pk
    OpenPlaces.objects.create(room=room, first=3, last=4, reason="missing")

    found = [one for one in rollup_findings() if one.what == "counted events"]

    assert [(one.room, one.seq, one.expected) for one in found] == [(room, 3, "seq 3 to 4")]


def test_places_in_the_dead_letters_are_no_difference() -> None:
    world = exported_world()
    row = RoomEvent.objects.filter(room=world.rooms[0], type="message.posted").last()
    assert row is not None
    event_bus()
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE analytics_postedmessage ADD CONSTRAINT refuse"
            f" CHECK (NOT (room = {row.room_id} AND seq = {row.seq}))"
        )
    try:
        count_all()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE analytics_postedmessage DROP CONSTRAINT refuse")

    refused = rollup_findings()
    [letter] = dead_letters.page(limit=5).letters
    [retried] = dead_letters.retry([letter.id])

    assert refused == []
    assert retried.outcome == "done"
    assert rollup_findings() == []
    assert analytics_truth.differences() == []
