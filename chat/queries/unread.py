"""How many messages are new to a person: what they would count themselves.

Their own messages are not new, whichever way they were sent, nor are deleted ones. Both are looked
up after each marker, in PostgreSQL and, if not stored yet, in the log. They are counted into
`read_n`, so that `n - read_n` is the number of unread messages. `own_after` and `deleted_after`
name them: the client needs them to go on counting when a message is deleted or restored, or when
the marker moves past some of them.

The lookups are bounded. Beyond the bounds such messages count as unread until the marker has
passed them.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from django.db import connection
from msgspec import UNSET, structs

from chat.events import EventType, MessageTarget, RoomEvent, decode_data
from chat.protocol import RoomInfo
from chat.queries import unread_mentions
from chat.queries.unread_mentions import Mentioned
from chat.resilience.slices import Slices
from chat.room_log import reading
from chat.servers.postgres import in_database

# In one room: nobody counts further, and pages show 9999+. And in all rooms of a person together,
# shared equally: a third of a second for a program that posts everywhere and never reads.
MAX_COUNTED_OF_ROOM = 10_000
MAX_COUNTED = 100_000
# The newest named in one room, and in all rooms of a person: less than 100 kB of their `welcome`.
MAX_NAMED_OF_ROOM = 1_000
MAX_NAMED = 10_000
# A quarter of a second, on a machine that does other things too.
ROOMS_PER_STATEMENT = 2_000
# Events that are not stored yet. This many wait only when the drain is stuck.
MAX_UNSTORED_OF_ROOM = 1_000
MAX_UNSTORED = 5_000

# One statement, so that the watermark and the rows come from one snapshot.
NOT_NEWS = """
    SELECT given.user_id, given.room_id, room.stored_seq,
        own.number, own.newest, deleted.number, deleted.newest, deleted.for_good
    FROM unnest(%(users)s::bigint[], %(rooms)s::bigint[], %(after)s::bigint[], %(upto)s::bigint[],
        %(counted)s::bigint[]) AS given (user_id, room_id, after, upto, counted)
    JOIN chat_room AS room ON room.id = given.room_id
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, (array_agg(seq ORDER BY seq DESC))[1:%(named)s] AS newest
        FROM (
            SELECT seq FROM chat_message
            WHERE room_id = given.room_id AND author_id = given.user_id
                AND n IS NOT NULL AND seq > given.after AND seq <= given.upto
            ORDER BY seq DESC LIMIT given.counted
        ) AS found
    ) AS own
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, (array_agg(seq ORDER BY seq DESC))[1:%(named)s] AS newest,
            (array_agg(seq ORDER BY seq DESC) FILTER (WHERE by_author))[1:%(named)s] AS for_good
        FROM (
            SELECT seq, deleted_by_id IS NOT DISTINCT FROM author_id AS by_author
            FROM chat_message
            WHERE room_id = given.room_id AND author_id IS DISTINCT FROM given.user_id
                AND deleted_at IS NOT NULL AND n IS NOT NULL
                AND seq > given.after AND seq <= given.upto
            ORDER BY seq DESC LIMIT given.counted
        ) AS found
    ) AS deleted
"""


class NotNews(msgspec.Struct):
    """Messages after a person's marker that are not new to them, by seq."""

    stored: int = 0  # up to here PostgreSQL was asked
    own: set[int] = msgspec.field(default_factory=set)
    deleted: set[int] = msgspec.field(default_factory=set)  # of others
    for_good: set[int] = msgspec.field(default_factory=set)  # deleted by their authors
    unnamed: int = 0  # more of them, older than these
    # And those that are more than news.
    mentioned: Mentioned = msgspec.field(default_factory=Mentioned)


