"""What happened in a room, however long ago: the hot tail joined with PostgreSQL.

PostgreSQL alone lacks the events that are not stored yet; the log alone forgets. Together they have
every event, and while one is down the other answers for its part.
"""

from __future__ import annotations

import msgspec
from django.db import connection, transaction
from msgspec import UNSET, UnsetType, structs

from chat import events, room_log
from chat.errors import Unavailable
from chat.events import EventType, RoomEvent
from chat.hints import to_hubs
from chat.models import Message as StoredMessage
from chat.models import Room
from chat.persistence import stored_events
from chat.protocol import Event, Message, ThreadSummary
from chat.queries import mentions, reactions, redaction, threads
from chat.room_log.codec import refused
from chat.room_log.targets import author_of
from chat.servers.postgres import in_database

# Reading PostgreSQL and then the tail fails only if more was stored in between than the tail
# keeps. That does not happen this many times in a row.
MAX_ATTEMPTS = 3
# How many unstored events are read for one page, those nearest to the requested position first.
# There are more only when the drain has been stuck for a long time.
MAX_UNSTORED_EVENTS = 10_000
# There may be thousands between two messages: a whole company added to a room.
MAX_PAGE_EVENTS = 200
# The tail is read backwards in steps of this size until it has given enough messages.
TAIL_STEP_EVENTS = 500


class _Wanted(msgspec.Struct, frozen=True):
    """The last `limit` messages before seq `before` that the room shows, or that are replies in the
    thread with root `thread`, as `viewer` sees them."""

    room: int
    thread: int | None
    before: int
    limit: int
    viewer: int

    def number_in(self, found: list[RoomEvent], reach: int) -> int:
        """How many of the messages are posted in `found` up to seq `reach`."""
        return sum(threads.begins(event, self.thread) and event.seq <= reach for event in found)


class HistoryPage(msgspec.Struct, frozen=True):
    """Messages in ascending seq, valid as of seq `upto`; `more` when older ones exist.

    They are all messages from the first of them up to the requested position.
    `events` are the other events of the room and its people in that stretch (from the beginning
    when there are no older messages), in ascending seq: the newest MAX_PAGE_EVENTS.
    """

    messages: list[Message]
    more: bool
    upto: int
    events: list[Event] = []


class _Newer(msgspec.Struct, frozen=True):
    """Unstored events without a gap, and later events that changed texts."""

    events: list[RoomEvent] = []
    changes: list[RoomEvent] = []


class ThreadPage(msgspec.Struct, frozen=True):
    """Like `HistoryPage`, of the replies in a thread; `root` is None if it cannot be read now."""

    root: Message | None
    messages: list[Message]
    more: bool
    upto: int


class _StoredPage(msgspec.Struct, frozen=True):
    messages: list[Message]
    stored: int
    events: list[RoomEvent]
    root: Message | None = None


async def events_after(
    room: int, after: int, limit: int, max_bytes: int = 256_000
) -> list[RoomEvent]:
    """Events after seq `after` without a gap: at most `limit`, and about `max_bytes` of data.

    [] when `after` is the head or beyond. There may be more; ask again from the last seq. Texts
    that were deleted or replaced since are left out (`chat.queries.redaction`).

    Raises: Unavailable when the source that holds them is down.
    """
    try:
        found = await room_log.hot_events(room, after, limit)
    except Unavailable:
        found = await in_database(stored_events.read_after, room, after, limit)
        if not found:  # there may be events that are not stored yet
            raise
    if found is None:
        found = await in_database(stored_events.read_after, room, after, limit)
    size = 0
    for count, event in enumerate(found, start=1):
        size += len(bytes(event.data))
        if size > max_bytes:
            found = found[:count]
            break
    return await redaction.as_it_stands(room, found)


async def messages_before(room: int, before: int, limit: int, viewer: int) -> HistoryPage:
    """The last `limit` messages before seq `before`, with edits, deletions and reactions applied.

    `viewer` is named where they have reacted, however many others have. While PostgreSQL is down,
    the page holds messages of the hot tail; while the log is down, stored messages, if nothing can
    be between them and `before`.

    Raises: Unavailable when the events next to `before` cannot be read: a page has no gap.
    """
    return (await _page(_Wanted(room, None, before, limit, viewer)))[1]


async def replies_before(room: int, root: int, before: int, limit: int, viewer: int) -> ThreadPage:
    """The last `limit` replies before seq `before` in the thread of the message at `root`: like
    `messages_before`.

    Raises: ClientError `not_found` when there is no such message, or it is a reply; Unavailable.
    """
    message, page = await _page(_Wanted(room, root, before, limit, viewer))
    if message is not None and message.thread is not UNSET:
        raise refused("not_found")
    if message is None and not page.messages and await author_of(room, root) is None:
        raise refused("not_found")
    return ThreadPage(message, page.messages, page.more, page.upto)


