"""A connection after `hello`: which action each frame calls, and how its outcome is answered."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Coroutine

from msgspec import UNSET

from chat import room_log
from chat.actions import messages, threads
from chat.broken_rules import Rule
from chat.errors import ClientError, RefusalReason, Unavailable, in_hundredths
from chat.hints import to_hubs
from chat.hints.to_hubs import wire_event
from chat.hub.core import Hub
from chat.hub.seen_window import NeverSent
from chat.hub.sockets import HubSocket
from chat.metrics import catalogue as metrics
from chat.names.mentions import may_mention
from chat.protocol import (
    AnyClientFrame,
    AppendingFrame,
    Batch,
    CloseCode,
    Delete,
    Edit,
    Error,
    ErrorCode,
    Hello,
    History,
    KeyAge,
    Ok,
    Page,
    Ping,
    Pong,
    React,
    Read,
    RefusedFrame,
    Reply,
    Seen,
    Send,
    Sync,
    Thread,
    ThreadPage,
    ThreadRead,
    Typing,
    check_key,
    encode,
    parse_frame,
)
from chat.protocol.scopes import Scope, check_scope, scope_of
from chat.queries import access, history
from chat.queries.threads import relation
from chat.resilience import reading_budget
from chat.resilience.rate_limit import TokenBucket
from chat.resilience.reading_budget import BUDGET
from chat.room_log import Appended
from chat.servers import clocks
from chat.tracing import tracing

logger = logging.getLogger(__name__)

# Requests with an answer under way: a client that waits for answers never needs this many.
MAX_APPENDS_IN_FLIGHT = 64
MAX_READS_IN_FLIGHT = 8
# Frames of any kind. A client that confirms every events frame of several busy rooms sends fewer.
FRAMES_PER_SECOND = 200.0
FRAMES_BURST = 400.0
# Refused frames that end a connection: 50 at once, or more than 50 a minute.
REFUSED_BURST = 50.0
REFUSED_PER_SECOND = 50.0 / 60.0
TYPING_EVERY_SECONDS = 3.0
# Markers of threads that wait to be stored, one every half second.
MAX_THREADS_READ_AT_ONCE = 100
LONGEST_RETRY_SECONDS = 30.0
# 100 messages of 8,000 characters would be 3 MB in one frame.
MAX_PAGE_BYTES = 512 * 1024


def type_of(frame: AnyClientFrame) -> str:
    """The frame's `t`."""
    return str(frame.__struct_config__.tag)


def is_plain_send(frame: AppendingFrame) -> bool:
    """Whether an append of it takes its place in the log's queue before it waits for anything."""
    return isinstance(frame, Send) and frame.reply_to is None and not may_mention(frame.body)


