"""What an event bus promises, on a real Kafka and on a Redis Stream (I4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.partitioner.default import DefaultPartitioner

from chat.errors import PermanentError, RetryableError
from chat.event_bus import EventBus, EventBusMisconfigured, HeldBack, Record
from chat.event_bus.kafka import KafkaEventBus, partition_of
from chat.event_bus.redis_stream import RedisStreamEventBus
from localstack.kafka import Kafka, new_kafka
from tests.support import buses, quick_kafka
from tests.support.buses import BOUND_SECONDS, EventBusUnderTest, first_occurrences, record
from tests.support.servers import OwnServer

ROOMS = [1, 2, 3, 4, 5]


def of_rooms(rooms: list[int], seqs: range) -> list[Record]:
    """Records of several rooms, mixed, each room in order."""
    return [
        record(room, seq, b'{"room":%d,"seq":%d}' % (room, seq)) for seq in seqs for room in rooms
    ]


def values(on: EventBusUnderTest, room: int) -> list[bytes | None]:
    key = str(room).encode()
    return [one.value for one in on.read_all() if one.key == key]


def publish(bus: EventBus, records: list[Record]) -> None:
    outcomes = bus.publish(records, 20)
    assert outcomes == [None] * len(records)


def test_every_record_is_acknowledged_and_each_room_keeps_its_order(on: EventBusUnderTest) -> None:
    records = of_rooms(ROOMS, range(1, 301))

    outcomes = on.bus.publish(records, 20)

    assert outcomes == [None] * 1500
    for room in ROOMS:
        assert values(on, room) == [one.value for one in records if one.room == room]


def test_records_of_a_room_are_in_one_partition(on: EventBusUnderTest) -> None:
    publish(on.bus, of_rooms(list(range(40)), range(1, 4)))

    places: dict[bytes, set[int]] = {}
    for one in on.read_all():
        places.setdefault(one.key, set()).add(one.partition)

    assert len(places) == 40
    assert all(len(partitions) == 1 for partitions in places.values())
    assert sorted({min(partitions) for partitions in places.values()}) == sorted(on.bus.ends())


def test_nothing_to_publish_is_nothing_published(on: EventBusUnderTest) -> None:
    assert on.bus.publish([], 5) == []
    assert on.read_all() == []


def test_order_of_a_room_holds_over_many_calls_and_publishers(on: EventBusUnderTest) -> None:
    other = on.another()
    for first in range(1, 200, 20):
        publish(on.bus, of_rooms([7], range(first, first + 10)))
        publish(other, of_rooms([7], range(first + 10, first + 20)))

    assert values(on, 7) == [b'{"room":7,"seq":%d}' % seq for seq in range(1, 201)]


def test_reader_goes_on_after_the_position_it_had_reached(on: EventBusUnderTest) -> None:
    publish(on.bus, of_rooms(ROOMS, range(1, 51)))
    everything = on.read_all()
    read = everything[:100]
    reached = {one.partition: one.position for one in read}

    rest = on.read_all(reached)

    assert {(one.partition, one.position) for one in rest} == {
        (one.partition, one.position) for one in everything[100:]
    }


def test_reader_that_begins_at_a_moment_meets_everything_that_came_after_it(
    on: EventBusUnderTest,
) -> None:
    publish(on.bus, of_rooms(ROOMS, range(1, 11)))
    time.sleep(0.01)  # both buses keep milliseconds
    moment = datetime.now(UTC)
    time.sleep(0.01)
    nothing = on.read_all(on.bus.positions_at(moment))
    publish(on.bus, of_rooms(ROOMS, range(11, 21)))

    found = on.read_all(on.bus.positions_at(moment))

    assert nothing == []
    assert len(found) == 50
    assert all(int((one.value or b"").split(b'"seq":')[1][:-1]) > 10 for one in found)


def test_start_is_before_everything_while_nothing_was_removed(on: EventBusUnderTest) -> None:
    publish(on.bus, of_rooms(ROOMS, range(1, 11)))

    assert {int(start.partition("-")[0]) for start in on.bus.starts().values()} == {0}
    assert len(on.read_all(on.bus.starts())) == 50


def test_reader_waits_for_what_comes_and_not_longer_than_it_is_told(on: EventBusUnderTest) -> None:
    reader = on.bus.reader()
    began = time.monotonic()
    nothing = reader.read(10, 0.3)
    waited = time.monotonic() - began
    publish(on.another(), [record(1, 1, b"late")])

    found = reader.read(10, 10.0)

    reader.close()
    assert nothing == []
    assert 0.25 < waited < 3
    assert [one.value for one in found] == [b"late"]


def test_record_that_is_too_large_is_refused_for_ever_and_the_other_rooms_go_on(
    on: EventBusUnderTest,
) -> None:
    records = [record(1, 1), record(2, 1, b"x" * 2_000_000), record(1, 2), record(2, 2)]

    outcomes = on.bus.publish(records, 20)

    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        PermanentError,
        type(None),
        HeldBack,
    ]
    assert len(values(on, 1)) == 2
    assert values(on, 2) == []


def test_publishing_to_a_dead_bus_fails_in_bounded_time_and_works_when_it_is_back(
    on: EventBusUnderTest,
) -> None:
    publish(on.bus, of_rooms([1], range(1, 11)))
    on.server.kill()

    began = time.monotonic()
    outcomes = on.bus.publish(of_rooms([1], range(11, 21)), 5)
    took = time.monotonic() - began
    on.server.start()
    publish(on.bus, of_rooms([1], range(11, 21)))

    assert all(isinstance(outcome, RetryableError) for outcome in outcomes)
    assert took < BOUND_SECONDS
    seen = [int(value.split(b'"seq":')[1][:-1]) for value in values(on, 1) if value]
    assert first_occurrences(seen) == list(range(1, 21))


def test_publishing_to_a_bus_that_hangs_fails_in_bounded_time_and_keeps_the_order(
    on: EventBusUnderTest,
) -> None:
    publish(on.bus, of_rooms([1], range(1, 11)))
    on.server.pause()

    began = time.monotonic()
    outcomes = on.bus.publish(of_rooms([1], range(11, 1011)), 5)
    took = time.monotonic() - began
    on.server.resume()
    # What the paused server had received may be written now, beside what is sent again.
    publish(on.bus, of_rooms([1], range(11, 1011)))

    assert all(isinstance(outcome, RetryableError) for outcome in outcomes)
    assert took < BOUND_SECONDS
    seen = [int(value.split(b'"seq":')[1][:-1]) for value in values(on, 1) if value]
    assert first_occurrences(seen) == list(range(1, 1011))


def test_bus_that_is_away_at_the_first_use_is_reported_in_bounded_time(
    on: EventBusUnderTest,
) -> None:
    fresh = on.another()
    on.server.kill()

    began = time.monotonic()
    with pytest.raises(RetryableError):
        fresh.prepare()
    outcomes = fresh.publish([record(1, 1)], 5)
    with pytest.raises(RetryableError):
        fresh.ends()

    assert isinstance(outcomes[0], RetryableError)
    # A closed port is noticed at once: a worker must not spend its time waiting.
    assert time.monotonic() - began < 2.0


def test_broker_killed_in_the_middle_loses_nothing_that_was_acknowledged(
    on: EventBusUnderTest,
) -> None:
    acknowledged: list[int] = []
    killer = threading.Thread(target=on.server.kill)
    seq = 0
    while seq < 4_000:
        if seq == 1_000 and killer.ident is None:
            killer.start()
        wave = of_rooms([1], range(seq + 1, seq + 101))
        outcomes = on.bus.publish(wave, 5)
        if all(outcome is None for outcome in outcomes):
            acknowledged += [one.seq for one in wave]
            seq += 100
        else:
            killer.join()
            on.server.start()

    seen = [int(value.split(b'"seq":')[1][:-1]) for value in values(on, 1) if value]

    assert first_occurrences(seen) == acknowledged == list(range(1, 4_001))


def test_publisher_made_before_a_fork_is_not_used_after_it(on: EventBusUnderTest) -> None:
    publish(on.bus, [record(1, 1, b"parent")])

    child = os.fork()
    if child == 0:  # only os._exit may end it: pytest is in here too
        try:
            outcomes = on.bus.publish([record(1, 2, b"child")], 10)
            os._exit(0 if outcomes == [None] else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    publish(on.bus, [record(1, 3, b"parent again")])

    assert os.waitstatus_to_exitcode(status) == 0
    assert values(on, 1) == [b"parent", b"child", b"parent again"]


def test_publisher_killed_after_the_acknowledgement_publishes_the_same_again(
    on: EventBusUnderTest,
) -> None:
    made = {
        "kafka": f"KafkaEventBus([{on.server.url!r}], {buses.PARTITIONS}, topic={on.topic!r})",
        "redis-stream": f"RedisStreamEventBus(max_bytes=2**30, stream={on.topic!r}, "
        f"client=lambda: Redis.from_url({on.server.url!r}))",
    }[on.kind]
    code = f"""
        import django, os, signal
        django.setup()
        from redis import Redis
        from chat.event_bus import Record
        from chat.event_bus.kafka import KafkaEventBus, partition_of
        from chat.event_bus.redis_stream import RedisStreamEventBus
        outcomes = {made}.publish([Record(1, seq, b"%d" % seq) for seq in (1, 2, 3)], 10)
        assert outcomes == [None] * 3
        os.kill(os.getpid(), signal.SIGKILL)
    """

    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], timeout=60, check=False, capture_output=True
    )
    publish(on.bus, [record(1, seq, b"%d" % seq) for seq in (1, 2, 3, 4)])

    assert died.returncode == -signal.SIGKILL, died.stderr
    assert values(on, 1) == [b"1", b"2", b"3", b"1", b"2", b"3", b"4"]


def test_after_a_restore_the_bus_holds_nothing_that_the_backup_does_not(
    on: EventBusUnderTest,
) -> None:
    publish(on.bus, of_rooms(ROOMS, range(1, 11)))
    middle = {one.partition: one.position for one in on.read_all()[:20]}

    emptied = on.bus.empty_unless_restored()
    left = len(on.read_all())
    publish(on.bus, of_rooms(ROOMS, range(1, 6)))

    # The stream is in the backup of the log. On Kafka a reader with a position meets everything.
    assert (emptied, left) == ((True, 0) if on.kind == "kafka" else (False, 50))
    if emptied:
        assert len(on.read_all()) == len(on.read_all(middle)) == 25


def test_bus_that_was_deleted_and_made_again_is_another_one(on: EventBusUnderTest) -> None:
    before = on.bus.prepare()
    publish(on.bus, [record(1, 1)])
    assert on.bus.prepare() == on.another().prepare() == before
    assert on.bus.holds(before)
    assert on.bus.holds("")

    buses.delete(on)
    after = on.bus.prepare()

    assert after != before
    assert after == on.another().prepare() == on.bus.check().id
    assert not on.bus.holds(before)
    assert not on.bus.holds("")  # a cursor from before ids were kept


# --- Kafka alone ------------------------------------------------------------------------------


def test_topic_is_made_with_the_partitions_of_the_settings(on_kafka: EventBusUnderTest) -> None:
    assert sorted(on_kafka.bus.ends()) == list(range(buses.PARTITIONS))


def test_topic_with_another_number_of_partitions_is_refused(on_kafka: EventBusUnderTest) -> None:
    other = KafkaEventBus(
        [on_kafka.server.url],
        buses.PARTITIONS + 1,
        topic=on_kafka.topic,
        limits=buses.LIMITS,
    )

    with pytest.raises(EventBusMisconfigured, match="has 3 partitions, KAFKA_PARTITIONS says 4"):
        other.prepare()
    assert isinstance(other.publish([record(1, 1)], 5)[0], EventBusMisconfigured)


def test_topic_that_was_deleted_is_made_again(on_kafka: EventBusUnderTest) -> None:
    from kafka import KafkaAdminClient

    publish(on_kafka.bus, [record(1, 1)])
    admin = KafkaAdminClient(bootstrap_servers=[on_kafka.server.url])
    admin.delete_topics([on_kafka.topic])
    admin.close()

    outcomes = on_kafka.bus.publish([record(1, 2, b"lost with the topic")], 5)
    if outcomes != [None]:
        publish(on_kafka.bus, [record(1, 2, b"lost with the topic")])

    assert values(on_kafka, 1) == [b"lost with the topic"]


def admin_of(on: EventBusUnderTest) -> Any:
    return closing(KafkaAdminClient(bootstrap_servers=[on.server.url]))


def test_partitions_added_under_a_living_producer_move_no_room(on_kafka: EventBusUnderTest) -> None:
    publish(on_kafka.bus, of_rooms(list(range(40)), range(1, 3)))
    with admin_of(on_kafka) as admin:
        admin.create_partitions({on_kafka.topic: buses.PARTITIONS + 5})
    assert isinstance(on_kafka.bus, KafkaEventBus)
    # The producer would learn of them by itself within five minutes.
    on_kafka.bus._connected().producer._metadata.request_update()
    wait_until(lambda: len(partitions_known(on_kafka)) == buses.PARTITIONS + 5)

    publish(on_kafka.bus, of_rooms(list(range(40)), range(3, 5)))
    publish(on_kafka.another(), of_rooms(list(range(40)), range(5, 7)))

    places: dict[bytes, set[int]] = {}
    for one in on_kafka.read_all():
        places.setdefault(one.key, set()).add(one.partition)
    assert len(places) == 40
    assert all(len(partitions) == 1 for partitions in places.values())
    assert set().union(*places.values()) == set(range(buses.PARTITIONS))


def partitions_known(on: EventBusUnderTest) -> set[int]:
    assert isinstance(on.bus, KafkaEventBus)
    found: set[int] = on.bus._connected().producer.partitions_for(on.topic)
    return found


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline


def test_events_go_where_any_other_client_puts_their_key(on_kafka: EventBusUnderTest) -> None:
    """What was published before Veche named the partitions itself stays in order with the rest."""
    rooms = [*range(50), 2**40, 10**18]
    partitioner = DefaultPartitioner()

    class Cluster:
        def topics(self) -> set[str]:
            return {"t"}

        def partitions_for_topic(self, topic: str) -> set[int]:
            return set(range(12))

        available_partitions_for_topic = partitions_for_topic

    for room in rooms:
        key = str(room).encode()
        theirs = partitioner.partition("t", key, key, b"", b"", Cluster())
        assert partition_of(key, 12) == theirs


def test_other_number_of_partitions_is_refused_where_events_are(
    on_kafka: EventBusUnderTest,
) -> None:
    before = on_kafka.bus.prepare()
    publish(on_kafka.bus, of_rooms(ROOMS, range(1, 3)))
    with admin_of(on_kafka) as admin:
        admin.create_partitions({on_kafka.topic: buses.PARTITIONS + 1})
    more = KafkaEventBus(
        [on_kafka.server.url], buses.PARTITIONS + 1, topic=on_kafka.topic, limits=buses.LIMITS
    )

    assert on_kafka.another().holds(before)
    with pytest.raises(EventBusMisconfigured, match="Set KAFKA_PARTITIONS=3"):
        more.holds(before)
    more.close()


def test_compacted_topic_is_refused_also_by_a_living_producer(
    on_kafka: EventBusUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.event_bus.kafka.SETTINGS_SECONDS", 0)
    on_kafka.bus.prepare()
    with admin_of(on_kafka) as admin:
        resource = ConfigResource("topic", on_kafka.topic, {"cleanup.policy": "compact,delete"})
        admin.alter_configs([resource])

    for bus in (on_kafka.bus, on_kafka.another()):
        with pytest.raises(EventBusMisconfigured, match="is compacted"):
            bus.prepare()
        with pytest.raises(EventBusMisconfigured, match="is compacted"):
            bus.check()
    assert isinstance(on_kafka.bus.publish([record(1, 1)], 5)[0], EventBusMisconfigured)


def test_what_a_single_broker_is_worth_is_said(
    on_kafka: EventBusUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with admin_of(on_kafka) as admin:
        settings = {"unclean.leader.election.enable": "true"}
        admin.alter_configs([ConfigResource("topic", on_kafka.topic, settings)])

    assert on_kafka.bus.check().weaknesses == [
        "replication factor is 1",
        "min.insync.replicas is 1",
        "unclean.leader.election.enable is true",
    ]


def test_producer_is_idempotent_and_waits_for_all_replicas(on_kafka: EventBusUnderTest) -> None:
    assert isinstance(on_kafka.bus, KafkaEventBus)
    producer = on_kafka.bus._connected().producer

    assert producer.config["enable_idempotence"] is True
    assert producer.config["acks"] == -1
    assert producer.config["retries"] == float("inf")


def test_local_broker_keeps_its_data_when_it_starts_again_on_other_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `make run` takes free ports, and its data stays."""
    buses.kafka_or_skip()
    monkeypatch.setattr(Kafka, "prepare", quick_kafka.prepare_really)
    for run in (1, 2):
        server = OwnServer(new_kafka(tmp_path))
        server.start()
        bus = KafkaEventBus([server.url], 1, limits=buses.LIMITS)
        publish(bus, [record(1, run, b"run %d" % run)])
        reader = bus.reader()
        found = [one.value for one in reader.read(10, 10.0)]
        reader.close()
        bus.close()
        server.stop()

    assert found == [b"run 1", b"run 2"]


