"""The event bus on Apache Kafka: topic `chat.events.v1`, key = room id.

Order. An idempotent producer keeps the order of batches it retries, but a batch that fails for
good would be overtaken by the next one of its partition. So `publish` works in waves that are
small enough for one batch a partition, and starts the next wave when all of this one is
acknowledged: a batch is written whole or not at all, so nothing can overtake.

The producer has a thread of its own and does not survive a fork: each process makes one at its
first use. After any failure it is thrown away, with what it may still hold.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource
from kafka.structs import TopicPartition

from chat import metrics
from chat.errors import PermanentError, RetryableError, VecheError
from chat.event_bus.interface import TOPIC, BusMisconfigured, Delivered, HeldBack, Record
from chat.events import envelope

logger = logging.getLogger(__name__)

HEADERS = [("content-type", envelope.CONTENT_TYPE.encode())]
# What a record costs beside its value: key, headers, lengths, the batch's own head.
RECORD_OVERHEAD_BYTES = 256
MAX_WAVE_BYTES = 512 * 1024

REFUSALS = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long anything may take. Kafka wants delivery ≥ request + linger."""

    reach_ms: int = 1_000
    connect_ms: int = 5_000
    block_ms: int = 5_000
    request_ms: int = 4_000
    delivery_ms: int = 8_000
    # A wave is flushed when it is complete; this only has to be longer than filling it takes.
    linger_ms: int = 1_000


class _Topic(msgspec.Struct, frozen=True):
    """What the topic allows."""

    max_record_bytes: int
    wave_bytes: int


class _Connected(msgspec.Struct, frozen=True):
    producer: KafkaProducer
    topic: _Topic


