"""Reads the topic as a member of a Kafka consumer group.

Kafka assigns the partitions (cooperatively: a member that keeps a partition does not stop);
PostgreSQL says where to read. Kafka's own offsets are not used, because they could not be moved in
the transaction that writes the rollups.

A topic that is deleted and created again begins at offset 0 with other records, so positions belong
to the topic's id and not to its name. Kafka reads by name: the reader asks for the id after each
batch, and drops records from a topic other than the one that it opened (docs/decisions/0027).

Kafka notices after `SESSION_MS` that a member was killed. A member that has an `instance` name and
comes back under it earlier continues with its partitions at once, and nobody else stops.
"""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from analytics.counting.errors import Unavailable
from analytics.counting.records import Record
from chat.events.envelope import TOPIC

logger = logging.getLogger(__name__)

GROUP = "veche-analytics"
SESSION_MS = 10_000
# A batch takes about a second; a process that is busy for longer than this hangs.
MAX_POLL_MS = 120_000
REQUEST_MS = 15_000
CONNECT_MS = 5_000
FETCH_BYTES = 4 * 1024 * 1024
CLOSE_MS = 3_000
# How soon a reader of an idle topic notices that it was created again.
ASK_SECONDS = 10.0


class _Partitions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes which partitions come and go. It only notes: the driver calls it in its own thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ours: set[int] = set()
        self._placed: set[int] = set()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        with self._lock:
            numbers = {one.partition for one in assigned}
            self._ours |= numbers
            self._placed -= numbers

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        with self._lock:
            numbers = {one.partition for one in revoked}
            self._ours -= numbers
            self._placed -= numbers

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)

    def unplaced(self) -> set[int]:
        with self._lock:
            return self._ours - self._placed

    def placed(self, partition: int) -> None:
        with self._lock:
            if partition in self._ours:
                self._placed.add(partition)

    def is_placed(self, partition: int) -> bool:
        with self._lock:
            return partition in self._placed


class KafkaReader:
    """See `EventBusReader`."""

    standby_seconds = 0.2

    def __init__(
        self,
        servers: Sequence[str],
        *,
        topic: str = TOPIC,
        group: str = GROUP,
        instance: str | None = None,
        session_ms: int = SESSION_MS,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        """`security`: the driver's arguments for TLS and SASL."""
        self._security = dict(security or {})
        self._topic = topic
        self._partitions = _Partitions()
        self._ask_at = time.monotonic() + ASK_SECONDS
        with _translating():
            self._admin = KafkaAdminClient(
                bootstrap_servers=list(servers),
                **self._security,
                client_id=f"{group}-{instance or os.getpid()}-topic",
                bootstrap_timeout_ms=CONNECT_MS,
                request_timeout_ms=REQUEST_MS,
            )
        try:
            self._topic_id = self._ask_topic_id()
            self.name = f"kafka:{topic}:{self._topic_id}"
            self._consumer = self._subscribed(servers, group, instance, session_ms)
        except BaseException:
            self._admin.close()
            raise

    def _subscribed(
        self, servers: Sequence[str], group: str, instance: str | None, session_ms: int
    ) -> KafkaConsumer:
        with _translating():
            consumer = KafkaConsumer(
                bootstrap_servers=list(servers),
                **self._security,
                client_id=f"{group}-{instance or os.getpid()}",
                group_id=group,
                group_instance_id=instance,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=session_ms // 4,
                max_poll_interval_ms=MAX_POLL_MS,
                # Also limits how long a new topic goes unnoticed.
                metadata_max_age_ms=5_000,
                request_timeout_ms=max(REQUEST_MS, session_ms + 5_000),
                bootstrap_timeout_ms=CONNECT_MS,
                reconnect_backoff_max_ms=1_000,
                max_partition_fetch_bytes=FETCH_BYTES,
                metrics_enabled=False,
            )
            consumer.subscribe([self._topic], listener=self._partitions)
        return consumer

    def _ask_topic_id(self) -> str:
        """The id as Kafka's own tools print it. Raises: Unavailable, also without such a topic."""
        with _translating():
            [found] = self._admin.describe_topics([self._topic])
            error = kafka_errors.for_code(found["error_code"])
            if error is kafka_errors.UnknownTopicOrPartitionError:
                raise Unavailable(f"Kafka has no topic {self._topic}: no worker has exported yet.")
            if error is not kafka_errors.NoError:
                raise error
        topic_id = uuid.UUID(found["topic_id"])
        return base64.urlsafe_b64encode(topic_id.bytes).rstrip(b"=").decode()

    def unplaced(self) -> set[int]:
        return self._partitions.unplaced()

    def seek(self, partition: int, position: str) -> None:
        place = TopicPartition(self._topic, partition)
        with _translating(), _if_ours():
            if place in self._consumer.paused():
                self._consumer.resume(place)
            if position:
                self._consumer.seek(place, int(position))
            else:
                self._consumer.seek_to_beginning(place)
            self._partitions.placed(partition)

    def pause(self, partition: int) -> None:
        with _translating(), _if_ours():
            self._consumer.pause(TopicPartition(self._topic, partition))
            self._partitions.placed(partition)

    def read(self, limit: int, wait_seconds: float) -> dict[int, list[Record]]:
        with _translating():
            polled = self._consumer.poll(timeout_ms=round(wait_seconds * 1000), max_records=limit)
        # Even if nothing comes: our position may be the very end of what the new topic has.
        if polled or time.monotonic() >= self._ask_at:
            if self._ask_topic_id() != self._topic_id:
                raise Unavailable(f"Topic {self._topic} is a new one: reading from its beginning.")
            self._ask_at = time.monotonic() + ASK_SECONDS
        return {
            place.partition: [
                Record(str(record.offset + 1), record.key or b"", record.value)
                for record in records
            ]
            for place, records in polled.items()
            # Records that came before we said where to begin start wherever Kafka thinks.
            if self._partitions.is_placed(place.partition)
        }

    def waiting(self, partition: int) -> int | None:
        place = TopicPartition(self._topic, partition)
        with _translating(), _if_ours():
            end = self._consumer.highwater(place)
            at = self._consumer.position(place, timeout_ms=0)
            return None if end is None or at is None else max(0, end - at)
        return None

    def passed(self, partition: int, position: str) -> None:
        """Does nothing: the topic's retention does not depend on readers."""

    def ends(self) -> dict[int, str]:
        with _translating():
            numbers = self._consumer.partitions_for_topic(self._topic)
            places = [TopicPartition(self._topic, number) for number in numbers or ()]
            if not places:
                raise Unavailable(f"Kafka has no topic {self._topic}.")
            ends = self._consumer.end_offsets(places)
            starts = self._consumer.beginning_offsets(places)
        # If everything was removed, the end is not 0, and no reader ever reaches it.
        return {place.partition: str(end) for place, end in ends.items() if end > starts[place]}

    def forget(self) -> None:
        """Kafka forgets an empty group by itself."""
        self.close()

    def close(self) -> None:
        try:
            self._admin.close()
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
        except kafka_errors.KafkaError as error:
            logger.warning("the Kafka consumer did not close: %s", type(error).__name__)


def _if_ours() -> contextlib.suppress:
    """Another thread may revoke a partition at any moment; only our partitions are read."""
    return contextlib.suppress(ValueError, KeyError, kafka_errors.IllegalStateError)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except (kafka_errors.KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}") from error
