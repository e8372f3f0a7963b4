"""The hub of a process: its connections, the rooms they are in, and what reaches them.

It listens to the channel layer's hints once for all connections and encodes new events once. At
every heartbeat it checks against the room log that it has missed nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import structs

from chat.errors import ClientError
from chat.hints import to_hubs
from chat.hints.to_hubs import room_group
from chat.hub import read_notices
from chat.hub.batches import batch_of_message
from chat.hub.catch_up import CatchUp
from chat.hub.feeds import RoomFeed, Timers
from chat.hub.healing import Healer, RoomSource
from chat.hub.layer import Subscription
from chat.hub.presence import Presence
from chat.hub.read_markers import Moved, ReadMarkers
from chat.hub.sockets import HubSocket
from chat.hub.stored_notices import StoredNotices
from chat.metrics import catalogue as metrics
from chat.protocol import (
    MAX_SYNC_EVENTS,
    Arranged,
    Bye,
    CloseCode,
    PersonChanged,
    Position,
    ReportNotice,
    Reset,
    RoomAdded,
    RoomInfo,
    ThreadNotice,
    TypingNotice,
    UserInfo,
    encode,
)
from chat.resilience.rate_limit import BucketsByUser
from chat.resilience.slices import Slices

logger = logging.getLogger(__name__)

# Concurrent reads of the log or of PostgreSQL, for connections catching up and for healed rooms.
READ_SLOTS = 16
# After a `bye`, clients reconnect spread over this time, and so miss less than 5 s.
RECONNECT_SPREAD_MS = 2_500
RECONNECT_AFTER_MS = 500
# Connections handled in one go before the event loop runs other tasks.
SLICE = 100


class Hub:
    """One per event loop. Its methods are called on that loop only."""

    def __init__(
        self,
        source: RoomSource,
        *,
        shards: int,
        max_sockets: int,
        max_sockets_per_user: int,
        sends_per_second: float = 5.0,
        sends_burst: float = 20.0,
        timers: Timers | None = None,
    ) -> None:
        self.source = source
        self.sockets: set[HubSocket] = set()
        self.feeds: dict[int, RoomFeed] = {}
        self.draining = False
        self.entries_seen_at: datetime | None = None  # the last look for rooms that people entered
        self.in_flight: set[asyncio.Task[None]] = set()
        self.read_markers = ReadMarkers(self._markers_moved)
        self.presence = Presence(self)
        self.sends = BucketsByUser(sends_per_second, sends_burst)
        self._name = uuid.uuid4().hex
        self._shards = shards
        self._max_sockets = max_sockets
        self._max_sockets_per_user = max_sockets_per_user
        self._timers = timers or asyncio.get_running_loop()
        self._of_user: dict[int, set[HubSocket]] = {}
        self._catch_ups: dict[HubSocket, CatchUp] = {}
        self._slots = asyncio.Semaphore(READ_SLOTS)
        self.healer = Healer(self, self._slots)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stored = StoredNotices(self._timers)
        self._subscription = Subscription(self.on_message, self._on_joined_groups)

    def start(self) -> None:
        """Listen to the channel layer, and to this process's own appends without it."""
        self._subscription.start()
        to_hubs.publisher().on_events = self.on_message

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """Run `work` in the background; errors are logged."""
        task = asyncio.ensure_future(_logged(work, name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Connections

    def admit(self, socket: HubSocket) -> bool:
        """Accept a connection; False when this person, or this process, has too many."""
        mine = self._of_user.get(socket.user_id, set())
        if len(mine) >= self._max_sockets_per_user or len(self.sockets) >= self._max_sockets:
            return False
        self._of_user.setdefault(socket.user_id, mine).add(socket)
        self.sockets.add(socket)
        metrics.SOCKETS.inc()
        metrics.SOCKETS_OPENED.add()
        return True

    def people(self) -> int:
        """How many different users, people and programs, are connected."""
        return len(self._of_user)

    def sockets_of(self, user_id: int) -> list[HubSocket]:
        return list(self._of_user.get(user_id, ()))

    def dismiss(self, socket: HubSocket) -> None:
        """Forget a connection. Calling it again changes nothing."""
        if socket not in self.sockets:
            return
        self.sockets.discard(socket)
        metrics.SOCKETS.dec()
        mine = self._of_user[socket.user_id]
        mine.discard(socket)
        if not mine:
            del self._of_user[socket.user_id]
        for room in list(socket.rooms):
            self._detach(socket, self.feeds[room])
        catch_up = self._catch_ups.pop(socket, None)
        if catch_up is not None:
            catch_up.close()
        self._stored.forget(socket)

    def close(self, socket: HubSocket, code: CloseCode) -> None:
        socket.close(code)
        self.dismiss(socket)

    # Rooms of a connection

    def enter(
        self, socket: HubSocket, rooms: Iterable[RoomInfo], positions: Mapping[str, Position]
    ) -> None:
        """Give the connection its rooms, each from the position its client names, or from head.

        An impossible position (of another epoch, or beyond the head) is answered by `reset`.
        """
        for info in rooms:
            self._attach(socket, info, positions.get(str(info.id)))
        self.entered(socket)

    async def enter_in_slices(
        self, socket: HubSocket, rooms: Iterable[RoomInfo], positions: Mapping[str, Position]
    ) -> None:
        """Like `enter`, without blocking the loop for long; call `entered` after the last.

        Events logged in a room before its turn comes are caught up.
        """
        slices = Slices()
        for info in rooms:
            self._attach(socket, info, positions.get(str(info.id)))
            await slices.pause()

    def entered(self, socket: HubSocket) -> None:
        """The connection has received all its rooms."""
        if socket.closed:
            return
        socket.greeted = True
        self.presence.show(socket)
        for room in socket.entered_meanwhile - socket.rooms.keys():
            self.spawn(self.welcome_to(socket.user_id, room), "entered meanwhile")
        socket.entered_meanwhile.clear()
        read_notices.catch_up(socket)

    def _attach(self, socket: HubSocket, info: RoomInfo, at: Position | None) -> None:
        if socket.closed or info.id in socket.rooms:
            return
        feed = self._feed(info)
        after = info.head
        if info.epoch < feed.epoch:  # the log was lost since `info` was read
            after = feed.position
            socket.send(Reset(room=feed.room, epoch=feed.epoch, head=after))
        elif at is not None:
            if at.epoch == info.epoch and at.seq <= info.head:
                after = at.seq
            else:
                socket.send(Reset(room=info.id, epoch=info.epoch, head=info.head))
        # The log was asked for the head before the members, so the person was a member at the head.
        socket.rooms[info.id] = min(info.head, after) if info.epoch < feed.epoch else info.head
        feed.users[socket.user_id] += 1
        feed.newcomers.add(socket.user_id)
        if feed.users[socket.user_id] == 1:
            self.presence.came(feed.room, socket.user_id)
        feed.flush()
        if after == feed.delivered:
            feed.live.add(socket)
        else:
            self._catch_up_of(socket).add(feed, after)

    def _feed(self, info: RoomInfo) -> RoomFeed:
        feed = self.feeds.get(info.id)
        if feed is None:
            feed = RoomFeed(info.id, info.epoch, info.head, info.stored, self, self._timers)
            self.feeds[info.id] = feed
            self._subscription.want(room_group(info.id))
        elif info.epoch > feed.epoch:
            self.restart(feed, info.epoch, info.head)
        return feed

    def _catch_up_of(self, socket: HubSocket) -> CatchUp:
        found = self._catch_ups.get(socket)
        if found is None:
            found = CatchUp(socket, self.source.events_after, self._slots, self.too_slow, self.left)
            self._catch_ups[socket] = found
        return found

    def _detach(self, socket: HubSocket, feed: RoomFeed) -> None:
        socket.rooms.pop(feed.room, None)
        catch_up = self._catch_ups.get(socket)
        if catch_up is not None:
            catch_up.drop(feed)
        self._forget_member(socket, feed)

    def _forget_member(self, socket: HubSocket, feed: RoomFeed) -> None:
        feed.discard(socket)
        feed.users[socket.user_id] -= 1
        if feed.users[socket.user_id] <= 0:
            del feed.users[socket.user_id]
            feed.newcomers.discard(socket.user_id)
            self.presence.went(feed.room, socket.user_id)
        if not feed.users:
            feed.close()
            self.feeds.pop(feed.room, None)
            self._subscription.unwant(room_group(feed.room))
            self.presence.forget(feed.room)

    def expel(self, user_id: int, room: int) -> None:
        """The person is no longer in the room, whatever the hints said."""
        feed = self.feeds.get(room)
        if feed is not None:
            for socket in self.sockets_of(user_id):
                if room in socket.rooms:
                    self._detach(socket, feed)

    async def welcome_to(
        self, user_id: int, room: int, after: tuple[int, int] | None = None
    ) -> None:
        """The person entered a room: those of their connections that lack the room get it.

        Its events follow from `after`, a (seq, n), or from head.
        """
        absent = [socket for socket in self.sockets_of(user_id) if room not in socket.rooms]
        for socket in absent:
            socket.entered_meanwhile.add(room)  # `enter` looks at it if `welcome` is still to come
        if not any(socket.greeted for socket in absent):
            return
        info = await self.source.room_for(user_id, room)
        if info is None:
            return
        shown, at = info, None
        if after is not None and info.head - MAX_SYNC_EVENTS <= after[0] < info.head:
            shown = structs.replace(info, head=after[0], n=after[1])
            at = Position(info.epoch, after[0])
        for socket in absent:
            if socket.greeted and room not in socket.rooms:
                socket.send(RoomAdded(room=shown))
                self._attach(socket, info, at)
                read_notices.catch_up(socket, room)
                self.presence.show(socket, [room])

    # What feeds ask for

    def heal(self, feed: RoomFeed) -> None:
        self.healer.heal(feed)

    def epoch_changed(self, feed: RoomFeed) -> None:
        self.healer.reset(feed)

    def let_everybody_catch_up(self, feed: RoomFeed) -> None:
        """Jump to the known head; each connection catches up from its position at its own pace."""
        feed.flush()
        lagging, after = list(feed.live), feed.delivered
        feed.jump(feed.target)
        for socket in lagging:
            self._catch_up_of(socket).add(feed, after)

    def restart(self, feed: RoomFeed, epoch: int, head: int) -> None:
        """The room's log began anew: events that a client had after `head` are gone."""
        feed.restart(epoch, head)
        text = encode(Reset(room=feed.room, epoch=epoch, head=head))
        for socket in list(feed.behind):
            self._catch_ups[socket].drop(feed)
            feed.live.add(socket)
        for socket in list(feed.live):
            socket.rooms[feed.room] = min(socket.rooms[feed.room], head)
            socket.send_text(text)

    def left(self, feed: RoomFeed, user_id: int, seq: int) -> None:
        leaving = [
            socket
            for socket in self.sockets_of(user_id)
            # A removal from before they came, or came back, does not remove them.
            if feed.room in socket.rooms and seq > socket.rooms[feed.room]
        ]
        for socket in leaving:
            if socket in feed.behind:
                del socket.rooms[feed.room]
                self._catch_ups[socket].end_at(feed, seq)
                self._forget_member(socket, feed)
            else:
                self._detach(socket, feed)
        if leaving:
            # They may have come back since, and the hint that said so found them still there.
            self.spawn(self.welcome_to(user_id, feed.room), "back again")

    def stored(self, feed: RoomFeed, seq: int) -> None:
        """PostgreSQL has stored the room up to `seq`."""
        self._stored.put(feed, seq)

    def too_slow(self, socket: HubSocket) -> None:
        metrics.SLOW_READERS.labels("unconfirmed").inc()
        self.close(socket, CloseCode.SLOW_READER)

    # What the channel layer says

    def on_message(self, message: dict[str, Any]) -> None:
        """Raises: KeyError, TypeError or ValueError for a message that is not one of ours."""
        kind = message["type"]
        if kind == "events":
            feed = self.feeds.get(message["room"])
            if feed is not None:
                feed.accept(batch_of_message(message))
        elif kind == "typing":
            self._on_typing(int(message["room"]), int(message["user"]))
        elif kind == "presence":
            self.presence.on_hint(
                int(message["room"]), map(int, message["online"]), map(int, message["offline"])
            )
        elif kind == "stored":
            for room, seq in message["rooms"].items():
                feed = self.feeds.get(int(room))
                if feed is not None:
                    self.stored(feed, int(seq))
            self._on_news(message.get("direct", {}), message.get("opened", ()))
        elif kind == "revoke":
            self._on_revoke(int(message["user"]), message["session"])
        elif kind == "joined":
            if int(message["user"]) in self._of_user:
                self.spawn(self.welcome_to(int(message["user"]), int(message["room"])), "joined")
        elif kind == "reset":
            self._on_reset(int(message["shard"]), int(message["epoch"]))
        elif kind == "report":
            self._on_report(int(message["user"]), int(message["report"]), str(message["state"]))
        elif kind == "read":
            if message["from"] != self._name:
                self._on_read(message["markers"])
        elif kind == "markers":
            for socket in self.sockets_of(int(message["user"])):
                read_notices.tell_set(socket, str(message["frame"]))
        elif kind == "thread":
            self._on_thread(
                int(message["user"]),
                ThreadNotice(
                    room=int(message["room"]),
                    root=int(message["root"]),
                    following=message["following"],
                    read=int(message["read"]),
                ),
            )
        elif kind == "arranged":
            self._on_arranged(int(message["user"]), int(message["version"]))
        elif kind == "person":
            self._on_person(message["user"])
        elif kind == "replaced":
            self._on_replaced(int(message["room"]))

    def _on_news(self, direct: Mapping[str, Sequence[int]], opened: Sequence[int]) -> None:
        """Show people rooms that they do not see yet: direct ones with news, and reopened ones."""
        for room, (low, high, seq, n) in direct.items():
            for user_id in {low, high} & self._of_user.keys():
                if any(int(room) not in socket.rooms for socket in self._of_user[user_id]):
                    self.spawn(self.welcome_to(user_id, int(room), (seq, n)), "direct message")
        for archived_no_more in opened:
            self.spawn(self._welcome_members(archived_no_more), "room opened again")

    async def _welcome_members(self, room: int) -> None:
        here = list(self._of_user)
        for user_id in (await self.source.who_is_in({room: here})).get(room, ()):
            await self.welcome_to(user_id, room)

    def _on_typing(self, room: int, user_id: int) -> None:
        feed = self.feeds.get(room)
        if feed is not None:
            text = encode(TypingNotice(room=room, user=user_id))
            for socket in feed.sockets():
                if socket.user_id != user_id:
                    socket.send_text(text)

    def _on_revoke(self, user_id: int, grant: str | None) -> None:
        for socket in self.sockets_of(user_id):
            if grant is None or socket.identity.grant == grant:
                self.close(socket, CloseCode.REVOKED)

    def _on_report(self, user_id: int, report: int, state: str) -> None:
        text = encode(ReportNotice(report=report, state=state))
        for socket in self.sockets_of(user_id):
            if socket.greeted:
                socket.send_text(text)

    def _markers_moved(self, moved: Sequence[Moved]) -> None:
        """Markers of people here moved; their connections to this process need no bus."""
        for one in moved:
            self._tell_marker(one)
        read_notices.publish(moved, self._name)

    def _on_read(self, markers: Sequence[Sequence[int]]) -> None:
        for marker in markers:
            self._tell_marker(Moved(*marker))

    def _tell_marker(self, moved: Moved) -> None:
        for socket in self.sockets_of(moved.user_id):
            read_notices.tell(socket, moved)

    def _on_thread(self, user_id: int, notice: ThreadNotice) -> None:
        text = encode(notice)
        for socket in self.sockets_of(user_id):
            if socket.greeted and notice.room in socket.rooms:
                socket.send_text(text)

    def _on_arranged(self, user_id: int, version: int) -> None:
        text = encode(Arranged(version=version))
        for socket in self.sockets_of(user_id):
            if socket.greeted:  # others ask after `welcome` anyway
                socket.send_text(text)

    def _on_person(self, user: dict[str, Any]) -> None:
        # To everybody: names are no secret among signed-in people, and few change theirs.
        text = encode(PersonChanged(user=UserInfo(**user)))
        for socket in list(self.sockets):
            if socket.greeted:
                socket.send_text(text)

    def _on_reset(self, shard: int, epoch: int) -> None:
        for room, feed in self.feeds.items():
            if room % self._shards == shard and feed.epoch < epoch:
                self.epoch_changed(feed)

    def _on_replaced(self, room: int) -> None:
        """A placeholder became the event it stood for, at a seq that clients are already past."""
        feed = self.feeds.get(room)
        if feed is not None:
            feed.flush()
            head = feed.target
            self.restart(feed, feed.epoch, feed.position)
            feed.head_is(head)

    async def _on_joined_groups(self, groups: set[str]) -> None:
        rooms = [room for room in self.feeds if room_group(room) in groups]
        try:
            await self.healer.look_at(rooms)
        except ClientError:
            logger.warning("the log does not answer; the next heartbeat looks again")

    # The end

    async def drain(self, timeout_seconds: float) -> None:
        """Let all connections go: `bye`, wait for appends under way, then close with 1012."""
        self.draining = True
        for socket in list(self.sockets):
            delay = RECONNECT_AFTER_MS + random.randrange(RECONNECT_SPREAD_MS)
            socket.send(Bye(reconnect_after_ms=delay))
        if self.in_flight:
            await asyncio.wait(self.in_flight, timeout=timeout_seconds)
        for index, socket in enumerate(list(self.sockets)):
            self.close(socket, CloseCode.RESTARTING)
            if index % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await self.read_markers.close()
        await self.presence.close()
        await to_hubs.publisher().flush()

    async def close_down(self) -> None:
        """End every task of the hub; for tests and for the end of a process."""
        to_hubs.publisher().on_events = None
        for socket in list(self.sockets):
            self.close(socket, CloseCode.RESTARTING)
        await self._subscription.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stored.close()
        await self.read_markers.close()
        await self.presence.close()


async def _logged(work: Awaitable[None], name: str) -> None:
    try:
        await work
    except ClientError as error:
        logger.warning("%s: %s", name, error.code)
    except Exception:
        logger.exception("%s failed", name)