async def _page(wanted: _Wanted) -> tuple[Message | None, HistoryPage]:
    """The page, and the root of the wanted thread as far as it is known."""
    for _ in range(MAX_ATTEMPTS):
        try:
            page = await in_database(_read_page, wanted)
        except Unavailable:
            return await _from_tail(wanted)
        try:
            newer = await _unstored(wanted, page.stored)
        except redaction.TooMuchUnstored:
            raise
        except Unavailable:
            if wanted.before > page.stored + 1:
                raise
            newer = _Newer()
        if newer is not None:
            return _join(page, newer, wanted)
    raise Unavailable("The history cannot be read at the moment.")


async def _unstored(wanted: _Wanted, stored: int) -> _Newer | None:
    """The events after seq `stored` that the wanted page needs.

    They begin right after `stored`, or hold more messages than it wants, or as many of them as can
    be read. None when no such message can be read, or more was stored meanwhile:
    read PostgreSQL again.

    Raises: Unavailable.
    """
    room = wanted.room
    state = (await room_log.room_states([room])).get(room)
    if state is None or state.head <= stored:
        return _Newer()  # PostgreSQL has everything
    reach = min(wanted.before - 1, state.head)
    found = None
    if state.head - stored <= TAIL_STEP_EVENTS or reach <= stored:
        found = await room_log.hot_events(room, stored, MAX_UNSTORED_EVENTS)
    # Many events wait, or an entry is damaged, and a placeholder for it will be stored in a moment:
    # show the events after it.
    if found is None or (found and found[-1].seq < reach):
        found = await _around(wanted, reach, stored)
        whole = bool(found) and found[0].seq <= stored + 1
        if not whole and not wanted.number_in(found, reach):
            return None
    return await _with_changes(room, found, state.head)


async def _with_changes(room: int, found: list[RoomEvent], head: int) -> _Newer | None:
    """`found`, and changes of texts between them and `head`: a deleted text is not shown, however
    much waits to be stored. None when the tail does not hold the events in between.

    Raises: Unavailable.
    """
    if not found or found[-1].seq >= head:
        return _Newer(found)
    changes = await redaction.changes_after(room, found[-1].seq)
    return None if changes is None else _Newer(found, changes)


async def _around(wanted: _Wanted, reach: int, stored: int) -> list[RoomEvent]:
    """Events of the hot tail without a gap, in seq order, including the one at seq `reach`.

    They go back to seq `stored` + 1, or until there are more messages up to `reach` than wanted, or
    as far as the tail does; and on to the head. [] when the tail does not hold `reach`.

    Raises: Unavailable.
    """
    found: list[RoomEvent] = []  # newest first
    posts = 0
    end = reach
    while end > stored and posts <= wanted.limit and len(found) < MAX_UNSTORED_EVENTS:
        step = await room_log.hot_events_up_to(
            wanted.room, end, min(TAIL_STEP_EVENTS, end - stored)
        )
        if not step:
            break
        found += reversed(step)
        posts += wanted.number_in(step, reach)
        end = step[0].seq - 1
    if not found:
        return []
    later = await room_log.hot_events(wanted.room, reach, MAX_UNSTORED_EVENTS)
    return [*reversed(found), *(later or [])]


def _read_page(wanted: _Wanted) -> _StoredPage:
    """One message more than wanted, to tell whether there are older ones."""
    room, root, before, limit = wanted.room, wanted.thread, wanted.before, wanted.limit
    of_room = StoredMessage.objects.filter(room_id=room)
    messages = of_room.exclude(n=None) if root is None else of_room.filter(thread=root)
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The watermark and the rows must come from one snapshot.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        stored = Room.objects.filter(pk=room).values_list("stored_seq", flat=True).first() or 0
        rows = list(messages.filter(seq__lt=before).order_by("-seq")[: limit + 1])
        roots = list(of_room.filter(seq=root)) if root is not None else []
        shown = [row.seq for row in (*rows, *roots) if row.deleted_at is None]
        standing = reactions.standing(room, shown, wanted.viewer)
        summaries = threads.summaries(room, [row.seq for row in (*rows, *roots)])
        named = mentions.of_messages([(room, seq) for seq in shown])
        first = rows[limit - 1].seq if len(rows) > limit else 1
        changes = (
            stored_events.room_changes(room, first, before, MAX_PAGE_EVENTS) if root is None else []
        )

    def shown_as(row: StoredMessage) -> Message:
        summary = summaries.get(row.seq, UNSET)
        message = _message_of(row, standing.get(row.seq, reactions.NONE), summary)
        return structs.replace(message, mentions=named.get((room, row.seq), UNSET))

    return _StoredPage(
        [shown_as(row) for row in reversed(rows)],
        stored,
        changes,
        shown_as(roots[0]) if roots else None,
    )


def _message_of(
    row: StoredMessage, standing: reactions.Standing, summary: ThreadSummary | UnsetType
) -> Message:
    deleted = row.deleted_at is not None
    return Message(
        seq=row.seq,
        n=row.n or 0,
        author=row.author_id,
        key=None if row.key is None else str(row.key),
        at=row.at,
        body="" if deleted else row.body,
        reply_to=row.reply_to,
        edited_at=row.edited_at,
        deleted=deleted,
        deleted_by=row.deleted_by_id,
        reactions=standing.people,
        reaction_counts=standing.counts,
        thread=UNSET if row.thread is None else row.thread,
        replies=summary,
    )


