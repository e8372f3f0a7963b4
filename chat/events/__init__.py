"""The facts that a room's log holds, as every part of Veche sees them.

This package is what `analytics` may import of `chat`, so it depends on nothing of it.
`envelope` is how an event is written on the event bus, `positions` how places there compare.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from chat.events.emoji import canonical
from chat.events.mentions import Mentions

# No event's data is larger: a frame that brings one in is not (see `chat.protocol`), and 8,000
# characters of any script fit.
MAX_DATA_BYTES = 64 * 1024

# Aware, in UTC; the schemas say so, and reading checks nothing.
Time = Annotated[datetime, Meta(extra_json_schema={"format": "date-time"})]


class EventType(StrEnum):
    """What happened. The names are part of the wire protocol and of the Kafka topic."""

    ROOM_CREATED = "room.created"
    ROOM_UPDATED = "room.updated"
    ROOM_ARCHIVED = "room.archived"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    MEMBER_REMOVED = "member.removed"
    MEMBER_MUTED = "member.muted"
    MEMBER_UNMUTED = "member.unmuted"
    MESSAGE_POSTED = "message.posted"
    MESSAGE_EDITED = "message.edited"
    MESSAGE_DELETED = "message.deleted"
    MESSAGE_RESTORED = "message.restored"
    REACTION_ADDED = "reaction.added"
    REACTION_REMOVED = "reaction.removed"
    REPLY_POSTED = "reply.posted"
    EVENT_QUARANTINED = "event.quarantined"


class Role(StrEnum):
    """What a member may do in a room, strongest last."""

    MEMBER = "member"
    MODERATOR = "moderator"
    OWNER = "owner"


class RoomKind(StrEnum):
    """Who may find and enter a room."""

    PUBLIC = "public"  # anyone finds it, anyone joins
    PRIVATE = "private"  # its members invite
    DIRECT = "direct"  # exactly two people, fixed at creation


class RoomEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One fact at its place in a room.

    `seq` runs 1, 2, 3 … in the room; `n` is the number of messages posted up to and including
    this event. `at` is the log server's clock. `data` is the JSON object of the event type,
    kept as bytes so that it is passed on and not re-encoded. `redacted`: the event is served as
    past, without its text, which has since been deleted or replaced (`chat.queries.redaction`).
    """

    room: int
    epoch: int
    seq: int
    n: int
    type: EventType
    key: str | None  # the idempotency key, a UUIDv7; None for what Veche itself did
    actor: int | None  # user id; None for what Veche itself did
    at: datetime
    data: msgspec.Raw
    redacted: bool = False


class MessagePosted(msgspec.Struct, frozen=True, kw_only=True):
    """`thread`: a reply in the thread of the message at this seq, which is shown in the room too.

    The log adds `root_author`: see `ReplyPosted`.
    """

    body: str
    reply_to: int | None = None
    thread: int | msgspec.UnsetType = msgspec.UNSET
    mentions: Mentions | msgspec.UnsetType = msgspec.UNSET
    root_author: int | msgspec.UnsetType = msgspec.UNSET


class ReplyPosted(msgspec.Struct, frozen=True, kw_only=True):
    """A reply in the thread of the message at seq `root`, which does not count among the room's.

    The log adds `root_author`, the user id of that message's author, so that readers need not
    have the message to know whose thread it is; absent if the author is no person.
    """

    root: int
    body: str
    reply_to: int | None = None
    mentions: Mentions | msgspec.UnsetType = msgspec.UNSET
    root_author: int | msgspec.UnsetType = msgspec.UNSET


class MessageEdited(msgspec.Struct, frozen=True, kw_only=True):
    target: int
    body: str
    mentions: Mentions | msgspec.UnsetType = msgspec.UNSET


class MessageTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Data of `message.deleted` and `message.restored`.

    If the target is a reply, the log adds what readers need who count replies but do not have this
    one: `thread`, the root; `in_room`, whether the room shows the reply too; and `replies`, by how
    much the number of standing replies changes.
    """

    target: int
    thread: int | msgspec.UnsetType = msgspec.UNSET
    in_room: bool | msgspec.UnsetType = msgspec.UNSET
    replies: int | msgspec.UnsetType = msgspec.UNSET


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """Data of `reaction.added` and `reaction.removed`.

    `emoji` is in its canonical form; an event logged before this form existed may have another,
    which is read as the canonical one. `count`, which the log adds, is how many people have the
    emoji on the message after this event; older events lack it.
    """

    target: int
    emoji: str
    count: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        form = canonical(self.emoji)
        if form is not None and form != self.emoji:
            msgspec.structs.force_setattr(self, "emoji", form)


class MemberJoined(msgspec.Struct, frozen=True, kw_only=True):
    """`previous`: the previous role of somebody who was in the room; absent for those who enter."""

    user: int
    role: Role = Role.MEMBER
    previous: Role | msgspec.UnsetType = msgspec.UNSET


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """Data of `member.left`, and the part that `member.removed` and `member.unmuted` share."""

    user: int


class MemberRemoved(Member, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody is out of the room.

    `banned` says whether they may come back; absent: as before. `outside`: they were not in the
    room, so nobody leaves it.
    """

    banned: bool | None = None
    outside: bool = False