class Connection:
    """Handles the frames of one connection that has sent `hello`.

    `address` is its network address, for the audit record of what a moderator does over it.
    """

    def __init__(self, hub: Hub, socket: HubSocket, address: str | None = None) -> None:
        self._hub = hub
        self._socket = socket
        self._address = address
        self._frames = TokenBucket(FRAMES_PER_SECOND, FRAMES_BURST)
        self._violations = TokenBucket(REFUSED_PER_SECOND, REFUSED_BURST)
        self._excesses = TokenBucket(REFUSED_PER_SECOND, REFUSED_BURST)
        self._typed: dict[int, float] = {}  # room → when typing was last passed on
        self._asks_to_type = False  # whether the log is being asked
        self._thread_reads: dict[tuple[int, int], int] = {}  # (room, root) → seq, to be stored
        self._notes_threads = False  # whether they are being stored
        self._appends = 0
        self._reads = 0
        self._read_again_at = 0.0
        self._last: asyncio.Task[None] | None = None  # what later appends have to wait for

    def receive(self, data: str | bytes) -> None:
        """Handle one message from the client; never waits, never raises."""
        wait = self._frames.take()
        if wait > 0:
            self._too_much(None, "Too many frames.", wait)
            return
        try:
            frame = parse_frame(data)
        except RefusedFrame as refused:
            metrics.FRAMES_RECEIVED.add(label="refused")
            self._refuse(refused.id, refused.code, refused.message)
        else:
            metrics.FRAMES_RECEIVED.add(label=type_of(frame))
            try:
                check_scope(self._socket.identity.scopes, scope_of(frame))
            except ClientError as error:
                self._error(getattr(frame, "id", None), error.code, error.message)
            else:
                self._handle(frame)

    def _handle(self, frame: AnyClientFrame) -> None:
        if isinstance(frame, Send | Reply | Edit | Delete | React):
            self._append(frame)
        elif isinstance(frame, Seen):
            self._seen(frame)
        elif isinstance(frame, Sync | History | Thread):
            self._read_past(frame)
        elif isinstance(frame, Read):
            self._mark_read(frame)
        elif isinstance(frame, ThreadRead):
            self._mark_thread_read(frame)
        elif isinstance(frame, Typing):
            self._type(frame)
        elif isinstance(frame, Ping):
            self._socket.send(Pong(time=clocks.LOG.now()))
        elif isinstance(frame, Hello):
            reason = "This connection has already said hello."
            self._refuse(None, ErrorCode.BAD_REQUEST, reason, Rule.ONE_HELLO)

    # Refusals

    def _refuse(
        self, id: str | None, code: ErrorCode, message: str, rule: Rule | None = None
    ) -> None:
        """Refuse a frame that breaks the protocol; too many of these end the connection."""
        self._error(id, code, message, rule=rule)
        if self._violations.take() > 0:
            self._hub.close(self._socket, CloseCode.PROTOCOL_VIOLATION)

    def _too_much(self, id: str | None, message: str, wait_seconds: float) -> None:
        """Refuse a frame over the limit; a client that goes on like this is cut off."""
        self._error(id, ErrorCode.RATE_LIMITED, message, wait_seconds)
        if self._excesses.take() > 0:
            self._hub.close(self._socket, CloseCode.TOO_MANY)

    def _error(
        self,
        id: str | None,
        code: str,
        message: str,
        retry_after: float | None = None,
        rule: Rule | None = None,
        reason: RefusalReason | None = None,
    ) -> None:
        metrics.FRAMES_REFUSED.labels(code=str(code)).inc()
        error = Error(
            id=id,
            code=ErrorCode(code),
            message=message,
            retry_after=UNSET if retry_after is None else in_hundredths(retry_after),
            rule=UNSET if rule is None else rule,
            reason=UNSET if reason is None else str(reason),
        )
        self._socket.send(error)

    async def _answer(self, id: str, room: int, work: Coroutine[None, None, None]) -> None:
        """Run `work`; whatever it raises becomes the answer to the frame about `room`."""
        try:
            await work
        except ClientError as error:
            self._error(
                id,
                error.code,
                error.message,
                error.retry_after_seconds,
                error.rule,
                error.reason,
            )
        except Exception:
            logger.exception("a frame could not be handled", extra={"room": room})
            sorry = Unavailable("Something went wrong here. Please try again.")
            self._error(id, sorry.code, sorry.message, sorry.retry_after_seconds)

    # Frames that append

    def _append(self, frame: AppendingFrame) -> None:
        received_at = time.perf_counter()
        if self._hub.draining:
            self._error(frame.id, ErrorCode.UNAVAILABLE, "This server is restarting.", 1.0)
            return
        wait = self._hub.sends.take(self._socket.user_id)
        if wait > 0:
            self._too_much(frame.id, "You are writing faster than allowed.", wait)
            return
        if self._appends >= MAX_APPENDS_IN_FLIGHT:
            self._too_much(frame.id, "Wait for some answers first.", 1.0)
            return
        try:
            age = check_key(frame.key, clocks.LOG.now())
        except ClientError as error:
            self._error(frame.id, error.code, error.message, rule=error.rule)
            return
        # Tasks run up to their first wait in the order in which they are made, and an append takes
        # its place in the log's queue before it waits. But an old key, names to look up, or a
        # target that has left the log make an append wait for PostgreSQL first, so later appends
        # wait for it.
        before = self._last if self._last is not None and not self._last.done() else None
        task = asyncio.create_task(
            self._answer_append(frame, before, received_at), name="append frame"
        )
        if age is KeyAge.OLD or before is not None or not is_plain_send(frame):
            self._last = task
        self._appends += 1
        self._hub.in_flight.add(task)
        task.add_done_callback(self._appended)

    def _appended(self, task: asyncio.Task[None]) -> None:
        self._appends -= 1
        self._hub.in_flight.discard(task)

    async def _answer_append(
        self, frame: AppendingFrame, before: asyncio.Task[None] | None, received_at: float
    ) -> None:
        with tracing.frame(type_of(frame), self._socket.user_id, frame.room, frame.key):
            if before is not None:
                await asyncio.wait({before})
            await self._answer(frame.id, frame.room, self._do_append(frame, received_at))

    async def _do_append(self, frame: AppendingFrame, received_at: float) -> None:
        appended = await self._action(frame)
        event = appended.event
        self._socket.send(
            Ok(
                id=frame.id,
                room=event.room,
                epoch=event.epoch,
                seq=event.seq,
                n=event.n,
                at=event.at,
            )
        )
        metrics.ACK_SECONDS.observe(time.perf_counter() - received_at)

    def _action(self, frame: AppendingFrame) -> Awaitable[Appended]:
        user_id, room, key = self._socket.user_id, frame.room, frame.key
        if isinstance(frame, Send):
            return messages.post_message(user_id, room, key, frame.body, frame.reply_to)
        if isinstance(frame, Reply):
            return messages.post_reply(
                user_id,
                room,
                key,
                frame.root,
                frame.body,
                frame.reply_to,
                to_room=frame.to_room,
            )
        if isinstance(frame, Edit):
            return messages.edit_message(user_id, room, key, frame.target, frame.body)
        if isinstance(frame, Delete):
            return messages.delete_message(
                user_id,
                room,
                key,
                frame.target,
                self._address,
                own_only=Scope.MODERATE not in self._socket.identity.scopes,
            )
        return messages.react(user_id, room, key, frame.target, frame.emoji, frame.on)

    # Frames that read the past

    def _read_past(self, frame: Sync | History | Thread) -> None:
        if self._reads >= MAX_READS_IN_FLIGHT:
            self._too_much(frame.id, "Wait for some answers first.", 0.5)
            return
        wait = BUDGET.take(self._socket.user_id)
        if wait > 0:
            self._ask_later(frame.id, wait)
            return
        self._reads += 1
        work: Coroutine[None, None, None]
        if isinstance(frame, Sync):
            work = self._sync(frame)
        elif isinstance(frame, Thread):
            work = self._thread(frame)
        else:
            work = self._history(frame)
        self._hub.spawn(self._answer_read(frame.id, frame.room, work), "read")

    def _ask_later(self, id: str, wait_seconds: float) -> None:
        """Refuse a read. A client that asks again after the named time is not cut off for it."""
        now = time.monotonic()
        refusal = reading_budget.refusal(wait_seconds)
        if now < self._read_again_at:
            self._too_much(id, refusal.message, wait_seconds)
        else:
            self._error(id, refusal.code, refusal.message, wait_seconds)
            self._read_again_at = now + wait_seconds

    async def _answer_read(self, id: str, room: int, work: Coroutine[None, None, None]) -> None:
        try:
            await self._answer(id, room, self._in_turn(work))
        finally:
            self._reads -= 1

    async def _in_turn(self, work: Coroutine[None, None, None]) -> None:
        with contextlib.closing(work):  # `work` never starts if the slot is refused
            async with BUDGET.paid_turn(self._socket.user_id):
                await work

    async def _sync(self, frame: Sync) -> None:
        await self._check_reader(frame.room)
        events = await history.events_after(frame.room, frame.after, frame.limit)
        head = max(await self._head(frame.room), events[-1].seq if events else 0)
        await self._send_past(
            frame.room,
            encode(
                Batch(
                    id=frame.id,
                    room=frame.room,
                    events=[wire_event(event) for event in events],
                    head=head,
                )
            ),
        )

    async def _head(self, room: int) -> int:
        """The highest seq known to exist: from the hub, or from the log for a room not shown."""
        feed = self._hub.feeds.get(room)
        if feed is not None:
            return feed.target
        state = (await room_log.room_states([room])).get(room)
        return 0 if state is None else state.head

    async def _history(self, frame: History) -> None:
        await self._check_reader(frame.room)
        page = await history.messages_before(
            frame.room, frame.before, frame.limit, self._socket.user_id
        )
        kept, more, changes = page.messages, page.more, page.events
        while True:
            text = encode(
                Page(
                    id=frame.id,
                    room=frame.room,
                    messages=kept,
                    more=more,
                    upto=page.upto,
                    events=changes,
                )
            )
            if len(text.encode()) <= MAX_PAGE_BYTES or len(kept) <= 1:
                break
            # Keep the newest, which the client wants first; it can request the rest next.
            kept, more = kept[len(kept) // 2 :], True
            changes = [event for event in changes if event.seq > kept[0].seq]
        await self._send_past(frame.room, text)

    async def _thread(self, frame: Thread) -> None:
        await self._check_reader(frame.room)
        user_id = self._socket.user_id
        page = await history.replies_before(
            frame.room, frame.root, frame.before, frame.limit, user_id
        )
        own = await relation(user_id, frame.room, frame.root)
        kept, more = page.messages, page.more
        while True:
            text = encode(
                ThreadPage(
                    id=frame.id,
                    room=frame.room,
                    root=frame.root,
                    message=page.root,
                    messages=kept,
                    more=more,
                    upto=page.upto,
                    following=own.following,
                    read=own.read,
                )
            )
            if len(text.encode()) <= MAX_PAGE_BYTES or len(kept) <= 1:
                break
            kept, more = kept[len(kept) // 2 :], True
        await self._send_past(frame.room, text)

    async def _send_past(self, room: int, text: str) -> None:
        BUDGET.spend(self._socket.user_id, len(text.encode()))
        # A person removed while the answer was being read does not get it.
        await self._check_reader(room)
        self._socket.send_text(text)

    async def _check_reader(self, room: int) -> None:
        """Refuse people who may not read the room; the hub knows most of those who may."""
        if room not in self._socket.rooms:
            await access.as_member(self._socket.user_id, room)

    # Frames without an answer

    def _seen(self, frame: Seen) -> None:
        try:
            self._socket.seen(frame.f)
        except NeverSent as error:
            self._refuse(None, ErrorCode.BAD_REQUEST, str(error), Rule.SEEN_WAS_SENT)

    def _mark_read(self, frame: Read) -> None:
        feed = self._hub.feeds.get(frame.room)
        if feed is None or frame.room not in self._socket.rooms:
            self._error(None, ErrorCode.NOT_FOUND, "There is no such room.")
            return
        self._hub.read_markers.put(
            self._socket.user_id, frame.room, min(frame.seq, feed.target), frame.set_at_ms
        )

    def _mark_thread_read(self, frame: ThreadRead) -> None:
        if frame.room not in self._socket.rooms:
            self._error(None, ErrorCode.NOT_FOUND, "There is no such room.")
            return
        if len(self._thread_reads) >= MAX_THREADS_READ_AT_ONCE:
            self._too_much(None, "Too many threads are read at once.", 1.0)
            return
        thread = (frame.room, frame.root)
        self._thread_reads[thread] = max(frame.seq, self._thread_reads.get(thread, 0))
        if not self._notes_threads:
            self._notes_threads = True
            self._hub.spawn(self._note_threads_read(), "thread read")

    async def _note_threads_read(self) -> None:
        """Stores the markers one after the other, only the newest of each thread."""
        wait_seconds = 0.5
        try:
            while self._thread_reads and not self._socket.closed:
                (room, root), seq = next(iter(self._thread_reads.items()))
                try:
                    await threads.mark_read(self._socket.user_id, room, root, seq)
                except Unavailable:
                    wait_seconds = min(2 * wait_seconds, LONGEST_RETRY_SECONDS)
                except ClientError as error:
                    self._error(None, error.code, error.message)
                    del self._thread_reads[room, root]
                else:
                    wait_seconds = 0.5
                    if self._thread_reads[room, root] == seq:
                        del self._thread_reads[room, root]
                await asyncio.sleep(wait_seconds)
        finally:
            self._notes_threads = False

    def _type(self, frame: Typing) -> None:
        room, user_id = frame.room, self._socket.user_id
        if room not in self._socket.rooms:
            self._error(None, ErrorCode.NOT_FOUND, "There is no such room.")
            return
        now = time.monotonic()
        if now - self._typed.get(room, -TYPING_EVERY_SECONDS) < TYPING_EVERY_SECONDS:
            return
        if self._hub.presence.others_online(room, user_id) and not self._asks_to_type:
            self._typed[room] = now
            self._asks_to_type = True
            self._hub.spawn(self._pass_on_typing(room), "typing")

    async def _pass_on_typing(self, room: int) -> None:
        """Drop the notice of a person who may not write, without telling them: it has no answer."""
        user_id = self._socket.user_id
        try:
            if await self._hub.source.may_speak(user_id, room):
                to_hubs.publisher().to_room(room, {"type": "typing", "room": room, "user": user_id})
        except Unavailable:
            pass
        finally:
            self._asks_to_type = False