def _join(page: _StoredPage, newer: _Newer, wanted: _Wanted) -> tuple[Message | None, HistoryPage]:
    joined = not newer.events or newer.events[0].seq <= page.stored + 1
    stored = page.messages if joined else []
    root, ordered = _messages([*stored, *([page.root] if page.root else [])], newer, wanted)
    shown, more = ordered[-wanted.limit :], len(ordered) > wanted.limit or not joined
    events = [*(page.events if joined else []), *newer.events] if wanted.thread is None else []
    return root, HistoryPage(
        messages=shown,
        more=more,
        upto=newer.events[-1].seq if newer.events else page.stored,
        events=_changes(events, shown, more, wanted.before),
    )


def _messages(
    known: list[Message], newer: _Newer, wanted: _Wanted
) -> tuple[Message | None, list[Message]]:
    """The root of the wanted thread, and all wanted messages that are known, in seq order."""
    found = fold(
        {message.seq: message for message in known},
        [*newer.events, *newer.changes],
        wanted.before,
        wanted.viewer,
        wanted.thread,
    )
    # Only up to the position that the page is valid as of: clients count what comes after it.
    found = threads.count_replies(found, newer.events)
    root = None if wanted.thread is None else found.pop(wanted.thread, None)
    return root, sorted(found.values(), key=lambda message: message.seq)


def _changes(found: list[RoomEvent], shown: list[Message], more: bool, before: int) -> list[Event]:
    """Events of `found` (in seq order) about the room that belong to a page showing `shown`."""
    first = (shown[0].seq if shown else before) if more else 1
    kept = [
        event
        for event in found
        if first <= event.seq < before and event.type not in to_hubs.MESSAGE_EVENTS
    ]
    return [to_hubs.wire_event(event) for event in kept[-MAX_PAGE_EVENTS:]]


async def _from_tail(wanted: _Wanted) -> tuple[Message | None, HistoryPage]:
    room, before = wanted.room, wanted.before
    older = Unavailable("Older history cannot be read at the moment.")
    state = (await room_log.room_states([room])).get(room)
    if state is None:
        raise older
    begin = wanted.thread or 1  # nothing of a thread is before its root
    tail = await _around(wanted, min(before - 1, state.head), begin - 1)
    newer = await _with_changes(room, tail, state.head)
    if newer is None:
        raise older
    root, ordered = _messages([], newer, wanted)
    whole = bool(tail) and tail[0].seq <= begin
    if not ordered and not (root is not None and whole):
        raise older
    shown, more = ordered[-wanted.limit :], len(ordered) > wanted.limit or not whole
    events = _changes(tail, shown, more, before) if wanted.thread is None else []
    return root, HistoryPage(messages=shown, more=more, upto=tail[-1].seq, events=events)


def fold(
    messages: dict[int, Message],
    newer: list[RoomEvent],
    before: int,
    viewer: int,
    thread: int | None = None,
) -> dict[int, Message]:
    """`messages` (by seq) after the events of `newer`; posts at or after `before` are left out.

    They are what the room shows, or `thread`'s replies and its root.

    The same rules as in `chat.persistence.projections` and the web client: a deleted message is not
    edited, and a deletion by its author replaces somebody else's.
    """
    result = dict(messages)
    for event in newer:
        data = events.decode_data(event.type, event.data)
        if isinstance(data, events.MessagePosted | events.ReplyPosted):
            if (event.seq < before and threads.begins(event, thread)) or event.seq == thread:
                root = events.thread_of(data)
                result[event.seq] = Message(
                    seq=event.seq,
                    n=event.n if event.type is EventType.MESSAGE_POSTED else 0,
                    author=event.actor,
                    key=event.key,
                    at=event.at,
                    body=data.body,
                    reply_to=data.reply_to,
                    thread=UNSET if root is None else root,
                    mentions=data.mentions,
                )
        elif isinstance(data, events.MessageEdited | events.MessageTarget | events.Reaction):
            message = result.get(data.target)
            if message is not None:
                result[data.target] = _changed(message, event, data, viewer)
    return result


def _changed(
    message: Message,
    event: RoomEvent,
    data: events.MessageEdited | events.MessageTarget | events.Reaction,
    viewer: int,
) -> Message:
    if isinstance(data, events.MessageTarget):
        if event.type == EventType.MESSAGE_DELETED and (
            not message.deleted or event.actor == message.author
        ):
            return structs.replace(
                message,
                deleted=True,
                deleted_by=event.actor,
                body="",
                mentions=UNSET,
                reactions={},
                reaction_counts={},
            )
        return message  # restored: its body is in PostgreSQL only, and shows once this is stored
    if message.deleted:
        return message
    if isinstance(data, events.MessageEdited):
        return structs.replace(message, body=data.body, edited_at=event.at, mentions=data.mentions)
    if event.actor is None:
        return message
    before = reactions.Standing(message.reactions, message.reaction_counts)
    added = event.type == EventType.REACTION_ADDED
    after = reactions.changed(before, data, event.actor, added, viewer)
    return structs.replace(message, reactions=after.people, reaction_counts=after.counts)
