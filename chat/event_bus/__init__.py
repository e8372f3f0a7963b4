"""The event bus: carries stored events to the rest of the world, as CloudEvents.

Consumers get every event at least once and recognise repeats by (room, seq).
"""

from __future__ import annotations

import functools
import logging

from django.conf import settings

from chat.errors import RetryableError
from chat.event_bus.interface import (
    TOPIC,
    Checked,
    Delivered,
    EventBus,
    EventBusMisconfigured,
    HeldBack,
    Reader,
    Record,
)
from chat.events import envelope

logger = logging.getLogger(__name__)

__all__ = [
    "TOPIC",
    "Checked",
    "Delivered",
    "EventBus",
    "EventBusMisconfigured",
    "HeldBack",
    "Reader",
    "Record",
    "check_at_start",
    "close",
    "envelope",
    "event_bus",
]


@functools.cache
def event_bus() -> EventBus:
    """The event bus of this installation: Kafka if brokers are set, otherwise a Redis Stream.

    Does not connect yet. Safe to call before a fork and from any thread.
    """
    env = settings.ENV
    if env.kafka_bootstrap_servers:
        from chat.event_bus.kafka import KafkaEventBus

        return KafkaEventBus(
            env.kafka_bootstrap_servers, env.kafka_partitions, security=env.kafka_security
        )
    from chat.event_bus.redis_stream import RedisStreamEventBus

    return RedisStreamEventBus(max_bytes=env.event_stream_mb * 1024 * 1024)


def check_at_start() -> None:
    """Creates the topic and logs what is wrong with it. Never raises: without the event bus
    everything else works, and the export tries again."""
    try:
        checked = event_bus().check()
    except RetryableError as error:
        logger.error("the event bus cannot be used at the moment: %s", error)
        return
    if checked.weaknesses:
        logger.warning(
            "the event bus may lose what it has acknowledged: %s", "; ".join(checked.weaknesses)
        )


def close() -> None:
    """Closes this process's connections, if it has any."""
    if event_bus.cache_info().currsize:
        event_bus().close()
