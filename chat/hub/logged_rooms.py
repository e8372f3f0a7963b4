"""Where a hub looks up what it was not told: the room log first, PostgreSQL for older events."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from chat import room_log
from chat.events import RoomEvent
from chat.hub import members
from chat.persistence import lost_log
from chat.protocol import RoomInfo
from chat.queries import history, room_list
from chat.resilience.coalescing import Coalescer
from chat.room_log import RoomState, changes, reading
from chat.room_log.changes import Mark, Unloaded
from chat.servers import clocks
from chat.servers.postgres import in_database

Events = list[RoomEvent]

# As many as the hub's concurrent reads.
READS_AT_ONCE = 16


async def _read(questions: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int, int], Events]:
    return {question: await history.events_after(*question) for question in questions}


# After an outage all people in a room lack the same events.
_reads: Coalescer[tuple[int, int, int], Events] = Coalescer(_read, at_most=1, at_once=READS_AT_ONCE)


class LoggedRooms:
    """The real `chat.hub.healing.RoomSource`."""

    async def room_states(self, rooms: Sequence[int]) -> dict[int, RoomState]:
        return await room_log.room_states(rooms)

    async def epochs_of(self, rooms: Sequence[int]) -> dict[int, int]:
        return await room_log.epochs_of(rooms)

    async def changed_rooms(
        self, known: Mapping[int, Mark | Unloaded]
    ) -> dict[int, Mark | Unloaded]:
        return await changes.changed_rooms(known)

    async def who_is_in(self, rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
        return await members.who_is_in(rooms)

    async def ensure_loaded(self, rooms: Sequence[int]) -> None:
        await room_log.ensure_loaded(rooms)

    async def events_after(self, room: int, after: int, limit: int) -> list[RoomEvent]:
        return await _reads.get((room, after, limit)) or []

    async def report_regress(self, room: int, seen: int, epoch: int) -> None:
        await in_database(lost_log.report_regress, room, seen, epoch)

    async def may_speak(self, user_id: int, room: int) -> bool:
        return await reading.may_speak(user_id, room, int(clocks.LOG.seconds() * 1000))

    async def room_for(self, user_id: int, room: int) -> RoomInfo | None:
        return await room_list.room_for(user_id, room)