# --- Redis Stream alone: what is trimmed, and what never is -----------------------------------


@pytest.fixture
def small(bus_log_server: OwnServer) -> Iterator[EventBusUnderTest]:
    """A stream that may take 300 kB."""
    yield from buses.redis_stream_bus(bus_log_server, max_bytes=300_000)


def kilobytes(seqs: range) -> list[Record]:
    return [record(1, seq, os.urandom(500).hex().encode()) for seq in seqs]


def without_pause_between_trims(on: EventBusUnderTest) -> RedisStreamEventBus:
    bus = on.bus
    assert isinstance(bus, RedisStreamEventBus)
    bus._trim_each_seconds = 0
    return bus


def client_of(on: EventBusUnderTest) -> Any:  # the driver's types are of every protocol at once
    return redis.Redis.from_url(on.server.url)


def test_stream_nobody_waits_for_is_kept_below_its_limit(small: EventBusUnderTest) -> None:
    bus = without_pause_between_trims(small)

    for first in range(1, 2_000, 100):
        publish(bus, kilobytes(range(first, first + 100)))

    used = client_of(small).memory_usage(small.topic)
    assert used is not None
    assert used < 600_000
    assert len(small.read_all()) < 1_000


def test_nothing_is_trimmed_that_a_consumer_group_has_not_passed(small: EventBusUnderTest) -> None:
    bus = without_pause_between_trims(small)
    client = client_of(small)
    publish(bus, kilobytes(range(1, 101)))
    position = client.xrange(small.topic, count=50)[-1][0]
    client.xgroup_create(small.topic, "slow", id=position)

    outcomes = []
    for first in range(101, 1_000, 100):
        outcomes += bus.publish(kilobytes(range(first, first + 100)), 5)

    refused = [outcome for outcome in outcomes if outcome is not None]
    assert refused
    assert all(type(outcome) is RetryableError for outcome in refused)
    taken = 100 + outcomes.count(None)
    waiting = client.xrange(small.topic, min=f"({position.decode()}")
    assert len(waiting) == taken - 50


