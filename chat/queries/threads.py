"""Threads: the summaries that roots have, and the threads that a person follows.

Both are what PostgreSQL holds; `count_replies` adds what the log holds beyond it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import connection
from msgspec import UNSET, UnsetType, structs

from chat import room_log
from chat.errors import ClientError, Unavailable
from chat.events import (
    POSTS,
    EventType,
    MessagePosted,
    MessageTarget,
    ReplyPosted,
    RoomEvent,
    decode_data,
    thread_of,
)
from chat.models import ThreadFollow
from chat.protocol import MAX_NAMED_REPLIERS, Message, ThreadSummary
from chat.queries import redaction
from chat.servers.postgres import in_database

# Nobody counts further in one thread; more of its newest replies are not looked at.
MAX_COUNTED = 100
MAX_THREADS = 100
# More is stored between reading PostgreSQL and the log than the tail keeps: not this often.
MAX_ATTEMPTS = 3

# Unread or not, microseconds since 1970, room, root.
CURSOR_PATTERN = r"[01]\.[0-9]{1,16}\.[0-9]{1,16}\.[0-9]{1,16}"
CURSOR = re.compile(CURSOR_PATTERN, re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

SUMMARIES = """
    SELECT root, replies, people, first_people, last_seq, last_at
    FROM chat_thread WHERE room_id = %s AND root = ANY(%s)
"""

# Of the threads that the person follows, in rooms that they are in: those with replies to read
# first, then by the last reply. New are replies of others that stand, after the marker.
FOLLOWED = """
    WITH followed AS (
        SELECT thread.*, follow.read_seq,
            CASE WHEN thread.last_seq > follow.read_seq THEN (
                SELECT count(*) FROM (
                    SELECT author_id, deleted_at FROM chat_message
                    WHERE room_id = thread.room_id AND thread = thread.root
                        AND seq > follow.read_seq
                    ORDER BY seq DESC LIMIT %(counted)s
                ) AS newest
                WHERE newest.author_id IS DISTINCT FROM %(user)s AND newest.deleted_at IS NULL
            ) ELSE 0 END AS unread
        FROM chat_threadfollow AS follow
        JOIN chat_membership AS member
            ON member.user_id = follow.user_id AND member.room_id = follow.room_id
        JOIN chat_thread AS thread
            ON thread.room_id = follow.room_id AND thread.root = follow.root
        WHERE follow.user_id = %(user)s AND follow.following
    ), page AS (
        SELECT *, count(*) FILTER (WHERE unread > 0) OVER () AS unread_threads FROM followed
    )
    SELECT page.room_id, page.root, page.unread, page.read_seq, page.replies, page.people,
        page.first_people, page.last_seq, page.last_at, page.unread_threads,
        root.author_id, root.at, root.body, COALESCE(root.deleted_at IS NOT NULL, true),
        room.stored_seq
    FROM page
    JOIN chat_room AS room ON room.id = page.room_id
    LEFT JOIN chat_message AS root ON root.room_id = page.room_id AND root.seq = page.root
    WHERE %(unread)s::boolean IS NULL
        OR (page.unread > 0, page.last_at, page.room_id, page.root)
            < (%(unread)s::boolean, %(last_at)s::timestamptz,
                %(room)s::bigint, %(root)s::bigint)
    ORDER BY page.unread > 0 DESC, page.last_at DESC, page.room_id DESC, page.root DESC
    LIMIT %(limit)s
"""


class Relation(msgspec.Struct, frozen=True):
    """Whether a person follows a thread (None: undecided), and how far they have read it."""

    following: bool | UnsetType | None = UNSET
    read: int | UnsetType = UNSET


class FollowedThread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread that the person follows. `unread` are others' replies after `read`, at most 100.

    The root is `author`'s, from `at`; `body` is empty if it was deleted or is changing.
    """

    room: int
    root: int
    author: int | None
    at: datetime | None
    body: str
    deleted: bool
    unread: int
    read: int
    replies: ThreadSummary


class FollowedThreads(msgspec.Struct, frozen=True, kw_only=True):
    """`unread`: how many threads have unread replies, on all pages. `next`: where the next page
    begins, if there is one."""

    threads: list[FollowedThread]
    unread: int
    next: str | None


class _Cursor(msgspec.Struct, frozen=True):
    """The last thread of a page."""

    unread: bool
    last_at: datetime
    room: int
    root: int


class _Row(msgspec.Struct, frozen=True):
    thread: FollowedThread
    stored: int


def summaries(room: int, roots: Collection[int]) -> dict[int, ThreadSummary]:
    """The threads of those messages that have replies, by root. Uses the ORM's connection."""
    if not roots:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(SUMMARIES, [room, list(roots)])
        return {
            root: ThreadSummary(
                replies=replies,
                people=people,
                first_people=first_people,
                last_seq=last_seq,
                last_at=last_at,
            )
            for root, replies, people, first_people, last_seq, last_at in cursor.fetchall()
        }


def count_replies(
    messages: Mapping[int, Message], newer: Iterable[RoomEvent]
) -> dict[int, Message]:
    """`messages` (by seq) with the replies of `newer` counted into the summaries of their roots.

    The web client does the same. Who has replied before is known of the named people only, so
    while they are not all of them, somebody new in the thread is not counted before a page is read.
    """
    result = dict(messages)
    for event in newer:
        data = decode_data(event.type, event.data)
        if isinstance(data, MessagePosted | ReplyPosted):
            root = thread_of(data)
            if root is not None and (message := result.get(root)) is not None:
                result[root] = structs.replace(message, replies=_with_reply(message, event))
        elif isinstance(data, MessageTarget) and data.thread is not UNSET and data.replies:
            message = result.get(data.thread)
            if message is not None and message.replies is not UNSET:
                summary = message.replies
                changed = structs.replace(summary, replies=summary.replies + data.replies)
                result[data.thread] = structs.replace(message, replies=changed)
    return result


