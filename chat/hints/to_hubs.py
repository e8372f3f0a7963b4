"""Hints to the web processes, through the channel layer: something is new in a room.

A hint may be lost, late or doubled, so nothing depends on one: the room log is the truth, and
hubs notice what they missed by seq. A hint is a msgpack dict; `chat.hub` reads it. Room groups
carry `events`, `typing`, `presence` and `replaced`; HUBS_GROUP carries `stored`, `reset`, `revoke`,
`joined`, `report`, `read`, `markers`, `thread`, `arranged` and `person`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import Context
from typing import Any

import msgspec
import redis
from channels.layers import get_channel_layer
from msgspec import UNSET

from chat.errors import Unavailable
from chat.events import EventType, RoomEvent, decode_data, encode_data
from chat.hints import layer_wire
from chat.metrics import catalogue as metrics
from chat.protocol import Event
from chat.resilience.per_loop import PerLoop
from chat.servers import redis_bus

logger = logging.getLogger(__name__)

Message = dict[str, Any]

HUBS_GROUP = "hubs"

# I8. How much may wait while a publish is under way; beyond this, hints are dropped and counted.
MAX_WAITING_EVENTS = 10_000
MAX_WAITING_MESSAGES = 2_000
# Limits of one message of the layer, which becomes one frame of the protocol.
MAX_MESSAGE_EVENTS = 500
MAX_MESSAGE_BYTES = 256 * 1024
# An event's fields besides its data, in bytes of JSON, estimated generously.
EVENT_OVERHEAD_BYTES = 250

# All other events change the room (`chat.models.events.ROOM_CHANGES`), and with it who may see
# or do what, so hubs look inside them.
MESSAGE_EVENTS = frozenset(
    {
        EventType.MESSAGE_POSTED,
        EventType.REPLY_POSTED,
        EventType.MESSAGE_EDITED,
        EventType.MESSAGE_DELETED,
        EventType.MESSAGE_RESTORED,
        EventType.REACTION_ADDED,
        EventType.REACTION_REMOVED,
    }
)

_encoder = msgspec.json.Encoder()


def room_group(room: int) -> str:
    """The group of the channel layer that hubs join when they serve members of the room."""
    return f"room.{room}"


def wire_event(event: RoomEvent) -> Event:
    """An event as clients see it."""
    return Event(
        seq=event.seq,
        n=event.n,
        type=event.type,
        key=event.key,
        actor=event.actor,
        at=event.at,
        data=_in_one_form(event),
        redacted=True if event.redacted else UNSET,
    )


def _in_one_form(event: RoomEvent) -> msgspec.Raw:
    """The event's data, with the emoji of a reaction in its canonical form."""
    if event.type not in (EventType.REACTION_ADDED, EventType.REACTION_REMOVED):
        return event.data
    return msgspec.Raw(encode_data(decode_data(event.type, event.data)))


def events_message(events: Sequence[RoomEvent]) -> Message:
    """The layer's message for consecutive events of one room."""
    return {
        "type": "events",
        "room": events[0].room,
        "epoch": events[0].epoch,
        "first": events[0].seq,
        "last": events[-1].seq,
        "at_ms": int(events[0].at.timestamp() * 1000),
        "special": any(event.type not in MESSAGE_EVENTS for event in events),
        "events": _encoder.encode([wire_event(event) for event in events]),
    }


def runs(events: Sequence[RoomEvent]) -> Iterator[Sequence[RoomEvent]]:
    """Splits events of one room into runs without a gap, each small enough for one message."""
    start = 0
    size = 0
    for index, event in enumerate(events):
        cost = len(event.data) + EVENT_OVERHEAD_BYTES
        if index > start and (
            event.seq != events[index - 1].seq + 1
            or event.epoch != events[index - 1].epoch
            or index - start >= MAX_MESSAGE_EVENTS
            or size + cost > MAX_MESSAGE_BYTES
        ):
            yield events[start:index]
            start, size = index, 0
        size += cost
    if events:
        yield events[start:]


class Publisher:
    """Sends the hints of one event loop. Its methods return at once, whatever the bus does.

    The hub of this loop gets the events of its own process directly, without waiting for the bus.
    """

    def __init__(self) -> None:
        self._for_own_hub: dict[int, list[RoomEvent]] = {}
        self._events: dict[int, list[RoomEvent]] = {}
        self._waiting_events = 0
        self._messages: deque[tuple[str, Message]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.on_events: Callable[[Message], None] | None = None
        """What the hub of this loop takes messages of type `events` with."""

    def events(self, events: Sequence[RoomEvent]) -> None:
        """Announces new events of any rooms; those of one room are in seq order."""
        if self.on_events is not None:
            if not self._for_own_hub:
                # Later, because callers that wait for an acknowledgement come first.
                asyncio.get_running_loop().call_soon(self._tell_own_hub)
            for event in events:
                self._for_own_hub.setdefault(event.room, []).append(event)
        if self._waiting_events + len(events) > MAX_WAITING_EVENTS:
            metrics.HINTS_DROPPED.inc(len(events))
            return
        self._waiting_events += len(events)
        for event in events:
            self._events.setdefault(event.room, []).append(event)
        self._wake()

    def to_room(self, room: int, message: Message) -> None:
        self._put(room_group(room), message)

    def to_hubs(self, message: Message) -> None:
        self._put(HUBS_GROUP, message)

    async def flush(self) -> None:
        """Waits until everything is sent or dropped; for commands that end their loop."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    def _put(self, group: str, message: Message) -> None:
        if len(self._messages) >= MAX_WAITING_MESSAGES:
            metrics.HINTS_DROPPED.inc()
            return
        self._messages.append((group, _plain(message)))
        self._wake()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="publish hints", context=Context())

    async def _run(self) -> None:
        while self._events or self._messages:
            waiting, self._events, self._waiting_events = self._events, {}, 0
            for events in waiting.values():
                for run in runs(events):
                    await self._send(room_group(run[0].room), events_message(run))
            messages, self._messages = self._messages, deque()
            for group, message in messages:
                await self._send(group, message)

    def _tell_own_hub(self) -> None:
        waiting, self._for_own_hub = self._for_own_hub, {}
        for events in waiting.values():
            for run in runs(events):
                if self.on_events is None:
                    return
                try:
                    self.on_events(events_message(run))
                except Exception:
                    # Whatever fails in the hub, the people in the next room must get their events.
                    logger.exception("the hub did not take its own process's events")

    async def _send(self, group: str, message: Message) -> None:
        try:
            await redis_bus.ask(functools.partial(get_channel_layer().group_send, group, message))
        except Unavailable:
            metrics.HINTS_DROPPED.inc()


_publishers = PerLoop(Publisher)


def publisher() -> Publisher:
    """The publisher of the running loop."""
    return _publishers.get()


def publish_blocking(group: str, message: Message) -> None:
    """Sends one hint from Celery or other code without an event loop.

    Best effort: waits no longer than the bus's time-outs; an unreachable bus is counted and logged,
    never raised.
    """
    try:
        layer_wire.publish(group, _plain(message))
    except (redis.RedisError, OSError) as error:
        metrics.HINTS_DROPPED.inc()
        logger.warning("the bus does not accept hints: %s", type(error).__name__)


def _plain(message: Message) -> Message:
    """`message` with text for every key, because msgpack readers refuse numbers as keys."""
    return {str(name): _plain_value(value) for name, value in message.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain_value(inner) for name, inner in value.items()}
    return value
