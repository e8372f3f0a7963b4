"""The messages after a person's marker that mention them, a group of theirs or everybody.

They are named, not counted, so that a client goes on counting when the marker moves, or a message
is deleted or edited. Beyond the newest 100 of a room nobody counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from django.db import connection
from msgspec import UNSET

from chat.events import (
    EventType,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    RoomEvent,
    decode_data,
)
from chat.events.mentions import Mentions
from chat.protocol import RoomInfo
from chat.queries import people_groups

MAX_NAMED_OF_ROOM = 100
# Each kind of mention is looked through this far back, own and deleted messages included.
MAX_LOOKED_AT = 500

MENTIONED = """
    SELECT given.user_id, given.room_id, mentioned.standing, mentioned.deleted
    FROM unnest(%(users)s::bigint[], %(rooms)s::bigint[], %(after)s::bigint[], %(upto)s::bigint[])
        AS given (user_id, room_id, after, upto)
    CROSS JOIN LATERAL (
        SELECT
            (array_agg(seq ORDER BY seq DESC)
                FILTER (WHERE message.deleted_at IS NULL))[1:%(named)s] AS standing,
            (array_agg(seq ORDER BY seq DESC)
                FILTER (WHERE message.deleted_at IS NOT NULL))[1:%(named)s] AS deleted
        FROM (
            (SELECT seq FROM chat_mention
                WHERE kind = 'person' AND target = given.user_id AND room_id = given.room_id
                    AND seq > given.after AND seq <= given.upto
                ORDER BY seq DESC LIMIT %(looked_at)s)
            UNION
            (SELECT of_group.seq FROM chat_peoplegroupmember AS mine CROSS JOIN LATERAL (
                SELECT seq FROM chat_mention
                WHERE kind = 'group' AND target = mine.group_id AND room_id = given.room_id
                    AND seq > given.after AND seq <= given.upto
                ORDER BY seq DESC LIMIT %(looked_at)s
            ) AS of_group WHERE mine.user_id = given.user_id)
            UNION
            (SELECT seq FROM chat_mention
                WHERE kind = 'all' AND target = 0 AND room_id = given.room_id
                    AND seq > given.after AND seq <= given.upto
                ORDER BY seq DESC LIMIT %(looked_at)s)
        ) AS found
        JOIN chat_message AS message USING (seq)
        WHERE message.room_id = given.room_id AND message.n IS NOT NULL
            AND message.author_id IS DISTINCT FROM given.user_id
    ) AS mentioned
    WHERE mentioned.standing IS NOT NULL OR mentioned.deleted IS NOT NULL
"""


_ABOUT = frozenset(
    {
        EventType.MESSAGE_POSTED,
        EventType.MESSAGE_EDITED,
        EventType.MESSAGE_DELETED,
        EventType.MESSAGE_RESTORED,
    }
)


class Mentioned(msgspec.Struct):
    """Messages of others after a person's marker that mention them, by seq."""

    groups: frozenset[int] = frozenset()  # that the person is in
    standing: set[int] = msgspec.field(default_factory=set)
    deleted: set[int] = msgspec.field(default_factory=set)

    def newest(self, number: int) -> list[int]:
        return sorted(self.standing)[max(0, len(self.standing) - number) :]


def means(mentions: Mentions, user: int, groups: frozenset[int]) -> bool:
    """Whether a message with these mentions mentions the person."""
    return (
        mentions.all is not None
        or user in mentions.people.values()
        or not groups.isdisjoint(mentions.groups.values())
    )


def stored(asked: Sequence[tuple[int, RoomInfo]]) -> dict[tuple[int, int], Mentioned]:
    """What PostgreSQL knows, for each (user, room). Uses the ORM's connection."""
    groups = people_groups.of_people({user for user, _ in asked})
    with connection.cursor() as cursor:
        cursor.execute(
            MENTIONED,
            {
                "users": [user for user, _ in asked],
                "rooms": [room.id for _, room in asked],
                "after": [room.read for _, room in asked],
                "upto": [room.head for _, room in asked],
                "named": MAX_NAMED_OF_ROOM,
                "looked_at": MAX_LOOKED_AT,
            },
        )
        rows = cursor.fetchall()
    found = {(user, room.id): Mentioned(groups=groups[user]) for user, room in asked}
    for user, room, standing, deleted in rows:
        of_room = found[user, room]
        of_room.standing, of_room.deleted = set(standing or ()), set(deleted or ())
    return found


def fold(of_room: Mentioned, user: int, after: int, events: Iterable[RoomEvent]) -> None:
    """Apply `events`, in seq order; those that are stored already change nothing more."""
    for event in events:
        if event.type not in _ABOUT:
            continue
        data = decode_data(event.type, event.data)
        if isinstance(data, MessagePosted | MessageEdited):
            seq = data.target if isinstance(data, MessageEdited) else event.seq
            if seq > after and event.actor != user:  # only authors edit
                _set(of_room, user, seq, data)
        elif isinstance(data, MessageTarget):
            gone = event.type is EventType.MESSAGE_DELETED
            before, now = of_room.standing, of_room.deleted
            if not gone:
                before, now = now, before
            if data.target in before:
                before.discard(data.target)
                now.add(data.target)


def _set(of_room: Mentioned, user: int, seq: int, data: MessagePosted | MessageEdited) -> None:
    if seq in of_room.deleted:
        return
    if data.mentions is not UNSET and means(data.mentions, user, of_room.groups):
        of_room.standing.add(seq)
    elif isinstance(data, MessageEdited):
        of_room.standing.discard(seq)
