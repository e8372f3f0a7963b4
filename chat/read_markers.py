"""How far people have read: collected for about a second, then stored in one statement.

A marker is a convenience of its owner. With PostgreSQL away markers wait here, newest only, and
beyond a limit they are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from django.db import connection

from chat import metrics
from chat.database import in_database
from chat.errors import Unavailable

logger = logging.getLogger(__name__)

MAX_WAITING = 50_000
FLUSH_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
CLOSE_SECONDS = 3.0

# Sorted, so that two processes that store the same markers do not deadlock. A person or a room
# that is gone by now is passed over.
STORE = """
    INSERT INTO chat_readmarker AS marker (user_id, room_id, seq)
    SELECT given.user_id, given.room_id, given.seq
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS given (user_id, room_id, seq)
    JOIN chat_user AS person ON person.id = given.user_id
    JOIN chat_room AS room ON room.id = given.room_id
    ORDER BY given.user_id, given.room_id
    ON CONFLICT (user_id, room_id) DO UPDATE SET seq = EXCLUDED.seq
    WHERE marker.seq < EXCLUDED.seq
"""

Markers = Mapping[tuple[int, int], int]


def store(markers: Markers) -> None:
    """Move markers, (user, room) → seq, forward; none goes back. Uses the ORM's connection."""
    users, rooms = zip(*markers, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(STORE, [list(users), list(rooms), list(markers.values())])


class ReadMarkers:
    """The markers of one process that are not stored yet."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], int] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, user_id: int, room: int, seq: int) -> None:
        """Note that the person has read the room up to `seq`; returns at once."""
        key = (user_id, room)
        if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
            metrics.READ_MARKERS_DROPPED.inc()
            return
        self._waiting[key] = max(seq, self._waiting.get(key, 0))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="read markers")

    async def flush(self) -> None:
        """Store what waits.

        Raises: Unavailable; what waits is then kept.
        """
        taken, self._waiting = self._waiting, {}
        if not taken:
            return
        try:
            await in_database(store, taken)
        except Unavailable:
            for key, seq in taken.items():
                self._waiting[key] = max(seq, self._waiting.get(key, 0))
            raise

    async def close(self) -> None:
        """Store what waits, now; for the end of the process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.flush()
        except (Unavailable, TimeoutError):
            metrics.READ_MARKERS_DROPPED.inc(len(self._waiting))

    async def _run(self) -> None:
        wait = FLUSH_SECONDS
        while self._waiting:
            await asyncio.sleep(wait)
            try:
                await self.flush()
                wait = FLUSH_SECONDS
            except Unavailable:
                wait = min(wait * 2, LONGEST_RETRY_SECONDS)
            except Exception:
                metrics.READ_MARKERS_DROPPED.inc()
                logger.exception("read markers could not be stored")