class MemberUnmuted(Member, frozen=True, kw_only=True, omit_defaults=True):
    everywhere: bool = False


class MemberMuted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`everywhere`: in all rooms; the event informs this room and is not a mute of its own."""

    user: int
    until: Time
    everywhere: bool = False


class RoomCreated(msgspec.Struct, frozen=True, kw_only=True):
    slug: str
    name: str
    kind: RoomKind
    topic: str = ""


class RoomUpdated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Only what changed; absent fields stay unchanged."""

    name: str | None = None
    topic: str | None = None
    slow_mode_seconds: int | None = None


class RoomArchived(msgspec.Struct, frozen=True, kw_only=True):
    archived: bool = True


class EventQuarantined(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stands at the seq of an event that PostgreSQL refused; the bytes are in the dead letters."""

    reason: str
    original_type: str
    dead_letter: str | None = None
    duplicate_of: tuple[int, int] | None = None  # (room, seq) where the same (actor, key) stands


# Events with which a message begins: `message.posted` counts in the room's `n`, the other does not.
POSTS = frozenset({EventType.MESSAGE_POSTED, EventType.REPLY_POSTED})

EventData = (
    MessagePosted
    | ReplyPosted
    | MessageEdited
    | MessageTarget
    | Reaction
    | MemberJoined
    | Member
    | MemberRemoved
    | MemberUnmuted
    | MemberMuted
    | RoomCreated
    | RoomUpdated
    | RoomArchived
    | EventQuarantined
)

DATA_TYPES: dict[EventType, type[EventData]] = {
    EventType.ROOM_CREATED: RoomCreated,
    EventType.ROOM_UPDATED: RoomUpdated,
    EventType.ROOM_ARCHIVED: RoomArchived,
    EventType.MEMBER_JOINED: MemberJoined,
    EventType.MEMBER_LEFT: Member,
    EventType.MEMBER_REMOVED: MemberRemoved,
    EventType.MEMBER_MUTED: MemberMuted,
    EventType.MEMBER_UNMUTED: MemberUnmuted,
    EventType.MESSAGE_POSTED: MessagePosted,
    EventType.MESSAGE_EDITED: MessageEdited,
    EventType.MESSAGE_DELETED: MessageTarget,
    EventType.MESSAGE_RESTORED: MessageTarget,
    EventType.REACTION_ADDED: Reaction,
    EventType.REACTION_REMOVED: Reaction,
    EventType.REPLY_POSTED: ReplyPosted,
    EventType.EVENT_QUARANTINED: EventQuarantined,
}

_encoder = msgspec.json.Encoder()
_decoders = {kind: msgspec.json.Decoder(data) for kind, data in DATA_TYPES.items()}


def encode_data(data: EventData) -> bytes:
    """JSON of an event's data, as it is logged, pushed, stored and exported."""
    return _encoder.encode(data)


def decode_data(kind: EventType, raw: bytes | msgspec.Raw) -> EventData:
    """The typed data of an event.

    Raises: msgspec.ValidationError or msgspec.DecodeError when `raw` is not what `kind` holds.
    """
    return _decoders[kind].decode(raw)


def as_asked(data: EventData) -> EventData:
    """What somebody asked for, without what Veche added to it: names may mean somebody else by now,
    and a repeat is the same request all the same."""
    match data:
        case Reaction():
            return msgspec.structs.replace(data, count=msgspec.UNSET)
        case MessageTarget():
            return MessageTarget(target=data.target)
        case MessagePosted() | ReplyPosted():
            return msgspec.structs.replace(data, mentions=msgspec.UNSET, root_author=msgspec.UNSET)
        case MessageEdited():
            return msgspec.structs.replace(data, mentions=msgspec.UNSET)
    return data


def with_additions(data: EventData, added: Sequence[int]) -> EventData:
    """`data` with what the log has added to it, as numbers in the order of its fields."""
    match data:
        case Reaction():
            return msgspec.structs.replace(data, count=added[0])
        case MessageTarget():
            thread, in_room, replies = added
            return msgspec.structs.replace(
                data, thread=thread, in_room=in_room == 1, replies=replies
            )
        case MessagePosted() | ReplyPosted():
            return msgspec.structs.replace(data, root_author=added[0])
    return data


def thread_of(data: MessagePosted | ReplyPosted) -> int | None:
    """The root of the thread that a new message is a reply in; None for all others."""
    if isinstance(data, ReplyPosted):
        return data.root
    return None if data.thread is msgspec.UNSET else data.thread


def content_hash(room: int, kind: EventType, data: bytes) -> str:
    """32 hex digits that tell a repeat of a request from another request under the same key."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{room}\n{kind}\n".encode())
    digest.update(data)
    return digest.hexdigest()


def shard_of(room: int, shards: int) -> int:
    """The shard, 0 … `shards` - 1, that holds a room: the unit of parallelism after the log."""
    return room % shards


def at_from_ms(milliseconds: int) -> datetime:
    """Aware UTC time of a log server's clock reading in milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
