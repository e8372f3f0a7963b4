"""The event bus on Apache Kafka: topic `chat.events.v1`, key = room id.

Order. An idempotent producer keeps the order of batches that it retries, but a batch that fails for
good would be overtaken by the next one of its partition. So `publish` works in waves that are small
enough for one batch per partition, and starts the next wave only when all of this one has been
acknowledged. A batch is written whole or not at all, so nothing can overtake.

Veche itself names the partition of each record, by the hash that Kafka's own clients use for keys.
So partitions that somebody adds stay empty and no room moves.

The producer has its own thread and does not survive a fork: each process creates one at its first
use. After any failure it is thrown away, with whatever it may still hold.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka import errors as kafka_errors
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition

from chat.errors import PermanentError, RetryableError, VecheError
from chat.event_bus import kafka_sign_in, kafka_topic
from chat.event_bus.interface import (
    TOPIC,
    Checked,
    Delivered,
    EventBusMisconfigured,
    HeldBack,
    Record,
)
from chat.events import envelope
from chat.metrics import catalogue as metrics

logger = logging.getLogger(__name__)

HEADERS = [("content-type", envelope.CONTENT_TYPE.encode())]
# What a record takes besides its value: key, headers, lengths, the header of its batch.
RECORD_OVERHEAD_BYTES = 256
MAX_WAVE_BYTES = 512 * 1024
# The longest time before a change of the topic's settings is noticed.
SETTINGS_SECONDS = 30.0

REFUSALS = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long anything may take. Kafka wants delivery ≥ request + linger."""

    reach_ms: int = 1_000
    connect_ms: int = 5_000
    block_ms: int = 5_000
    request_ms: int = 4_000
    delivery_ms: int = 8_000
    # A wave is flushed when it is complete, so this only has to be longer than filling it takes.
    linger_ms: int = 1_000


class _Topic(msgspec.Struct, frozen=True):
    """What the topic is and allows."""

    id: str
    max_record_bytes: int
    weaknesses: list[str]

    @property
    def wave_bytes(self) -> int:
        return min(MAX_WAVE_BYTES, self.max_record_bytes - RECORD_OVERHEAD_BYTES)


class _Connected(msgspec.Struct):
    producer: KafkaProducer
    admin: KafkaAdminClient
    topic: _Topic
    looked_at: float