async def counted(lists: Mapping[int, Sequence[RoomInfo]]) -> dict[int, list[RoomInfo]]:
    """The rooms of each person, with messages that are not news to them counted into `read_n`.

    Raises: Unavailable when the log or PostgreSQL is down.
    """
    asked = [
        (user, room) for user, rooms in lists.items() for room in rooms if room.n > room.read_n
    ]
    if not asked:
        return {user: list(rooms) for user, rooms in lists.items()}
    number_of_rooms = collections.Counter(user for user, _ in asked)
    found: dict[tuple[int, int], NotNews] = {}
    for start in range(0, len(asked), ROOMS_PER_STATEMENT):
        part = asked[start : start + ROOMS_PER_STATEMENT]
        counted = [
            min(MAX_COUNTED_OF_ROOM, MAX_COUNTED // number_of_rooms[user]) for user, _ in part
        ]
        found |= await in_database(_stored, part, counted)
    tails = await reading.hot_tails(_unstored(asked, found), MAX_UNSTORED_OF_ROOM)
    slices = Slices()
    result: dict[int, list[RoomInfo]] = {}
    for user, rooms in lists.items():
        left = MAX_NAMED
        result[user] = []
        for room in rooms:
            if (of_room := found.get((user, room.id))) is not None:
                await slices.pause()
                tail = tails.get(room.id, [])
                fold(of_room, user, room.read, tail)
                room = _with_counts(room, of_room, tail, left)
                left -= _named(room)
            result[user].append(room)
    return result


def fold(of_room: NotNews, user: int, after: int, events: Iterable[RoomEvent]) -> None:
    """Apply the unstored ones of `events`, in seq order, like `chat.persistence.projections`."""
    unstored = [event for event in events if event.seq > of_room.stored]
    unread_mentions.fold(of_room.mentioned, user, after, unstored)
    for event in unstored:
        if event.type is EventType.MESSAGE_POSTED:
            if event.actor == user and event.seq > after:
                of_room.own.add(event.seq)
        elif event.type in (EventType.MESSAGE_DELETED, EventType.MESSAGE_RESTORED):
            data = decode_data(event.type, event.data)
            assert isinstance(data, MessageTarget)
            target = data.target
            # What the room does not show was never counted.
            if target <= after or target in of_room.own or data.in_room is False:
                continue
            if event.type is EventType.MESSAGE_RESTORED:
                if target not in of_room.for_good:
                    of_room.deleted.discard(target)
            elif target in of_room.deleted:
                of_room.for_good.add(target)  # only its author can delete a message a second time
            else:
                of_room.deleted.add(target)


def _with_counts(
    room: RoomInfo, of_room: NotNews, tail: Sequence[RoomEvent], may_name: int
) -> RoomInfo:
    # The marker may be at an event that is not stored yet.
    read_n = max((event.n for event in tail if event.seq <= room.read), default=room.read_n)
    mentions = of_room.mentioned.newest(min(unread_mentions.MAX_NAMED_OF_ROOM, may_name))
    may_name -= len(mentions)
    own = _newest(of_room.own, min(MAX_NAMED_OF_ROOM, may_name))
    deleted = _newest(of_room.deleted, min(MAX_NAMED_OF_ROOM, may_name - len(own)))
    not_news = len(of_room.own) + len(of_room.deleted) + of_room.unnamed
    return structs.replace(
        room,
        read_n=min(room.n, max(read_n, room.read_n) + not_news),
        own_after=own or UNSET,
        deleted_after=deleted or UNSET,
        mentions=mentions or UNSET,
    )


def _newest(seqs: set[int], number: int) -> list[int]:
    return sorted(seqs)[max(0, len(seqs) - number) :]


def _named(room: RoomInfo) -> int:
    named = (room.own_after, room.deleted_after, room.mentions)
    return sum(len(seqs) for seqs in named if seqs is not UNSET)


def _unstored(
    asked: Sequence[tuple[int, RoomInfo]], found: Mapping[tuple[int, int], NotNews]
) -> dict[int, tuple[int, int]]:
    """Room → (after, upto) of events that only the log has; beyond the bounds, not of all rooms."""
    spans: dict[int, tuple[int, int]] = {}
    for user, room in asked:
        of_room = found.get((user, room.id))
        if of_room is not None and of_room.stored < room.head:
            # PostgreSQL may have been asked about the room's people one after the other.
            after, _ = spans.get(room.id, (of_room.stored, 0))
            spans[room.id] = (min(after, of_room.stored), room.head)
    sizes = (min(last - after, MAX_UNSTORED_OF_ROOM) for after, last in spans.values())
    sums = itertools.accumulate(sizes)
    return {
        room: span
        for (room, span), looked_at in zip(spans.items(), sums, strict=True)
        if looked_at <= MAX_UNSTORED
    }


def _stored(
    asked: Sequence[tuple[int, RoomInfo]], counted: Sequence[int]
) -> dict[tuple[int, int], NotNews]:
    """What PostgreSQL knows; `counted` limits the messages counted in each room, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            NOT_NEWS,
            {
                "users": [user for user, _ in asked],
                "rooms": [room.id for _, room in asked],
                "after": [room.read for _, room in asked],
                "upto": [room.head for _, room in asked],
                "named": MAX_NAMED_OF_ROOM,
                "counted": list(counted),
            },
        )
        rows = cursor.fetchall()
    # Afterwards: what is stored in between is applied again, which changes nothing.
    mentioned = unread_mentions.stored(asked)
    return {
        (user, room): NotNews(
            mentioned=mentioned[user, room],
            stored=stored,
            own=set(own or ()),
            deleted=set(deleted or ()),
            for_good=set(for_good or ()),
            unnamed=own_number - len(own or ()) + deleted_number - len(deleted or ()),
        )
        for user, room, stored, own_number, own, deleted_number, deleted, for_good in rows
    }
