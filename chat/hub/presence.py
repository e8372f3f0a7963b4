"""Who is online in which room, across all web processes.

Nothing here is worth waiting for: while the bus is down, people do not see each other come and go,
and a counter records it.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:presence:<room>` | zset | 3 min after the last change | user id → time (s) at which it counts as gone, renewed at every heartbeat |
"""  # noqa: E501

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from chat.errors import Unavailable
from chat.hints import to_hubs
from chat.metrics import catalogue as metrics
from chat.protocol import Presence as PresenceFrame
from chat.protocol import encode
from chat.servers import clocks, redis_bus
from chat.servers.lua import Script

if TYPE_CHECKING:
    from chat.hub.core import Hub
    from chat.hub.feeds import RoomFeed
    from chat.hub.sockets import HubSocket

logger = logging.getLogger(__name__)

# The people of a process that died count as gone after two missed heartbeats.
COUNTS_AS_GONE_AFTER_HEARTBEATS = 2.5
# More than the time above, even for the longest heartbeat.
KEY_LIFETIME_SECONDS = 180
# Each room's arrivals and departures are told at most this often.
COALESCE_SECONDS = 1.0
# A list of more names helps nobody, and has to be sent to everybody.
MAX_SHOWN = 1_000
ROOMS_PER_CALL = 200
# In all rooms of one call together, so that a call blocks the bus for a few milliseconds at most.
PEOPLE_PER_CALL = 2_000

RENEW = Script(Path(__file__).parent / "presence.lua")


def key_of(room: int) -> str:
    return f"veche:presence:{room}"


def gone_at(now: float) -> float:
    """When a person renewed at `now` counts as gone."""
    return now + COUNTS_AS_GONE_AFTER_HEARTBEATS * settings.ENV.heartbeat_seconds


