"""The past as it stands: without texts that were deleted or replaced since.

An event that is served as past keeps its place, its type and what else it says. Its text comes
with it only where the text is what stands on the message now, as the log has it: a deletion counts
from its acknowledgement, not from when it is stored. The text that is left out stays empty, so that
clients that do not know `redacted` still find a string; the event that replaced it follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from django.db import connection
from msgspec import structs

from chat import room_log
from chat.errors import Unavailable
from chat.events import (
    EventType,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    RoomEvent,
    decode_data,
    encode_data,
)
from chat.servers.postgres import in_database

# The log is read in parts, between which others get the loop.
PART_EVENTS = 500
# What is looked through for later changes. More waits only where the drain has stood still for
# long, and then what is older than that waits for it.
MAX_LATER_EVENTS = 10_000
# Each attempt but the last finds that more was stored meanwhile than the hot tail keeps.
MAX_ATTEMPTS = 3

WITH_TEXT = frozenset({EventType.MESSAGE_POSTED, EventType.MESSAGE_EDITED})
ABOUT_TEXT = WITH_TEXT | {EventType.MESSAGE_DELETED, EventType.MESSAGE_RESTORED}

# One statement, so that the watermark and the rows are of one moment.
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
    """So much is not stored yet that nobody can say what still stands."""

    def __init__(self) -> None:
        super().__init__("Too much is not stored yet to tell what still stands.")


class Text(msgspec.Struct):
    """What stands on a message; `by_author`: it was deleted by who wrote it."""

    body: str
    author: int | None
    deleted: bool = False
    by_author: bool = False


async def as_it_stands(room: int, found: list[RoomEvent]) -> list[RoomEvent]:
    """Consecutive events of a room, those whose text was deleted or replaced without it.

    Raises: Unavailable when so much is not stored that later changes cannot be looked through.
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
    """Applies later events to the texts of the messages at `wanted`, as
    `chat.persistence.projections` does."""
    for event in events:
        if event.type not in ABOUT_TEXT:
            continue
        data = decode_data(event.type, event.data)
        if isinstance(data, MessagePosted):
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
    """What has changed the text of messages after seq `after`, as the log has it, in seq order.

    None when the log does not hold all that happened since: PostgreSQL has more of it by now.
    Raises: TooMuchUnstored.
    """
    later = await _later(room, after)
    if later is None:
        return None
    return [event for event in later if event.type != EventType.MESSAGE_POSTED]


async def changed_after(room: int, after: int) -> set[int] | None:
    """The seqs of the messages that `changes_after` is about. Raises: as that."""
    found = await changes_after(room, after)
    if found is None:
        return None
    changes = (decode_data(event.type, event.data) for event in found)
    return {data.target for data in changes if isinstance(data, MessageEdited | MessageTarget)}


async def _texts(room: int, wanted: set[int], found: Sequence[RoomEvent]) -> dict[int, Text]:
    """What stands on the messages at `wanted`; those that are not known are absent."""
    texts: dict[int, Text] = {}
    later = await _later(room, found[-1].seq)
    if later is not None:
        # All that happened since the first of them is at hand, and needs no PostgreSQL.
        fold(texts, [*found, *later], wanted)
        wanted = {seq for seq in wanted if seq < found[0].seq}
    if wanted:
        try:
            texts |= await _with_postgres(room, wanted)
        except Unavailable:
            if later is None:
                raise
            # Edits of older messages: nobody can say now that those were not deleted before.
    return texts


async def _later(room: int, after: int) -> list[RoomEvent] | None:
    """What happened to texts after seq `after`; None when the hot tail does not hold all of it.

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
    """What is stored of the messages, with what is not stored yet applied to it."""
    for _ in range(MAX_ATTEMPTS):
        stored, texts = await in_database(_stored_texts, room, wanted)
        later = await _later(room, stored)
        if later is not None:
            fold(texts, later, wanted)
            return texts
        try:
            states = await room_log.room_states([room])
        except Unavailable:
            return texts  # PostgreSQL is all there is to ask
        if room not in states:  # not in the log: PostgreSQL has everything
            return texts
    raise Unavailable("What happened to older messages cannot be told at the moment.")


def _stored_texts(room: int, wanted: set[int]) -> tuple[int, dict[int, Text]]:
    """How far the room is stored, and its messages at `wanted`."""
    with connection.cursor() as cursor:
        cursor.execute(STORED_TEXTS, [list(wanted), room])
        rows = cursor.fetchall()
    texts = {
        seq: Text(body, author, deleted, by_author)
        for _, seq, body, author, deleted, by_author in rows
        if seq is not None
    }
    return (rows[0][0] if rows else 0), texts


def _text_of(event: RoomEvent) -> MessagePosted | MessageEdited:
    data = decode_data(event.type, event.data)
    assert isinstance(data, MessagePosted | MessageEdited)
    return data


def _target(seq: int, data: MessagePosted | MessageEdited) -> int:
    return data.target if isinstance(data, MessageEdited) else seq


def _stands(seq: int, data: MessagePosted | MessageEdited, texts: dict[int, Text]) -> bool:
    """Whether the text can be read on the message, from this event or another one."""
    text = texts.get(_target(seq, data))
    return text is not None and not text.deleted and text.body == data.body


def _without_text(event: RoomEvent, data: MessagePosted | MessageEdited) -> RoomEvent:
    empty = msgspec.Raw(encode_data(structs.replace(data, body="")))
    return structs.replace(event, data=empty, redacted=True)