def _with_reply(root: Message, event: RoomEvent) -> ThreadSummary:
    before = root.replies
    if before is UNSET:
        people = [] if event.actor is None else [event.actor]
        return ThreadSummary(
            replies=1,
            people=len(people),
            first_people=people,
            last_seq=event.seq,
            last_at=event.at,
        )
    named = before.first_people
    all_are_named = before.people == len(named)
    came = event.actor is not None and event.actor not in named and all_are_named
    if came and event.actor is not None and len(named) < MAX_NAMED_REPLIERS:
        named = [*named, event.actor]
    return ThreadSummary(
        replies=before.replies + 1,
        people=before.people + came,
        first_people=named,
        last_seq=event.seq,
        last_at=event.at,
    )


def begins(event: RoomEvent, thread: int | None) -> bool:
    """Whether the event is a message that the room shows (`thread` None), or a reply of the thread
    with that root."""
    if thread is None:
        return event.type is EventType.MESSAGE_POSTED
    if event.type not in POSTS:
        return False
    data = decode_data(event.type, event.data)
    return isinstance(data, MessagePosted | ReplyPosted) and thread_of(data) == thread


async def relation(user_id: int, room: int, root: int) -> Relation:
    """The person's own relation to the thread; unknown while PostgreSQL is down."""
    try:
        return await in_database(_relation, user_id, room, root)
    except Unavailable:
        return Relation()


def _relation(user_id: int, room: int, root: int) -> Relation:
    found = ThreadFollow.objects.filter(user_id=user_id, room_id=room, root=root)
    return Relation(*(found.values_list("following", "read_seq").first() or (None, 0)))


async def followed(user_id: int, limit: int, cursor: str | None = None) -> FollowedThreads:
    """The threads that the person follows in rooms they are in, as far as they are stored: first
    those with unread replies, and the one with the latest reply first.

    A thread that is read, or gets a reply, moves between two pages.

    Raises: ClientError for a cursor that is none; Unavailable.
    """
    after = None if cursor is None else _cursor_of(cursor)
    for _ in range(MAX_ATTEMPTS):
        rows, unread = await in_database(_followed, user_id, limit + 1, after)
        page = rows[:limit]
        shown = await _as_it_stands(user_id, page)
        if shown is not None:
            last = page[-1].thread if len(rows) > limit else None
            return FollowedThreads(
                threads=shown, unread=unread, next=None if last is None else _text_of(last)
            )
    raise Unavailable("The threads cannot be read at the moment.")


async def _as_it_stands(user_id: int, rows: list[_Row]) -> list[FollowedThread] | None:
    """The threads without those of rooms that the person has left, and without texts that have
    changed since they were stored. None when more was stored meanwhile than the log keeps."""
    upto = {row.thread.room: row.stored for row in rows}
    states, roles = await room_log.states_and_roles({user_id: list(upto)})
    left = {room for room, role in roles.get(user_id, {}).items() if role is None}
    changed: dict[int, set[int]] = {}
    for room, state in states.items():
        if room not in left and state.head > upto[room]:
            seqs = await redaction.changed_after(room, upto[room])
            if seqs is None:
                return None
            changed[room] = seqs
    return [
        structs.replace(row.thread, body="")
        if row.thread.root in changed.get(row.thread.room, ())
        else row.thread
        for row in rows
        if row.thread.room not in left
    ]


def _followed(user_id: int, limit: int, after: _Cursor | None) -> tuple[list[_Row], int]:
    with connection.cursor() as cursor:
        cursor.execute(
            FOLLOWED,
            {
                "user": user_id,
                "counted": MAX_COUNTED,
                "limit": limit,
                "unread": None if after is None else after.unread,
                "last_at": None if after is None else after.last_at,
                "room": None if after is None else after.room,
                "root": None if after is None else after.root,
            },
        )
        rows = cursor.fetchall()
    found = [
        _Row(
            FollowedThread(
                room=room,
                root=root,
                author=author,
                at=at,
                body="" if deleted else body,
                deleted=deleted,
                unread=unread,
                read=read,
                replies=ThreadSummary(
                    replies=replies,
                    people=people,
                    first_people=first_people,
                    last_seq=last_seq,
                    last_at=last_at,
                ),
            ),
            stored,
        )
        for (
            room,
            root,
            unread,
            read,
            replies,
            people,
            first_people,
            last_seq,
            last_at,
            _,
            author,
            at,
            body,
            deleted,
            stored,
        ) in rows
    ]
    return found, (rows[0][9] if rows else 0)


def _text_of(last: FollowedThread) -> str:
    moment = (last.replies.last_at - EPOCH) // MICROSECOND
    return f"{int(last.unread > 0)}.{moment}.{last.room}.{last.root}"


def _cursor_of(text: str) -> _Cursor:
    if not CURSOR.fullmatch(text):
        raise ClientError("bad_request", "cursor: not from an earlier answer.")
    unread, moment, room, root = map(int, text.split("."))
    return _Cursor(unread == 1, EPOCH + moment * MICROSECOND, room, root)
