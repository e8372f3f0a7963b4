"""Feeding one connection what it missed, room by room, until it has caught up with the hub.

The client's `seen` sets the pace: a client that was offline for a month gets a month's events
without any of them waiting in memory.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from chat.errors import ClientError, Unavailable
from chat.events import RoomEvent
from chat.hints.to_hubs import runs
from chat.hub.batches import batch_of_events, events_frame_rest, who_leaves
from chat.hub.feeds import RoomFeed
from chat.hub.sockets import HubSocket
from chat.protocol import MAX_SYNC_EVENTS
from chat.resilience import reading_budget

logger = logging.getLogger(__name__)

EventsAfter = Callable[[int, int, int], Awaitable[list[RoomEvent]]]

# A client that confirms nothing for this long while it is being fed counts as a slow reader.
SEEN_TIMEOUT_SECONDS = 30.0
# Half of the window is kept for live events, because a connection without room for those is closed.
# Beyond that half a client gets the next page when it confirms something, or after this time.
HALF_FULL_SECONDS = 2.0
# How long to wait for the hub's own hints to reach the position that the client already has.
HUB_TIMEOUT_SECONDS = 5.0
# Waits between attempts while neither log nor PostgreSQL answers.
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 10.0
# A person removed from a room during catch-up gets the events before the removal within this time.
FAREWELL_SECONDS = 5.0


class CatchUp:
    """The rooms in which one socket lags behind the hub, and the task that feeds it."""

    def __init__(
        self,
        socket: HubSocket,
        events_after: EventsAfter,
        slots: asyncio.Semaphore,
        too_slow: Callable[[HubSocket], None],
        left: Callable[[RoomFeed, int, int], None],
    ) -> None:
        self._socket = socket
        self._events_after = events_after
        self._slots = slots
        self._too_slow = too_slow
        self._left = left
        self._positions: dict[RoomFeed, int] = {}
        self._ends: dict[RoomFeed, int] = {}  # the seq at which the person was removed
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._task: asyncio.Task[None] | None = None

    def add(self, feed: RoomFeed, after: int) -> None:
        """Feed the socket the room's events after `after`, then make it live."""
        feed.live.discard(self._socket)
        feed.behind.add(self._socket)
        self._ends.pop(feed, None)
        self._positions[feed] = after
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="catch up")

    def end_at(self, feed: RoomFeed, seq: int) -> None:
        """The person left the room at `seq`: later events must not be sent."""
        if feed in self._positions:
            self._ends[feed] = seq
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._end, feed, seq)

    def drop(self, feed: RoomFeed) -> None:
        self._positions.pop(feed, None)
        self._ends.pop(feed, None)
        feed.behind.discard(self._socket)

    def close(self) -> None:
        for feed in list(self._positions):
            self.drop(feed)
        if self._task is not None:
            self._task.cancel()

    def _end(self, feed: RoomFeed, seq: int) -> None:
        if self._ends.get(feed) == seq:
            self.drop(feed)

    async def _run(self) -> None:
        failed: set[RoomFeed] = set()
        while self._positions and not self._socket.closed:
            feed, after = next(iter(self._positions.items()))
            try:
                await self._step(feed, after)
            except Exception as error:
                if not isinstance(error, ClientError):
                    logger.exception("a connection could not be fed")
                failed.add(feed)
                if feed in self._positions:  # The other rooms come first now.
                    self._positions[feed] = self._positions.pop(feed)
                if self._positions.keys() <= failed:
                    await self._back_off()
                    failed.clear()
            else:
                failed.discard(feed)
                self._retry_seconds = FIRST_RETRY_SECONDS

    async def _back_off(self) -> None:
        await asyncio.sleep(self._retry_seconds * random.uniform(0.5, 1.5))
        self._retry_seconds = min(self._retry_seconds * 2, LONGEST_RETRY_SECONDS)

    async def _step(self, feed: RoomFeed, after: int) -> None:
        """One frame's worth of one room, or the switch to live."""
        feed.flush()
        end = self._ends.get(feed)
        if end is not None and after >= end:
            self.drop(feed)
        elif after == feed.delivered:
            # No gap: the next event that the feed hands on is the next one for this socket.
            self.drop(feed)
            feed.live.add(self._socket)
        elif after > feed.delivered:
            await self._wait_for_the_hub(feed, after)
        elif await self._may_send():
            # The person's own slot first: waiting for it holds up nobody else.
            async with reading_budget.BUDGET.slot(self._socket.user_id), self._slots:
                events = await self._events_after(feed.room, after, MAX_SYNC_EVENTS)
            if self._positions.get(feed) == after:
                self._send(feed, after, events)

    async def _wait_for_the_hub(self, feed: RoomFeed, after: int) -> None:
        moved = feed.moved
        feed.head_is(after)
        try:
            async with asyncio.timeout(HUB_TIMEOUT_SECONDS):
                await moved.wait()
        except TimeoutError:
            raise Unavailable("The hub has not got there yet.") from None

    async def _may_send(self) -> bool:
        """Wait for the client and for its budget; False when the connection is closed."""
        window = self._socket.window
        while window.is_half_full():
            full = window.is_full()
            seen = await self._socket.wait_for_seen(
                SEEN_TIMEOUT_SECONDS if full else HALF_FULL_SECONDS
            )
            if full and not seen:
                self._too_slow(self._socket)
            if self._socket.closed:
                return False
            if not seen:
                break
        await reading_budget.BUDGET.afford_feeding(self._socket.user_id)
        return not self._socket.closed

    def _send(self, feed: RoomFeed, after: int, events: Sequence[RoomEvent]) -> None:
        run = next(iter(runs(events)), [])
        end = self._ends.get(feed)
        if end is not None:
            run = [event for event in run if event.seq <= end]
        if not run or run[0].seq != after + 1 or run[-1].epoch > feed.epoch:
            # The log was lost and began anew. The hub finds out with its next heartbeat.
            raise Unavailable("The room's log does not fit.")
        leaves_at = self._leaves_at(feed, run)
        if leaves_at is not None:
            run = [event for event in run if event.seq <= leaves_at]
        rest, size = events_frame_rest(feed.room, [batch_of_events(run).body])
        reading_budget.BUDGET.spend(self._socket.user_id, size)
        self._socket.send_events(rest, size)
        # The other rooms come first now: one in which much was missed holds up none of them.
        del self._positions[feed]
        self._positions[feed] = run[-1].seq
        if leaves_at is not None:
            self._left(feed, self._socket.user_id, leaves_at)

    def _leaves_at(self, feed: RoomFeed, run: Sequence[RoomEvent]) -> int | None:
        """Where the person was removed after the log last listed them as a member.

        A feed that jumped over a gap, or was made after it, has not seen the removal.
        """
        known = self._socket.rooms.get(feed.room)
        if known is None:
            return None
        for event in run:
            if event.seq > known and who_leaves(event) == self._socket.user_id:
                return event.seq
        return None