class KafkaEventBus:
    """See `chat.event_bus.interface.EventBus`."""

    name = "kafka"

    def __init__(
        self,
        servers: Sequence[str],
        partitions: int,
        *,
        topic: str = TOPIC,
        limits: Limits | None = None,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        """`security`: the driver's arguments for TLS and SASL."""
        self._servers = list(servers)
        self._security = dict(security or {})
        self._partitions = partitions
        self._topic = topic
        self._limits = limits or Limits()
        self._of_process: dict[int, _Connected] = {}
        # One wave at a time: a second thread's flush would cut this one's batches in two.
        self._lock = threading.Lock()

    def prepare(self) -> str:
        with self._lock:
            known = self._of_process.get(os.getpid())
            if known is None:
                return self._id(self._connected().topic)
            try:
                self._look_again(known)
            except RetryableError:
                self._throw_away()
                raise
            return self._id(self._connected().topic)

    def _id(self, topic: _Topic) -> str:
        """The id includes the number of partitions, because a room's partition depends on it."""
        return f"{topic.id}:{self._partitions}"

    def _look_again(self, known: _Connected) -> None:
        """Throws the producer away if the topic is gone or is another one by now."""
        with _translating():
            found = kafka_topic.describe(known.admin, self._topic)
            if found is None or found.id != known.topic.id:
                self._throw_away()
            elif time.monotonic() >= known.looked_at + SETTINGS_SECONDS:
                known.topic = self._look(known.admin)
                known.looked_at = time.monotonic()

    def holds(self, known: str) -> bool:
        if not known:  # from before ids were kept; a topic that was created again is empty
            return any(end != "0" for end in self.ends().values())
        topic_id, _, partitions = known.partition(":")
        if topic_id != self.prepare().partition(":")[0]:
            return False
        if partitions != str(self._partitions):
            raise EventBusMisconfigured(
                f"Topic {self._topic} has events in {partitions} partitions, KAFKA_PARTITIONS says "
                f"{self._partitions}: rooms would move to other partitions and lose their order. "
                f"Set KAFKA_PARTITIONS={partitions}; for another number delete the topic, and "
                f"everything is published again."
            )
        return True

    def check(self) -> Checked:
        with _translating(), contextlib.closing(self._admin()) as admin:
            topic = self._look(admin)
        return Checked(self._id(topic), topic.weaknesses)

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
            rest = RetryableError("The event bus failed before the event was sent.")
            outcomes += [rest] * (len(records) - len(outcomes))
        return outcomes

    def _publish_wave(
        self, connected: _Connected, wave: Sequence[Record], failed: set[int]
    ) -> list[VecheError | None]:
        """Sends one batch per partition. Adds rooms with a record that failed to `failed`."""
        producer, topic = connected.producer, connected.topic
        sent: list[Any] = []
        for record in wave:
            if record.room in failed:
                sent.append(HeldBack("An earlier event of the room is not on the event bus."))
                continue
            size = len(record.value) + RECORD_OVERHEAD_BYTES
            if size > topic.max_record_bytes:
                failed.add(record.room)
                sent.append(
                    PermanentError(f"{size} bytes; at most {topic.max_record_bytes} are accepted")
                )
                continue
            try:
                key = str(record.room).encode()
                partition = partition_of(key, self._partitions)
                sent.append(producer.send(self._topic, record.value, key, HEADERS, partition))
            # The driver raises ValueError when the topic or this partition no longer exists.
            except (kafka_errors.KafkaError, ValueError) as error:
                failed.add(record.room)
                sent.append(_translated(error))
        # An error of the flush also fails a record, and is handled there.
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
        """This process's producer, for a topic that has been checked."""
        found = self._of_process.get(os.getpid())
        if found is not None:
            return found
        with _translating():
            admin = self._admin()
            try:
                connected = self._connect(admin)
            except BaseException:
                admin.close()
                raise
        self._of_process[os.getpid()] = connected
        return connected

    def _connect(self, admin: KafkaAdminClient) -> _Connected:
        topic = self._look(admin)
        producer = KafkaProducer(
            bootstrap_servers=self._servers,
            **self._security,
            client_id=f"veche-export-{os.getpid()}",
            # Set explicitly, so that a setting that excludes it raises.
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
        return _Connected(producer, admin, topic, time.monotonic())

    def _look(self, admin: KafkaAdminClient) -> _Topic:
        """The topic, created if it is missing. Raises: EventBusMisconfigured."""
        found = kafka_topic.ensure(admin, self._topic, self._partitions, self._limits.connect_ms)
        settings = kafka_topic.settings(admin, self._topic, found)
        return _Topic(found.id, settings.max_record_bytes, settings.weaknesses)

    def _reach(self) -> None:
        """Finds out quickly if no broker listens or its certificate is not trusted.

        The driver would keep trying until its time-out, and a worker that waits for Kafka does not
        store what people write. Nor does the driver say what is wrong with a certificate.
        """
        refusal: OSError | None = None
        for server in self._servers:
            try:
                with self._wire(server):
                    return
            except ssl.SSLCertVerificationError as error:
                raise EventBusMisconfigured(
                    f"Kafka's certificate is not trusted: {error.verify_message}; "
                    f"see KAFKA_CA_FILE."
                ) from error
            except OSError as error:
                refusal = error
        raise refusal or OSError("no brokers are set")

    @contextlib.contextmanager
    def _wire(self, server: str) -> Iterator[socket.socket]:
        """A connection without the driver, encrypted if the settings say so. Raises: OSError."""
        host, _, port = server.rpartition(":")
        host = host.strip("[]")
        with socket.create_connection((host, int(port)), self._limits.reach_ms / 1000) as plain:
            plain.settimeout(self._limits.connect_ms / 1000)
            if not self._security.get("security_protocol", "").endswith("SSL"):
                yield plain
                return
            context = ssl.create_default_context(cafile=self._security["ssl_cafile"])
            if self._security["ssl_certfile"]:
                context.load_cert_chain(
                    self._security["ssl_certfile"], self._security["ssl_keyfile"]
                )
            with context.wrap_socket(plain, server_hostname=host) as encrypted:
                yield encrypted

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """The driver's failure is EventBusMisconfigured if the broker does not let Veche in."""
        try:
            yield
        except kafka_errors.KafkaError as error:
            if "sasl_mechanism" in self._security and (why := self._refusal()):
                raise EventBusMisconfigured(
                    f"Kafka refuses Veche ({why}): see KAFKA_USERNAME, KAFKA_PASSWORD and "
                    f"KAFKA_SASL_MECHANISM."
                ) from error
            raise

    def _refusal(self) -> str | None:
        for server in self._servers:
            with contextlib.suppress(OSError, ValueError, struct.error), self._wire(server) as wire:
                return kafka_sign_in.refusal(wire, server.rpartition(":")[0], self._security)
        return None

    def _admin(self) -> KafkaAdminClient:
        self._reach()
        with self._explaining():
            return KafkaAdminClient(
                bootstrap_servers=self._servers,
                **self._security,
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
        self.check()
        before = {
            TopicPartition(self._topic, partition): int(end)
            for partition, end in self.ends().items()
        }
        # Keep the topic itself: a new one would lose its settings and begin at offset 0 again, so
        # that readers at a higher offset would miss records.
        with _translating(), contextlib.closing(self._admin()) as admin:
            admin.delete_records(before)
        return True

    def _consumer(self) -> KafkaConsumer:
        self._reach()
        with self._explaining():
            return KafkaConsumer(
                bootstrap_servers=self._servers,
                **self._security,
                client_id=f"veche-reader-{os.getpid()}",
                group_id=None,
                enable_auto_commit=False,
                # If retention has removed the records asked for, read from the oldest one left.
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
            connected.admin.close()
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


def partition_of(key: bytes, partitions: int) -> int:
    """The partition to which Kafka's own clients send `key` on a topic with `partitions`."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def _partitions_of(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    found = consumer.partitions_for_topic(topic)
    if not found:
        raise RetryableError(f"Kafka has no topic {topic}.")
    return [TopicPartition(topic, partition) for partition in sorted(found)]


def _waves(records: Sequence[Record], max_bytes: int) -> Iterator[list[Record]]:
    """`records` in order, cut so that no partition's batch can become too large."""
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
    """Keeps only the class name: the texts of Kafka's errors can contain what was sent."""
    metrics.KAFKA_ERRORS.labels(type(error).__name__).inc()
    if isinstance(error, REFUSALS):
        return PermanentError("Kafka does not take a record of this size.")
    return RetryableError(f"Kafka did not acknowledge it: {type(error).__name__}")


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Turns the driver's errors into RetryableError."""
    try:
        yield
    except (kafka_errors.KafkaError, OSError, TimeoutError) as error:
        metrics.KAFKA_ERRORS.labels(type(error).__name__).inc()
        raise RetryableError(f"Kafka does not answer: {type(error).__name__}") from error