def test_full_stream_takes_events_again_when_its_group_has_moved_on(
    small: EventBusUnderTest,
) -> None:
    bus = without_pause_between_trims(small)
    client = client_of(small)
    publish(bus, kilobytes(range(1, 11)))
    client.xgroup_create(small.topic, "slow", id="0")
    while bus.publish(kilobytes(range(11, 61)), 5)[-1] is None:
        pass

    last = client.xinfo_stream(small.topic)["last-generated-id"]
    client.xgroup_setid(small.topic, "slow", last)

    publish(bus, kilobytes(range(61, 111)))


def test_entry_that_a_consumer_has_read_and_not_acknowledged_stays(
    small: EventBusUnderTest,
) -> None:
    bus = without_pause_between_trims(small)
    client = client_of(small)
    publish(bus, kilobytes(range(1, 11)))
    client.xgroup_create(small.topic, "readers", id="0")
    [[_, [(first, _), *_]]] = client.xreadgroup("readers", "one", {small.topic: ">"})

    while bus.publish(kilobytes(range(11, 61)), 5)[-1] is None:
        pass

    assert client.xrange(small.topic, count=1)[0][0] == first


def test_reader_that_comes_too_late_is_told_so(small: EventBusUnderTest) -> None:
    bus = without_pause_between_trims(small)
    publish(bus, kilobytes(range(1, 11)))
    early = small.read_all()[0].position
    for first in range(11, 1_000, 100):
        publish(bus, kilobytes(range(first, first + 100)))

    with pytest.raises(PermanentError, match="trimmed"):
        bus.reader({0: early})


def test_entries_older_than_they_are_kept_go(bus_log_server: OwnServer) -> None:
    client: Any = redis.Redis.from_url(bus_log_server.url)
    bus = RedisStreamEventBus(
        max_bytes=2**30, stream="test:old", keep_ms=0, trim_each_seconds=0, client=lambda: client
    )
    client.xadd("test:old", {"key": "1", "value": "old"}, id="1-0")

    publish(bus, [record(1, 2, b"new")])
    publish(bus, [record(1, 3, b"newer")])

    assert [fields[b"value"] for _, fields in client.xrange("test:old")][-1] == b"newer"
    assert b"old" not in [fields[b"value"] for _, fields in client.xrange("test:old")]
