"""A hub without servers: rooms in memory, connections that only remember, a clock that is told."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from chat.accounts.socket_auth import Identity
from chat.errors import Unavailable
from chat.events import EventType, RoomEvent
from chat.hints.to_hubs import events_message, runs
from chat.hub.core import Hub
from chat.hub.presence import Presence
from chat.hub.sockets import HubSocket
from chat.protocol import Position, RoomInfo
from chat.room_log import RoomState
from chat.room_log.changes import Mark, Unloaded

ROOM = 5
PATIENCE_SECONDS = 5.0


class FakeTimer:
    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeTimers:
    """An event loop's clock that moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._waiting: list[tuple[float, int, FakeTimer]] = []
        self._count = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(callback)
        heapq.heappush(self._waiting, (self.now + delay, next(self._count), timer))
        return timer

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self._waiting and self._waiting[0][0] <= end:
            self.now, _, timer = heapq.heappop(self._waiting)
            if timer.callback is not None:
                timer.callback()
        self.now = end


class Wire:
    """A transport that keeps what was sent."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self._changed = asyncio.Event()

    def send_text(self, text: str) -> None:
        self.frames.append(json.loads(text))
        self._changed.set()

    def close(self, code: int) -> None:
        self.code = int(code)
        self._changed.set()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["t"] == kind]

    def seqs(self, room: int = ROOM) -> list[int]:
        return [
            event["seq"]
            for frame in self.of_type("events")
            if frame["room"] == room
            for event in frame["events"]
        ]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class MemoryRooms:
    """A room log that is a dict, and says how often it was asked."""

    def __init__(self) -> None:
        self.events: dict[int, list[RoomEvent]] = {ROOM: []}
        self.epoch = 1
        self.away = False
        self.refused = asyncio.Event()  # set when somebody asked in vain
        self.asked: list[tuple[int, int]] = []  # (room, after) of every `events_after`
        self.regressed: list[tuple[int, int, int]] = []  # (room, seq, epoch) that were reported
        self.members: set[tuple[int, int]] = set()
        self.acl = "1"  # the name of its state, in all rooms
        self.out: set[tuple[int, int]] = set()  # (user, room) of who was taken out
        self.looked_for: list[dict[int, set[int]]] = []  # what `who_is_in` was asked
        self.unloaded: set[int] = set()  # rooms that only PostgreSQL has until somebody asks
        self.unreadable: set[int] = set()  # rooms whose events nobody gets

    def head(self, room: int = ROOM) -> int:
        events = self.events[room]
        return events[-1].seq if events else 0

    def post(
        self,
        room: int = ROOM,
        kind: EventType = EventType.MESSAGE_POSTED,
        data: dict[str, Any] | None = None,
        body: str = "hi",
    ) -> RoomEvent:
        seq = self.head(room) + 1
        event = RoomEvent(
            room=room,
            epoch=self.epoch,
            seq=seq,
            n=seq,
            type=kind,
            key=None,
            actor=1,
            at=datetime(2026, 11, 22, tzinfo=UTC),
            data=msgspec.Raw(json.dumps(data or {"body": body}).encode()),
        )
        self.events[room].append(event)
        return event

    def posts(self, count: int, **options: Any) -> list[RoomEvent]:
        return [self.post(**options) for _ in range(count)]

    async def room_states(self, rooms: Sequence[int]) -> dict[int, RoomState]:
        self._check()
        return {
            room: RoomState(self.epoch, self.head(room), self.head(room), 0, False)
            for room in rooms
            if room in self.events and room not in self.unloaded
        }

    async def changed_rooms(
        self, known: Mapping[int, Mark | Unloaded]
    ) -> dict[int, Mark | Unloaded]:
        self._check()
        marks = {room: self._mark(room) for room in known}
        return {room: mark for room, mark in marks.items() if mark != known[room]}

    def _mark(self, room: int) -> Mark | Unloaded:
        if room in self.unloaded:
            return Unloaded(self.epoch)
        return Mark(self.epoch, self.head(room), 0, self.acl)

    async def who_is_in(self, rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
        self._check()
        self.looked_for.append({room: set(people) for room, people in rooms.items()})
        return {
            room: {user for user in people if (user, room) not in self.out}
            for room, people in rooms.items()
        }

    async def epochs_of(self, rooms: Sequence[int]) -> dict[int, int]:
        self._check()
        return dict.fromkeys(rooms, self.epoch)

    async def ensure_loaded(self, rooms: Sequence[int]) -> None:
        self._check()
        self.unloaded -= set(rooms)

    async def events_after(self, room: int, after: int, limit: int) -> list[RoomEvent]:
        await asyncio.sleep(0)
        self._check()
        self.asked.append((room, after))
        if room in self.unreadable:
            raise Unavailable("unreadable")
        return [event for event in self.events[room] if event.seq > after][:limit]

    async def report_regress(self, room: int, seen: int, epoch: int) -> None:
        self.regressed.append((room, seen, epoch))

    async def may_speak(self, user_id: int, room: int) -> bool:
        return True

    async def room_for(self, user_id: int, room: int) -> RoomInfo | None:
        self._check()
        return self.info(room) if (user_id, room) in self.members else None

    def info(self, room: int = ROOM) -> RoomInfo:
        return RoomInfo(
            id=room,
            slug=f"room-{room}",
            name="Room",
            topic="",
            kind="private",
            archived=False,
            epoch=self.epoch,
            head=self.head(room),
            n=self.head(room),
            stored=0,
            read=0,
            read_n=0,
            role="member",
        )

    def _check(self) -> None:
        if self.away:
            self.refused.set()
            raise Unavailable("away")


class PresenceWithoutBus(Presence):
    async def _exchange(self, *args: Any, **options: Any) -> dict[int, set[int]]:
        return {}

    async def _renew(self, feeds: Any) -> None: ...


class World:
    """A hub, its rooms, and people on connections."""

    def __init__(self, *, timers: FakeTimers | None = None, **limits: int) -> None:
        self.rooms = MemoryRooms()
        self.hub = Hub(
            self.rooms,
            shards=4,
            max_sockets=limits.get("max_sockets", 100),
            max_sockets_per_user=limits.get("max_sockets_per_user", 20),
            timers=timers,
        )
        self.hub.presence = PresenceWithoutBus(self.hub)

    def connect(
        self, user_id: int = 1, *, unseen_bytes: int = 1_000_000, grant: str = "session"
    ) -> tuple[HubSocket, Wire]:
        """A connection that has not said hello."""
        wire = Wire()
        identity = Identity(user_id, grant, f"user{user_id}", f"User {user_id}", False)
        socket = HubSocket(identity, wire, unseen_bytes)
        assert self.hub.admit(socket)
        return socket, wire

    def enter(
        self,
        user_id: int = 1,
        *,
        at: Position | None = None,
        rooms: Sequence[int] = (ROOM,),
        **options: Any,
    ) -> tuple[HubSocket, Wire]:
        """A connection in its rooms, at head or where its client says it is."""
        socket, wire = self.connect(user_id, **options)
        positions = {} if at is None else {str(ROOM): at}
        self.hub.enter(socket, [self.rooms.info(room) for room in rooms], positions)
        return socket, wire

    def hint(self, *events: RoomEvent) -> None:
        """The channel layer tells of events, as one message for each run."""
        for run in runs(events):
            self.hub.on_message(events_message(run))
