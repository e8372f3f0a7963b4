"""A Kafka that requires a password: the client's side of SASL and TLS."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings

from analytics.counting.bus_reader.kafka import KafkaReader
from analytics.counting.errors import Unavailable
from chat import dead_letters
from chat.errors import RetryableError
from chat.event_bus import EventBusMisconfigured
from chat.event_bus.kafka import KafkaEventBus, Limits
from chat.export.exporter import Exporter
from chatsite.env import Env
from tests.integration.export.test_export import SHARDS, exported, stored_room
from tests.support.buses import BOUND_SECONDS, WARM_UP_SECONDS, kafka_or_skip, record
from tests.support.secure_kafka import MECHANISM, PASSWORD, USER, SecureKafka
from tests.support.servers import OwnServer

LIMITS = Limits(connect_ms=5_000, delivery_ms=20_000, request_ms=8_000)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    kafka_or_skip()
    kafka = SecureKafka(tmp_path_factory.mktemp("secure-kafka"))
    server = OwnServer(kafka)
    server.start()
    try:
        yield kafka
    finally:
        server.stop()


def security(broker: SecureKafka, **more: Any) -> dict[str, Any]:
    given = {
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_mechanism": MECHANISM,
        "kafka_username": USER,
        "kafka_password": PASSWORD,
        "kafka_ca_file": str(broker.ca),
        **more,
    }
    env: Env = django_settings.ENV
    return dataclasses.replace(env, **given).kafka_security


def new_bus(broker: SecureKafka, topic: str, url: str = "", **more: Any) -> KafkaEventBus:
    return KafkaEventBus(
        [url or broker.url], 2, topic=topic, limits=LIMITS, security=security(broker, **more)
    )


PLAIN_TCP = {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca_file": ""}


@pytest.mark.parametrize(
    ("topic", "more"),
    [
        ("test.tls-scram", {}),
        ("test.tls-plain", {"kafka_sasl_mechanism": "PLAIN"}),
        ("test.scram", PLAIN_TCP),
    ],
)
def test_what_is_published_with_a_password_is_read_with_it(
    broker: SecureKafka, topic: str, more: dict[str, Any]
) -> None:
    url = broker.sasl_url if more == PLAIN_TCP else broker.url
    bus = new_bus(broker, topic, url, **more)
    deadline = time.monotonic() + WARM_UP_SECONDS
    while bus.publish([record(1, 1, b"words")], 30) != [None]:
        assert time.monotonic() < deadline

    reader, ends = bus.reader(), bus.ends()
    analytics = KafkaReader([url], topic=topic, group=topic, security=security(broker, **more))
    try:
        [found, *_] = reader.read(10, 20)
        ends_there = analytics.ends()
    finally:
        reader.close()
        analytics.close()
        bus.close()

    assert found.value == b"words"
    assert set(ends_there) <= set(ends)
    assert bus.check().id


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"kafka_password": "something else"}, "KAFKA_PASSWORD"),
        ({"kafka_password": "wrong too", "kafka_sasl_mechanism": "PLAIN"}, "KAFKA_PASSWORD"),
        ({"kafka_sasl_mechanism": "SCRAM-SHA-256"}, "KAFKA_SASL_MECHANISM"),
        ({"kafka_ca_file": ""}, "KAFKA_CA_FILE"),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_who_is_not_let_in_says_why_soon_and_loses_nothing(
    broker: SecureKafka, more: dict[str, Any], says: str, log_redis: redis.Redis
) -> None:
    room = stored_room(3)
    bus = new_bus(broker, "test.shut-out", **more)

    def read() -> None:
        KafkaReader([broker.url], topic="t", security=security(broker, **more))

    # Each tries until its time is over, so all run at once.
    with ThreadPoolExecutor() as others:
        checked, ends, reader = (others.submit(call) for call in (bus.check, bus.ends, read))
        began = time.monotonic()
        with pytest.raises(EventBusMisconfigured, match=says):
            Exporter(bus).export(room.pk % SHARDS)
        seconds = time.monotonic() - began
    with pytest.raises(EventBusMisconfigured, match=says):
        checked.result()
    with pytest.raises(RetryableError):
        ends.result()
    with pytest.raises(Unavailable):
        reader.result()

    assert seconds < BOUND_SECONDS
    assert exported(room) == 0
    assert log_redis.exists(dead_letters.STREAM) == 0


@pytest.mark.django_db(transaction=True)
def test_password_that_is_changed_under_a_living_worker_holds_the_export_up_and_no_more(
    broker: SecureKafka, log_redis: redis.Redis
) -> None:
    room = stored_room(3)
    wrong = new_bus(broker, "test.changed", kafka_password="of yesterday")
    right = new_bus(broker, "test.changed")

    with pytest.raises(EventBusMisconfigured):
        Exporter(wrong).export(room.pk % SHARDS)
    published = Exporter(right).export(room.pk % SHARDS).published
    right.close()

    assert (published, exported(room)) == (3, 3)
    assert log_redis.exists(dead_letters.STREAM) == 0
