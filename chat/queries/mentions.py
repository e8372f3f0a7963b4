"""What mentions a person, in the rooms that they are in; and what each of some messages mentions.

Both as far as messages are stored. Who is in a group, and in a room, is decided when somebody asks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import connection
from msgspec import UNSET, UnsetType

from chat import room_log
from chat.errors import ClientError, Unavailable
from chat.events.mentions import Mentions
from chat.models import Mention
from chat.queries import redaction
from chat.servers.postgres import in_database

MAX_PAGE = 100
# Each attempt but the last finds that more was stored meanwhile than the hot tail keeps.
MAX_ATTEMPTS = 3
# The last message of the page before: microseconds since 1970, room, seq.
CURSOR_PATTERN = r"[0-9]{1,17}\.[0-9]{1,16}\.[0-9]{1,16}"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# What stands, and was written by somebody else.
STANDS = """
    EXISTS (SELECT FROM chat_message AS message
        WHERE message.room_id = mention.room_id AND message.seq = mention.seq
            AND message.deleted_at IS NULL AND message.author_id IS DISTINCT FROM %(user)s)
    AND (%(at)s::timestamptz IS NULL OR (mention.at, mention.room_id, mention.seq)
        < (%(at)s::timestamptz, %(room)s::bigint, %(seq)s::bigint))
    ORDER BY mention.at DESC, mention.room_id DESC, mention.seq DESC LIMIT %(limit)s
"""

# Each branch is limited before they are joined. Nobody is meant by what was said to all before they
# came.
PAGE = f"""
    WITH found AS (
        (SELECT mention.room_id, mention.seq, mention.at FROM chat_mention AS mention
            JOIN chat_membership AS member
                ON member.room_id = mention.room_id AND member.user_id = %(user)s
            WHERE mention.kind = 'person' AND mention.target = %(user)s AND {STANDS})
        UNION
        (SELECT of_group.* FROM chat_peoplegroupmember AS mine CROSS JOIN LATERAL (
            SELECT mention.room_id, mention.seq, mention.at FROM chat_mention AS mention
            JOIN chat_membership AS member
                ON member.room_id = mention.room_id AND member.user_id = %(user)s
                    AND member.joined_at <= mention.at
            WHERE mention.kind = 'group' AND mention.target = mine.group_id AND {STANDS}
        ) AS of_group WHERE mine.user_id = %(user)s)
        UNION
        (SELECT of_room.* FROM chat_membership AS member CROSS JOIN LATERAL (
            SELECT mention.room_id, mention.seq, mention.at FROM chat_mention AS mention
            WHERE mention.kind = 'all' AND mention.target = 0
                AND mention.room_id = member.room_id AND member.joined_at <= mention.at AND {STANDS}
        ) AS of_room WHERE member.user_id = %(user)s)
    )
    SELECT found.room_id, found.seq, found.at, message.author_id, message.body, message.thread,
        message.n IS NOT NULL, room.stored_seq
    FROM found
    JOIN chat_message AS message
        ON message.room_id = found.room_id AND message.seq = found.seq
    JOIN chat_room AS room ON room.id = found.room_id
    ORDER BY found.at DESC, found.room_id DESC, found.seq DESC LIMIT %(limit)s
"""  # noqa: S608 - put together from constants

OF_MESSAGES = """
    SELECT room_id, seq, kind, target, name FROM chat_mention
    WHERE (room_id, seq) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))
    ORDER BY id
"""


class MentioningMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of somebody else that mentions the reader, or a group of theirs, or all.

    A reply names the root of its `thread`; `in_room`: the room shows it.
    """

    room: int
    seq: int
    at: datetime
    author: int | None
    body: str
    mentions: Mentions
    in_room: bool
    thread: int | UnsetType = UNSET


class MentionPage(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first. `next`: where the next page begins, if there is one."""

    messages: list[MentioningMessage]
    next: str | None


class _Place(msgspec.Struct, frozen=True):
    at: datetime
    room: int
    seq: int


class _Found(msgspec.Struct, frozen=True):
    message: MentioningMessage
    stored: int


async def page(user_id: int, limit: int, cursor: str | None = None) -> MentionPage:
    """Messages that mention the person, in rooms that they are in, as far as they are stored.

    A message whose text is changing is left out until the change is stored.

    Raises: ClientError for a cursor that is none; Unavailable.
    """
    after = None if cursor is None else _place_of(cursor)
    for _ in range(MAX_ATTEMPTS):
        rows = await in_database(_read, user_id, limit + 1, after)
        shown = await _as_it_stands(user_id, rows[:limit])
        if shown is not None:
            more = len(rows) > limit
            return MentionPage(
                messages=shown, next=_text_of(rows[limit - 1].message) if more else None
            )
    raise Unavailable("The mentions cannot be read at the moment.")


async def _as_it_stands(user_id: int, rows: list[_Found]) -> list[MentioningMessage] | None:
    """Without messages of rooms that the person has left, and without those that have changed since
    they were stored. None when more was stored meanwhile than the log keeps."""
    upto = {row.message.room: row.stored for row in rows}
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
        row.message
        for row in rows
        if row.message.room not in left and row.message.seq not in changed.get(row.message.room, ())
    ]


def of_messages(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], Mentions]:
    """What the messages at these (room, seq) mention; those that mention nobody are left out. Uses
    the ORM's connection."""
    if not places:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(OF_MESSAGES, [[room for room, _ in places], [seq for _, seq in places]])
        rows = cursor.fetchall()
    found: dict[tuple[int, int], list[tuple[str, int, str]]] = defaultdict(list)
    for room, seq, kind, target, name in rows:
        found[room, seq].append((kind, target, name))
    return {place: _mentions(named) for place, named in found.items()}


def _mentions(named: Collection[tuple[str, int, str]]) -> Mentions:
    def of_kind(wanted: str) -> dict[str, int]:
        return {name: target for kind, target, name in named if kind == wanted}

    of_all = next((name for kind, _, name in named if kind == Mention.Kind.ALL), None)
    return Mentions(
        people=of_kind(Mention.Kind.PERSON),
        groups=of_kind(Mention.Kind.GROUP),
        rooms=of_kind(Mention.Kind.ROOM),
        all=None if of_all is None else "here" if of_all == "here" else "room",
    )


def _read(user_id: int, limit: int, after: _Place | None) -> list[_Found]:
    with connection.cursor() as cursor:
        cursor.execute(
            PAGE,
            {
                "user": user_id,
                "limit": limit,
                "at": None if after is None else after.at,
                "room": None if after is None else after.room,
                "seq": None if after is None else after.seq,
            },
        )
        rows = cursor.fetchall()
    named = of_messages([(room, seq) for room, seq, *_ in rows])
    return [
        _Found(
            MentioningMessage(
                room=room,
                seq=seq,
                at=at,
                author=author,
                body=body,
                mentions=named.get((room, seq), Mentions()),
                in_room=in_room,
                thread=UNSET if thread is None else thread,
            ),
            stored,
        )
        for room, seq, at, author, body, thread, in_room, stored in rows
    ]


def _text_of(last: MentioningMessage) -> str:
    return f"{(last.at - EPOCH) // MICROSECOND}.{last.room}.{last.seq}"


def _place_of(text: str) -> _Place:
    if not re.fullmatch(CURSOR_PATTERN, text):
        raise ClientError("bad_request", "cursor: not from an earlier answer.")
    moment, room, seq = map(int, text.split("."))
    try:
        return _Place(EPOCH + moment * MICROSECOND, room, seq)
    except OverflowError:
        raise ClientError("bad_request", "cursor: not from an earlier answer.") from None
