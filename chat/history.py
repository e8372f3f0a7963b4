"""What happened in a room, however long ago: the hot tail joined with PostgreSQL.

PostgreSQL alone lags behind by what is not stored yet; the log alone forgets. Both together have
every event, and while one is away the other answers for its part.
"""

from __future__ import annotations

import msgspec
from django.db import connection, transaction
from msgspec import structs

from chat import events, reactions, redaction, room_log, stored_events
from chat.database import in_database
from chat.errors import Unavailable
from chat.events import EventType, RoomEvent
from chat.models import Message as StoredMessage
from chat.models import Room
from chat.protocol import Message

# Reading PostgreSQL and then the tail fails only if more was stored in between than the tail
# keeps; that many times in a row it does not happen.
MAX_ATTEMPTS = 3
# What is not stored yet is shown up to here; more is a drain that has stood still for long.
MAX_UNSTORED_EVENTS = 10_000


class HistoryPage(msgspec.Struct, frozen=True):
    """Messages in ascending seq, valid as of seq `upto`; `more` when older ones exist."""

    messages: list[Message]
    more: bool
    upto: int


class _StoredPage(msgspec.Struct, frozen=True):
    messages: list[Message]
    stored: int


async def events_after(
    room: int, after: int, limit: int, max_bytes: int = 256_000
) -> list[RoomEvent]:
    """Events after seq `after` without a gap: at most `limit`, and about `max_bytes` of data.

    [] when `after` is the head or beyond. There may be more; ask again from the last seq. Texts
    that were deleted or replaced since are left out (`chat.redaction`).

    Raises: Unavailable when the source that holds them is away.
    """
    try:
        found = await room_log.hot_events(room, after, limit)
    except Unavailable:
        found = None  # what is not stored yet follows when the log is back
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

    `viewer` is named where they have reacted, however many others have. While PostgreSQL is away,
    those of the hot tail.

    Raises: Unavailable when neither holds what is asked for.
    """
    for _ in range(MAX_ATTEMPTS):
        try:
            page = await in_database(_read_page, room, before, limit, viewer)
        except Unavailable:
            return await _from_tail(room, before, limit, viewer)
        try:
            newer = await room_log.hot_events(room, page.stored, MAX_UNSTORED_EVENTS)
            if newer is not None:
                return _join(page, newer, before, limit, viewer)
            states = await room_log.room_states([room])
        except Unavailable:
            return _join(page, [], before, limit, viewer)
        if room not in states:  # not in the log: PostgreSQL has everything
            return _join(page, [], before, limit, viewer)
    raise Unavailable("The history cannot be read at the moment.")


def _read_page(room: int, before: int, limit: int, viewer: int) -> _StoredPage:
    """One message more than `limit`, to tell whether there are older ones."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            # The watermark and the rows must be of one moment.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        stored = Room.objects.filter(pk=room).values_list("stored_seq", flat=True).first() or 0
        rows = list(
            StoredMessage.objects.filter(room_id=room, seq__lt=before)
            .defer("search")
            .order_by("-seq")[: limit + 1]
        )
        shown = [row.seq for row in rows if row.deleted_at is None]
        standing = reactions.standing(room, shown, viewer)
    messages = [_message_of(row, standing.get(row.seq, reactions.NONE)) for row in reversed(rows)]
    return _StoredPage(messages, stored)


def _message_of(row: StoredMessage, standing: reactions.Standing) -> Message:
    deleted = row.deleted_at is not None
    return Message(
        seq=row.seq,
        n=row.n,
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
    )


def _join(
    page: _StoredPage, newer: list[RoomEvent], before: int, limit: int, viewer: int
) -> HistoryPage:
    messages = fold({message.seq: message for message in page.messages}, newer, before, viewer)
    ordered = sorted(messages.values(), key=lambda message: message.seq)
    return HistoryPage(
        messages=ordered[-limit:],
        more=len(ordered) > limit,
        upto=newer[-1].seq if newer else page.stored,
    )


async def _from_tail(room: int, before: int, limit: int, viewer: int) -> HistoryPage:
    older = Unavailable("Older history cannot be read at the moment.")
    # The tail grows while PostgreSQL is away: it is not read through to find nothing.
    start = await room_log.hot_tail_start(room)
    if start is None or before <= start:
        raise older
    tail = await room_log.hot_head_events(room)
    messages = fold({}, tail, before, viewer)
    if not messages:
        raise older
    ordered = sorted(messages.values(), key=lambda message: message.seq)
    return HistoryPage(
        messages=ordered[-limit:],
        more=len(ordered) > limit or tail[0].seq > 1,
        upto=tail[-1].seq,
    )


def fold(
    messages: dict[int, Message], newer: list[RoomEvent], before: int, viewer: int
) -> dict[int, Message]:
    """`messages` (by seq) after the events of `newer`; posts at or after `before` are left out.

    The same rules as `chat.projections` and the web client: what is deleted is not edited, and a
    deletion by its author takes the place of somebody else's.
    """
    result = dict(messages)
    for event in newer:
        data = events.decode_data(event.type, event.data)
        if isinstance(data, events.MessagePosted):
            if event.seq < before:
                result[event.seq] = Message(
                    seq=event.seq,
                    n=event.n,
                    author=event.actor,
                    key=event.key,
                    at=event.at,
                    body=data.body,
                    reply_to=data.reply_to,
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
                reactions={},
                reaction_counts={},
            )
        return message  # restored: its body is in PostgreSQL only, and shows once that is stored
    if message.deleted:
        return message
    if isinstance(data, events.MessageEdited):
        return structs.replace(message, body=data.body, edited_at=event.at)
    if event.actor is None:
        return message
    before = reactions.Standing(message.reactions, message.reaction_counts)
    added = event.type == EventType.REACTION_ADDED
    after = reactions.changed(before, data, event.actor, added, viewer)
    return structs.replace(message, reactions=after.people, reaction_counts=after.counts)