class KafkaBus:
    """See `chat.event_bus.interface.EventBus`."""

    name = "kafka"

    def __init__(
        self,
        servers: Sequence[str],
        partitions: int,
        *,
        topic: str = TOPIC,
        limits: Limits | None = None,
    ) -> None:
        self._servers = list(servers)
        self._partitions = partitions
        self._topic = topic
        self._limits = limits or Limits()
        self._of_process: dict[int, _Connected] = {}
        # One wave at a time: a second thread's flush would cut this one's batches in two.
        self._lock = threading.Lock()

    def prepare(self) -> None:
        with self._lock:
            self._connected()

    def check(self) -> None:
        self._ensure_topic()

    def publish(self, records: Sequence[Record], within_seconds: float) -> list[VecheError | None]:
        deadline = time.monotonic() + within_seconds
        outcomes: list[VecheError | None] = []
        with self._lock:
            try:
                connected = self._connected()
            except RetryableError as error:
                return [error] * len(records)
            failed: set[int] = set()
            for wave in _waves(records, connected.topic.wave_bytes):
                if time.monotonic() > deadline:
                    late = RetryableError("There was no time left for it.")
                    outcomes += [late] * len(wave)
                    failed.update(record.room for record in wave)
                    continue
                outcomes += self._publish_wave(connected, wave, failed)
                if os.getpid() not in self._of_process:
                    break  # the producer was thrown away
            rest = RetryableError("The bus failed before it was sent.")
            outcomes += [rest] * (len(records) - len(outcomes))
        return outcomes

    def _publish_wave(
        self, connected: _Connected, wave: Sequence[Record], failed: set[int]
    ) -> list[VecheError | None]:
        """Sends one batch a partition. Rooms whose order ends here are added to `failed`."""
        producer, topic = connected.producer, connected.topic
        sent: list[Any] = []
        for record in wave:
            if record.room in failed:
                sent.append(HeldBack("An earlier event of the room is not on the bus."))
                continue
            size = len(record.value) + RECORD_OVERHEAD_BYTES
            if size > topic.max_record_bytes:
                failed.add(record.room)
                sent.append(
                    PermanentError(f"{size} bytes are more than the {topic.max_record_bytes} taken")
                )
                continue
            try:
                sent.append(
                    producer.send(
                        self._topic, record.value, str(record.room).encode(), headers=HEADERS
                    )
                )
            except kafka_errors.KafkaError as error:
                failed.add(record.room)
                sent.append(_translated(error))
        # An error of the flush is one of a record's too, and is looked at there.
        with contextlib.suppress(kafka_errors.KafkaError):
            producer.flush(self._limits.delivery_ms / 1000 + 1)
        outcomes = [self._outcome(one) for one in sent]
        for record, outcome in zip(wave, outcomes, strict=True):
            if outcome is not None:
                failed.add(record.room)
        if any(type(outcome) is RetryableError for outcome in outcomes):
            self._throw_away()
        return outcomes

    @staticmethod
    def _outcome(sent: Any) -> VecheError | None:
        if isinstance(sent, VecheError):
            return sent
        if not sent.is_done:
            return RetryableError("Kafka has not acknowledged it in time.")
        return _translated(sent.exception) if sent.failed() else None

    def _connected(self) -> _Connected:
        """This process's producer, of a topic that has been checked."""
        found = self._of_process.get(os.getpid())
        if found is not None:
            return found
        topic = self._ensure_topic()
        with _translating():
            producer = KafkaProducer(
                bootstrap_servers=self._servers,
                client_id=f"veche-export-{os.getpid()}",
                # Said explicitly, so that a setting which excludes it raises.
                enable_idempotence=True,
                acks="all",
                batch_size=topic.wave_bytes,
                linger_ms=self._limits.linger_ms,
                max_request_size=max(topic.max_record_bytes, topic.wave_bytes),
                allow_auto_create_topics=False,
                max_block_ms=self._limits.block_ms,
                request_timeout_ms=self._limits.request_ms,
                delivery_timeout_ms=self._limits.delivery_ms,
                bootstrap_timeout_ms=self._limits.connect_ms,
                reconnect_backoff_max_ms=1_000,
                metrics_enabled=False,
            )
        connected = _Connected(producer, topic)
        self._of_process[os.getpid()] = connected
        return connected

    def _ensure_topic(self) -> _Topic:
        """Makes the topic when it is missing.

        Raises: BusMisconfigured when it has another number of partitions: where an event of a
        room goes depends on it.
        """
        with _translating(), contextlib.closing(self._admin()) as admin:
            partitions = self._count_partitions(admin)
            if partitions is None:
                with contextlib.suppress(kafka_errors.TopicAlreadyExistsError):
                    # Kept for ever, so that readers can start from the beginning; an operator
                    # may shorten that on the topic.
                    admin.create_topics(
                        {
                            self._topic: {
                                "num_partitions": self._partitions,
                                "configs": {"retention.ms": "-1"},
                            }
                        }
                    )
                admin.wait_for_topics([self._topic], timeout_ms=self._limits.connect_ms)
                partitions = self._count_partitions(admin)
            if partitions != self._partitions:
                raise BusMisconfigured(
                    f"Topic {self._topic} has {partitions} partitions, KAFKA_PARTITIONS says "
                    f"{self._partitions}. Another number breaks the order of rooms: set "
                    f"KAFKA_PARTITIONS to what the topic has."
                )
            taken = int(self._topic_setting(admin, "max.message.bytes"))
        return _Topic(
            max_record_bytes=taken, wave_bytes=min(MAX_WAVE_BYTES, taken - RECORD_OVERHEAD_BYTES)
        )

    def _count_partitions(self, admin: KafkaAdminClient) -> int | None:
        [found] = admin.describe_topics([self._topic])
        error = kafka_errors.for_code(found["error_code"])
        if error is kafka_errors.UnknownTopicOrPartitionError:
            return None
        if error is not kafka_errors.NoError:
            raise error
        return len(found["partitions"])

    def _topic_setting(self, admin: KafkaAdminClient, name: str) -> str:
        resource = ConfigResource("topic", self._topic, [name])
        answer = admin.describe_configs([resource], config_filter="all")
        value: str = answer["topic"][self._topic][name]["value"]
        return value

    def _reach(self) -> None:
        """Finds out within a moment that no broker listens.

        The driver would try for all of its time, and a worker that only waits for Kafka does not
        store what people write either.
        """
        refusal: OSError | None = None
        for server in self._servers:
            host, _, port = server.rpartition(":")
            try:
                seconds = self._limits.reach_ms / 1000
                socket.create_connection((host.strip("[]"), int(port)), seconds).close()
                return
            except OSError as error:
                refusal = error
        raise refusal or OSError("no brokers are set")

    def _admin(self) -> KafkaAdminClient:
        self._reach()
        return KafkaAdminClient(
            bootstrap_servers=self._servers,
            client_id=f"veche-admin-{os.getpid()}",
            bootstrap_timeout_ms=self._limits.connect_ms,
            request_timeout_ms=self._limits.request_ms,
        )

    def reader(self, after: Mapping[int, str] | None = None) -> KafkaReader:
        with _translating():
            return KafkaReader(self._consumer(), self._topic, after or {})

    def starts(self) -> dict[int, str]:
        with _translating(), contextlib.closing(self._consumer()) as consumer:
            found = consumer.beginning_offsets(_partitions_of(consumer, self._topic))
        return {place.partition: str(offset) for place, offset in found.items()}

    def positions_at(self, moment: datetime) -> dict[int, str]:
        with _translating(), contextlib.closing(self._consumer()) as consumer:
            places = _partitions_of(consumer, self._topic)
            milliseconds = int(moment.timestamp() * 1000)
            found = consumer.offsets_for_times(dict.fromkeys(places, milliseconds))
            ends = consumer.end_offsets(places)
        return {
            place.partition: str(ends[place] if found[place] is None else found[place].offset)
            for place in places
        }

    def ends(self) -> dict[int, str]:
        with _translating(), contextlib.closing(self._consumer()) as consumer:
            found = consumer.end_offsets(_partitions_of(consumer, self._topic))
        return {place.partition: str(offset) for place, offset in found.items()}

    def empty_unless_restored(self) -> bool:
        self._ensure_topic()
        before = {
            TopicPartition(self._topic, partition): int(end)
            for partition, end in self.ends().items()
        }
        # Not the topic itself: a new one would begin at offset 0 again, so that readers which stand
        # at a higher one pass over what they have not seen, and would forget its settings.
        with _translating(), contextlib.closing(self._admin()) as admin:
            admin.delete_records(before)
        return True

    def _consumer(self) -> KafkaConsumer:
        self._reach()
        return KafkaConsumer(
            bootstrap_servers=self._servers,
            client_id=f"veche-reader-{os.getpid()}",
            group_id=None,
            enable_auto_commit=False,
            # Where retention has removed what was asked for, what is left is read.
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            request_timeout_ms=self._limits.request_ms,
            bootstrap_timeout_ms=self._limits.connect_ms,
            reconnect_backoff_max_ms=1_000,
            metrics_enabled=False,
        )

    def close(self) -> None:
        with self._lock:
            self._throw_away()

    def _throw_away(self) -> None:
        connected = self._of_process.pop(os.getpid(), None)
        if connected is None:
            return
        try:
            # All batches are done or past their delivery time, so there is nothing to wait for.
            connected.producer.close(timeout=2)
        except kafka_errors.KafkaError as error:
            logger.warning("the Kafka producer did not close: %s", type(error).__name__)


