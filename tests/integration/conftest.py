from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import redis

if TYPE_CHECKING:
    # Not at run time: this file is read before the servers run and Django is set up.
    from tests.support.buses import EventBusUnderTest
    from tests.support.servers import OwnServer


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that may take longer than others begin first: none is to run on alone at the end.

    After pytest-randomly, whose order stays among those that may take equally long.
    """

    def seconds(item: pytest.Item) -> float:
        limit = item.get_closest_marker("timeout")
        return float(limit.args[0]) if limit else 0.0

    items.sort(key=seconds, reverse=True)


@pytest.fixture(autouse=True)
def empty_log_and_bus(log_redis: redis.Redis, bus_redis: redis.Redis) -> None:
    """Each integration test starts with an empty log and bus."""


@pytest.fixture(autouse=True)
def closed_circuit_breakers() -> None:
    """No test waits because of what another one stopped."""
    from chat.servers import postgres, redis_bus, redis_log

    for module in (redis_bus, postgres, redis_log):
        module.BREAKER.reset()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """A real Kafka broker, one for each test process; see `buses.kafka_or_skip`."""
    from tests.support import buses

    yield from buses.new_kafka_server(tmp_path_factory.mktemp("kafka"))


@pytest.fixture(scope="session")
def bus_log_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    """A log server of its own, so that a test may kill it."""
    from tests.support import buses

    yield from buses.new_log_server(tmp_path_factory.mktemp("bus-log"))


@pytest.fixture(params=["kafka", "redis-stream"])
def on(request: pytest.FixtureRequest) -> Iterator[EventBusUnderTest]:
    """An event bus with nothing on it: the test runs on Kafka and on a Redis Stream."""
    from tests.support import buses

    if request.param == "kafka":
        yield from buses.kafka_bus(request.getfixturevalue("kafka_server"))
    else:
        yield from buses.redis_stream_bus(request.getfixturevalue("bus_log_server"))


@pytest.fixture
def on_kafka(kafka_server: OwnServer) -> Iterator[EventBusUnderTest]:
    from tests.support import buses

    yield from buses.kafka_bus(kafka_server)
