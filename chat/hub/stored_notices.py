"""`stored` frames: how far PostgreSQL has got, at most ten times a second per connection."""

from __future__ import annotations

from typing import Any

from chat.hub.feeds import RoomFeed, Timers
from chat.hub.sockets import HubSocket
from chat.protocol import Stored, encode

EVERY_SECONDS = 0.1


class StoredNotices:
    """Collects watermarks and sends each connection those of its rooms in one frame."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._waiting: set[HubSocket] = set()
        self._timer: Any = None

    def put(self, feed: RoomFeed, seq: int) -> None:
        if seq <= feed.stored:
            return
        feed.stored = seq
        for socket in feed.sockets():
            socket.stored[feed.room] = seq
            self._waiting.add(socket)
        if self._timer is None and self._waiting:
            self._timer = self._timers.call_later(EVERY_SECONDS, self._send)

    def forget(self, socket: HubSocket) -> None:
        self._waiting.discard(socket)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _send(self) -> None:
        self._timer = None
        texts: dict[tuple[tuple[int, int], ...], str] = {}  # many have the same rooms
        for socket in self._waiting:
            rooms = tuple(sorted(socket.stored.items()))
            socket.stored.clear()
            text = texts.get(rooms)
            if text is None:
                text = texts[rooms] = encode(Stored(rooms={str(room): seq for room, seq in rooms}))
            socket.send_text(text)
        self._waiting.clear()
