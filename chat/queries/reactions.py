"""Reactions on messages: which emoji, how many people gave each, and who."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from django.db import connection, transaction
from msgspec import UNSET

from chat import room_log
from chat.broken_rules import Rule
from chat.errors import ClientError, Unavailable
from chat.events import POSTS, EventType, MessageTarget, Reaction, decode_data
from chat.events.emoji import canonical
from chat.models import Message, Room
from chat.models import Reaction as StoredReaction
from chat.protocol import MAX_ID, MAX_MESSAGE_EMOJI, MAX_NAMED_PEOPLE
from chat.servers.postgres import in_database

MAX_PEOPLE = 100
# How many unstored events are looked at for one answer; the rest show once they are stored.
MAX_UNSTORED_EVENTS = 1_000

# The oldest first. Databases from before there was a limit hold messages with thousands of emoji.
STANDING = """
    WITH counted AS (
        SELECT target, emoji, count(*) AS people, min(id) AS first,
               (array_agg(user_id ORDER BY id))[1:%(named)s] AS named,
               bool_or(user_id = %(viewer)s) AS mine
        FROM chat_reaction WHERE room_id = %(room)s AND target = ANY(%(targets)s)
        GROUP BY target, emoji
    ), ranked AS (
        SELECT *, row_number() OVER (PARTITION BY target ORDER BY first) AS place FROM counted
    )
    SELECT target, emoji, people, named, mine FROM ranked
    WHERE place <= %(emoji)s ORDER BY target, first
"""


class Standing(msgspec.Struct, frozen=True):
    """Reactions on a message: by emoji, some of the people who gave it, and how many did."""

    people: dict[str, list[int]]
    counts: dict[str, int]


NONE = Standing({}, {})


class WhoReacted(msgspec.Struct, frozen=True):
    """User ids in ascending order; `more` when there are higher ones."""

    users: list[int]
    more: bool


def standing(room: int, seqs: Sequence[int], viewer: int) -> dict[int, Standing]:
    """The stored reactions to messages at `seqs`; messages without any are absent.

    For each emoji the first people, and `viewer`. Uses the ORM.
    """
    if not seqs:
        return {}
    values: dict[str, int | list[int]] = {
        "room": room,
        "targets": list(seqs),
        "viewer": viewer,
        "named": MAX_NAMED_PEOPLE,
        "emoji": MAX_MESSAGE_EMOJI,
    }
    found: dict[int, Standing] = {}
    with connection.cursor() as cursor:
        cursor.execute(STANDING, values)
        for seq, emoji, people, named, mine in cursor.fetchall():
            of_message = found.setdefault(seq, Standing({}, {}))
            of_message.counts[emoji] = people
            of_message.people[emoji] = [*named, viewer] if mine and viewer not in named else named
    return found


def is_stored(room: int, seq: int, user: int, emoji: str) -> bool:
    """Whether this reaction of the person is stored. Uses the ORM."""
    return StoredReaction.objects.filter(
        room_id=room, target=seq, user_id=user, emoji=emoji
    ).exists()


def changed(before: Standing, data: Reaction, actor: int, added: bool, viewer: int) -> Standing:
    """The reactions on a message after one more event. The web client does the same. Pure."""
    emoji, named = data.emoji, before.people.get(data.emoji, [])
    was_named = actor in named
    if emoji not in before.counts and len(before.counts) >= MAX_MESSAGE_EMOJI:
        return before
    if data.count is UNSET:  # logged before the log counted
        count = before.counts.get(emoji, 0) + (added and not was_named) - (was_named and not added)
    else:
        count = data.count
    if not added:
        named = [user for user in named if user != actor]
    elif not was_named and (len(named) < MAX_NAMED_PEOPLE or actor == viewer):
        named = [*named, actor]
    people, counts = {**before.people, emoji: named}, {**before.counts, emoji: count}
    if count <= 0:
        del people[emoji], counts[emoji]
    return Standing(people, counts)


async def who_reacted(room: int, seq: int, emoji: str, after: int, limit: int) -> WhoReacted:
    """At most `limit` (1–100) people above user id `after` who gave the message `emoji`.

    Raises: ClientError `not_found` where there is no readable message, `bad_request` for text that
    is not an emoji and that nobody gave it; Unavailable.
    """
    stored = await in_database(_stored, room, seq, emoji, after, limit + 1)
    try:
        newer = await room_log.hot_events(room, stored.upto, MAX_UNSTORED_EVENTS) or []
    except Unavailable:
        newer = []
    present, readable = dict.fromkeys(stored.users, True), stored.readable
    for event in newer:
        data = decode_data(event.type, event.data)
        if event.type in POSTS and event.seq == seq:
            readable = True
        elif (
            event.type == EventType.MESSAGE_DELETED
            and isinstance(data, MessageTarget)
            and data.target == seq
        ):
            readable = False
        elif (
            isinstance(data, Reaction)
            and (data.target, data.emoji) == (seq, emoji)
            and event.actor is not None
            and event.actor > after
        ):
            present[event.actor] = event.type == EventType.REACTION_ADDED
    if not readable:
        raise ClientError("not_found", "There is no such message.")
    more = len(stored.users) > limit
    # Between the last of these and a newly added person there may be others that were not read.
    end = stored.users[-1] if more else MAX_ID
    found = sorted(user for user, on in present.items() if on and user <= end)
    if not found and after == 0 and canonical(emoji) is None:
        raise ClientError("bad_request", "A reaction is one emoji.", rule=Rule.ONE_EMOJI)
    return WhoReacted(found[:limit], more or len(found) > limit)


class _Stored(msgspec.Struct, frozen=True):
    """Whether the message can be read, who has the emoji, and the room's seq at that moment."""

    upto: int
    readable: bool
    users: list[int]


def _stored(room: int, seq: int, emoji: str, after: int, limit: int) -> _Stored:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        upto = Room.objects.filter(pk=room).values_list("stored_seq", flat=True).first() or 0
        readable = Message.objects.filter(room_id=room, seq=seq, deleted_at=None).exists()
        users = list(
            StoredReaction.objects.filter(room_id=room, target=seq, emoji=emoji, user_id__gt=after)
            .order_by("user_id")
            .values_list("user_id", flat=True)[:limit]
        )
    return _Stored(upto, readable, users)
