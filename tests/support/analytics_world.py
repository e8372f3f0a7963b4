"""Rooms full of stored events for the analytics, and their way over a real event bus."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Max

from analytics.counting.bus_reader import EventBusReader
from analytics.counting.bus_reader.kafka import KafkaReader
from analytics.counting.bus_reader.redis_stream import RedisStreamReader
from analytics.counting.consumer import Consumer
from analytics.counting.dead_letters import DeadLetters
from analytics.counting.errors import DeadLetterLimitReached
from analytics.counting.records import Bad
from chat.errors import RetryableError
from chat.event_bus import Record, envelope
from chat.events import EventType
from chat.events import RoomEvent as Event
from chat.models import Room, RoomEvent, User
from chat.persistence.stored_events import read_after
from chat.servers import failures
from tests.support.buses import EventBusUnderTest

SHARDS = 4
# The words that `analytics_truth` looks for begin with w.
WORDS = ["wolf", "water", "winter", "wire", "wonder", "words", "дом", "hunter2", "the", "и"]
# Entries and departures, and events that are neither: a role change, an outsider's ban, its end.
MEMBERSHIPS: list[tuple[EventType, dict[str, Any]]] = [
    (EventType.MEMBER_JOINED, {"role": "member"}),
    (EventType.MEMBER_JOINED, {"role": "moderator", "previous": "member"}),
    (EventType.MEMBER_LEFT, {}),
    (EventType.MEMBER_REMOVED, {}),
    (EventType.MEMBER_REMOVED, {"banned": True}),
    (EventType.MEMBER_REMOVED, {"banned": True, "outside": True}),
    (EventType.MEMBER_REMOVED, {"banned": False}),
    (EventType.MEMBER_REMOVED, {"banned": False, "outside": True}),
]
EMOJI = ["👍", "🎉", "👀", "❤️"]
# The event buses under test give up early, and the machine may be busy.
PUBLISH_SECONDS = 100.0
KINDS = ["public", "private", "direct"]


class World:
    """People and rooms, and events of every type in them over several days."""

    def __init__(self, rooms: int = 6, people: int = 5, seed: int = 1, days: float = 9.0) -> None:
        self._pick = random.Random(seed)
        self.people = [User.objects.create_user(f"p{n}-{uuid.uuid4().hex}") for n in range(people)]
        self._until = datetime.now(UTC).replace(microsecond=123_456) - timedelta(minutes=5)
        self._at = self._until - timedelta(days=days)
        self._posted: dict[int, list[int]] = {}
        self.rooms: list[Room] = []
        for number in range(rooms):
            self.new_room(KINDS[number % len(KINDS)])

    def new_room(self, kind: str) -> Room:
        name = f"r-{uuid.uuid4().hex}"
        owner = self._pick.choice(self.people)
        room = Room.objects.create(slug=name, name=name, kind=kind, created_by=owner)
        self.rooms.append(room)
        self._posted[room.pk] = []
        self._store(
            [
                self._row(
                    room, 1, 0, EventType.ROOM_CREATED, {"slug": name, "name": name, "kind": kind}
                ),
                self._row(room, 2, 0, EventType.MEMBER_JOINED, {"user": owner.pk, "role": "owner"}),
            ]
        )
        return room

    def happen(self, count: int, rooms: Sequence[Room] | None = None) -> None:
        """Store `count` events, in the rooms' order."""
        ends = {
            room: (seq, n)
            for room, seq, n in RoomEvent.objects.values_list("room_id")
            .annotate(seq=Max("seq"), n=Max("n"))
            .values_list("room_id", "seq", "n")
        }
        step = max((self._until - self._at) / (2 * count), timedelta(microseconds=1))
        made = []
        for _ in range(count):
            room = self._pick.choice(rooms or self.rooms)
            seq, n = ends.get(room.pk, (0, 0))
            kind, data = self._something(room)
            n += kind is EventType.MESSAGE_POSTED
            seq += 1
            self._at += step * self._pick.random() * 2
            made.append(self._row(room, seq, n, kind, data))
            ends[room.pk] = (seq, n)
            if kind is EventType.MESSAGE_POSTED:
                self._posted[room.pk].append(seq)
        self._store(made)

    def _something(self, room: Room) -> tuple[EventType, dict[str, Any]]:
        pick, posted = self._pick, self._posted[room.pk]
        share = pick.random() if posted else 0.0
        if share < 0.6:
            data: dict[str, Any] = {"body": " ".join(pick.choices(WORDS, k=pick.randint(1, 9)))}
            if posted and pick.random() < 0.3:
                data["reply_to"] = pick.choice(posted[-40:])
            return EventType.MESSAGE_POSTED, data
        target = {"target": pick.choice(posted[-30:])}
        if share < 0.75:
            return EventType.REACTION_ADDED, {**target, "emoji": pick.choice(EMOJI)}
        if share < 0.80:
            return EventType.REACTION_REMOVED, {**target, "emoji": pick.choice(EMOJI)}
        if share < 0.87:
            return EventType.MESSAGE_EDITED, {**target, "body": "wintry"}
        if share < 0.91:
            return EventType.MESSAGE_DELETED, target
        if share < 0.93:
            return EventType.MESSAGE_RESTORED, target
        if share < 0.98:
            kind, more = pick.choice(MEMBERSHIPS)
            return kind, {"user": pick.choice(self.people).pk, **more}
        return EventType.ROOM_UPDATED, {"name": f"name {pick.randint(1, 99)}"}

    def _row(
        self, room: Room, seq: int, n: int, kind: EventType, data: dict[str, Any]
    ) -> RoomEvent:
        return RoomEvent(
            shard=room.pk % SHARDS,
            room=room,
            seq=seq,
            n=n,
            epoch=1,
            type=kind,
            key=uuid.uuid4(),
            actor=self._pick.choice(self.people),
            at=self._at,
            data=data,
        )

    def _store(self, rows: Sequence[RoomEvent]) -> None:
        RoomEvent.objects.bulk_create(rows, batch_size=5_000)

    def events(self) -> Iterator[Event]:
        """Every stored event, room by room, in seq order."""
        for room in self.rooms:
            yield from read_after(room.pk, 0, 1_000_000)


