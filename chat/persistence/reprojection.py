"""Puts an event at its place when later events are already stored: its row and its projections.

The projections must look as if the event had always been there. So what it touches is projected
anew from the room's events, in their order: the message with its edits, the reaction, the
membership, the room's name. All this happens in the caller's transaction, which holds the shard's
persist cursor, so no event is stored meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from chat import events
from chat.events import POSTS, EventType, RoomEvent
from chat.models import AbsentMute, Ban, EventReplacement, Membership, Mention, Message, Reaction
from chat.models import RoomEvent as Row
from chat.persistence import mentions, projections, stored_events, threads
from chat.persistence.projections import Placed

# The type is checked again, so that only a placeholder is ever overwritten.
REPLACE = """
    UPDATE chat_roomevent SET type = %s, key = %s, actor_id = %s, n = %s, at = %s, data = %s::jsonb
    WHERE id = %s AND type = 'event.quarantined'
"""

TO_MESSAGE = (EventType.MESSAGE_EDITED, EventType.MESSAGE_DELETED, EventType.MESSAGE_RESTORED)
TO_REACTION = (EventType.REACTION_ADDED, EventType.REACTION_REMOVED)
TO_MEMBERSHIP = (
    EventType.MEMBER_JOINED,
    EventType.MEMBER_LEFT,
    EventType.MEMBER_REMOVED,
    EventType.MEMBER_MUTED,
    EventType.MEMBER_UNMUTED,
)


def replace_placeholder(row: Row, placed: Placed, letter: str, now: datetime) -> None:
    """Turns the placeholder `row` into the event it stands for.

    The event keeps the row, and so its (room, seq), and is published once more (see
    `EventReplacement`).

    Raises: IntegrityError or DataError when PostgreSQL still refuses it; OperationalError.
    """
    event = placed.event
    with connection.cursor() as cursor:
        cursor.execute(
            REPLACE,
            [
                event.type.value,
                event.key,
                event.actor,
                event.n,
                event.at,
                bytes(event.data).decode(),
                row.pk,
            ],
        )
        assert cursor.rowcount == 1
    EventReplacement.objects.create(shard=row.shard, event=row, letter=letter, replaced_at=now)
    reproject(placed)


def reproject(placed: Placed) -> None:
    """Makes the projections what they would be if the event had been projected in its turn.

    Its row and the rows of all stored events after it must be in the table.
    """
    event, data = placed.event, placed.data
    match data:
        case events.MessagePosted() | events.ReplyPosted():
            _message_again(event.room, event.seq)
        case events.MessageEdited() | events.MessageTarget():
            _message_again(event.room, data.target)
        case events.Reaction():
            _reaction_again(event, data)
        case events.MemberJoined() | events.MemberMuted() | events.Member():
            _membership_again(event.room, data.user)
        case events.RoomUpdated() | events.RoomArchived():
            # The last event that names a field gives its value, so earlier ones do not matter.
            _apply(stored_events.read_about(event.room, [event.type], {}, first=event.seq))
        case events.RoomCreated() | events.EventQuarantined():
            pass  # these have no projections


def _message_again(room: int, target: int) -> None:
    for posted in stored_events.read_about(room, list(POSTS), {}, first=target, last=target):
        data = _placed(posted).data
        assert isinstance(data, events.MessagePosted | events.ReplyPosted)
        # An existing row is kept, because other rows may refer to it.
        if not Message.objects.filter(room_id=room, seq=target).update(
            body=data.body, edited_at=None, deleted_at=None, deleted_by=None
        ):
            _apply([posted])
        else:
            Mention.objects.filter(room_id=room, seq=target).delete()
            mentions.add([(posted, data)])
    _apply(stored_events.read_about(room, TO_MESSAGE, {"target": target}, first=target))
    roots = Message.objects.filter(room_id=room, seq=target).values_list("thread", flat=True)
    for root in roots:
        if root is not None:
            threads.recount(room, root)


def _reaction_again(event: RoomEvent, data: events.Reaction) -> None:
    if event.actor is None:
        return  # the table holds only people's reactions
    Reaction.objects.filter(
        room_id=event.room, target=data.target, user_id=event.actor, emoji=data.emoji
    ).delete()
    about: dict[str, int | str] = {"target": data.target, "emoji": data.emoji}
    history = stored_events.read_about(event.room, TO_REACTION, about, first=data.target)
    _apply(one for one in history if one.actor == event.actor)


def _membership_again(room: int, user: int) -> None:
    Membership.objects.filter(room_id=room, user_id=user).delete()
    Ban.objects.filter(room_id=room, user_id=user).delete()
    AbsentMute.objects.filter(room_id=room, user_id=user).delete()
    _apply(stored_events.read_about(room, TO_MEMBERSHIP, {"user": user}))


def _apply(history: Iterable[RoomEvent]) -> None:
    for event in history:
        projections.apply(_placed(event))


def _placed(event: RoomEvent) -> Placed:
    return Placed(event, events.decode_data(event.type, event.data))
