"""One room in this process: how far its events have got, and who gets them.

Events come as hints, which may be late, duplicated or missing. The feed hands them on in seq order
without a gap; missing events come from the room log (`Hub.heal`).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from chat.hub.batches import Batch, events_frame_rest
from chat.hub.sockets import HubSocket
from chat.metrics import catalogue as metrics
from chat.room_log.changes import Mark, Unloaded
from chat.servers import clocks

# Under load, events that arrive within this time share a frame. The first event of a quiet room
# does not wait.
COALESCE_SECONDS = 0.010
# A frame is sent early when it holds this much.
FULL_FRAME_BYTES = 256 * 1024
FULL_FRAME_BATCHES = 500
# Hints that overtook others are kept; beyond this many the log has to be asked anyway.
MAX_HELD_BATCHES = 256
# Hints travel in order, so an event that has not come by then was probably lost.
HEAL_AFTER_SECONDS = 0.05
# Names that the log never gives to a state of a room's ACL: see `RoomFeed.members`.
NEVER_LOOKED = "never looked"
UNLOADED = "not in the log"


class Timers(Protocol):
    """What the feed uses of an event loop."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], object]) -> Any: ...


class FeedOwner(Protocol):
    """What a feed asks of the hub."""

    def heal(self, feed: RoomFeed) -> None:
        """Bring the feed to `feed.target` from the room log."""

    def epoch_changed(self, feed: RoomFeed) -> None:
        """An event of a newer epoch came in."""

    def left(self, feed: RoomFeed, user_id: int, seq: int) -> None:
        """The person left, or was removed, at `seq`, which has been handed on."""

    def too_slow(self, socket: HubSocket) -> None:
        """The client does not confirm what it gets."""


class RoomFeed:
    """The events of one room for the sockets of this process.

    `position` is the last seq taken in, `delivered` the last one handed to live sockets, and
    `target` the highest that is known to exist. `stored` is PostgreSQL's watermark. `members` names
    the state of the room's ACL in which everybody here was found, except for the `newcomers`:
    people who have come since, and people who are still to be removed.
    """

    def __init__(
        self, room: int, epoch: int, head: int, stored: int, owner: FeedOwner, timers: Timers
    ) -> None:
        self.room = room
        self.stored = stored
        self.epoch = epoch
        self.position = head
        self.delivered = head
        self.target = head
        self.moved = asyncio.Event()  # set and replaced whenever `delivered` grows
        self.live: set[HubSocket] = set()
        self.behind: set[HubSocket] = set()
        self.users: Counter[int] = Counter()
        self.members = NEVER_LOOKED
        self.newcomers: set[int] = set()
        self.told = (epoch, head)  # what the last heartbeat told everybody
        self._owner = owner
        self._timers = timers
        self._buffer: list[bytes] = []
        self._buffered_bytes = 0
        self._oldest_ms = 0  # when the first event in the buffer was logged
        self._held: dict[int, Batch] = {}
        self._last_flush = -COALESCE_SECONDS
        self._timer: Any = None
        self._heal_timer: Any = None

    def mark(self) -> Mark | Unloaded:
        """The room as this feed knows it, to be compared with the log."""
        if self.members == UNLOADED:
            return Unloaded(self.epoch)
        return Mark(self.epoch, self.position, self.stored, self.members)

    # Who gets the events

    def sockets(self) -> Iterator[HubSocket]:
        yield from self.live
        yield from self.behind

    def discard(self, socket: HubSocket) -> None:
        self.live.discard(socket)
        self.behind.discard(socket)

    # What comes in

    def accept(self, batch: Batch) -> None:
        """Take in a hint, or the events that the log had in its place."""
        if batch.epoch != self.epoch:
            if batch.epoch > self.epoch:
                self._owner.epoch_changed(self)
            return
        if batch.last <= self.position:
            return
        self.target = max(self.target, batch.last)
        if batch.first > self.position + 1:
            self._hold(batch)
            return
        self._take(batch)
        while (held := self._next_held()) is not None:
            self._take(held)

    def head_is(self, seq: int) -> None:
        """The room log says that the room has got as far as `seq`."""
        if seq > self.position:
            self.target = max(self.target, seq)
            self._heal_later()

    def _hold(self, batch: Batch) -> None:
        if len(self._held) < MAX_HELD_BATCHES:
            self._held[batch.first] = batch
        self._heal_later()

    def _heal_later(self) -> None:
        if self._heal_timer is None:
            self._heal_timer = self._timers.call_later(HEAL_AFTER_SECONDS, self._heal_if_needed)

    def _heal_if_needed(self) -> None:
        self._heal_timer = None
        if self.position < self.target:
            metrics.HUB_GAPS.inc()
            self._owner.heal(self)

    def _next_held(self) -> Batch | None:
        for first in sorted(self._held):
            if first > self.position + 1:
                return None
            batch = self._held.pop(first)
            if batch.last > self.position:
                return batch
        return None

    def _take(self, batch: Batch) -> None:
        if batch.first <= self.position:
            batch = batch.after(self.position)
        if not batch.special:
            self._put(batch)
            return
        for part, leaving in batch.split_where_people_leave():
            self._put(part)
            if leaving is not None:
                self.flush()
                self._owner.left(self, leaving, part.last)

    # What goes out

    def _put(self, batch: Batch) -> None:
        self.position = batch.last
        if not self._buffer:
            self._oldest_ms = batch.at_ms
        self._buffer.append(batch.body)
        self._buffered_bytes += len(batch.body)
        wait = self._last_flush + COALESCE_SECONDS - self._timers.time()
        full = self._buffered_bytes >= FULL_FRAME_BYTES or len(self._buffer) >= FULL_FRAME_BATCHES
        if wait <= 0 or full:
            self.flush()
        elif self._timer is None:
            self._timer = self._timers.call_later(wait, self.flush)

    def flush(self) -> None:
        """Hand on the events that have been taken in."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._buffer:
            return
        rest, size = events_frame_rest(self.room, self._buffer)
        self._buffer.clear()
        self._buffered_bytes = 0
        self._last_flush = self._timers.time()
        for socket in list(self.live):
            if not socket.send_events(rest, size):
                self._owner.too_slow(socket)
        self._measure()
        self._delivered(self.position)

    def _measure(self) -> None:
        """Measure once per frame, not per socket: a full room has thousands of sockets."""
        if self.live:
            metrics.HUB_BATCH_EVENTS.observe(self.position - self.delivered)
            if self._oldest_ms:
                metrics.DELIVERY_SECONDS.observe(
                    max(0.0, clocks.LOG.seconds() - self._oldest_ms / 1000)
                )

    def _delivered(self, seq: int) -> None:
        self.delivered = seq
        self.moved.set()
        self.moved = asyncio.Event()

    def jump(self, seq: int) -> None:
        """Go on from `seq` without handing on the events before it."""
        self.restart(self.epoch, seq)

    def restart(self, epoch: int, head: int) -> None:
        """Forget everything and go on from `head` of `epoch`."""
        self._buffer.clear()
        self._buffered_bytes = 0
        self._held.clear()
        self.epoch = epoch
        self.position = self.target = head
        self.stored = min(self.stored, head)
        self._delivered(head)

    def close(self) -> None:
        for timer in (self._timer, self._heal_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._heal_timer = None
