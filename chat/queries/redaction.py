"""Past events without texts that were deleted or replaced since.

A past event is served with its place, its type and its other data. Its text is included only if it
is still the message's text according to the log: a deletion counts from its acknowledgement, not
from when it is stored. A text that is left out becomes an empty string, so that clients that do not
know `redacted` still find a string; the event that replaced the text follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from django.db import connection
from msgspec import UNSET, structs

from chat import room_log
from chat.errors import Unavailable
from chat.events import (
    POSTS,
    EventType,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    ReplyPosted,
    RoomEvent,
    decode_data,
    encode_data,
)
from chat.servers.postgres import in_database

Texted = MessagePosted | ReplyPosted | MessageEdited

# The log is read in parts, between which the event loop runs other tasks.
PART_EVENTS = 500
# How many events are looked through for later changes. More are unstored only when the drain has
# been stuck for a long time; older events then wait for it.
MAX_LATER_EVENTS = 10_000
# Each attempt but the last finds that more was stored meanwhile than the hot tail keeps.
MAX_ATTEMPTS = 3

WITH_TEXT = POSTS | {EventType.MESSAGE_EDITED}
ABOUT_TEXT = WITH_TEXT | {EventType.MESSAGE_DELETED, EventType.MESSAGE_RESTORED}

# One statement, so that the watermark and the rows come from one snapshot.
STORED_TEXTS = """
    SELECT room.stored_seq, message.seq, message.body, message.author_id,
           message.deleted_at IS NOT NULL,
           message.deleted_at IS NOT NULL
               AND message.deleted_by_id IS NOT DISTINCT FROM message.author_id
    FROM chat_room AS room
    LEFT JOIN chat_message AS message
        ON message.room_id = room.id AND message.seq = ANY(%s)
    WHERE room.id = %s
"""


class TooMuchUnstored(Unavailable):
    """So much is not stored yet that it is unknown which texts are still current."""

    def __init__(self) -> None:
        super().__init__("Too much is not stored yet to tell which texts are still current.")


class Text(msgspec.Struct):
    """The current text of a message; `by_author`: its author deleted it."""

    body: str
    author: int | None
    deleted: bool = False
    by_author: bool = False


async def as_it_stands(room: int, found: list[RoomEvent]) -> list[RoomEvent]:
    """Consecutive events of a room, without texts that were deleted or replaced since.

    Raises: Unavailable when so much is unstored that later changes cannot be looked through.
    """
    with_text = {event.seq: _text_of(event) for event in found if event.type in WITH_TEXT}
    if not with_text:
        return found
    wanted = {_target(seq, data) for seq, data in with_text.items()}
    texts = await _texts(room, wanted, found)
    return [
        event
        if event.seq not in with_text or _stands(event.seq, with_text[event.seq], texts)
        else _without_text(event, with_text[event.seq])
        for event in found
    ]


def fold(texts: dict[int, Text], events: Iterable[RoomEvent], wanted: set[int]) -> None:
    """Apply later events to the texts of the messages at `wanted`, like
    `chat.persistence.projections`."""
    for event in events:
        if event.type not in ABOUT_TEXT:
            continue
        data = decode_data(event.type, event.data)
        if isinstance(data, MessagePosted | ReplyPosted):
            if event.seq in wanted:
                texts[event.seq] = Text(data.body, event.actor)
            continue
        assert isinstance(data, MessageEdited | MessageTarget)
        text = texts.get(data.target)
        if text is None:
            continue
        if isinstance(data, MessageEdited):
            if not text.deleted:
                text.body = data.body
        elif event.type == EventType.MESSAGE_DELETED:
            if not text.deleted or event.actor == text.author:
                text.deleted, text.by_author = True, event.actor == text.author
        elif not text.by_author:
            text.deleted = False


async def changes_after(room: int, after: int) -> list[RoomEvent] | None:
    """The log's events after seq `after` that changed texts of messages, in seq order.

    None when the log does not hold all events since: PostgreSQL has more of them by now.
    Raises: TooMuchUnstored.
    """
    later = await _later(room, after)
    if later is None:
        return None
    return [event for event in later if event.type not in POSTS]


async def changed_after(room: int, after: int) -> set[int] | None:
    """The seqs of the messages that `changes_after` is about. Raises: like `changes_after`."""
    found = await changes_after(room, after)
    if found is None:
        return None
    changes = (decode_data(event.type, event.data) for event in found)
    return {data.target for data in changes if isinstance(data, MessageEdited | MessageTarget)}


async def _texts(room: int, wanted: set[int], found: Sequence[RoomEvent]) -> dict[int, Text]:
    """The current texts of the messages at `wanted`; unknown ones are absent."""
    texts: dict[int, Text] = {}
    later = await _later(room, found[-1].seq)
    if later is not None:
        # All events since the first of them are at hand; PostgreSQL is not needed.
        fold(texts, [*found, *later], wanted)
        wanted = {seq for seq in wanted if seq < found[0].seq}
    if wanted:
        try:
            texts |= await _with_postgres(room, wanted)
        except Unavailable:
            if later is None:
                raise
            # Edits of older messages: it is unknown now whether those were deleted before.
    return texts


async def _later(room: int, after: int) -> list[RoomEvent] | None:
    """Events about texts after seq `after`; None when the hot tail does not hold all of them.

    Raises: TooMuchUnstored.
    """
    changes: list[RoomEvent] = []
    for _ in range(MAX_LATER_EVENTS // PART_EVENTS):
        try:
            part = await room_log.hot_part(room, after, PART_EVENTS)
        except Unavailable:
            part = None
        if part is None:
            return None
        readable, last = part
        if last == after:
            return changes
        changes += (event for event in readable if event.type in ABOUT_TEXT)
        after = last
    raise TooMuchUnstored


async def _with_postgres(room: int, wanted: set[int]) -> dict[int, Text]:
    """The stored texts of the messages, with unstored changes applied."""
    for _ in range(MAX_ATTEMPTS):
        stored, texts = await in_database(_stored_texts, room, wanted)
        later = await _later(room, stored)
        if later is not None:
            fold(texts, later, wanted)
            return texts
        try:
            states = await room_log.room_states([room])
        except Unavailable:
            return texts  # only PostgreSQL can be asked
        if room not in states:  # not in the log: PostgreSQL has everything
            return texts
    raise Unavailable("Changes to older messages cannot be read at the moment.")


def _stored_texts(room: int, wanted: set[int]) -> tuple[int, dict[int, Text]]:
    """How far the room is stored, and the texts of its messages at `wanted`."""
    with connection.cursor() as cursor:
        cursor.execute(STORED_TEXTS, [list(wanted), room])
        rows = cursor.fetchall()
    texts = {
        seq: Text(body, author, deleted, by_author)
        for _, seq, body, author, deleted, by_author in rows
        if seq is not None
    }
    return (rows[0][0] if rows else 0), texts


def _text_of(event: RoomEvent) -> Texted:
    data = decode_data(event.type, event.data)
    assert isinstance(data, Texted)
    return data


def _target(seq: int, data: Texted) -> int:
    return data.target if isinstance(data, MessageEdited) else seq


def _stands(seq: int, data: Texted, texts: dict[int, Text]) -> bool:
    """Whether the event's text is the message's current one, whichever event set it."""
    text = texts.get(_target(seq, data))
    return text is not None and not text.deleted and text.body == data.body


def _without_text(event: RoomEvent, data: Texted) -> RoomEvent:
    empty = msgspec.Raw(encode_data(structs.replace(data, body="", mentions=UNSET)))
    return structs.replace(event, data=empty, redacted=True)
