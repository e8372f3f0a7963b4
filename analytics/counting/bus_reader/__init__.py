"""Readers of the event bus for consumers that keep their own positions.

Nothing here is specific to the analytics: it is what docs/analytics.md recommends to everybody
who writes a consumer.
"""

from __future__ import annotations

from django.conf import settings

from analytics.counting.bus_reader.interface import EventBusReader

__all__ = ["EventBusReader", "open_reader"]


def open_reader(instance: str | None = None, *, group: str | None = None) -> EventBusReader:
    """A reader of this installation's event bus: Kafka if brokers are set, else a Redis Stream.

    `instance` names this process within its group, if it keeps that name after a restart.
    `group` is for readers beside the consumer.

    Raises: Unavailable.
    """
    env = settings.ENV
    if env.kafka_bootstrap_servers:
        from analytics.counting.bus_reader.kafka import GROUP, KafkaReader

        return KafkaReader(
            env.kafka_bootstrap_servers,
            group=group or GROUP,
            instance=instance,
            security=env.kafka_security,
        )
    from analytics.counting.bus_reader.redis_stream import GROUP, RedisStreamReader, client_of

    return RedisStreamReader(client_of(env), group=group or GROUP)