def _digest(people: Iterable[int]) -> str:
    """The same digest that `presence.lua` makes."""
    text = ",".join(sorted(map(str, people)))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Presence:
    """The presence of one hub's people, and what it knows of the others."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._online: dict[int, set[int]] = {}
        self._came: defaultdict[int, set[int]] = defaultdict(set)
        self._went: defaultdict[int, set[int]] = defaultdict(set)
        self._shows: defaultdict[int, set[HubSocket]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None

    def came(self, room: int, user_id: int) -> None:
        """The person's first connection here is in the room."""
        self._went[room].discard(user_id)
        self._came[room].add(user_id)
        self._wake()

    def went(self, room: int, user_id: int) -> None:
        """The person's last connection here has left the room."""
        self._came[room].discard(user_id)
        self._went[room].add(user_id)
        self._wake()

    def show(self, socket: HubSocket, rooms: Iterable[int] | None = None) -> None:
        """Tell a connection who is online in those of its rooms where anybody else is."""
        for room in socket.rooms if rooms is None else rooms:
            self._shows[room].add(socket)
        self._wake()

    def forget(self, room: int) -> None:
        """Forget a room that nobody here is in any more."""
        self._online.pop(room, None)

    def others_online(self, room: int, user_id: int) -> bool:
        """Whether anybody but this person is known to be online in the room."""
        return any(other != user_id for other in self._online.get(room, ()))

    def on_hint(self, room: int, online: Iterable[int], offline: Iterable[int]) -> None:
        """Take in a hint, from any hub including this one, about who came and went."""
        feed = self._hub.feeds.get(room)
        if feed is None:
            return
        came, went = set(online), set(offline)
        for user_id in went & feed.users.keys():
            # The person left another process but is still here.
            went.discard(user_id)
            self.came(room, user_id)
        known = self._online.setdefault(room, set())
        known |= came
        known -= went
        self._tell(feed, came, went)

    async def refresh(self) -> None:
        """At every heartbeat, renew this hub's people and notice those whom no hub renews."""
        part: dict[int, RoomFeed] = {}
        people = 0
        for room, feed in list(self._hub.feeds.items()):
            if part and (len(part) >= ROOMS_PER_CALL or people + len(feed.users) > PEOPLE_PER_CALL):
                await self._renew(part)
                part, people = {}, 0
            if self._hub.feeds.get(room) is not feed:  # its last socket left while the bus answered
                continue
            part[room] = feed
            people += len(feed.users) + len(self._online.get(room, ()))
        if part:
            await self._renew(part)

    async def _renew(self, feeds: dict[int, RoomFeed]) -> None:
        now = clocks.BUS.seconds()
        arguments: list[str | int] = [
            repr(now),
            repr(gone_at(now)),
            KEY_LIFETIME_SECONDS,
            MAX_SHOWN,
        ]
        for room, feed in feeds.items():
            known = self._online.get(room, ())
            arguments += (room, _digest(known), len(feed.users), *feed.users)
        try:
            answer = await redis_bus.ask(lambda: RENEW.acall(redis_bus.client(), [], arguments))
        except Unavailable:
            metrics.PRESENCE_FAILURES.inc()
            return
        assert isinstance(answer, list)
        for room, users in zip(map(int, answer[::2]), answer[1::2], strict=True):
            if self._hub.feeds.get(room) is feeds[room]:
                before, online = self._online.get(room, set()), set(map(int, users))
                self._online[room] = online
                self._tell(feeds[room], online - before, before - online)

    async def close(self) -> None:
        """Mark this hub's people as offline at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        rooms = [room for room, users in self._went.items() if users]
        for start in range(0, len(rooms), ROOMS_PER_CALL):
            await self._announce(rooms[start : start + ROOMS_PER_CALL])

    def _tell(self, feed: RoomFeed, came: set[int], went: set[int]) -> None:
        if not came and not went:
            return
        # Encoded once: when hundreds of people reconnect to a room, each is told about all others.
        text = encode(PresenceFrame(room=feed.room, online=sorted(came), offline=sorted(went)))
        for socket in list(feed.sockets()):
            if went or came != {socket.user_id}:
                socket.send_text(text)

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="presence")

    async def _run(self) -> None:
        while rooms := list({*self._came, *self._went, *self._shows})[:ROOMS_PER_CALL]:
            await self._announce(rooms)
            await asyncio.sleep(COALESCE_SECONDS)

    async def _announce(self, rooms: Sequence[int]) -> None:
        came = {room: self._came.pop(room, set()) for room in rooms}
        went = {room: self._went.pop(room, set()) for room in rooms}
        shows = {room: self._shows.pop(room, set()) for room in rooms}
        found = await self._exchange(rooms, came, went)
        for room, online in found.items():
            if room in self._hub.feeds:
                self._online[room] = online
            changed = came[room] or went[room]
            if changed and online - came[room]:
                to_hubs.publisher().to_room(
                    room,
                    {
                        "type": "presence",
                        "room": room,
                        "online": sorted(came[room]),
                        "offline": sorted(went[room]),
                    },
                )
            if shows[room]:
                text = encode(PresenceFrame(room=room, online=sorted(online), full=True))
            for socket in shows[room]:
                if not online <= {socket.user_id}:
                    socket.send_text(text)

    async def _exchange(
        self,
        rooms: Sequence[int],
        came: dict[int, set[int]],
        went: dict[int, set[int]],
    ) -> dict[int, set[int]]:
        """Write who came and went, read who is online; {} while the bus is down."""
        now = clocks.BUS.seconds()
        until = gone_at(now)
        pipe = redis_bus.client().pipeline(transaction=False)
        for room in rooms:
            key = key_of(room)
            if users := came.get(room):
                pipe.zadd(key, {str(user_id): until for user_id in users})
                pipe.expire(key, KEY_LIFETIME_SECONDS)
            if users := went.get(room):
                pipe.zrem(key, *map(str, users))
            pipe.zrange(key, f"({now}", "+inf", byscore=True, offset=0, num=MAX_SHOWN)
        try:
            answers = await redis_bus.ask(pipe.execute)
        except Unavailable:
            metrics.PRESENCE_FAILURES.inc()
            return {}
        lists = [answer for answer in answers if isinstance(answer, list)]
        return {room: set(map(int, users)) for room, users in zip(rooms, lists, strict=True)}
