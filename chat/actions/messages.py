"""What people do with messages: post, edit, delete, react. One action, one event in the log.

All functions answer a repeat of the same request (same actor, same key) with the place of the
first. They raise ClientError with the protocol's code when they refuse a request (`not_found` also
when the message it targets or replies to was deleted). They raise Unavailable when it is not known
whether the event was logged; the caller may then send the same key again.
"""

from __future__ import annotations

from chat import events, room_log
from chat.actions import moderation
from chat.actions.mentions import mentioned
from chat.actions.recorded_act import Options
from chat.audit.entries import Actor, Channel
from chat.broken_rules import Rule
from chat.errors import ClientError
from chat.events import (
    EventData,
    EventType,
    MessageEdited,
    MessagePosted,
    MessageTarget,
    Reaction,
    ReplyPosted,
)
from chat.events.emoji import canonical
from chat.persistence import stored_events
from chat.protocol import KeyAge, check_body, check_emoji, check_key, check_reaction
from chat.queries import access, history, reactions
from chat.room_log import Appended, NewEvent
from chat.room_log.appender import Unchanged
from chat.room_log.codec import REFUSALS, refused
from chat.room_log.targets import author_of
from chat.servers import clocks
from chat.servers.postgres import in_database


async def post_message(
    actor_id: int, room: int, key: str, body: str, reply_to: int | None = None
) -> Appended:
    """Posts `body` (1–8,000 characters), as a reply to the message at seq `reply_to` if given."""
    check_body(body)
    mentions = await mentioned(actor_id, room, body)
    data = MessagePosted(body=body, reply_to=reply_to, mentions=mentions)
    return await _log(actor_id, room, key, EventType.MESSAGE_POSTED, data)


async def post_reply(
    actor_id: int,
    room: int,
    key: str,
    root: int,
    body: str,
    reply_to: int | None = None,
    *,
    to_room: bool = False,
) -> Appended:
    """Posts `body` in the thread of the message at seq `root`; `to_room`: the room shows it too.

    `reply_to` is the seq of a message of the thread, or of its root.
    """
    check_body(body)
    mentions = await mentioned(actor_id, room, body)
    if to_room:
        shown = MessagePosted(body=body, reply_to=reply_to, thread=root, mentions=mentions)
        return await _log(actor_id, room, key, EventType.MESSAGE_POSTED, shown)
    reply = ReplyPosted(root=root, body=body, reply_to=reply_to, mentions=mentions)
    return await _log(actor_id, room, key, EventType.REPLY_POSTED, reply)


async def edit_message(actor_id: int, room: int, key: str, target: int, body: str) -> Appended:
    """Replaces the body of the actor's own message at seq `target`."""
    check_body(body)
    mentions = await mentioned(actor_id, room, body)
    data = MessageEdited(target=target, body=body, mentions=mentions)
    return await _log(actor_id, room, key, EventType.MESSAGE_EDITED, data)


async def delete_message(
    actor_id: int,
    room: int,
    key: str,
    target: int,
    address: str | None = None,
    *,
    own_only: bool = False,
) -> Appended:
    """Deletes the message at seq `target`: the actor's own, or any as a moderator, on record.

    `address` is where the actor's socket comes from, for the audit log. `own_only`: the actor uses
    a token that may not moderate.
    """
    author = await author_of(room, target)
    if author is None or author == actor_id:
        # The append reports the error when there is no such message.
        data = MessageTarget(target=target)
        return await _log(actor_id, room, key, EventType.MESSAGE_DELETED, data)
    if own_only:
        await access.as_member(actor_id, room)  # a stranger learns nothing, not even from a refusal
        raise ClientError("forbidden", "This token lacks the scope moderate.")
    by = Actor(user_id=actor_id, channel=Channel.SOCKET, address=address)
    outcome = await moderation.delete_message(by, room, target, Options(key=key))
    if outcome.seq is None:  # it was deleted already
        raise refused("deleted")
    event = outcome.event
    if event is None:
        [event] = await history.events_after(room, outcome.seq - 1, 1)
    return Appended(event=event, repeat=False)


async def react(
    actor_id: int, room: int, key: str, target: int, emoji: str, on: bool = True
) -> Appended:
    """Adds the actor's `emoji` to the message at seq `target`, or removes it."""
    if on:
        emoji = check_emoji(emoji)
    else:
        emoji = check_reaction(emoji)
        if canonical(emoji) is None and not await in_database(
            reactions.is_stored, room, target, actor_id, emoji
        ):
            raise ClientError("bad_request", "A reaction is one emoji.", rule=Rule.ONE_EMOJI)
    kind = EventType.REACTION_ADDED if on else EventType.REACTION_REMOVED
    return await _log(actor_id, room, key, kind, Reaction(target=target, emoji=emoji))


async def _log(actor_id: int, room: int, key: str, kind: EventType, data: EventData) -> Appended:
    if check_key(key, clocks.LOG.now()) is KeyAge.OLD:
        stored = await in_database(stored_events.find_by_key, actor_id, key)
        if stored is not None:
            return _answer_of(stored, room, kind, data)
    try:
        return await room_log.append(
            NewEvent(room=room, type=kind, data=data, actor=actor_id, key=key)
        )
    except Unchanged:  # a second deletion
        raise refused("deleted") from None


def _answer_of(stored: events.RoomEvent, room: int, kind: EventType, data: EventData) -> Appended:
    """The answer to a request whose event is already stored, if it is the same request.

    Raises: ClientError `key_conflict`.
    """
    same = stored.room == room and stored.type == kind
    first = events.decode_data(stored.type, stored.data)
    if not same or events.as_asked(first) != events.as_asked(data):
        raise ClientError("key_conflict", REFUSALS["key_conflict"])
    return Appended(event=stored, repeat=True)
