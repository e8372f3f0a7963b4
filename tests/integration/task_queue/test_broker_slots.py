"""A broker that fails while a message is acknowledged does not cost the worker a slot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chatsite.celery import app
from localstack.ports import free_port
from localstack.valkey import BUS_SETTINGS, Valkey
from tests.support.servers import OwnServer

OPTIONS = {"socket_timeout": 2, "socket_connect_timeout": 1, "max_retries": 0}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnServer]:
    server = OwnServer(Valkey("bus", tmp_path, free_port(), "secret", BUS_SETTINGS))
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("answer", ["ack", "reject"])
def test_slot_is_given_back_when_the_broker_fails_at_the_answer(
    broker: OwnServer, answer: str
) -> None:
    assert app.conf.broker_url  # Veche's application is loaded, as in a worker
    with Connection(broker.url, transport_options=OPTIONS) as connection:
        channel: Any = connection.channel()
        queue = Queue("slots", channel=channel)
        queue.declare()
        channel.basic_qos(0, 1, False)
        connection.Producer().publish({}, routing_key="slots", exchange="", serializer="json")
        message = queue.get()
        assert message is not None
        assert not channel.qos.can_consume()

        broker.kill()
        with pytest.raises((OperationalError, RedisError, OSError)):
            getattr(message, answer)()

        assert channel.qos.can_consume()
        broker.start()  # or closing the connection would fail
