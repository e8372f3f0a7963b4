"""Who is online in which room, across all web processes.

Nothing here is worth waiting for: with the bus away, people just do not see each other come and
go, and a counter says so.

| Key (bus) | Type | Expiry | Meaning |
|---|---|---|---|
| `veche:presence:<room>` | zset | 3 min after the last change | user id → time (s) at which it counts as gone, renewed at every heartbeat |
"""  # noqa: E501

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from django.conf import settings

from chat import bus, live, metrics
from chat.errors import Unavailable
from chat.protocol import Presence as PresenceFrame
from chat.protocol import encode

if TYPE_CHECKING:
    from chat.hub.core import Hub
    from chat.hub.feeds import RoomFeed
    from chat.hub.sockets import HubSocket

logger = logging.getLogger(__name__)

# A process that died takes its people along after two missed heartbeats.
COUNTS_AS_GONE_AFTER_HEARTBEATS = 2.5
# More than the above for the longest heartbeat.
KEY_LIFETIME_SECONDS = 180
# Comings and goings of a room are told at most this often.
COALESCE_SECONDS = 1.0
# A list of more names helps nobody, and has to be sent to everybody.
MAX_SHOWN = 1_000
ROOMS_PER_CALL = 200


def key_of(room: int) -> str:
    return f"veche:presence:{room}"


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
        """Tell a connection who is online in its rooms, where anybody else is."""
        for room in socket.rooms if rooms is None else rooms:
            self._shows[room].add(socket)
        self._wake()

    def forget(self, room: int) -> None:
        """Nobody here is in the room any more."""
        self._online.pop(room, None)

    def others_online(self, room: int, user_id: int) -> bool:
        """Whether anybody but this person is known to be online in the room."""
        return any(other != user_id for other in self._online.get(room, ()))

    def on_hint(self, room: int, online: Iterable[int], offline: Iterable[int]) -> None:
        """Another hub, or this one, says who came and went."""
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
        """Renew this hub's people and notice whom nobody renews; at every heartbeat."""
        rooms = list(self._hub.feeds)
        for start in range(0, len(rooms), ROOMS_PER_CALL):
            part = rooms[start : start + ROOMS_PER_CALL]
            # While the bus answered about the rooms before, the last one of these may have left.
            feeds = {room: feed for room in part if (feed := self._hub.feeds.get(room))}
            here = {room: set(feed.users) for room, feed in feeds.items()}
            found = await self._exchange(list(here), here, {}, expire=True) if here else {}
            for room, online in found.items():
                feed = self._hub.feeds.get(room)
                if feed is not None:
                    known = self._online.get(room, set())
                    self._online[room] = online
                    self._tell(feed, online - known, known - online)

    async def close(self) -> None:
        """Take this hub's people out at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        rooms = [room for room, users in self._went.items() if users]
        for start in range(0, len(rooms), ROOMS_PER_CALL):
            await self._announce(rooms[start : start + ROOMS_PER_CALL])

    def _tell(self, feed: RoomFeed, came: set[int], went: set[int]) -> None:
        if not came and not went:
            return
        # Encoded once: a room of hundreds that comes back tells everybody of everybody.
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
                live.publisher().to_room(
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
        *,
        expire: bool = False,
    ) -> dict[int, set[int]]:
        """Write who came and went, read who is online; {} with the bus away."""
        now = time.time()
        gone_at = now + COUNTS_AS_GONE_AFTER_HEARTBEATS * settings.ENV.heartbeat_seconds
        pipe = bus.client().pipeline(transaction=False)
        for room in rooms:
            key = key_of(room)
            if users := came.get(room):
                pipe.zadd(key, {str(user_id): gone_at for user_id in users})
                pipe.expire(key, KEY_LIFETIME_SECONDS)
            if users := went.get(room):
                pipe.zrem(key, *map(str, users))
            if expire:
                pipe.zremrangebyscore(key, "-inf", now)
            pipe.zrange(key, f"({now}", "+inf", byscore=True, offset=0, num=MAX_SHOWN)
        try:
            answers = await bus.ask(pipe.execute)
        except Unavailable:
            metrics.PRESENCE_FAILURES.inc()
            return {}
        lists = [answer for answer in answers if isinstance(answer, list)]
        return {room: set(map(int, users)) for room, users in zip(rooms, lists, strict=True)}