def publish(on: EventBusUnderTest, events: Sequence[Event]) -> None:
    """Publish `events` as the export does: from the first one that is not acknowledged in time, all
    are sent again, so some may be there twice."""
    left = [Record(one.room, one.seq, envelope.encode(one)) for one in events]
    deadline = time.monotonic() + PUBLISH_SECONDS
    while left:
        try:
            on.bus.prepare()
            outcomes = on.bus.publish(left, 60.0)
        except RetryableError:
            outcomes = []
        taken = next((n for n, one in enumerate(outcomes) if one is not None), len(outcomes))
        left = left[taken:]
        assert not left or time.monotonic() < deadline, f"{len(left)} events were not taken"


class KeptDeadLetters:
    """Dead letters in a list. `limit` bad records in a batch are too many."""

    def __init__(self, limit: int = 50) -> None:
        self.kept: list[Bad] = []
        self._limit = limit

    def is_data_error(self, error: DatabaseError) -> bool:
        return failures.is_data_error(error)

    def check(self, partition: int, bad: int, entries: int) -> None:
        if bad >= self._limit:
            raise DeadLetterLimitReached(f"{bad} of {entries}")

    def passed(self, partition: int, bad: int, entries: int) -> None:
        pass

    def add(self, bus: str, partition: int, bad: Bad) -> None:
        self.kept.append(bad)


def new_reader(on: EventBusUnderTest, group: str = "analytics") -> EventBusReader:
    if on.kind == "kafka":
        return KafkaReader(
            [on.server.url], topic=on.topic, group=f"{group}-{on.topic}", session_ms=6_000
        )
    from redis import Redis

    client = Redis.from_url(on.server.url, socket_timeout=3, socket_connect_timeout=2)
    return RedisStreamReader(client, stream=on.topic, group=group)


def new_consumer(
    on: EventBusUnderTest, letters: DeadLetters | None = None, **more: Any
) -> Consumer:
    return Consumer(lambda: new_reader(on), letters or KeptDeadLetters(), **more)
