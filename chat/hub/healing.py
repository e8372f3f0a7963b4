"""What a hub missed: hints that were lost, and rooms whose log began anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from chat.errors import ClientError
from chat.events import RoomEvent
from chat.hints import to_hubs
from chat.hub.batches import batch_of_events
from chat.hub.feeds import UNLOADED, RoomFeed
from chat.hub.members import put_out
from chat.protocol import MAX_SYNC_EVENTS, RoomInfo
from chat.room_log import RoomState
from chat.room_log.changes import Mark, Unloaded

if TYPE_CHECKING:
    from chat.hub.core import Hub

# Hubs that are further behind than this let each connection catch up at its own pace.
MAX_HEAL_EVENTS = 2_000
HEAL_RETRY_SECONDS = 1.0
ROOMS_PER_CALL = 500
BRING_UP_SECONDS = 5.0


class RoomSource(Protocol):
    """Where the hub looks up what it was not told: the room log and PostgreSQL."""

    async def room_states(self, rooms: Sequence[int]) -> dict[int, RoomState]: ...

    async def epochs_of(self, rooms: Sequence[int]) -> dict[int, int]: ...

    async def changed_rooms(
        self, known: Mapping[int, Mark | Unloaded]
    ) -> dict[int, Mark | Unloaded]: ...

    async def who_is_in(self, rooms: Mapping[int, Collection[int]]) -> dict[int, set[int]]: ...

    async def ensure_loaded(self, rooms: Sequence[int]) -> None: ...

    async def events_after(self, room: int, after: int, limit: int) -> list[RoomEvent]: ...

    async def room_for(self, user_id: int, room: int) -> RoomInfo | None: ...

    async def may_speak(self, user_id: int, room: int) -> bool: ...

    async def report_regress(self, room: int, seen: int, epoch: int) -> None: ...


class Healer:
    """Brings the feeds of one hub up to the head of their rooms."""

    def __init__(self, hub: Hub, slots: asyncio.Semaphore) -> None:
        self._hub = hub
        self._slots = slots
        self._healing: set[RoomFeed] = set()
        self._resetting: set[RoomFeed] = set()

    def heal(self, feed: RoomFeed) -> None:
        """Fetch the events missing up to `feed.target`; returns at once."""
        if feed not in self._healing:
            self._healing.add(feed)
            self._hub.spawn(self._heal(feed), "heal")

    def reset(self, feed: RoomFeed) -> None:
        """Find out whether the room's log began anew; returns at once."""
        if feed not in self._resetting:
            self._resetting.add(feed)
            self._hub.spawn(self._reset(feed), "reset")

    async def bring_up(self, room: int) -> None:
        """Wait, for a short time only, until the feed has handed on what the log has now.

        Raises: Unavailable, TimeoutError.
        """
        async with asyncio.timeout(BRING_UP_SECONDS):
            await self.look_at([room])
            while (feed := self._hub.feeds.get(room)) and feed.delivered < feed.target:
                moved = feed.moved
                self.heal(feed)
                await moved.wait()

    async def look_at(self, rooms: Sequence[int]) -> None:
        """Compare with the room log, and fetch what is missing here.

        Raises: Unavailable.
        """
        for start in range(0, len(rooms), ROOMS_PER_CALL):
            part = rooms[start : start + ROOMS_PER_CALL]
            # Read before the log is asked: hints that come meanwhile may be ahead of its answer.
            positions = {
                room: feed.position for room in part if (feed := self._hub.feeds.get(room))
            }
            states = await self._hub.source.room_states(part)
            await self._look_at_epochs([room for room in part if room not in states])
            for room, state in states.items():
                feed = self._hub.feeds.get(room)
                if feed is None:
                    continue
                await self._compare(feed, state, positions.get(room, 0))

    async def look_over(self, rooms: Sequence[int]) -> None:
        """Like `look_at`, for the rooms that changed; also put out people no longer in them.

        `rooms` are those of one call (`chat.room_log.changes.in_calls`). Raises: Unavailable.
        """
        feeds = {room: feed for room in rooms if (feed := self._hub.feeds.get(room))}
        known = {room: feed.mark() for room, feed in feeds.items()}
        found = await self._hub.source.changed_rooms(known)
        people: dict[RoomFeed, set[int]] = {}
        states: dict[RoomFeed, str] = {}
        for room, feed in feeds.items():
            mark, before = found.get(room), known[room]
            if self._hub.feeds.get(room) is not feed:
                continue
            if isinstance(mark, Mark):
                await self._compare(feed, mark, before.head if isinstance(before, Mark) else 0)
                state = mark.members
            elif isinstance(mark, Unloaded):
                if mark.epoch > feed.epoch:  # its log was lost, and nobody has used it since
                    self.reset(feed)
                state = UNLOADED
            else:
                state = feed.members
            if not state or state != feed.members:
                people[feed], states[feed] = set(feed.users), state
            elif feed.newcomers:
                people[feed] = set(feed.newcomers)
        if people:
            await self._look_for_people(people, states)

    async def _look_for_people(
        self, people: Mapping[RoomFeed, set[int]], states: Mapping[RoomFeed, str]
    ) -> None:
        """Put out people no longer in a room; `states` was read first, so no change is missed."""
        for feed, asked in people.items():
            feed.newcomers -= asked
        found: dict[int, set[int]] = {}
        try:
            found = await self._hub.source.who_is_in({one.room: who for one, who in people.items()})
        finally:
            for feed, asked in people.items():
                members = found.get(feed.room)
                if members is None:  # neither server could say: ask again
                    feed.newcomers |= asked & feed.users.keys()
                    continue
                if states.get(feed):
                    feed.members = states[feed]
                # Until they are out: putting them out may fail, and the ACL will not change again.
                feed.newcomers |= (asked - members) & feed.users.keys()
                for user_id in asked - members:
                    self._hub.spawn(put_out(self._hub, user_id, feed.room), "put out")

    async def _compare(self, feed: RoomFeed, state: RoomState | Mark, seen: int) -> None:
        """`seen`: the feed's position before the log was asked. Raises: Unavailable."""
        if state.epoch > feed.epoch:
            self._hub.restart(feed, state.epoch, state.head)
        elif state.epoch == feed.epoch:
            feed.head_is(state.head)
            if state.head < seen:
                # The log lost its end unnoticed, and would assign those seqs again.
                await self._hub.source.report_regress(feed.room, seen, state.epoch)
        self._hub.stored(feed, state.stored)

    async def _look_at_epochs(self, unloaded: Sequence[int]) -> None:
        """Reset rooms whose log was lost and which nobody has used since, so that the log does not
        hold them. The hint about the loss may have been lost too.

        Raises: Unavailable.
        """
        if not unloaded:
            return
        for room, epoch in (await self._hub.source.epochs_of(unloaded)).items():
            feed = self._hub.feeds.get(room)
            if feed is not None and epoch > feed.epoch:
                self.reset(feed)

    async def _heal(self, feed: RoomFeed) -> None:
        try:
            while feed.position < feed.target and self._hub.feeds.get(feed.room) is feed:
                if feed.target - feed.position > MAX_HEAL_EVENTS:
                    self._hub.let_everybody_catch_up(feed)
                else:
                    await self._step(feed)
        finally:
            self._healing.discard(feed)

    async def _step(self, feed: RoomFeed) -> None:
        before = feed.position
        try:
            async with self._slots:
                events = await self._hub.source.events_after(feed.room, before, MAX_SYNC_EVENTS)
        except ClientError:
            events = []
        for run in to_hubs.runs(events):
            feed.accept(batch_of_events(run))
        if feed.position == before:
            await asyncio.sleep(HEAL_RETRY_SECONDS * random.uniform(0.5, 1.5))

    async def _reset(self, feed: RoomFeed) -> None:
        try:
            # Perhaps nobody has used the room since the loss; then the log does not hold it.
            async with self._slots:
                await self._hub.source.ensure_loaded([feed.room])
            await self.look_at([feed.room])
        finally:
            self._resetting.discard(feed)