class KafkaReader:
    """See `chat.event_bus.interface.Reader`. Reads without a group and commits nothing."""

    def __init__(self, consumer: KafkaConsumer, topic: str, after: Mapping[int, str]) -> None:
        self._consumer = consumer
        places = _partitions_of(consumer, topic)
        consumer.assign(places)
        for place in places:
            position = after.get(place.partition)
            if position is None:
                consumer.seek_to_beginning(place)
            else:
                consumer.seek(place, int(position))

    def read(self, limit: int, wait_seconds: float) -> list[Delivered]:
        with _translating():
            polled = self._consumer.poll(timeout_ms=round(wait_seconds * 1000), max_records=limit)
        return [
            Delivered(
                partition=record.partition,
                position=str(record.offset + 1),
                key=record.key or b"",
                value=record.value,
            )
            for records in polled.values()
            for record in records
        ]

    def close(self) -> None:
        self._consumer.close()


def _partitions_of(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    found = consumer.partitions_for_topic(topic)
    if not found:
        raise RetryableError(f"Kafka has no topic {topic}.")
    return [TopicPartition(topic, partition) for partition in sorted(found)]


def _waves(records: Sequence[Record], max_bytes: int) -> Iterator[list[Record]]:
    """`records` in order, cut where a single partition's batch could become too large."""
    wave: list[Record] = []
    size = 0
    for record in records:
        more = len(record.value) + RECORD_OVERHEAD_BYTES
        if wave and size + more > max_bytes:
            yield wave
            wave, size = [], 0
        wave.append(record)
        size += more
    if wave:
        yield wave


def _translated(error: BaseException) -> VecheError:
    """The class name is all that is kept: texts of Kafka's errors can hold what was sent."""
    metrics.KAFKA_ERRORS.labels(type(error).__name__).inc()
    if isinstance(error, REFUSALS):
        return PermanentError("Kafka does not take a record of this size.")
    return RetryableError(f"Kafka did not acknowledge it: {type(error).__name__}")


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Turns what the driver raises into a RetryableError."""
    try:
        yield
    except (kafka_errors.KafkaError, OSError, TimeoutError) as error:
        metrics.KAFKA_ERRORS.labels(type(error).__name__).inc()
        raise RetryableError(f"Kafka does not answer: {type(error).__name__}") from error
