"""How far people have read: stored at once, or half a second's markers together in one statement.

A marker is a convenience for its owner. While PostgreSQL is down markers wait here, only the newest
of each room and person, and beyond a limit they are dropped and counted. Once a marker has moved, a
hint tells its owner's other devices. A device that misses the hint learns of it when it reconnects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from django.db import connection

from chat.errors import Unavailable
from chat.metrics import catalogue as metrics
from chat.room_log import reading
from chat.servers.postgres import in_database

logger = logging.getLogger(__name__)

MAX_WAITING = 50_000
FLUSH_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
CLOSE_SECONDS = 3.0

# Sorted, so that two processes that store the same markers do not deadlock. A person or room that
# no longer exists is skipped. What was read before the person set the marker by hand moves nothing;
# a client that does not say when (-1) moves it only past everything that was ever read.
STORE = """
    INSERT INTO chat_readmarker AS marker (user_id, room_id, seq, set_at_ms)
    SELECT given.user_id, given.room_id, given.seq, CASE
        WHEN given.set_at_ms < 0 AND given.seq > old.put_back_from THEN old.set_at_ms
        ELSE greatest(0, least(given.set_at_ms, old.set_at_ms)) END
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS given (user_id, room_id, seq, set_at_ms)
    JOIN chat_user AS person ON person.id = given.user_id
    JOIN chat_room AS room ON room.id = given.room_id
    LEFT JOIN chat_readmarker AS old
        ON old.user_id = given.user_id AND old.room_id = given.room_id
    ORDER BY given.user_id, given.room_id
    ON CONFLICT (user_id, room_id) DO UPDATE SET seq = EXCLUDED.seq
    WHERE marker.seq < EXCLUDED.seq AND marker.set_at_ms <= EXCLUDED.set_at_ms
    RETURNING user_id, room_id, seq, set_at_ms
"""

NUMBERS = """
    SELECT place.room_id, place.seq, last.n
    FROM unnest(%s::bigint[], %s::bigint[]) AS place (room_id, seq)
    CROSS JOIN LATERAL (
        SELECT n FROM chat_roomevent AS event
        WHERE event.room_id = place.room_id AND event.seq <= place.seq
        ORDER BY event.seq DESC LIMIT 1
    ) AS last
"""

Place = tuple[int, int]  # room, seq
# For a client that does not know when the marker was set by hand.
UNKNOWN = -1


class Mark(NamedTuple):
    """Read up to `seq`, by somebody who knows that the marker was set by hand at `set_at_ms`.

    Of two marks the greater holds.
    """

    set_at_ms: int
    seq: int


Markers = Mapping[tuple[int, int], Mark]  # by user and room


class Moved(msgspec.Struct, frozen=True):
    """A marker that moved forward to `seq`, up to which `n` messages were posted."""

    user_id: int
    room: int
    seq: int
    n: int
    set_at_ms: int = 0


def store(markers: Markers) -> list[tuple[int, int, int, int]]:
    """Move markers forward; none goes back. Uses the ORM's connection.

    Returns those that moved, as (user, room, seq, set_at_ms).
    """
    users, rooms = zip(*markers, strict=True)
    set_at_ms, seqs = zip(*markers.values(), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(STORE, [list(users), list(rooms), list(seqs), list(set_at_ms)])
        moved: list[tuple[int, int, int, int]] = cursor.fetchall()
    return moved


async def numbers_at(places: Collection[Place]) -> dict[Place, int]:
    """How many messages were posted up to each (room, seq): from the log, or from PostgreSQL where
    the log no longer holds the place. Places that neither knows are absent.

    Raises: Unavailable.
    """
    found = await reading.numbers_at(places)
    if older := [place for place in places if place not in found]:
        found |= await in_database(_stored_numbers, older)
    return found


def _stored_numbers(places: Iterable[Place]) -> dict[Place, int]:
    rooms, seqs = zip(*places, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(NUMBERS, [list(rooms), list(seqs)])
        return {(room, seq): n for room, seq, n in cursor.fetchall()}


class ReadMarkers:
    """The markers of one process that are not stored yet. `on_moved` gets those that moved."""

    def __init__(self, on_moved: Callable[[Sequence[Moved]], None]) -> None:
        self._on_moved = on_moved
        self._waiting: dict[tuple[int, int], Mark] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, user_id: int, room: int, seq: int, set_at_ms: int | None = None) -> None:
        """Note that the person has read the room up to `seq`; returns at once.

        `set_at_ms` is when the marker was last set by hand, as their client knows it.
        """
        key = (user_id, room)
        if len(self._waiting) >= MAX_WAITING and key not in self._waiting:
            metrics.READ_MARKERS_DROPPED.inc()
            return
        self._keep(key, Mark(UNKNOWN if set_at_ms is None else set_at_ms, seq))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="read markers")

    async def flush(self) -> None:
        """Store the waiting markers, and report those that moved.

        Raises: Unavailable when they could not be stored; they are then kept.
        """
        taken, self._waiting = self._waiting, {}
        if not taken:
            return
        try:
            moved = await in_database(store, taken)
        except Unavailable:
            for key, mark in taken.items():
                self._keep(key, mark)
            raise
        if moved:
            await self._tell(moved)

    def _keep(self, key: tuple[int, int], mark: Mark) -> None:
        self._waiting[key] = max(mark, self._waiting.get(key, mark))

    async def _tell(self, moved: Sequence[tuple[int, int, int, int]]) -> None:
        try:
            numbers = await numbers_at({(room, seq) for _, room, seq, _ in moved})
        except Unavailable:
            logger.warning(
                "other devices are not told what was read: log or database is unreachable"
            )
            return
        self._on_moved(
            [
                Moved(user, room, seq, numbers[room, seq], set_at_ms)
                for user, room, seq, set_at_ms in moved
                if (room, seq) in numbers
            ]
        )

    async def close(self) -> None:
        """At the end of the process, store the waiting markers now."""
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
        # The first marker after a pause is stored at once; those of the next half second wait.
        while self._waiting:
            try:
                await self.flush()
                wait = FLUSH_SECONDS
            except Unavailable:
                wait = min(wait * 2, LONGEST_RETRY_SECONDS)
            except Exception:
                metrics.READ_MARKERS_DROPPED.inc()
                logger.exception("read markers could not be stored")
            await asyncio.sleep(wait)
