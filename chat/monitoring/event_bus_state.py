"""The event bus as it was last found: which one it is, its weaknesses, and whether it may be used
at all.

A worker looks every minute and puts the answer on the bus (Redis), where every process that shows
it can read it. It also wakes the export of shards whose events are on an event bus that is gone:
shards in which nothing new is written would not notice.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:event-bus` | string | 10 min | `EventBusState` as JSON |
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import cast

import msgspec
from django.conf import settings
from redis import Redis

from chat.event_bus import EventBusMisconfigured, event_bus
from chat.export import outbox
from chat.servers import redis_bus

logger = logging.getLogger(__name__)

KEY = "veche:event-bus"
# After several missed looks the state counts as unknown.
KEPT_SECONDS = 600


class EventBusState(msgspec.Struct, frozen=True):
    """`weaknesses`: settings that let the event bus lose acknowledged records, in Kafka's terms.
    `refused`: why nothing is published until a person has fixed it; "" when it may be used."""

    checked_at: datetime
    kind: str
    id: str = ""
    weaknesses: list[str] = []
    refused: str = ""


def look() -> list[int]:
    """Look, keep the result, and return the shards that have to be exported anew.

    Raises: RetryableError when the event bus is down; redis.RedisError; OperationalError.
    """
    kind, now = event_bus().name, datetime.now(UTC)
    try:
        checked = event_bus().check()
        elsewhere = outbox.shards_elsewhere(settings.ENV.shards, kind, checked.id)
        for known in {known for known in elsewhere.values() if known is not None}:
            event_bus().holds(known)
    except EventBusMisconfigured as error:
        logger.error("the event bus is refused: %s", error)
        _keep(EventBusState(now, kind, refused=str(error)))
        return []
    _keep(EventBusState(now, kind, checked.id, checked.weaknesses))
    return sorted(elsewhere)


def _keep(state: EventBusState) -> None:
    redis_bus.blocking_client().set(KEY, msgspec.json.encode(state), ex=KEPT_SECONDS)


def last(client: Redis | None = None) -> EventBusState | None:
    """The last result; None when no worker has looked lately. Raises: redis.RedisError."""
    found = cast(bytes | None, (client or redis_bus.blocking_client()).get(KEY))
    return None if found is None else msgspec.json.decode(found, type=EventBusState)
